//! Quantization of one matrix: weights, biases and multipliers in the blob's number format.

use super::Lowering;
use super::bounds;
use super::conv::Packed;
use super::inputs::Inputs;
use super::round;
use super::scale::Narrow;
use super::write::BlobWriter;
use crate::error::Error;
use crate::trained::Tensor;
use half::f16;
use pixelrnn::blob::NumberFormat;

/// Offsets of a matrix's parts in the blob.
pub(super) struct Linear {
    pub weights: u32,
    /// 0 if absent.
    pub bias: u32,
    /// 0 if absent.
    pub class_bias: u32,
    /// 0 in a float blob.
    pub multipliers: u32,
    pub left_shift: u8,
    /// Bits by which results are coarser than the requested unit.
    pub coarser: u8,
}

/// Bias and class biases of a matrix.
type Biases<'t> = [Option<&'t Tensor>; 2];

/// Input of a matrix.
#[derive(Clone, Copy)]
pub(super) struct Source<'s> {
    /// Quantization of the input.
    pub form: Narrow,
    /// Samples of the input.
    pub seen: Option<&'s Inputs>,
}

/// Output steps of a matrix.
#[derive(Clone, Copy)]
pub(super) struct Unit<'u> {
    /// Step of each output, by index.
    pub of: &'u dyn Fn(usize) -> f64,
    /// Maximum number of bits by which all steps may be coarsened when sums are too large.
    pub coarsest: u8,
}

impl Lowering<'_> {
    /// Writes a matrix to the blob.
    pub(super) fn put_linear(
        &self,
        blob: &mut BlobWriter,
        packed: &Packed,
        biases: Biases<'_>,
        source: Source<'_>,
        unit: Unit<'_>,
        name: &str,
    ) -> Result<Linear, Error> {
        let out_of_scale = |why: String| Error::OutOfScale { op: name.to_string(), why };
        if !self.weights.is_integer() {
            return put_floats(blob, packed, biases, self.weights).map_err(out_of_scale);
        }
        let q = Matrix { packed, biases, source }.quantize(unit).map_err(out_of_scale)?;
        Ok(Linear {
            weights: blob.weights(&q.weights),
            bias: if packed.biased && q.class_bias.is_empty() { blob.numbers(&q.bias) } else { 0 },
            class_bias: if q.class_bias.is_empty() { 0 } else { blob.numbers(&q.class_bias) },
            multipliers: blob.numbers(&q.multipliers),
            left_shift: q.left_shift,
            coarser: q.coarser,
        })
    }
}

/// A quantized matrix.
#[derive(Debug, Default)]
struct Quantized {
    /// 8-bit weights, row-major.
    weights: Vec<i8>,
    /// Biases with the zero point folded in.
    bias: Vec<i32>,
    /// Folded biases of each class, `[classes, outputs]`.
    class_bias: Vec<i32>,
    multipliers: Vec<i32>,
    left_shift: u8,
    coarser: u8,
}

/// Bound on rescaled sums: 2³⁰ less a margin for weight rounding, so that later additions cannot wrap.
const MAX_RESULT: f64 = 0.95 * (1u32 << 30) as f64;

/// Bound on sums after the left shift.
const MAX_SUM: f64 = (1u32 << 31) as f64;

/// A float matrix and its input.
struct Matrix<'m> {
    packed: &'m Packed,
    biases: Biases<'m>,
    source: Source<'m>,
}

