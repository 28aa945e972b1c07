//! Scales, and the integer factors that lead from one to another.

use pixelrnn::arithmetic::Int8A16;
use pixelrnn::fixed::Rescale;

/// `real = scale · (q - zero_point)`, `q` an activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Narrow {
    /// What one step is worth.
    pub scale: f64,
    /// The `q` that means 0; always 0 for 16-bit activations.
    pub zero_point: i8,
    /// The least `q` in use. For 16-bit activations it says, by being the zero point, that none is negative.
    pub low: i8,
    /// Least and greatest `q`.
    pub ends: [i16; 2],
}

/// Ends of 8-bit activations.
const ENDS_8: [i16; 2] = [-128, 127];

/// Ends of 16-bit activations.
const ENDS_16: [i16; 2] = [-Int8A16::MAX - 1, Int8A16::MAX];

impl Narrow {
    /// Spreads `low..=high`, with 0 in it, over all 256 steps.
    pub fn from_range((low, high): (f64, f64)) -> Self {
        let scale = step((high - low) / 255.0);
        let zero_point = (-128.0 - low / scale).round().clamp(-128.0, 127.0) as i8;
        Self { scale, zero_point, low: if low == 0.0 { zero_point } else { -128 }, ends: ENDS_8 }
    }

    /// Steps of `scale` to either side of 0, an 8-bit number of them.
    pub fn symmetric(scale: f64) -> Self {
        Self { scale, zero_point: 0, low: -128, ends: ENDS_8 }
    }

    /// 16-bit activations that reach `most` on either side of 0.
    pub fn from_range_16(most: f64) -> Self {
        Self::symmetric_16(step(most / f64::from(Int8A16::MAX)))
    }

    /// 16-bit activations in steps of `scale`.
    pub fn symmetric_16(scale: f64) -> Self {
        Self { scale, zero_point: 0, low: -128, ends: ENDS_16 }
    }

    /// The step nearest to `real`.
    pub fn quantize(&self, real: f64) -> i16 {
        let [low, high] = self.ends.map(f64::from);
        (real / self.scale + f64::from(self.zero_point)).round().clamp(low, high) as i16
    }

    /// What step `q` means.
    pub fn real(&self, q: i16) -> f64 {
        self.scale * (f64::from(q) - f64::from(self.zero_point))
    }

    /// How far a step can be from the zero point.
    pub fn reach(&self) -> i64 {
        let [low, high] = self.ends.map(i64::from);
        let zero = i64::from(self.zero_point);
        (high - zero).max(zero - low)
    }
}

/// A step of a range: that of a range of nothing, whose numbers are all 0, is 1.
pub(super) fn step(of_range: f64) -> f64 {
    if of_range > 0.0 { of_range } else { 1.0 }
}

/// The largest factor that a [`Rescale`] can express.
pub(super) const MAX_FACTOR: f64 = 16383.0;

/// The [`Rescale`] nearest to `factor`; `None` beyond [`MAX_FACTOR`].
///
/// A factor below 2⁻³¹ becomes 0. It takes 16 bits to less than half a step, as it should.
pub fn rescale(factor: f64) -> Option<Rescale> {
    if !(0.0..=MAX_FACTOR).contains(&factor) {
        return None;
    }
    // The largest shift that leaves the multiplier below 2¹⁵.
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
