//! Builder of a network, node by node.

use super::error::NetworkError;
use super::image::{Image, Output};
use super::list::Name;
use super::masks::{ColourGroups, Features, Mask};
use super::ops::{Activation, DiagonalBilstm, MaskedConv, Node, Op, Presence, RowLstm, ValueId};
use super::taps::MAX_KERNEL;
use heapless::Vec;

/// Maximum nesting depth of residual branches.
pub const MAX_NESTING: usize = 8;

/// Maximum length of an op's name, in bytes.
pub const MAX_NAME: usize = 40;

/// Maximum number of features of a value.
pub const MAX_FEATURES: usize = 16_384;

/// Builder of a network: each op reads the latest value, x, and replaces it.
///
/// Each node goes to the callback `emit`, in topological order. [`super::Preset::expand`] builds the architectures of the paper this
/// way; a reader of explicit op lists builds all others.
///
/// ```
/// use pixelrnn::network::{Activation, Builder, ColourGroups, Image, Mask, Output};
///
/// let image = Image { height: 28, width: 28, channels: 1, levels: 2 };
/// let mut kinds = Vec::new();
/// let mut network = Builder::new(image, ColourGroups::Cyclic, 0, |node| kinds.push(node.op.kind()));
/// network.masked_conv("input", Mask::A, [7, 7], 32, 1)?;
/// network.begin_residual()?;
/// network.activation(Activation::Relu)?;
/// network.masked_conv("conv", Mask::B, [3, 3], 32, 1)?;
/// network.end_residual(1.0)?;
/// network.logits("out", Mask::B, [1, 1], 1, Output::Bernoulli)?;
/// network.finish()?;
/// assert_eq!(kinds, ["masked_conv", "relu", "masked_conv", "add", "masked_conv"]);
/// # Ok::<(), pixelrnn::network::NetworkError>(())
/// ```
#[derive(Debug)]
pub struct Builder<F> {
    image: Image,
    classes: usize,
    order: ColourGroups,
    emit: F,
    made: ValueId,
    x: (ValueId, Features),
    residuals: Vec<(ValueId, Features), MAX_NESTING>,
    skip_sum: Option<(ValueId, Features)>,
}

impl<F: FnMut(Node)> Builder<F> {
    /// Empty network over `image`; nodes go to `emit`.
    pub fn new(image: Image, order: ColourGroups, classes: usize, emit: F) -> Self {
        let channels =
            Features { count: image.channels, groups: image.channels, parts: 1, order: ColourGroups::Cyclic };
        Self { image, classes, order, emit, made: 0, x: (0, channels), residuals: Vec::new(), skip_sum: None }
    }

    /// Features of x.
    pub fn features(&self) -> Features {
        self.x.1
    }

    fn dealt(&self, count: usize) -> Result<Features, NetworkError> {
        let features = Features { count, groups: self.image.channels, parts: 1, order: self.order };
        if count > MAX_FEATURES {
            return Err(NetworkError::TooManyFeatures { count });
        }
        if features.divides() { Ok(features) } else { Err(NetworkError::UnevenGroups { count }) }
    }

    fn push(&mut self, name: &str, op: Op, inputs: [ValueId; 3], features: Features) -> Result<ValueId, NetworkError> {
        let mut owned = Name::new();
        if name.len() > MAX_NAME || !owned.append(name) {
            return Err(NetworkError::NameTooLong);
        }
        self.made += 1;
        (self.emit)(Node { name: owned, op, inputs, output: self.made, features });
        Ok(self.made)
    }

    fn apply(&mut self, name: &str, op: Op, features: Features) -> Result<(), NetworkError> {
        let x = self.x.0;
        self.x = (self.push(name, op, [x; 3], features)?, features);
        Ok(())
    }

    fn class_presence(&self, preset: bool) -> Presence {
        match (self.classes, preset) {
            (0, _) => Presence::Absent,
            (_, true) => Presence::Required,
            (_, false) => Presence::Optional,
        }
    }

    fn conv(
        &self,
        mask: Mask,
        kernel: [usize; 2],
        dilation: usize,
        outputs: Features,
    ) -> Result<MaskedConv, NetworkError> {
        if kernel.iter().any(|k| !(1..=MAX_KERNEL).contains(k)) || !(1..=MAX_KERNEL).contains(&dilation) {
            return Err(NetworkError::Kernel { kernel, dilation });
        }
        let inputs = self.x.1;
        let class = self.class_presence(false);
        Ok(MaskedConv { mask, kernel, dilation, inputs, outputs, bias: Presence::Optional, class })
    }

