//! Ops of a network; their tensors are in [`tensors`](super::tensors).
//!
//! Trainer, float reference and quantizer share this definition. Each matches on [`Op`] without a wildcard, so that a new op does
//! not compile until all of them support it.

use super::class::Class;
use super::list::{List, Name};
use super::masks::{Features, Mask};
use super::taps::{self, Recurrence};

/// Shape of a tensor.
pub type Shape = List<usize, 4>;

/// Index of a value: 0 is the network's input, `n` the output of the `n`-th node.
pub type ValueId = usize;

/// Node of a network: an op, its inputs, and the name of its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Prefix of the tensors' names; empty for an op without tensors.
    pub name: Name,
    /// Operation.
    pub op: Op,
    /// Values read: [`Op::arity`] of them; the rest repeat the last.
    pub inputs: [ValueId; 3],
    /// Value that this node makes.
    pub output: ValueId,
    /// Height and width of the output, in heights and widths of the network's image: more than 1 after a transposed convolution.
    pub magnification: usize,
    /// Features of the output.
    pub features: Features,
    /// Class of the output: what it may depend on.
    pub class: Class,
}

/// Presence of a tensor that only some ops of a kind have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The op has no such tensor.
    Absent,
    /// The file decides.
    Optional,
    /// The file must have the tensor.
    Required,
}

/// Convolution: stride 1, zero padding, output size equal to input size.
///
/// `y[o, i, j] = bias[o] + Σ weight[o, c, u, v] · x[c, i + (u - anchor[0])·dilation, j + (v - anchor[1])·dilation]` over the open taps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Mask about the tap at distance 0, 0: later taps are closed, and it opens that tap by colour group. `None`: all are open.
    pub mask: Option<Mask>,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Kernel row and column at distance 0, 0; may lie outside the kernel, below and to the right.
    pub anchor: [usize; 2],
    /// Distance between taps.
    pub dilation: usize,
    /// Features read.
    pub inputs: Features,
    /// Features written.
    pub outputs: Features,
    /// Presence of a `bias` tensor, `[outputs]`.
    pub bias: Presence,
    /// Presence of a `class.weight` tensor, `[outputs, classes]`; the label's column is added to the bias.
    pub class: Presence,
}

/// Transposed convolution with a square kernel, as `PyTorch`'s `ConvTranspose2d` with padding `(kernel - stride) / 2`.
///
/// `y[o, i, j] = bias[o] + Σ weight[c, o, u, v] · x[c, r, s]` over all taps with `i = r·stride + u - padding` and
/// `j = s·stride + v - padding`. The output has `stride` times the input's side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvTranspose {
    /// Side of the kernel, at least `stride`; the difference is even.
    pub kernel: usize,
    /// Factor between the sides of the maps.
    pub stride: usize,
    /// Features read.
    pub inputs: Features,
    /// Features written.
    pub outputs: Features,
}

impl ConvTranspose {
    /// Rows and columns that the kernel reaches over the border.
    pub const fn padding(&self) -> usize {
        (self.kernel - self.stride) / 2
    }
}

/// Row LSTM: recurrence from top to bottom, with all columns of a row in parallel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowLstm {
    /// `input_to_state`: 1 x k, mask B, to the gates in the order o, f, i, g.
    pub input_to_state: Conv,
    /// Columns of the state-to-state kernel, over the row above.
    pub kernel: usize,
    /// Features of `h` and `c`.
    pub hidden: Features,
    /// True with tensors `initial.h` and `initial.c`, `[hidden]`.
    pub initial_state: bool,
    /// Features of a second input, of class given, with a tensor `condition.weight`, `[4·hidden, features, 1, 1]`: a 1x1
    /// convolution, without bias and mask, added to the gates.
    pub condition: Option<Features>,
}

/// Diagonal BiLSTM: `left[i, j] + right[i - 1, j]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiagonalBilstm {
    /// `input_to_state` of each direction: 1 x 1, mask B, to the gates in the order o, f, i, g.
    pub input_to_state: Conv,
    /// Features of `h` and `c` of each direction.
    pub hidden: Features,
    /// Rows of the image, and of the initial states.
    pub height: usize,
    /// True with tensors `initial.h` and `initial.c`, `[height, hidden]`, per direction.
    pub initial_state: bool,
    /// Features of a second input, of class given, with a tensor `condition.weight` per direction; see
    /// [`RowLstm::condition`].
    pub condition: Option<Features>,
}

/// Activation function, applied to each feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` for `x > 0`, else `exp(x) - 1`.
    Elu,
    /// `x` for `x > 0`, else `slope · x`.
    LeakyRelu {
        /// Slope on the negative side, finite.
        slope: f32,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}

impl Activation {
    /// Name of the op, in files and messages.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Elu => "elu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        }
    }
}

