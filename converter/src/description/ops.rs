//! Networks given as a list of ops.

use super::Description;
use super::json::MaskName;
use crate::error::Error;
use pixelrnn::network::{Activation, Builder, Mask, NetworkError, Node, Op};
use serde::{Deserialize, Serialize};

/// One op of a list, with its parameters.
///
/// Each op reads the output of the previous one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum OpSpec {
    /// Masked convolution with stride 1 and zero padding.
    MaskedConv {
        /// Prefix of its tensor names.
        name: String,
        /// Mask of the centre tap.
        #[serde(with = "MaskName")]
        mask: Mask,
        /// Kernel height and width.
        kernel: [usize; 2],
        /// Output features.
        out: usize,
        /// Distance between taps.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        dilation: usize,
    },
    /// `max(x, 0)`.
    Relu {},
    /// `x` where `x > 0`, else `exp(x) - 1`.
    Elu {},
    /// `x` where `x > 0`, else `slope * x`.
    LeakyRelu {
        /// Slope on the negative side.
        slope: f32,
    },
    /// Hyperbolic tangent.
    Tanh {},
    /// `1 / (1 + exp(-x))`.
    Sigmoid {},
    /// Batch normalization in inference mode.
    BatchNorm {
        /// Prefix of its tensor names.
        name: String,
        /// Added to the variance.
        #[serde(default = "default_eps")]
        eps: f32,
    },
    /// Row LSTM.
    RowLstm {
        /// Prefix of its tensor names.
        name: String,
        /// Units.
        hidden: usize,
        /// Kernel width.
        kernel: usize,
        /// True when the initial state is learned.
        #[serde(default, skip_serializing_if = "is_false")]
        initial_state: bool,
    },
    /// Diagonal `BiLSTM`: the left map plus the right map moved down one row.
    DiagonalBilstm {
        /// Prefix of its tensor names.
        name: String,
        /// Units of each direction.
        hidden: usize,
        /// True when the initial states are learned.
        #[serde(default, skip_serializing_if = "is_false")]
        initial_state: bool,
    },
    /// `scale * x + ops(x)`.
    Residual {
        /// The branch.
        ops: Vec<OpSpec>,
        /// Factor of `x`.
        #[serde(default = "unit", skip_serializing_if = "is_unit")]
        scale: f32,
    },
    /// Adds a 1x1 mask-B convolution of `x` to the skip sum and passes `x` on.
    Skip {
        /// Prefix of its tensor names.
        name: String,
    },
    /// Replaces `x` by the skip sum.
    SkipSum {},
}

fn one() -> usize {
    1
}

fn unit() -> f32 {
    1.0
}

/// Default of `PyTorch`.
fn default_eps() -> f32 {
    1e-5
}

// serde passes fields by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(n: &usize) -> bool {
    *n == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, clippy::float_cmp)]
fn is_unit(x: &f32) -> bool {
    *x == 1.0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(b: &bool) -> bool {
    !*b
}

impl OpSpec {
    /// Name of the op kind in files.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MaskedConv { .. } => "masked_conv",
            Self::Relu {} => "relu",
            Self::Elu {} => "elu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Tanh {} => "tanh",
            Self::Sigmoid {} => "sigmoid",
            Self::BatchNorm { .. } => "batch_norm",
            Self::RowLstm { .. } => "row_lstm",
            Self::DiagonalBilstm { .. } => "diagonal_bilstm",
            Self::Residual { .. } => "residual",
            Self::Skip { .. } => "skip",
            Self::SkipSum {} => "skip_sum",
        }
    }

    /// Prefix of the op's tensor names, if it has tensors.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::MaskedConv { name, .. }
            | Self::BatchNorm { name, .. }
            | Self::RowLstm { name, .. }
            | Self::DiagonalBilstm { name, .. }
            | Self::Skip { name } => Some(name),
            Self::Relu {}
            | Self::Elu {}
            | Self::LeakyRelu { .. }
            | Self::Tanh {}
            | Self::Sigmoid {}
            | Self::Residual { .. }
            | Self::SkipSum {} => None,
        }
    }

    /// Name of the op in messages.
    fn shown(&self) -> String {
        match self.name() {
            Some(name) => format!("{} `{name}`", self.kind()),
            None => self.kind().to_string(),
        }
    }
}

/// Expands `list` to nodes.
pub(super) fn expand(description: &Description, list: &[OpSpec]) -> Result<Vec<Node>, Error> {
    let Some(first) = list.first() else {
        return Err(NetworkError::Empty.into());
    };
    // With any other first op, a prediction could read its own value.
    if !matches!(first, OpSpec::MaskedConv { mask: Mask::A, .. }) {
        let conv = matches!(first, OpSpec::MaskedConv { .. });
        let nodes = if conv { build(description, list).unwrap_or_default() } else { Vec::new() };
        return Err(Error::FirstOp { got: shown_with_mask(first), hidden_by: hidden_by(&nodes) });
    }
    build(description, list)
}