    /// Masked convolution to `out` features; the file may hold a bias and, in a model with classes, a class bias.
    ///
    /// # Errors
    /// The kernel, the dilation or the number of features is out of range, or the name is too long.
    pub fn masked_conv(
        &mut self,
        name: &str,
        mask: Mask,
        kernel: [usize; 2],
        out: usize,
        dilation: usize,
    ) -> Result<(), NetworkError> {
        let outputs = self.dealt(out)?;
        let conv = self.conv(mask, kernel, dilation, outputs)?;
        self.apply(name, Op::MaskedConv(conv), outputs)
    }

    /// Masked convolution of a preset: its bias is required; a class bias is required with `class` and absent without.
    pub(super) fn preset_conv(
        &mut self,
        name: &str,
        mask: Mask,
        k: usize,
        out: usize,
        class: bool,
    ) -> Result<(), NetworkError> {
        let outputs = self.dealt(out)?;
        let conv = self.preset(self.conv(mask, [k, k], 1, outputs)?, class);
        self.apply(name, Op::MaskedConv(conv), outputs)
    }

    fn preset(&self, conv: MaskedConv, class: bool) -> MaskedConv {
        let class = if class { self.class_presence(true) } else { Presence::Absent };
        MaskedConv { bias: Presence::Required, class, ..conv }
    }

    /// Last convolution. Its outputs are the logits, channel-major; the logits of each channel form a colour group.
    ///
    /// # Errors
    /// The kernel or the dilation is out of range, or the name is too long.
    pub fn logits(
        &mut self,
        name: &str,
        mask: Mask,
        kernel: [usize; 2],
        dilation: usize,
        output: Output,
    ) -> Result<(), NetworkError> {
        let conv = self.conv(mask, kernel, dilation, self.logit_features(output))?;
        self.apply(name, Op::MaskedConv(conv), conv.outputs)
    }

    pub(super) fn preset_logits(&mut self, name: &str, output: Output) -> Result<(), NetworkError> {
        let conv = self.preset(self.conv(Mask::B, [1, 1], 1, self.logit_features(output))?, false);
        self.apply(name, Op::MaskedConv(conv), conv.outputs)
    }

    fn logit_features(&self, output: Output) -> Features {
        let Image { channels, levels, .. } = self.image;
        let count = channels * output.logits_per_channel(levels);
        Features { count, groups: channels, parts: 1, order: ColourGroups::Contiguous }
    }

    /// Activation function of each feature.
    ///
    /// # Errors
    /// The slope of a `leaky_relu` is not finite.
    pub fn activation(&mut self, activation: Activation) -> Result<(), NetworkError> {
        if matches!(activation, Activation::LeakyRelu { slope } if !slope.is_finite()) {
            return Err(NetworkError::NotFinite { what: "slope" });
        }
        self.apply("", Op::Activation(activation), self.x.1)
    }

    /// Batch normalization in inference mode, as in PyTorch.
    ///
    /// # Errors
    /// The name is too long, or `eps` is not positive and finite.
    pub fn batch_norm(&mut self, name: &str, eps: f32) -> Result<(), NetworkError> {
        if !(eps.is_finite() && eps > 0.0) {
            return Err(NetworkError::NotFinite { what: "eps" });
        }
        self.apply(name, Op::BatchNorm { eps }, self.x.1)
    }

    /// Row LSTM with kernels of `kernel` columns.
    ///
    /// # Errors
    /// The kernel or the number of features is out of range, or the name is too long.
    pub fn row_lstm(&mut self, name: &str, hidden: usize, kernel: usize, initial: bool) -> Result<(), NetworkError> {
        let gates = self.gates(hidden, kernel)?;
        self.apply_row_lstm(name, gates, initial)
    }

    /// Diagonal BiLSTM.
    ///
    /// # Errors
    /// The number of features is out of range, or the name is too long.
    pub fn diagonal_bilstm(&mut self, name: &str, hidden: usize, initial: bool) -> Result<(), NetworkError> {
        let gates = self.gates(hidden, 1)?;
        self.apply_diagonal_bilstm(name, gates, initial)
    }

    pub(super) fn preset_row_lstm(
        &mut self,
        name: &str,
        h: usize,
        k: usize,
        initial: bool,
    ) -> Result<(), NetworkError> {
        let gates = self.preset(self.gates(h, k)?, true);
        self.apply_row_lstm(name, gates, initial)
    }

    pub(super) fn preset_diagonal_bilstm(&mut self, name: &str, h: usize, initial: bool) -> Result<(), NetworkError> {
        let gates = self.preset(self.gates(h, 1)?, true);
        self.apply_diagonal_bilstm(name, gates, initial)
    }

    /// `input_to_state`: convolution from x to the four gates.
    fn gates(&self, hidden: usize, kernel: usize) -> Result<MaskedConv, NetworkError> {
        let gates = self.dealt(hidden)?.repeated(4);
        if gates.count > MAX_FEATURES {
            return Err(NetworkError::TooManyFeatures { count: gates.count });
        }
        self.conv(Mask::B, [1, kernel], 1, gates)
    }

