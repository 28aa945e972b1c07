//! Names and shapes of the tensors of each op, as in a trained-model file.

use super::list::Name;
use super::ops::{Node, Op, Presence, Shape};

/// Tensor of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Full name, as in the file.
    pub name: Name,
    /// Shape, in PyTorch's order of dimensions.
    pub shape: Shape,
    /// False for a tensor that the file may lack.
    pub required: bool,
}

impl Node {
    /// Calls `tensor` with each tensor of this node, in a fixed order. `classes` is the model's number of classes.
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
            Op::Conv(conv) => {
                let [kh, kw] = conv.kernel;
                put("weight", &[conv.outputs.count, conv.inputs.count, kh, kw], required);
                put("bias", &[conv.outputs.count], conv.bias);
                put("class.weight", &[conv.outputs.count, classes], conv.class);
            }
            Op::ConvTranspose(conv) => {
                put("weight", &[conv.inputs.count, conv.outputs.count, conv.kernel, conv.kernel], required);
                put("bias", &[conv.outputs.count], Presence::Optional);
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
                if let Some(condition) = lstm.condition {
                    put("condition.weight", &[4 * h, condition.count, 1, 1], required);
                }
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
                    if let Some(condition) = lstm.condition {
                        put(".condition.weight", &[4 * h, condition.count, 1, 1], required);
                    }
                    if lstm.initial_state {
                        put(".initial.h", &[lstm.height, h], required);
                        put(".initial.c", &[lstm.height, h], required);
                    }
                }
            }
            Op::ClassBias => put("class.weight", &[self.features.count, classes], required),
            Op::Embed { levels } => put("weight", &[levels, self.features.count], required),
            Op::Activation(_)
            | Op::Add { .. }
            | Op::DepthGate
            | Op::Multiply
            | Op::Concat
            | Op::Slice { .. }
            | Op::Scale { .. }
            | Op::Gate
            | Op::Glu
            | Op::Shift { .. }
            | Op::Ones
            | Op::Condition => {}
        }
    }

    /// Full name of this node's tensor `suffix`.
    pub fn tensor_name(&self, suffix: &str) -> Name {
        let mut full = self.name.clone();
        // Always fits: `Builder` limits op names to 40 bytes.
        let _ = full.append(".") && full.append(suffix);
        full
    }
}
