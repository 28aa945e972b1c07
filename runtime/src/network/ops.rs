//! The ops of a network, their tensors and their shapes.
//!
//! This is the one definition that the trainer, the float reference and the quantizer read. Each of them matches on
//! [`Op`] without a wildcard, so that a new op does not compile until all of them know it.

use super::list::{List, Name};
use super::masks::{Features, Mask};
use super::taps::{self, Recurrence};

/// Shape of a tensor.
pub type Shape = List<usize, 4>;

/// Number of a value: 0 is the network's input, `n` the output of the `n`-th node.
pub type ValueId = usize;

/// One step of a network: an op, what it reads, and what its tensors are called.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Prefix of the tensors' names; empty for an op without tensors.
    pub name: Name,
    /// What is computed.
    pub op: Op,
    /// The values that are read, as many as [`Op::arity`]; the rest repeat the last.
    pub inputs: [ValueId; 3],
    /// The value that this node makes.
    pub output: ValueId,
    /// Features of the value that this node makes.
    pub features: Features,
}

/// Whether an op has a tensor that not every op of its kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The tensor must not be there.
    Absent,
    /// The file decides.
    Optional,
    /// The tensor must be there.
    Required,
}

/// A masked convolution; stride 1, zero padding, as many rows and columns out as in.
///
/// `y[o, i, j] = bias[o] + Σ weight[o, c, u, v] · x[c, i + (u - kh/2)·dilation, j + (v - kw/2)·dilation]` over the open taps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskedConv {
    /// Mask of the centre tap.
    pub mask: Mask,
    /// Rows and columns of the kernel; the centre has index `k / 2`.
    pub kernel: [usize; 2],
    /// Distance between taps.
    pub dilation: usize,
    /// Features read.
    pub inputs: Features,
    /// Features made.
    pub outputs: Features,
    /// Whether there is a `bias` tensor.
    pub bias: Presence,
    /// Whether there is a `class.weight` tensor, `[outputs, classes]`, whose column is added to the bias.
    pub class: Presence,
}

/// The Row LSTM: rows from top to bottom, all columns of a row alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowLstm {
    /// `input_to_state`: 1 x k, mask B, to the gates in the order o, f, i, g.
    pub input_to_state: MaskedConv,
    /// Columns of the state-to-state kernel, over the row above.
    pub kernel: usize,
    /// Features of `h` and `c`.
    pub hidden: Features,
    /// Whether `initial.h` and `initial.c`, `[hidden]`, are there.
    pub initial_state: bool,
}

/// The Diagonal BiLSTM: `left[i, j] + right[i - 1, j]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiagonalBilstm {
    /// `input_to_state` of each direction: 1 x 1, mask B, to the gates in the order o, f, i, g.
    pub input_to_state: MaskedConv,
    /// Features of `h` and `c` of each direction.
    pub hidden: Features,
    /// Rows of the image: the length of an initial state.
    pub height: usize,
    /// Whether each direction has `initial.h` and `initial.c`, `[height, hidden]`.
    pub initial_state: bool,
}

/// A function of one number, applied to each feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` where `x > 0`, else `exp(x) - 1`.
    Elu,
    /// `x` where `x > 0`, else `slope · x`.
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
    /// The op's name in files and messages.
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

/// An operation on whole images, `[C, H, W]` in and out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Masked convolution.
    MaskedConv(MaskedConv),
    /// `(x - running_mean) / sqrt(running_var + eps) * weight + bias`, each feature on its own.
    BatchNorm {
        /// Added to the variance.
        eps: f32,
    },
    /// A function of each feature by itself.
    Activation(Activation),
    /// Row LSTM.
    RowLstm(RowLstm),
    /// Diagonal BiLSTM.
    DiagonalBilstm(DiagonalBilstm),
    /// `scale · a + b` of two values.
    Add {
        /// Factor of the first value.
        scale: f32,
    },
    /// `a + sigmoid(t) · b` of three values `a`, `b`, `t`: highway gating over depth.
    DepthGate,
}

/// A tensor that a node has: its full name, its shape and whether it may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Full name, as in the file.
    pub name: Name,
    /// Shape, as PyTorch has it.
    pub shape: Shape,
    /// False when the file decides.
    pub required: bool,
}

impl Op {
    /// How many values the op reads.
    pub const fn arity(&self) -> usize {
        match self {
            Op::MaskedConv(_) | Op::BatchNorm { .. } | Op::Activation(_) | Op::RowLstm(_) | Op::DiagonalBilstm(_) => 1,
            Op::Add { .. } => 2,
            Op::DepthGate => 3,
        }
    }

