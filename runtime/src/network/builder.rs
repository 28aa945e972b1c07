//! Builder of a network, node by node.
// `Features` holds its pieces in place, as there is no allocator. A network is built once.
#![allow(clippy::large_types_passed_by_value)]

use super::class::Class;
use super::error::NetworkError;
use super::image::{Image, Output};
use super::list::Name;
use super::masks::{ColourGroups, Features, Mask};
use super::ops::{Activation, Conv, ConvTranspose, DiagonalBilstm, Node, Op, Presence, RowLstm, ValueId};
use super::taps::MAX_KERNEL;
use heapless::Vec;

/// Maximum nesting depth of residual branches.
pub const MAX_NESTING: usize = 8;

/// Maximum length of an op's name, in bytes.
pub const MAX_NAME: usize = 40;

/// Maximum number of features of a value.
pub const MAX_FEATURES: usize = 16_384;

/// Largest row and column of an anchor.
pub const MAX_ANCHOR: usize = 254;

/// Value of a network under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its index; the image is 0.
    pub id: ValueId,
    /// Its features.
    pub features: Features,
    /// Its class: what it may depend on.
    pub class: Class,
    /// Its height and width, in heights and widths of the image.
    pub magnification: usize,
}

/// Shape of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Mask about the tap at distance 0, 0, or all taps open.
    pub mask: Option<Mask>,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Kernel row and column at distance 0, 0; may lie outside the kernel.
    pub anchor: [usize; 2],
    /// Distance between taps.
    pub dilation: usize,
    /// Features written.
    pub out: usize,
    /// Equal parts of the features written, each dealt to colour groups on its own.
    pub parts: usize,
}

impl ConvShape {
    /// Centred kernel with a mask.
    pub const fn masked(mask: Mask, kernel: [usize; 2], out: usize) -> Self {
        Self { mask: Some(mask), kernel, anchor: Conv::centre(kernel), dilation: 1, out, parts: 1 }
    }
}

/// Builder of a network: an op reads the latest value, x, or the values given, and what it makes becomes x.
///
/// Each node goes to the callback `emit`, in topological order. [`super::Preset::expand`] builds the architectures of the paper this
/// way; a reader of explicit op lists builds all others.
///
/// ```
/// use pixelrnn::network::{Activation, Builder, Class, ColourGroups, ConvShape, Image, Mask, Output};
///
/// let image = Image { height: 28, width: 28, channels: 1, levels: 2 };
/// let mut kinds = Vec::new();
/// let mut network = Builder::new(image, ColourGroups::Cyclic, 0, |node| kinds.push(node.op.kind()));
/// network.conv("input", ConvShape::masked(Mask::A, [7, 7], 32))?;
/// network.begin_residual()?;
/// network.activation(Activation::Relu)?;
/// network.conv("conv", ConvShape::masked(Mask::B, [3, 3], 32))?;
/// network.end_residual(1.0)?;
/// network.logits("out", ConvShape::masked(Mask::B, [1, 1], 1), Output::Bernoulli)?;
/// assert_eq!(network.x().class, Class::Past);
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
    x: Value,
    /// Features of the conditioning map; 0: there is none.
    condition_features: usize,
    condition: Option<Value>,
    /// True in the network that makes a conditioning map: its image is known before the larger one.
    upsamples: bool,
    residuals: Vec<Value, MAX_NESTING>,
    skip_sum: Option<Value>,
}

impl<F: FnMut(Node)> Builder<F> {
    /// Empty network over `image`; nodes go to `emit`. x is the image.
    pub fn new(image: Image, order: ColourGroups, classes: usize, emit: F) -> Self {
        let x = image_value(&image, order);
        Self {
            image,
            classes,
            order,
            emit,
            made: 0,
            x,
            condition_features: 0,
            condition: None,
            upsamples: false,
            residuals: Vec::new(),
            skip_sum: None,
        }
    }

    /// Empty network over the smaller `image` of two scales, which is known. Its last value is the conditioning map of the larger one;
    /// no feature belongs to a colour.
    pub fn upsampling(image: Image, emit: F) -> Self {
        let mut builder = Self { upsamples: true, ..Self::new(image, ColourGroups::None, 0, emit) };
        builder.x = builder.image();
        builder
    }