/// Name of the op whose mask A hides the pixel's own value from the logits, when the first op exposes it. `None` if a
/// path to the logits bypasses mask A.
fn hidden_by(nodes: &[Node]) -> Option<String> {
    // For each value: may a feature depend on the level at its own pixel?
    let mut own = vec![true; nodes.len() + 1];
    let mut hides = None;
    for node in nodes {
        let read = node.inputs.iter().take(node.op.arity()).any(|input| own[*input]);
        let hidden = matches!(node.op, Op::MaskedConv(conv) if conv.mask == Mask::A);
        own[node.output] = read && !hidden;
        if read && hidden {
            hides = Some(node.name.to_string());
        }
    }
    let last = nodes.last()?;
    hides.filter(|_| !own[last.output])
}

fn build(description: &Description, list: &[OpSpec]) -> Result<Vec<Node>, Error> {
    // The first op is never `batch_norm`, so a match exists.
    let last = list.iter().rposition(|op| !matches!(op, OpSpec::BatchNorm { .. })).unwrap_or(0);

    let mut nodes = Vec::new();
    let mut builder =
        Builder::new(description.image, description.colour_groups, description.classes, |node| nodes.push(node));
    apply_all(&mut builder, &list[..last], "ops", 0)?;
    logits(&mut builder, description, &list[last], last)?;
    apply_all(&mut builder, &list[last + 1..], "ops", last + 1)?;
    builder.finish()?;
    Ok(nodes)
}

fn shown_with_mask(op: &OpSpec) -> String {
    match op {
        OpSpec::MaskedConv { mask, .. } => format!("{} with mask {mask:?}", op.shown()),
        _ => op.shown(),
    }
}

fn logits<F: FnMut(Node)>(
    builder: &mut Builder<F>,
    description: &Description,
    op: &OpSpec,
    index: usize,
) -> Result<(), Error> {
    let OpSpec::MaskedConv { name, mask, kernel, out, dilation } = op else {
        return Err(Error::LastOp { got: op.shown() });
    };
    let expected = description.logits();
    if *out != expected {
        return Err(Error::Logits { name: name.clone(), got: *out, expected });
    }
    let at = format!("ops[{index}]");
    check_name(op, &at)?;
    builder.logits(name, *mask, *kernel, *dilation, description.output).map_err(|source| in_op(op, &at, source))
}

fn apply_all<F: FnMut(Node)>(builder: &mut Builder<F>, list: &[OpSpec], path: &str, start: usize) -> Result<(), Error> {
    for (n, op) in list.iter().enumerate() {
        apply(builder, op, &format!("{path}[{}]", start + n))?;
    }
    Ok(())
}

fn apply<F: FnMut(Node)>(builder: &mut Builder<F>, op: &OpSpec, at: &str) -> Result<(), Error> {
    check_name(op, at)?;
    let done = match op {
        OpSpec::MaskedConv { name, mask, kernel, out, dilation } => {
            builder.masked_conv(name, *mask, *kernel, *out, *dilation)
        }
        OpSpec::Relu {} => builder.activation(Activation::Relu),
        OpSpec::Elu {} => builder.activation(Activation::Elu),
        OpSpec::LeakyRelu { slope } => builder.activation(Activation::LeakyRelu { slope: *slope }),
        OpSpec::Tanh {} => builder.activation(Activation::Tanh),
        OpSpec::Sigmoid {} => builder.activation(Activation::Sigmoid),
        OpSpec::BatchNorm { name, eps } => builder.batch_norm(name, *eps),
        OpSpec::RowLstm { name, hidden, kernel, initial_state } => {
            builder.row_lstm(name, *hidden, *kernel, *initial_state)
        }
        OpSpec::DiagonalBilstm { name, hidden, initial_state } => {
            builder.diagonal_bilstm(name, *hidden, *initial_state)
        }
        OpSpec::Residual { ops, scale } => {
            builder.begin_residual().map_err(|source| in_op(op, at, source))?;
            apply_all(builder, ops, &format!("{at}.ops"), 0)?;
            builder.end_residual(*scale)
        }
        OpSpec::Skip { name } => builder.skip(name),
        OpSpec::SkipSum {} => builder.skip_sum(),
    };
    done.map_err(|source| in_op(op, at, source))
}

fn check_name(op: &OpSpec, at: &str) -> Result<(), Error> {
    if op.name() == Some("") {
        return Err(Error::NoName { op: format!("{at} ({})", op.kind()) });
    }
    Ok(())
}

fn in_op(op: &OpSpec, at: &str, source: NetworkError) -> Error {
    Error::Op { op: format!("{at} ({})", op.shown()), source }
}