impl Matrix<'_> {
    /// Quantizes the weights of each output with its own scale, such that
    ///
    /// - no sum wraps for any inputs, even after the left shift: proven from the quantized weights and the input range;
    /// - the factor to each output's unit is below `2^(left_shift-1)`: multipliers have 31 bits.
    fn quantize(&self, unit: Unit<'_>) -> Result<Quantized, String> {
        let (mut coarser, bounds) = (0, self.result_bounds());
        // Largest result over all inputs, in units.
        let result = |coarser: u8| {
            let results =
                bounds.iter().enumerate().map(|(o, bound)| bound / ((unit.of)(o) * f64::from(coarser).exp2()));
            results.fold(0.0, f64::max)
        };
        while result(coarser) > MAX_RESULT {
            if coarser == unit.coarsest {
                return Err(format!(
                    "its results reach {:.3e} steps of the range that the calibration images gave it, and 32-bit sums can \
                     be scaled to {MAX_RESULT:.3e}: other calibration images may give it a range that fits",
                    result(coarser)
                ));
            }
            coarser += 1;
        }
        let step = self.source.form.scale;
        let unit = |o: usize| (unit.of)(o) * f64::from(coarser).exp2();
        let natural: Vec<f64> = self.packed.rows.iter().map(|row| largest(row) / round::MAX).collect();
        let factors = natural.iter().enumerate().map(|(o, scale)| scale * step / unit(o));
        let most = factors.fold(0.0, f64::max);
        let left_shift = (0..31).find(|left_shift| most < f64::from(*left_shift - 1).exp2()).ok_or_else(|| {
            format!("a step of its sums is {most:.3e} steps of its results, and factors go up to 5.4e8")
        })?;
        // A coarser scale where sums would wrap; any scale for a row of zeros.
        let mut scales: Vec<f64> = (natural.iter().zip(&bounds).enumerate())
            .map(|(o, (natural, bound))| {
                let least = 1.01 * bound * f64::from(left_shift).exp2() / (MAX_SUM * step);
                let scale = natural.max(least);
                if scale > 0.0 { scale } else { 0.25 * unit(o) / step }
            })
            .collect();
        let nothing = Inputs::default();
        let seen = self.source.seen.unwrap_or(&nothing);
        let mut rows = round::round(&self.packed.rows, &scales, seen);
        for (o, row) in rows.iter_mut().enumerate() {
            while self.bound(o, row, scales[o]) * f64::from(left_shift).exp2() >= MAX_SUM {
                scales[o] *= 1.25;
                *row = round::each_by_itself(&self.packed.rows[o], scales[o]);
            }
        }
        let multiplier = |(o, scale): (usize, &f64)| {
            let factor = scale * step / unit(o) * f64::from(32 - left_shift).exp2();
            factor.round().min(f64::from(i32::MAX)) as i32
        };
        let multipliers = scales.iter().enumerate().map(multiplier).collect();
        let mut q = Quantized { multipliers, left_shift: left_shift as u8, coarser, ..Quantized::default() };
        self.fold_biases(&rows, &scales, &mut q);
        q.weights = rows.into_iter().flatten().collect();
        Ok(q)
    }

    /// Folds biases, corrected for the mean error of weight and input rounding.
    fn fold_biases(&self, rows: &[Vec<i8>], scales: &[f64], q: &mut Quantized) {
        let Narrow { scale: step, zero_point, .. } = self.source.form;
        let [bias, class] = self.biases;
        let classes = class.map_or(0, |t| t.shape.get(1).copied().unwrap_or(0));
        let outputs = rows.len();
        let means = self.source.seen.filter(|_| self.packed.biased).map(|seen| seen.means(&self.source.form));
        q.class_bias = vec![0; classes * outputs];
        for (at, (row, &o)) in rows.iter().zip(&self.packed.outputs).enumerate() {
            let unit = scales[at] * step;
            let lost = means.as_deref().map_or(0.0, |means| {
                let weights = self.packed.rows[at].iter().zip(row).zip(means);
                let lost: f64 = weights
                    .map(|((w, q), [x, rounded])| f64::from(*w) * x - f64::from(*q) * scales[at] * rounded)
                    .sum();
                // Samples are f32: larger values may have overflowed.
                if lost.is_finite() { lost } else { 0.0 }
            });
            let own = bias.zip(o).map_or(0.0, |(t, o)| f64::from(t.data[o])) + lost;
            let of_zero = row.iter().map(|w| i64::from(*w)).sum::<i64>() * i64::from(zero_point);
            // Accumulators wrap modulo 2³²; complete sums fit.
            let folded = |bias: f64| ((bias / unit).round() as i64 - of_zero) as i32;
            q.bias.push(folded(own));
            for k in 0..classes {
                let of_class = class.zip(o).map_or(0.0, |(t, o)| f64::from(t.data[o * classes + k]));
                q.class_bias[k * outputs + at] = folded(own + of_class);
            }
        }
    }

    /// Largest bias of an output over all classes, in magnitude.
    fn bias(&self, at: usize) -> f64 {
        let [bias, class] = self.biases;
        let Some(o) = self.packed.outputs[at] else { return 0.0 };
        let (low, high) = bounds::biases(bias, class, o);
        high.abs().max(low.abs())
    }

    /// Bound on each output's magnitude in real units, for any inputs.
    fn result_bounds(&self) -> Vec<f64> {
        let reach = self.source.form.reach() as f64 * self.source.form.scale;
        let of_row = |(at, row): (usize, &Vec<f32>)| {
            let weights: f64 = row.iter().map(|w| f64::from(w.abs())).sum();
            weights * reach + self.bias(at)
        };
        self.packed.rows.iter().enumerate().map(of_row).collect()
    }

    /// Bound on an output's accumulator. The mean correction is below one input step per weight.
    fn bound(&self, at: usize, row: &[i8], scale: f64) -> f64 {
        let reach = self.source.form.reach();
        let sum: i64 = row.iter().map(|w| i64::from(w.unsigned_abs()) * reach).sum();
        let correction = row.len() as f64 * round::MAX;
        sum as f64 + correction + self.bias(at) / (scale * self.source.form.scale)
    }
}