    /// The same network, with a conditioning map of `features` features; 0: without one.
    #[must_use]
    pub fn conditioned(self, features: usize) -> Self {
        Self { condition_features: features, ..self }
    }

    /// The latest value.
    pub const fn x(&self) -> Value {
        self.x
    }

    /// Makes `value`, of this network, the one that the next op reads.
    pub const fn set_x(&mut self, value: Value) {
        self.x = value;
    }

    /// The image.
    pub fn image(&self) -> Value {
        let class = if self.upsamples { Class::Given } else { Class::Itself };
        Value { class, ..image_value(&self.image, self.order) }
    }

    /// The conditioning map, dealt to colours as the outputs of a convolution.
    ///
    /// # Errors
    /// The network has none, or its features do not divide into contiguous groups.
    pub fn condition(&mut self) -> Result<Value, NetworkError> {
        if let Some(condition) = self.condition {
            return Ok(condition);
        }
        if self.condition_features == 0 {
            return Err(NetworkError::Conflict { what: "`condition` is a value of all scales but the first" });
        }
        let features = self.dealt(self.condition_features, 1)?;
        let image = self.image();
        let condition = self.push("condition", Op::Condition, [image; 3], (features, Class::Given))?;
        self.condition = Some(condition);
        Ok(condition)
    }

    fn dealt(&self, count: usize, parts: usize) -> Result<Features, NetworkError> {
        if count > MAX_FEATURES {
            return Err(NetworkError::TooManyFeatures { count });
        }
        if parts == 0 || !count.is_multiple_of(parts) {
            return Err(NetworkError::UnevenParts { count, parts });
        }
        Features::dealt(count, groups(&self.image, self.order), parts, self.order)
            .ok_or(NetworkError::UnevenGroups { count })
    }

    fn push(&mut self, name: &str, op: Op, inputs: [Value; 3], made: (Features, Class)) -> Result<Value, NetworkError> {
        let mut owned = Name::new();
        if name.len() > MAX_NAME || !owned.append(name) {
            return Err(NetworkError::NameTooLong);
        }
        let (features, class) = made;
        let magnification = match op {
            Op::ConvTranspose(conv) => inputs[0].magnification.saturating_mul(conv.stride),
            Op::Ones | Op::Condition => 1,
            _ => inputs[0].magnification,
        };
        if let Some(other) = inputs[..op.arity()].iter().find(|input| input.magnification != inputs[0].magnification) {
            return Err(NetworkError::Magnification { got: other.magnification, expected: inputs[0].magnification });
        }
        self.made += 1;
        let inputs = inputs.map(|value| value.id);
        (self.emit)(Node { name: owned, op, inputs, output: self.made, magnification, features, class });
        Ok(Value { id: self.made, features, class, magnification })
    }

    /// Applies an op that keeps the class of x.
    fn apply(&mut self, name: &str, op: Op, features: Features) -> Result<(), NetworkError> {
        let x = self.x;
        self.x = self.push(name, op, [x; 3], (features, x.class))?;
        Ok(())
    }

    fn apply_conv(&mut self, name: &str, conv: Conv) -> Result<(), NetworkError> {
        let x = self.x;
        let class = conv.class(x.class).ok_or(NetworkError::Future)?;
        self.x = self.push(name, Op::Conv(conv), [x; 3], (conv.outputs, class))?;
        Ok(())
    }

    fn class_presence(&self, preset: bool) -> Presence {
        match (self.classes, preset) {
            (0, _) => Presence::Absent,
            (_, true) => Presence::Required,
            (_, false) => Presence::Optional,
        }
    }