    fn apply_row_lstm(&mut self, name: &str, gates: MaskedConv, initial_state: bool) -> Result<(), NetworkError> {
        let hidden = gates.outputs.with_count(gates.outputs.count / 4);
        let lstm = RowLstm { input_to_state: gates, kernel: gates.kernel[1], hidden, initial_state };
        self.apply(name, Op::RowLstm(lstm), hidden)
    }

    fn apply_diagonal_bilstm(&mut self, name: &str, gates: MaskedConv, initial: bool) -> Result<(), NetworkError> {
        let hidden = gates.outputs.with_count(gates.outputs.count / 4);
        let height = self.image.height;
        let lstm = DiagonalBilstm { input_to_state: gates, hidden, height, initial_state: initial };
        self.apply(name, Op::DiagonalBilstm(lstm), hidden)
    }

    /// Begins a residual branch, up to [`Builder::end_residual`].
    ///
    /// # Errors
    /// Branches nest deeper than [`MAX_NESTING`].
    pub fn begin_residual(&mut self) -> Result<(), NetworkError> {
        self.residuals.push(self.x).map_err(|_| NetworkError::NestedTooDeep)
    }

    fn pop_residual(&mut self) -> Result<ValueId, NetworkError> {
        let (start, features) = self.residuals.pop().ok_or(NetworkError::NotInResidual)?;
        if features == self.x.1 {
            Ok(start)
        } else {
            Err(NetworkError::ResidualShape { from: features.count, to: self.x.1.count })
        }
    }

    /// Ends a residual branch: `scale · x0 + x`, with `x0` the value of x at its beginning.
    ///
    /// # Errors
    /// No branch is open, its number of features has changed, or `scale` is not finite.
    pub fn end_residual(&mut self, scale: f32) -> Result<(), NetworkError> {
        if !scale.is_finite() {
            return Err(NetworkError::NotFinite { what: "scale" });
        }
        let start = self.pop_residual()?;
        let (x, features) = self.x;
        self.x.0 = self.push("", Op::Add { scale }, [start, x, x], features)?;
        Ok(())
    }

    /// Ends a residual branch with a depth gate: `x0 + sigmoid(gate(x0)) · x`, with `x0` the value of x at its beginning.
    pub(super) fn end_gated(&mut self, gate: &str) -> Result<(), NetworkError> {
        let start = self.pop_residual()?;
        let (branch, features) = self.x;
        self.x = (start, features);
        self.preset_conv(gate, Mask::B, 1, features.count, false)?;
        let t = self.x.0;
        self.x.0 = self.push("", Op::DepthGate, [start, branch, t], features)?;
        Ok(())
    }

    /// Adds a 1x1 mask-B convolution of x to the running skip sum; x is unchanged.
    ///
    /// # Errors
    /// The features of x differ from those in the sum, or the name is too long.
    pub fn skip(&mut self, name: &str) -> Result<(), NetworkError> {
        let conv = self.conv(Mask::B, [1, 1], 1, self.x.1)?;
        self.skip_conv(name, conv)
    }

    pub(super) fn preset_skip(&mut self, name: &str) -> Result<(), NetworkError> {
        let conv = self.preset(self.conv(Mask::B, [1, 1], 1, self.x.1)?, false);
        self.skip_conv(name, conv)
    }

    fn skip_conv(&mut self, name: &str, conv: MaskedConv) -> Result<(), NetworkError> {
        let (x, features) = self.x;
        let skipped = self.push(name, Op::MaskedConv(conv), [x; 3], features)?;
        self.skip_sum = Some(match self.skip_sum {
            None => (skipped, features),
            Some((sum, summed)) if summed == features => {
                (self.push("", Op::Add { scale: 1.0 }, [sum, skipped, skipped], features)?, features)
            }
            Some((_, summed)) => {
                return Err(NetworkError::ResidualShape { from: summed.count, to: features.count });
            }
        });
        Ok(())
    }

    /// Replaces x by the skip sum.
    ///
    /// # Errors
    /// There is no skip.
    pub fn skip_sum(&mut self) -> Result<(), NetworkError> {
        self.x = self.skip_sum.ok_or(NetworkError::NoSkip)?;
        Ok(())
    }

    /// Ends the network and returns the index of its last value, the logits.
    ///
    /// # Errors
    /// A residual branch is still open, or the network is empty.
    pub fn finish(self) -> Result<ValueId, NetworkError> {
        if !self.residuals.is_empty() {
            return Err(NetworkError::NotInResidual);
        }
        if self.made == 0 { Err(NetworkError::Empty) } else { Ok(self.x.0) }
    }
}