/// Operation on whole images, from `[C, H, W]` to `[C, H, W]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Convolution, masked or not.
    Conv(Conv),
    /// Transposed convolution, in the network that makes a conditioning map.
    ConvTranspose(ConvTranspose),
    /// `(x - running_mean) / sqrt(running_var + eps) * weight + bias`, per feature.
    BatchNorm {
        /// Constant added to the variance.
        eps: f32,
    },
    /// Activation function.
    Activation(Activation),
    /// Row LSTM.
    RowLstm(RowLstm),
    /// Diagonal BiLSTM.
    DiagonalBilstm(DiagonalBilstm),
    /// `scale · a + b`, with inputs `a`, `b`.
    Add {
        /// Factor of the first input.
        scale: f32,
    },
    /// `a + sigmoid(t) · b`, with inputs `a`, `b`, `t`: highway gating over depth.
    DepthGate,
    /// `a · b`, feature by feature.
    Multiply,
    /// Features of `a`, then those of `b`.
    Concat,
    /// Consecutive features, as many as the output has.
    Slice {
        /// First of them.
        from: usize,
    },
    /// `factor · x`.
    Scale {
        /// The factor.
        factor: f32,
    },
    /// `tanh(a) · sigmoid(b)` of the first half `a` and the last half `b` of the features.
    Gate,
    /// `a · sigmoid(b)` of the first half `a` and the last half `b` of the features.
    Glu,
    /// `y[i, j] = x[i - rows, j - columns]`, 0 outside the image.
    Shift {
        /// Rows down.
        rows: usize,
        /// Columns to the right.
        columns: usize,
    },
    /// `x` plus the label's column of a tensor `class.weight`, `[features, classes]`.
    ClassBias,
    /// The row of a tensor `weight`, `[levels, features]`, that the pixel's value names. Reads the image, of one channel.
    Embed {
        /// Levels of the image.
        levels: usize,
    },
    /// One feature that is 1 at each pixel. Reads nothing.
    Ones,
    /// The conditioning map. Reads nothing.
    Condition,
}

impl Op {
    /// Number of inputs.
    pub const fn arity(&self) -> usize {
        match self {
            Op::Ones | Op::Condition => 0,
            Op::RowLstm(RowLstm { condition, .. }) | Op::DiagonalBilstm(DiagonalBilstm { condition, .. }) => {
                1 + condition.is_some() as usize
            }
            Op::Conv(_)
            | Op::ConvTranspose(_)
            | Op::BatchNorm { .. }
            | Op::Activation(_)
            | Op::Slice { .. }
            | Op::Scale { .. }
            | Op::Gate
            | Op::Glu
            | Op::Shift { .. }
            | Op::ClassBias
            | Op::Embed { .. } => 1,
            Op::Add { .. } | Op::Multiply | Op::Concat => 2,
            Op::DepthGate => 3,
        }
    }

    /// Name of the op, in files and messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Op::Conv(conv) => {
                if conv.centred_mask().is_some() {
                    "masked_conv"
                } else {
                    "conv"
                }
            }
            Op::BatchNorm { .. } => "batch_norm",
            Op::Activation(activation) => activation.kind(),
            Op::RowLstm(_) => "row_lstm",
            Op::DiagonalBilstm(_) => "diagonal_bilstm",
            Op::Add { .. } => "add",
            Op::DepthGate => "depth_gate",
            Op::Multiply => "multiply",
            Op::Concat => "concat",
            Op::Slice { .. } => "slice",
            Op::Scale { .. } => "scale",
            Op::Gate => "gate",
            Op::Glu => "glu",
            Op::Shift { .. } => "shift",
            Op::ClassBias => "class_bias",
            Op::Embed { .. } => "embed",
            Op::Ones => "ones",
            Op::Condition => "condition",
            Op::ConvTranspose(_) => "conv_transpose",
        }
    }

    /// Convolutions of the op, each with the prefix of its tensors: the op itself, or the `input_to_state` of each direction of an
    /// LSTM.
    pub fn convolutions(&self) -> List<(&'static str, Conv), 2> {
        match self {
            Op::Conv(conv) => [("", *conv)].into_iter().collect(),
            Op::RowLstm(lstm) => [("input_to_state.", lstm.input_to_state)].into_iter().collect(),
            Op::DiagonalBilstm(lstm) => {
                let conv = lstm.input_to_state;
                [("left.input_to_state.", conv), ("right.input_to_state.", conv)].into_iter().collect()
            }
            Op::ConvTranspose(_)
            | Op::BatchNorm { .. }
            | Op::Activation(_)
            | Op::Add { .. }
            | Op::DepthGate
            | Op::Multiply
            | Op::Concat
            | Op::Slice { .. }
            | Op::Scale { .. }
            | Op::Gate
            | Op::Glu
            | Op::Shift { .. }
            | Op::ClassBias
            | Op::Embed { .. }
            | Op::Ones
            | Op::Condition => List::new(),
        }
    }

    /// Recurrent connections of an LSTM, one per direction; none for other ops.
    pub fn recurrences(&self) -> List<Recurrence, 2> {
        match self {
            Op::RowLstm(lstm) => [taps::row_lstm(lstm.kernel)].into_iter().collect(),
            Op::DiagonalBilstm(_) => [taps::diagonal_left(), taps::diagonal_right()].into_iter().collect(),
            Op::Conv(_)
            | Op::ConvTranspose(_)
            | Op::BatchNorm { .. }
            | Op::Activation(_)
            | Op::Add { .. }
            | Op::DepthGate
            | Op::Multiply
            | Op::Concat
            | Op::Slice { .. }
            | Op::Scale { .. }
            | Op::Gate
            | Op::Glu
            | Op::Shift { .. }
            | Op::ClassBias
            | Op::Embed { .. }
            | Op::Ones
            | Op::Condition => List::new(),
        }
    }
}