    fn of_shape(&self, shape: ConvShape, outputs: Features) -> Result<Conv, NetworkError> {
        let ConvShape { mask, kernel, anchor, dilation, .. } = shape;
        if kernel.iter().any(|k| !(1..=MAX_KERNEL).contains(k)) || !(1..=MAX_KERNEL).contains(&dilation) {
            return Err(NetworkError::Kernel { kernel, dilation });
        }
        if anchor.iter().any(|a| *a > MAX_ANCHOR) {
            return Err(NetworkError::Anchor { anchor });
        }
        let (inputs, class) = (self.x.features, self.class_presence(false));
        Ok(Conv { mask, kernel, anchor, dilation, inputs, outputs, bias: Presence::Optional, class })
    }

    /// Convolution; the file may hold a bias and, in a model with classes, a class bias.
    ///
    /// # Errors
    /// The kernel, the anchor, the dilation or the number of features is out of range, the name is too long, or a tap reads rows
    /// below that are not given.
    pub fn conv(&mut self, name: &str, shape: ConvShape) -> Result<(), NetworkError> {
        let conv = self.of_shape(shape, self.dealt(shape.out, shape.parts)?)?;
        self.apply_conv(name, conv)
    }

    /// Convolution of a preset: its bias is required; a class bias is required with `class` and absent without.
    pub(super) fn preset_conv(&mut self, name: &str, shape: ConvShape, class: bool) -> Result<(), NetworkError> {
        let outputs = self.dealt(shape.out, shape.parts)?;
        let conv = self.preset(self.of_shape(shape, outputs)?, class);
        self.apply_conv(name, conv)
    }

    /// Adds to x a 1x1 convolution of the conditioning map, if there is one, without bias and mask; `parts` as in [`ConvShape`].
    pub(super) fn preset_condition(&mut self, name: &str, parts: usize) -> Result<(), NetworkError> {
        if self.condition_features == 0 {
            return Ok(());
        }
        let x = self.x;
        self.x = self.condition()?;
        let out = x.features.count;
        let shape = ConvShape { mask: None, kernel: [1, 1], anchor: [0, 0], dilation: 1, out, parts };
        let conv = self.of_shape(shape, self.dealt(out, parts)?)?;
        self.apply_conv(name, Conv { bias: Presence::Absent, class: Presence::Absent, ..conv })?;
        let condition = self.x;
        self.x = x;
        self.add(&[x, condition])
    }

    /// Transposed convolution of the known image of a smaller scale.
    ///
    /// # Errors
    /// The network does not make a conditioning map; the kernel is smaller than the stride, their difference is odd, or one of them
    /// is out of range; the number of features is out of range; or the name is too long.
    pub fn conv_transpose(&mut self, name: &str, [kernel, stride, out]: [usize; 3]) -> Result<(), NetworkError> {
        if !self.upsamples {
            return Err(NetworkError::Conflict { what: "`conv_transpose` stands in `upsample` alone" });
        }
        if !(1..=MAX_KERNEL).contains(&kernel) || stride == 0 {
            return Err(NetworkError::Kernel { kernel: [kernel; 2], dilation: 1 });
        }
        if kernel < stride || !(kernel - stride).is_multiple_of(2) {
            return Err(NetworkError::Stride { kernel, stride });
        }
        let (x, outputs) = (self.x, self.dealt(out, 1)?);
        let op = Op::ConvTranspose(ConvTranspose { kernel, stride, inputs: x.features, outputs });
        self.apply(name, op, outputs)
    }

    fn preset(&self, conv: Conv, class: bool) -> Conv {
        let class = if class { self.class_presence(true) } else { Presence::Absent };
        Conv { bias: Presence::Required, class, ..conv }
    }

    /// Last convolution. Its outputs are the logits, channel-major; the logits of each channel form a colour group.
    ///
    /// # Errors
    /// Same as [`Builder::conv`]; the number of features is not that of the logits, or they have parts.
    pub fn logits(&mut self, name: &str, shape: ConvShape, output: Output) -> Result<(), NetworkError> {
        let outputs = self.logit_features(output)?;
        if shape.out != outputs.count {
            return Err(NetworkError::Logits { got: shape.out, expected: outputs.count });
        }
        if outputs.groups > 1 && shape.parts > 1 {
            return Err(NetworkError::Conflict { what: "the convolution that makes the logits has no `parts`" });
        }
        let conv = self.of_shape(shape, outputs)?;
        self.apply_conv(name, conv)
    }