    /// The op's name in files and messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Op::MaskedConv(_) => "masked_conv",
            Op::BatchNorm { .. } => "batch_norm",
            Op::Activation(activation) => activation.kind(),
            Op::RowLstm(_) => "row_lstm",
            Op::DiagonalBilstm(_) => "diagonal_bilstm",
            Op::Add { .. } => "add",
            Op::DepthGate => "depth_gate",
        }
    }

    /// The op's masked convolutions, each with the prefix of its tensors: its own, or those from the input to the gates of each
    /// direction of an LSTM.
    pub fn convolutions(&self) -> List<(&'static str, MaskedConv), 2> {
        match self {
            Op::MaskedConv(conv) => [("", *conv)].into_iter().collect(),
            Op::RowLstm(lstm) => [("input_to_state.", lstm.input_to_state)].into_iter().collect(),
            Op::DiagonalBilstm(lstm) => {
                let conv = lstm.input_to_state;
                [("left.input_to_state.", conv), ("right.input_to_state.", conv)].into_iter().collect()
            }
            Op::BatchNorm { .. } | Op::Activation(_) | Op::Add { .. } | Op::DepthGate => List::new(),
        }
    }

    /// The recurrent connections of an LSTM, one for each direction; none for other ops.
    pub fn recurrences(&self) -> List<Recurrence, 2> {
        match self {
            Op::RowLstm(lstm) => [taps::row_lstm(lstm.kernel)].into_iter().collect(),
            Op::DiagonalBilstm(_) => [taps::diagonal_left(), taps::diagonal_right()].into_iter().collect(),
            Op::MaskedConv(_) | Op::BatchNorm { .. } | Op::Activation(_) | Op::Add { .. } | Op::DepthGate => {
                List::new()
            }
        }
    }
}

impl Node {
    /// Calls `tensor` for each tensor of this node, in a fixed order. `classes` is the model's number of classes.
    pub fn tensors(&self, classes: usize, mut tensor: impl FnMut(TensorSpec)) {
        let mut put = |suffix: &str, shape: &[usize], presence: Presence| {
            if presence != Presence::Absent {
                tensor(TensorSpec {
                    name: self.tensor_name(suffix),
                    shape: shape.iter().copied().collect(),
                    required: presence == Presence::Required,
                });
            }
        };
        let required = Presence::Required;
        match self.op {
            Op::MaskedConv(conv) => {
                let [kh, kw] = conv.kernel;
                put("weight", &[conv.outputs.count, conv.inputs.count, kh, kw], required);
                put("bias", &[conv.outputs.count], conv.bias);
                put("class.weight", &[conv.outputs.count, classes], conv.class);
            }
            Op::BatchNorm { .. } => {
                for suffix in ["weight", "bias", "running_mean", "running_var"] {
                    put(suffix, &[self.features.count], required);
                }
            }
            Op::RowLstm(lstm) => {
                let (i2s, h) = (lstm.input_to_state, lstm.hidden.count);
                put("input_to_state.weight", &[4 * h, i2s.inputs.count, 1, i2s.kernel[1]], required);
                put("input_to_state.bias", &[4 * h], i2s.bias);
                put("state_to_state.weight", &[4 * h, h, 1, lstm.kernel], required);
                put("class.weight", &[4 * h, classes], i2s.class);
                if lstm.initial_state {
                    put("initial.h", &[h], required);
                    put("initial.c", &[h], required);
                }
            }
            Op::DiagonalBilstm(lstm) => {
                let (i2s, h) = (lstm.input_to_state, lstm.hidden.count);
                for direction in ["left", "right"] {
                    let mut put = |suffix: &str, shape: &[usize], presence| {
                        let mut full = Name::new();
                        let _ = full.append(direction) && full.append(suffix);
                        put(&full, shape, presence);
                    };
                    put(".input_to_state.weight", &[4 * h, i2s.inputs.count, 1, 1], required);
                    put(".input_to_state.bias", &[4 * h], i2s.bias);
                    put(".state_to_state.weight", &[4 * h, h, 2, 1], required);
                    put(".class.weight", &[4 * h, classes], i2s.class);
                    if lstm.initial_state {
                        put(".initial.h", &[lstm.height, h], required);
                        put(".initial.c", &[lstm.height, h], required);
                    }
                }
            }
            Op::Activation(_) | Op::Add { .. } | Op::DepthGate => {}
        }
    }

    /// The full name of this node's tensor `suffix`.
    pub fn tensor_name(&self, suffix: &str) -> Name {
        let mut full = self.name.clone();
        // Op names are held to 40 bytes when a network is built, so that this always fits.
        let _ = full.append(".") && full.append(suffix);
        full
    }
}
