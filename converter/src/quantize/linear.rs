//! The weights, biases and factors of one matrix, in the numbers of the blob.

use super::Lowering;
use super::conv::{self, Packed};
use super::inputs::Inputs;
use super::scale::{self, Narrow};
use super::write::BlobWriter;
use crate::error::Error;
use crate::trained::Tensor;
use half::f16;
use pixelrnn::blob::Weights;

/// Where the parts of a matrix are in the blob.
pub(super) struct Linear {
    pub weights: u32,
    /// 0: none.
    pub bias: u32,
    /// 0: none.
    pub class_bias: u32,
    /// 0 in a float blob.
    pub multipliers: u32,
    pub left: u8,
    /// Bits by which results are coarser than the unit that was asked for.
    pub coarser: u8,
}

impl Lowering<'_> {
    /// Puts a matrix into the blob. Results are in steps of `unit`, or up to `coarsest` bits coarser where sums are too
    /// large for that.
    pub(super) fn put_linear(
        &self,
        blob: &mut BlobWriter,
        packed: &Packed,
        [bias, class]: [Option<&Tensor>; 2],
        (input, seen): (Narrow, Option<&Inputs>),
        (unit, coarsest): (&dyn Fn(usize) -> f64, u8),
        name: &str,
    ) -> Result<Linear, Error> {
        let out_of_scale = || Error::OutOfScale { op: name.to_string() };
        if !self.weights.is_integer() {
            return put_floats(blob, packed, [bias, class], self.weights).ok_or_else(out_of_scale);
        }
        let nothing = Inputs::default();
        let q = conv::quantize(packed, [bias, class], input, seen.unwrap_or(&nothing));
        let factors = |coarser: u8| {
            let factor = |(o, scale): (usize, &f64)| scale / (unit(o) * f64::from(coarser).exp2());
            let factors: Vec<f64> = q.scales.iter().enumerate().map(factor).collect();
            scale::multipliers(&factors, q.bound).map(|found| (coarser, found))
        };
        let (coarser, (left, multipliers)) = (0..=coarsest).find_map(factors).ok_or_else(out_of_scale)?;
        Ok(Linear {
            weights: blob.weights(&q.weights),
            bias: if packed.biased && q.class_bias.is_empty() { blob.numbers(&q.bias) } else { 0 },
            class_bias: if q.class_bias.is_empty() { 0 } else { blob.numbers(&q.class_bias) },
            multipliers: blob.numbers(&multipliers),
            left,
            coarser,
        })
    }
}

/// The same in floats; `None` when an `f16` cannot hold a weight.
fn put_floats(
    blob: &mut BlobWriter,
    packed: &Packed,
    [bias, class]: [Option<&Tensor>; 2],
    weights: Weights,
) -> Option<Linear> {
    let all = packed.rows.iter().flatten();
    let weights = if weights == Weights::F16 {
        let halves: Vec<f16> = all.map(|w| f16::from_f32(*w)).collect();
        if halves.iter().any(|w| !w.is_finite()) {
            return None;
        }
        blob.numbers(&halves.iter().map(|w| w.to_bits()).collect::<Vec<u16>>())
    } else {
        blob.numbers(&all.copied().collect::<Vec<f32>>())
    };
    let bias: Vec<f32> = packed.outputs.iter().map(|o| bias.map_or(0.0, |t| t.data[*o])).collect();
    let class_bias = class.map(|t| {
        let classes = t.shape.get(1).copied().unwrap_or(0);
        let of = |k: usize| packed.outputs.iter().map(move |o| t.data[o * classes + k]);
        (0..classes).flat_map(of).collect::<Vec<f32>>()
    });
    Some(Linear {
        weights,
        bias: if packed.biased { blob.numbers(&bias) } else { 0 },
        class_bias: class_bias.map_or(0, |c| blob.numbers(&c)),
        multipliers: 0,
        left: 0,
        coarser: 0,
    })
}