    pub(super) fn preset_logits(&mut self, name: &str, output: Output) -> Result<(), NetworkError> {
        let outputs = self.logit_features(output)?;
        let conv = self.preset(self.of_shape(ConvShape::masked(Mask::B, [1, 1], outputs.count), outputs)?, false);
        self.apply_conv(name, conv)
    }

    fn logit_features(&self, output: Output) -> Result<Features, NetworkError> {
        let Image { channels, levels, .. } = self.image;
        let count = channels * output.logits_per_channel(levels);
        let groups = groups(&self.image, self.order);
        Features::dealt(count, groups, 1, ColourGroups::Contiguous).ok_or(NetworkError::UnevenGroups { count })
    }

    /// Activation function of each feature.
    ///
    /// # Errors
    /// The slope of a `leaky_relu` is not finite.
    pub fn activation(&mut self, activation: Activation) -> Result<(), NetworkError> {
        if matches!(activation, Activation::LeakyRelu { slope } if !slope.is_finite()) {
            return Err(NetworkError::NotFinite { what: "slope" });
        }
        self.apply("", Op::Activation(activation), self.x.features)
    }

    /// Batch normalization in inference mode, as in PyTorch.
    ///
    /// # Errors
    /// The name is too long, or `eps` is not positive and finite.
    pub fn batch_norm(&mut self, name: &str, eps: f32) -> Result<(), NetworkError> {
        if !(eps.is_finite() && eps > 0.0) {
            return Err(NetworkError::NotFinite { what: "eps" });
        }
        self.apply(name, Op::BatchNorm { eps }, self.x.features)
    }

    /// Row LSTM with kernels of `kernel` columns.
    ///
    /// # Errors
    /// The kernel or the number of features is out of range, or the name is too long.
    pub fn row_lstm(&mut self, name: &str, hidden: usize, kernel: usize, initial: bool) -> Result<(), NetworkError> {
        self.conditioned_row_lstm(name, [hidden, kernel], initial, None)
    }

    /// Row LSTM of `[hidden, kernel]`, with a 1x1 convolution of `condition` added to its gates.
    ///
    /// # Errors
    /// Same as [`Builder::row_lstm`]; `condition` is not given.
    pub fn conditioned_row_lstm(
        &mut self,
        name: &str,
        [hidden, kernel]: [usize; 2],
        initial: bool,
        condition: Option<Value>,
    ) -> Result<(), NetworkError> {
        let gates = self.gates(hidden, kernel)?;
        self.apply_row_lstm(name, gates, initial, condition)
    }

    /// Diagonal BiLSTM.
    ///
    /// # Errors
    /// The number of features is out of range, or the name is too long.
    pub fn diagonal_bilstm(&mut self, name: &str, hidden: usize, initial: bool) -> Result<(), NetworkError> {
        self.conditioned_diagonal_bilstm(name, hidden, initial, None)
    }

    /// Diagonal BiLSTM, with a 1x1 convolution of `condition` added to the gates of each direction.
    ///
    /// # Errors
    /// Same as [`Builder::diagonal_bilstm`]; `condition` is not given.
    pub fn conditioned_diagonal_bilstm(
        &mut self,
        name: &str,
        hidden: usize,
        initial: bool,
        condition: Option<Value>,
    ) -> Result<(), NetworkError> {
        let gates = self.gates(hidden, 1)?;
        self.apply_diagonal_bilstm(name, gates, initial, condition)
    }

    pub(super) fn preset_row_lstm(
        &mut self,
        name: &str,
        h: usize,
        k: usize,
        initial: bool,
    ) -> Result<(), NetworkError> {
        let condition = self.preset_lstm_condition()?;
        let gates = self.preset(self.gates(h, k)?, true);
        self.apply_row_lstm(name, gates, initial, condition)
    }

    pub(super) fn preset_diagonal_bilstm(&mut self, name: &str, h: usize, initial: bool) -> Result<(), NetworkError> {
        let condition = self.preset_lstm_condition()?;
        let gates = self.preset(self.gates(h, 1)?, true);
        self.apply_diagonal_bilstm(name, gates, initial, condition)
    }

