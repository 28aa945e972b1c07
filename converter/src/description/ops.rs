//! Ops of a list, as in JSON.

use super::json::{MaskName, optional_mask};
use pixelrnn::network::Mask;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as JsonValue};
use std::fmt;

/// One op of a list: what it does, what it reads, and the name of what it makes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpSpec {
    /// The op with its parameters.
    #[serde(flatten)]
    pub kind: OpKind,
    /// Names of the values that it reads; empty for the value made last.
    #[serde(rename = "in", skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_more")]
    pub inputs: Vec<String>,
    /// Name of the value that it makes.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl From<OpKind> for OpSpec {
    /// The op that reads the value made last, and names none.
    fn from(kind: OpKind) -> Self {
        Self { kind, inputs: Vec::new(), value: None }
    }
}

/// Writes a single name as a string, several as a list.
fn one_or_more<S: Serializer>(names: &[String], to: S) -> Result<S::Ok, S::Error> {
    match names {
        [name] => name.serialize(to),
        names => names.serialize(to),
    }
}

/// One name or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a value's name or a list of names")]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl<'de> Deserialize<'de> for OpSpec {
    /// Takes `in` and `as` out of the object; the rest is an [`OpKind`], whose unknown fields are errors.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Fields)
    }
}

/// Reader of an op's object.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = OpSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a key `op`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<OpSpec, A::Error> {
        let (mut fields, mut branch) = (Map::<String, JsonValue>::new(), None);
        while let Some(key) = from.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate field `{key}`")));
            }
            // The branch of a residual is read as ops at once, so that its errors name their place.
            let value = if key == "ops" {
                branch = Some(from.next_value::<Vec<OpSpec>>()?);
                JsonValue::Array(Vec::new())
            } else {
                from.next_value()?
            };
            fields.insert(key, value);
        }
        let inputs = match fields.remove("in") {
            None => Vec::new(),
            Some(names) => match Names::deserialize(names).map_err(|e| A::Error::custom(format!("`in`: {e}")))? {
                Names::One(name) => vec![name],
                Names::Several(names) if names.is_empty() => return Err(A::Error::custom("`in` is an empty list")),
                Names::Several(names) => names,
            },
        };
        let value = fields.remove("as").map(String::deserialize).transpose();
        let value = value.map_err(|e| A::Error::custom(format!("`as`: {e}")))?;
        let mut kind = OpKind::deserialize(JsonValue::Object(fields)).map_err(A::Error::custom)?;
        if let (OpKind::Residual { ops, .. }, Some(branch)) = (&mut kind, branch) {
            *ops = branch;
        }
        Ok(OpSpec { kind, inputs, value })
    }
}

/// Kind of an op, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum OpKind {
    /// Convolution with stride 1 and zero padding.
    Conv {
        /// Prefix of its tensor names.
        name: String,
        /// Kernel height and width.
        kernel: [usize; 2],
        /// Output features.
        out: usize,
        /// Kernel row and column at distance 0, 0; the middle by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        anchor: Option<[usize; 2]>,
        /// Distance between taps.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        dilation: usize,
        /// Mask about the tap at distance 0, 0; all taps are open by default.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_mask")]
        mask: Option<Mask>,
        /// Equal parts of the output, each dealt to colour groups on its own.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        parts: usize,
    },
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
        /// Equal parts of the output, each dealt to colour groups on its own.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        parts: usize,
    },
    /// Transposed convolution of a smaller scale's image, in `upsample` alone.
    ConvTranspose {
        /// Prefix of its tensor names.
        name: String,
        /// Kernel height and width, which are equal.
        kernel: [usize; 2],
        /// Factor between the sides of the maps.
        stride: usize,
        /// Output features.
        out: usize,
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
        /// Name of a value of class given, a 1x1 convolution of which is added to the gates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<String>,
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
        /// Name of a value of class given, a 1x1 convolution of which is added to the gates of each direction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<String>,
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
    /// `y[i, j] = x[i - rows, j - columns]`, 0 outside the image.
    Shift {
        /// Rows down.
        #[serde(default)]
        rows: usize,
        /// Columns to the right.
        #[serde(default)]
        columns: usize,
    },
    /// Sum of two values and more.
    Add {},
    /// Product of two values, feature by feature.
    Multiply {},
    /// Features of two values and more, one after the other.
    Concat {},
    /// Consecutive features.
    Slice {
        /// First of them.
        from: usize,
        /// Their number.
        count: usize,
    },
    /// `factor * x`.
    Scale {
        /// The factor.
        factor: f32,
    },
    /// `tanh(a) * sigmoid(b)` of the halves of `x`.
    Gate {},
    /// `a * sigmoid(b)` of the halves of `x`.
    Glu {},
    /// Adds the label's column of a tensor.
    ClassBias {
        /// Prefix of its tensor names.
        name: String,
    },
    /// The row of a table that the pixel's value names.
    Embed {
        /// Prefix of its tensor names.
        name: String,
        /// Features.
        out: usize,
    },
    /// One feature that is 1 at each pixel.
    Ones {},
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

impl OpKind {
    /// Name of the op kind in files.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::MaskedConv { .. } => "masked_conv",
            Self::ConvTranspose { .. } => "conv_transpose",
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
            Self::Shift { .. } => "shift",
            Self::Add {} => "add",
            Self::Multiply {} => "multiply",
            Self::Concat {} => "concat",
            Self::Slice { .. } => "slice",
            Self::Scale { .. } => "scale",
            Self::Gate {} => "gate",
            Self::Glu {} => "glu",
            Self::ClassBias { .. } => "class_bias",
            Self::Embed { .. } => "embed",
            Self::Ones {} => "ones",
        }
    }

    /// Prefix of the op's tensor names, if it has tensors.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Conv { name, .. }
            | Self::MaskedConv { name, .. }
            | Self::ConvTranspose { name, .. }
            | Self::ClassBias { name }
            | Self::Embed { name, .. }
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
            | Self::SkipSum {}
            | Self::Shift { .. }
            | Self::Add {}
            | Self::Multiply {}
            | Self::Concat {}
            | Self::Slice { .. }
            | Self::Scale { .. }
            | Self::Gate {}
            | Self::Glu {}
            | Self::Ones {} => None,
        }
    }

    /// Name of a convolution; `None` for other ops.
    pub(crate) fn conv_name(&self) -> Option<&str> {
        match self {
            Self::Conv { name, .. } | Self::MaskedConv { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Name of the op in messages.
    pub(super) fn shown(&self) -> String {
        match self.name() {
            Some(name) => format!("{} `{name}`", self.kind()),
            None => self.kind().to_string(),
        }
    }
}

impl OpSpec {
    /// Name of the op in messages about its value: its `name`, else its `as`, else its position and kind.
    pub(crate) fn label(&self, at: &str) -> String {
        self.name().map_or_else(|| format!("{at} ({})", self.kind.kind()), str::to_string)
    }

    /// The op's `name`, else its `as`.
    pub(super) fn name(&self) -> Option<&str> {
        self.kind.name().or(self.value.as_deref())
    }
}