fn largest(row: &[f32]) -> f64 {
    row.iter().fold(0.0, |most, w| most.max(f64::from(w.abs())))
}

/// Maximum f16 rounding error, as a share of the row's largest weight.
const F16_ERROR: f64 = 1.0 / 256.0;

/// Float counterpart of [`Lowering::put_linear`].
fn put_floats(
    blob: &mut BlobWriter,
    packed: &Packed,
    [bias, class]: Biases<'_>,
    weights: NumberFormat,
) -> Result<Linear, String> {
    let all = packed.rows.iter().flatten();
    let weights = if weights == NumberFormat::F16 {
        for row in &packed.rows {
            let allowed = largest(row) * F16_ERROR;
            // Overflow to infinity gives an infinite difference.
            let lost = row.iter().find(|w| f64::from(**w - f16::from_f32(**w).to_f32()).abs() > allowed);
            if let Some(w) = lost {
                return Err(format!(
                    "its weight {w:e} becomes {} in 16-bit floats, whose numbers go from 6e-8 to 65504: --weights f32 holds it",
                    f16::from_f32(*w)
                ));
            }
        }
        blob.numbers(&all.map(|w| f16::from_f32(*w).to_bits()).collect::<Vec<u16>>())
    } else {
        blob.numbers(&all.copied().collect::<Vec<f32>>())
    };
    let bias: Vec<f32> = packed.outputs.iter().map(|o| bias.zip(*o).map_or(0.0, |(t, o)| t.data[o])).collect();
    let class_bias = class.map(|t| {
        let classes = t.shape.get(1).copied().unwrap_or(0);
        let of = |k: usize| packed.outputs.iter().map(move |o| o.map_or(0.0, |o| t.data[o * classes + k]));
        (0..classes).flat_map(of).collect::<Vec<f32>>()
    });
    Ok(Linear {
        weights,
        bias: if packed.biased { blob.numbers(&bias) } else { 0 },
        class_bias: class_bias.map_or(0, |c| blob.numbers(&c)),
        multipliers: 0,
        left_shift: 0,
        coarser: 0,
    })
}