    fn preset_lstm_condition(&mut self) -> Result<Option<Value>, NetworkError> {
        if self.condition_features == 0 { Ok(None) } else { self.condition().map(Some) }
    }

    /// `input_to_state`: convolution from x to the four gates.
    fn gates(&self, hidden: usize, kernel: usize) -> Result<Conv, NetworkError> {
        if self.x.class > Class::Past {
            return Err(NetworkError::Unknown { class: self.x.class });
        }
        let gates = self.dealt(4 * hidden, 4)?;
        self.of_shape(ConvShape::masked(Mask::B, [1, kernel], gates.count), gates)
    }

    fn apply_lstm(
        &mut self,
        name: &str,
        op: Op,
        hidden: Features,
        condition: Option<Value>,
    ) -> Result<(), NetworkError> {
        let x = self.x;
        let given = condition.unwrap_or(x);
        if condition.is_some() && given.class > Class::Given {
            return Err(NetworkError::NotGiven { class: given.class });
        }
        self.x = self.push(name, op, [x, given, given], (hidden, Class::Past))?;
        Ok(())
    }

    fn apply_row_lstm(
        &mut self,
        name: &str,
        gates: Conv,
        initial_state: bool,
        condition: Option<Value>,
    ) -> Result<(), NetworkError> {
        let hidden = self.dealt(gates.outputs.count / 4, 1)?;
        let features = condition.map(|value| value.features);
        let lstm =
            RowLstm { input_to_state: gates, kernel: gates.kernel[1], hidden, initial_state, condition: features };
        self.apply_lstm(name, Op::RowLstm(lstm), hidden, condition)
    }

    fn apply_diagonal_bilstm(
        &mut self,
        name: &str,
        gates: Conv,
        initial_state: bool,
        condition: Option<Value>,
    ) -> Result<(), NetworkError> {
        let hidden = self.dealt(gates.outputs.count / 4, 1)?;
        let (height, features) = (self.image.height, condition.map(|value| value.features));
        let lstm = DiagonalBilstm { input_to_state: gates, hidden, height, initial_state, condition: features };
        self.apply_lstm(name, Op::DiagonalBilstm(lstm), hidden, condition)
    }

    /// Begins a residual branch, up to [`Builder::end_residual`].
    ///
    /// # Errors
    /// Branches nest deeper than [`MAX_NESTING`].
    pub fn begin_residual(&mut self) -> Result<(), NetworkError> {
        self.residuals.push(self.x).map_err(|_| NetworkError::NestedTooDeep)
    }

    /// Ends a residual branch: `scale · x0 + x`, with `x0` the value of x at its beginning.
    ///
    /// # Errors
    /// No branch is open, the features have changed, or `scale` is not finite.
    pub fn end_residual(&mut self, scale: f32) -> Result<(), NetworkError> {
        if !scale.is_finite() {
            return Err(NetworkError::NotFinite { what: "scale" });
        }
        let start = self.residuals.pop().ok_or(NetworkError::NotInResidual)?;
        self.x = self.elementwise(Op::Add { scale }, start, self.x)?;
        Ok(())
    }

    /// Ends a residual branch with a depth gate: `x0 + sigmoid(gate(x0)) · x`, with `x0` the value of x at its beginning.
    pub(super) fn end_gated(&mut self, gate: &str) -> Result<(), NetworkError> {
        let start = self.residuals.pop().ok_or(NetworkError::NotInResidual)?;
        let branch = self.x;
        let features = common(&start, &branch)?;
        self.x = start;
        self.preset_conv(gate, ConvShape::masked(Mask::B, [1, 1], features.count), false)?;
        let class = start.class.max(branch.class).max(self.x.class);
        self.x = self.push("", Op::DepthGate, [start, branch, self.x], (features, class))?;
        Ok(())
    }

