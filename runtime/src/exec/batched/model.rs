//! Model with packed weights.

use super::ops::Ops;
use crate::arithmetic::Int8;
#[cfg(feature = "a16")]
use crate::arithmetic::Int8A16;
use crate::blob::{Model, NumberFormat};

/// Model with packed weights. Threads may share it.
pub struct PackedModel<'m> {
    pub(super) model: Model<'m>,
    pub(super) ops: AnyOps,
}

pub(super) enum AnyOps {
    I8(Ops<Int8>),
    #[cfg(feature = "a16")]
    I8A16(Ops<Int8A16>),
}

impl<'m> PackedModel<'m> {
    /// Packs the weights. `None` for float weights, and for a blob whose ops share weights: packed, it would take far more memory than
    /// the blob. [`crate::Engine`] runs both.
    pub fn new(model: Model<'m>) -> Option<Self> {
        let (groups, layout) = (model.groups(), model.layout());
        let sizes = model.instructions().flatten().map(|op| {
            let outputs = op.vectors().output.map_or(0, |output| output.count.into());
            op.weights(groups, layout).saturating_add(outputs)
        });
        if sizes.fold(0, usize::saturating_add) > model.blob().len() {
            return None;
        }
        let ops = match model.weights() {
            NumberFormat::I8 => AnyOps::I8(Ops::new(&model)?),
            #[cfg(feature = "a16")]
            NumberFormat::I8A16 => AnyOps::I8A16(Ops::new(&model)?),
            #[cfg(feature = "float")]
            NumberFormat::F16 | NumberFormat::F32 => return None,
        };
        Some(Self { model, ops })
    }

    /// Bytes of packed weights. A batch reads them once per pixel, for all of its images.
    pub fn weight_bytes(&self) -> usize {
        match &self.ops {
            AnyOps::I8(ops) => ops.weight_bytes(),
            #[cfg(feature = "a16")]
            AnyOps::I8A16(ops) => ops.weight_bytes(),
        }
    }

    /// Model without packing.
    pub const fn model(&self) -> &Model<'m> {
        &self.model
    }
}
