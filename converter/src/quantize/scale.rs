//! Scales, and fixed-point factors between them.

use pixelrnn::arithmetic::Int8A16;
use pixelrnn::fixed::Rescale;

/// Affine quantization of an activation: `real = scale · (q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Narrow {
    /// Step size.
    pub scale: f64,
    /// The `q` of real 0. Always 0 for 16-bit activations.
    pub zero_point: i8,
    /// Smallest `q` in use. For 16-bit activations only a flag: no `q` is negative if it equals the zero point.
    pub clamp_min: i8,
    /// Limits of `q`.
    pub ends: [i16; 2],
}

/// Limits of 8-bit activations.
const ENDS_8: [i16; 2] = [-128, 127];

/// Limits of 16-bit activations.
const ENDS_16: [i16; 2] = [-Int8A16::MAX - 1, Int8A16::MAX];

impl Narrow {
    /// Maps `low..=high`, which includes 0, to all 256 steps.
    pub fn from_range((low, high): (f64, f64)) -> Self {
        let scale = step((high - low) / 255.0);
        let zero_point = (-128.0 - low / scale).round().clamp(-128.0, 127.0) as i8;
        Self { scale, zero_point, clamp_min: if low == 0.0 { zero_point } else { -128 }, ends: ENDS_8 }
    }

    /// Symmetric 8-bit quantization with steps of `scale`.
    pub fn symmetric(scale: f64) -> Self {
        Self { scale, zero_point: 0, clamp_min: -128, ends: ENDS_8 }
    }

    /// 16-bit activations with magnitudes up to `most`.
    pub fn from_range_16(most: f64) -> Self {
        Self::symmetric_16(step(most / f64::from(Int8A16::MAX)))
    }

    /// 16-bit activations with steps of `scale`.
    pub fn symmetric_16(scale: f64) -> Self {
        Self { scale, zero_point: 0, clamp_min: -128, ends: ENDS_16 }
    }

    /// Nearest step to `real`, clamped.
    pub fn quantize(&self, real: f64) -> i16 {
        let [low, high] = self.ends.map(f64::from);
        (real / self.scale + f64::from(self.zero_point)).round().clamp(low, high) as i16
    }

    /// Real value of step `q`.
    pub fn real(&self, q: i16) -> f64 {
        self.scale * (f64::from(q) - f64::from(self.zero_point))
    }

    /// Largest distance of a step from the zero point.
    pub fn reach(&self) -> i64 {
        let [low, high] = self.ends.map(i64::from);
        let zero = i64::from(self.zero_point);
        (high - zero).max(zero - low)
    }
}

/// The step of a range, or 1 for an empty range, whose values are all 0.
pub(super) fn step(of_range: f64) -> f64 {
    if of_range > 0.0 { of_range } else { 1.0 }
}

/// Largest factor that a [`Rescale`] represents.
pub(super) const MAX_FACTOR: f64 = 16383.0;

/// Nearest [`Rescale`] to `factor`. `None` beyond [`MAX_FACTOR`].
///
/// Factors below 2⁻³¹ become 0: they take any 16-bit value to less than half a step.
pub fn rescale(factor: f64) -> Option<Rescale> {
    if !(0.0..=MAX_FACTOR).contains(&factor) {
        return None;
    }
    // Largest shift with a multiplier below 2¹⁵.
    let mut shift = (14.0 - factor.log2().floor()).clamp(1.0, 30.0);
    if (factor * shift.exp2()).round() > f64::from(i16::MAX) {
        shift -= 1.0;
    }
    let multiplier = (factor * shift.exp2()).round().clamp(0.0, f64::from(i16::MAX)) as i16;
    Some(Rescale { multiplier, shift: shift.max(1.0) as u16 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_in_every_range() {
        for range in [(0.0, 3.0), (-1.0, 2.0), (-4.0, 0.0), (0.0, 0.0)] {
            let narrow = Narrow::from_range(range);
            assert!(narrow.real(narrow.quantize(0.0)).abs() < 1e-12);
            assert!((narrow.real(narrow.quantize(range.1)) - range.1).abs() <= narrow.scale);
        }
    }

    #[test]
    fn rescale_is_within_one_part_in_thirty_thousand() {
        for factor in [1.0, 0.999_99, 1.0 / 256.0, 0.003, 0.007_812_4, 5.3, 2.0, 200.0, 0.000_3] {
            let r = rescale(factor).unwrap();
            assert!(r.is_valid(), "{factor}: {r:?}");
            let got = f64::from(r.multiplier) / f64::from(r.shift).exp2();
            assert!((got / factor - 1.0).abs() < 1.0 / 30_000.0, "{factor}: {got}");
        }
    }

    #[test]
    fn factors_that_take_everything_to_0_are_0_and_those_beyond_14_bits_are_refused() {
        for factor in [0.0, 1e-12, 2f64.powi(-32)] {
            assert_eq!(rescale(factor).map(|r| r.apply(-32768)), Some(0), "{factor}");
        }
        assert_eq!([16_384.0, f64::INFINITY, f64::NAN, -1.0].map(rescale), [None; 4]);
    }
}