    /// Adds a 1x1 mask-B convolution of x to the running skip sum; x is unchanged.
    ///
    /// # Errors
    /// The features of x differ from those in the sum, or the name is too long.
    pub fn skip(&mut self, name: &str) -> Result<(), NetworkError> {
        let conv = self.of_shape(ConvShape::masked(Mask::B, [1, 1], self.x.features.count), self.x.features)?;
        self.skip_conv(name, conv)
    }

    pub(super) fn preset_skip(&mut self, name: &str) -> Result<(), NetworkError> {
        let conv = self.of_shape(ConvShape::masked(Mask::B, [1, 1], self.x.features.count), self.x.features)?;
        self.skip_conv(name, self.preset(conv, false))
    }

    fn skip_conv(&mut self, name: &str, conv: Conv) -> Result<(), NetworkError> {
        let x = self.x;
        self.apply_conv(name, conv)?;
        let skipped = self.x;
        self.skip_sum = Some(match self.skip_sum {
            None => skipped,
            Some(sum) => self.elementwise(Op::Add { scale: 1.0 }, sum, skipped)?,
        });
        self.x = x;
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

    fn elementwise(&mut self, op: Op, a: Value, b: Value) -> Result<Value, NetworkError> {
        let features = common(&a, &b)?;
        self.push("", op, [a, b, b], (features, a.class.max(b.class)))
    }

    /// Sum of two values and more.
    ///
    /// # Errors
    /// Fewer than two values, different numbers of features, or features of different colours.
    pub fn add(&mut self, values: &[Value]) -> Result<(), NetworkError> {
        let [first, rest @ ..] = values else { return Err(NetworkError::Inputs { got: 0, expected: "2 or more" }) };
        if rest.is_empty() {
            return Err(NetworkError::Inputs { got: 1, expected: "2 or more" });
        }
        let mut sum = *first;
        for value in rest {
            sum = self.elementwise(Op::Add { scale: 1.0 }, sum, *value)?;
        }
        self.x = sum;
        Ok(())
    }

    /// Product of two values, feature by feature.
    ///
    /// # Errors
    /// Different numbers of features, or features of different colours.
    pub fn multiply(&mut self, a: Value, b: Value) -> Result<(), NetworkError> {
        self.x = self.elementwise(Op::Multiply, a, b)?;
        Ok(())
    }

    /// Features of two values and more, one after the other.
    ///
    /// # Errors
    /// Fewer than two values, or too many features or pieces of different rules.
    pub fn concat(&mut self, values: &[Value]) -> Result<(), NetworkError> {
        let [first, rest @ ..] = values else { return Err(NetworkError::Inputs { got: 0, expected: "2 or more" }) };
        if rest.is_empty() {
            return Err(NetworkError::Inputs { got: 1, expected: "2 or more" });
        }
        let mut all = *first;
        for value in rest {
            let count = all.features.count + value.features.count;
            if count > MAX_FEATURES {
                return Err(NetworkError::TooManyFeatures { count });
            }
            let features = all.features.concat(&value.features).ok_or(NetworkError::TooManyPieces)?;
            let class = all.class.max(value.class);
            all = self.push("", Op::Concat, [all, *value, *value], (features, class))?;
        }
        self.x = all;
        Ok(())
    }

    /// `count` features of x from feature `from` on.
    ///
    /// # Errors
    /// x has fewer features, or `count` is 0.
    pub fn slice(&mut self, from: usize, count: usize) -> Result<(), NetworkError> {
        let of = self.x.features.count;
        let features = self.x.features.slice(from, count).ok_or(NetworkError::Slice { from, count, of })?;
        self.apply("", Op::Slice { from }, features)
    }

    /// `factor · x`.
    ///
    /// # Errors
    /// `factor` is not finite.
    pub fn scale(&mut self, factor: f32) -> Result<(), NetworkError> {
        if !factor.is_finite() {
            return Err(NetworkError::NotFinite { what: "factor" });
        }
        self.apply("", Op::Scale { factor }, self.x.features)
    }

    /// `y[i, j] = x[i - rows, j - columns]`, 0 outside the image.
    ///
    /// # Errors
    /// The image has no such rows or columns.
    pub fn shift(&mut self, rows: usize, columns: usize) -> Result<(), NetworkError> {
        let Image { height, width, .. } = self.image;
        for (what, got, most) in [("rows", rows, height), ("columns", columns, width)] {
            if got > most {
                return Err(NetworkError::Range { what, got, expected: "at most the image's own" });
            }
        }
        let x = self.x;
        let class = x.class.at(-(rows as isize), -(columns as isize)).ok_or(NetworkError::Future)?;
        self.x = self.push("", Op::Shift { rows, columns }, [x; 3], (x.features, class))?;
        Ok(())
    }

    /// `tanh(a) · sigmoid(b)` of the halves of x.
    ///
    /// # Errors
    /// An odd number of features, or halves of different colours.
    pub fn gate(&mut self) -> Result<(), NetworkError> {
        self.halves(Op::Gate)
    }

    /// `a · sigmoid(b)` of the halves of x.
    ///
    /// # Errors
    /// An odd number of features, or halves of different colours.
    pub fn glu(&mut self) -> Result<(), NetworkError> {
        self.halves(Op::Glu)
    }

    fn halves(&mut self, op: Op) -> Result<(), NetworkError> {
        let Value { features, class, .. } = self.x;
        let half = features.count / 2;
        let halves = features.slice(0, half).zip(features.slice(half, half)).filter(|_| 2 * half == features.count);
        let (first, last) = halves.ok_or(NetworkError::OddGate { count: features.count })?;
        if first != last && class > Class::Above {
            return Err(NetworkError::Groups);
        }
        self.apply("", op, first)
    }

    /// x plus the label's column of a tensor.
    ///
    /// # Errors
    /// The model has no classes, or the name is too long.
    pub fn class_bias(&mut self, name: &str) -> Result<(), NetworkError> {
        if self.classes == 0 {
            return Err(NetworkError::Conflict { what: "`class_bias` needs `classes`" });
        }
        self.apply(name, Op::ClassBias, self.x.features)
    }

    /// The row of a table of `out` features that the pixel's value names.
    ///
    /// # Errors
    /// x is not the image, the image has more channels than one, the number of features is out of range, or the name is too long.
    pub fn embed(&mut self, name: &str, out: usize) -> Result<(), NetworkError> {
        if self.x.id != 0 || self.image.channels != 1 {
            return Err(NetworkError::Conflict { what: "`embed` reads the image, of one channel" });
        }
        let features = self.dealt(out, 1)?;
        self.apply(name, Op::Embed { levels: self.image.levels }, features)
    }

    /// One feature that is 1 at each pixel.
    ///
    /// # Errors
    /// None.
    pub fn ones(&mut self) -> Result<(), NetworkError> {
        let features = Features::dealt(1, groups(&self.image, self.order), 1, ColourGroups::Cyclic);
        let features = features.ok_or(NetworkError::UnevenGroups { count: 1 })?;
        self.x = self.push("", Op::Ones, [self.x; 3], (features, Class::Given))?;
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
        if self.made == 0 { Err(NetworkError::Empty) } else { Ok(self.x.id) }
    }
}

/// Number of colour groups of a model.
fn groups(image: &Image, order: ColourGroups) -> usize {
    if order == ColourGroups::None { 1 } else { image.channels }
}

fn image_value(image: &Image, order: ColourGroups) -> Value {
    let features = Features::dealt(image.channels, groups(image, order), 1, ColourGroups::Cyclic);
    // An image without channels is refused by `check_image`; until then it has one.
    let features = features.unwrap_or(Features::GRAY);
    Value { id: 0, features, class: Class::Itself, magnification: 1 }
}

/// Features of an elementwise op of two values: a value that is known before its row begins fits any group.
fn common(a: &Value, b: &Value) -> Result<Features, NetworkError> {
    if a.features.count != b.features.count {
        return Err(NetworkError::ResidualShape { from: a.features.count, to: b.features.count });
    }
    if a.features == b.features || b.class <= Class::Above {
        Ok(a.features)
    } else if a.class <= Class::Above {
        Ok(b.features)
    } else {
        Err(NetworkError::Groups)
    }
}
