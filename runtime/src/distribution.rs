//! Logits to the integer distribution that a value is drawn from, scored with or coded by.

use crate::fixed::cost_bits;
#[cfg(feature = "std")]
use crate::fixed::exp2_neg;
use crate::kernels::Kernel;

/// Binary logarithm of [`TOTAL`].
pub const TOTAL_BITS: u32 = 24;

/// Sum of the frequencies of a distribution.
pub const TOTAL: u32 = 1 << TOTAL_BITS;

/// Temperature of a draw: logits are divided by it, which flattens the distribution above 1 and sharpens it below.
///
/// Stored as its inverse in units of 2⁻¹⁶, so no FPU is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Temperature {
    inverse: u32,
}

impl Temperature {
    /// 1: the distribution of the model.
    pub const ONE: Self = Self { inverse: 1 << 16 };

    /// Valid temperatures, in thousandths.
    pub const RANGE_MILLI: core::ops::RangeInclusive<u32> = 10..=100_000;

    /// Temperature in thousandths, rounded to the nearest inverse; `None` outside [`Temperature::RANGE_MILLI`].
    pub const fn from_milli(milli: u32) -> Option<Self> {
        if milli < *Self::RANGE_MILLI.start() || milli > *Self::RANGE_MILLI.end() {
            return None;
        }
        Some(Self { inverse: ((1000 << 16) + milli / 2) / milli })
    }

    /// `1 / temperature` in units of 2⁻¹⁶.
    pub const fn inverse(self) -> u32 {
        self.inverse
    }
}

impl Default for Temperature {
    fn default() -> Self {
        Self::ONE
    }
}

/// Distribution over the levels of one value: a frequency of at least 1 for each level, with the sum [`TOTAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution<'a> {
    frequencies: &'a [u32],
}

impl<'a> Distribution<'a> {
    /// Integer softmax of `logits`, in place: base-2 logits in units of 2⁻¹⁶ become frequencies.
    ///
    /// With `d` the distance of a logit to the largest, divided by the temperature, its weight is `w = 2^-d`
    /// ([`crate::fixed::exp2_neg`]) and its frequency `1 + (w · scale >> 32)`, `scale = (2²⁴ - levels) · 2³² / Σ w`
    /// rounded down. The first of the largest receives the remainder to 2²⁴.
    #[cfg_attr(any(pixelrnn_thumb, pixelrnn_mve), inline(never))] // keeps its stack frame out of the ops'
    pub(crate) fn softmax<K: Kernel>(logits: &'a mut [u32], temperature: Temperature, kernel: K) -> Self {
        kernel.run(
            #[inline(always)]
            || Self::softmax_by(logits, temperature, kernel),
        )
    }

    #[inline(always)]
    fn softmax_by<K: Kernel>(logits: &'a mut [u32], temperature: Temperature, kernel: K) -> Self {
        let (largest, at) = kernel.largest(logits);
        let sum = kernel.weights(logits, largest, temperature.inverse);
        let scale = quotient(u64::from(TOTAL) - logits.len() as u64, sum);
        let remainder = TOTAL.wrapping_sub(kernel.frequencies(logits, scale));
        if let Some(frequency) = logits.get_mut(at) {
            *frequency = frequency.wrapping_add(remainder);
        }
        Self { frequencies: logits }
    }

    /// [`Distribution::softmax`] of two logits, branch-free so that compilers vectorise a loop over pairs.
    #[cfg(feature = "std")]
    #[inline(always)]
    pub(crate) fn softmax_of_two([a, b]: [u32; 2], temperature: Temperature) -> [u32; 2] {
        let (a, b) = (a.cast_signed(), b.cast_signed());
        let distance = (u64::from(a.abs_diff(b)) * u64::from(temperature.inverse)) >> 16;
        // The weight of the larger logit is 2³⁰.
        let weight = exp2_neg(if distance > u64::from(u32::MAX) { u32::MAX } else { distance as u32 });
        let (sum, numerator) = ((1 << 30) + weight, u64::from(TOTAL - 2) << 32);
        // Both operands are exact as floats, so the quotient is rounded once: it is right or one too large.
        let rounded = (numerator as f64 / f64::from(sum)) as i32 as u32;
        let scale = rounded - u32::from(u64::from(rounded) * u64::from(sum) > numerator);
        let frequency = 1 + ((u64::from(weight) * u64::from(scale)) >> 32) as u32;
        if b > a { [frequency, TOTAL - frequency] } else { [TOTAL - frequency, frequency] }
    }

    /// Distribution of given frequencies, which sum to [`TOTAL`].
    #[doc(hidden)] // for bindings, which pass predictions through another language
    pub const fn of(frequencies: &'a [u32]) -> Self {
        Self { frequencies }
    }

    /// Number of levels.
    pub const fn levels(&self) -> usize {
        self.frequencies.len()
    }

    /// Frequencies of all levels, `[levels]`.
    pub const fn frequencies(&self) -> &[u32] {
        self.frequencies
    }

    /// Frequency of `value`, its probability times [`TOTAL`]; 0 for a value that is not a level.
    pub fn frequency(&self, value: u8) -> u32 {
        self.frequencies.get(usize::from(value)).copied().unwrap_or(0)
    }

    /// Sum of the frequencies of all levels below `value`.
    pub fn cumulative(&self, value: u8) -> u32 {
        self.frequencies.iter().take(usize::from(value)).fold(0, |sum, f| sum.wrapping_add(*f))
    }

    /// Value whose interval of `0..TOTAL` contains `point`; the last one for points beyond.
    pub fn find(&self, point: u32) -> u8 {
        let mut end = 0u32;
        let mut value = 0;
        // Skips whole blocks, whose sums are fast on machines with vectors.
        let mut first = 0;
        if cfg!(any(not(target_os = "none"), pixelrnn_mve)) {
            for block in self.frequencies.as_chunks::<16>().0 {
                let next = block.iter().fold(end, |sum, frequency| sum.wrapping_add(*frequency));
                if point < next {
                    break;
                }
                end = next;
                first += block.len();
                value = (first - 1) as u8;
            }
        }
        for (v, frequency) in self.frequencies.iter().enumerate().skip(first) {
            end = end.wrapping_add(*frequency);
            value = v as u8;
            if point < end {
                break;
            }
        }
        value
    }

    /// Most probable value, the first of equals.
    pub fn most_probable(&self) -> u8 {
        let mut best = (0, 0);
        for (v, &frequency) in self.frequencies.iter().enumerate() {
            if frequency > best.1 {
                best = (v as u8, frequency);
            }
        }
        best.0
    }

    /// Cost of `value`, `-log2(frequency / 2²⁴)` bits, in units of 2⁻²⁴ bit; see [`cost_bits`].
    pub fn cost(&self, value: u8) -> u32 {
        cost_bits(self.frequency(value))
    }
}

/// `a · 2³² / b`, rounded down, for `a < 2²⁴` and `b` from 2³⁰ to 2³⁸. A 64-bit division takes a kilobyte of code on small
/// machines.
fn quotient(a: u64, b: u64) -> u32 {
    if cfg!(target_pointer_width = "64") {
        (a << 32).checked_div(b).unwrap_or(0) as u32
    } else if cfg!(pixelrnn_thumb) {
        quotient_by_bits(a, b)
    } else {
        quotient_by_bytes(a, b)
    }
}

/// Bit by bit, for machines without a divider.
fn quotient_by_bits(a: u64, b: u64) -> u32 {
    // The upper six bits of the quotient are 0.
    let (mut rest, mut quotient) = (a << 6, 0);
    for _ in 0..26 {
        rest <<= 1;
        quotient <<= 1;
        if rest >= b {
            rest -= b;
            quotient |= 1;
        }
    }
    quotient
}

/// Long division, eight bits at a time.
fn quotient_by_bytes(a: u64, b: u64) -> u32 {
    let (mut rest, mut quotient) = (a, 0);
    for _ in 0..4 {
        rest <<= 8;
        // The digit from the upper bits of both is right or one too large.
        let mut digit = ((rest >> 14) as u32).checked_div((b >> 14) as u32).unwrap_or(0);
        if u64::from(digit) * b > rest {
            digit -= 1;
        }
        rest -= u64::from(digit) * b;
        quotient = quotient << 8 | digit;
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Portable;

    fn softmax_of<const N: usize>(logits: [i32; N], temperature: Temperature) -> [u32; N] {
        let mut memory = logits.map(|l| l as u32);
        let _ = Distribution::softmax(&mut memory, temperature, Portable);
        memory
    }

    #[test]
    fn frequencies_are_positive_and_sum_to_the_total_for_extreme_logits() {
        for t in [10, 1000, 100_000].map(|milli| Temperature::from_milli(milli).unwrap()) {
            for logits in [[i32::MIN, 0, i32::MAX], [0, 0, 0], [i32::MIN; 3], [i32::MAX, i32::MAX, 5]] {
                let frequencies = softmax_of(logits, t);
                assert_eq!(frequencies.iter().sum::<u32>(), TOTAL);
                assert!(frequencies.iter().all(|f| *f >= 1));
            }
            let many = softmax_of([-77; 256], t);
            assert_eq!(many.iter().sum::<u32>(), TOTAL);
        }
    }

    #[test]
    fn probabilities_are_those_of_a_float_softmax() {
        let logits = [3 << 16, -(1 << 15), 70_000, 12_345];
        for milli in [300, 1000, 2500] {
            let t = f64::from(milli) / 1000.0;
            let got = softmax_of(logits, Temperature::from_milli(milli).unwrap());
            let weights = logits.map(|l| (f64::from(l) / 65536.0 / t).exp2());
            let sum: f64 = weights.iter().sum();
            for (f, w) in got.iter().zip(weights) {
                assert!((f64::from(*f) / f64::from(TOTAL) - w / sum).abs() < 2e-5, "{got:?}");
            }
        }
    }

    #[test]
    #[cfg(feature = "std")]
    fn two_logits_at_once_are_as_two_one_by_one() {
        let edges = [i32::MIN, i32::MIN + 1, -(31 << 16), -1, 0, 1, 77, 65_535, 65_536, 65_537, 31 << 16, i32::MAX];
        // All distances with a nonzero weight, and others.
        let distances = (0..32 << 16).map(|d| [d, 0]).chain((0..32 << 16).step_by(7).map(|d| [5, 5 + d]));
        let pairs = edges.iter().flat_map(|a| edges.map(|b| [*a, b])).chain(distances);
        for milli in [10, 1000, 1337, 100_000] {
            let t = Temperature::from_milli(milli).unwrap();
            for pair in pairs.clone() {
                let got = Distribution::softmax_of_two(pair.map(i32::cast_unsigned), t);
                assert_eq!(got, softmax_of(pair, t), "{pair:?} at {milli}");
            }
        }
    }

    #[test]
    fn quotients_are_those_of_whole_numbers() {
        let most = u64::from(TOTAL) - 2;
        let near = |b: u64| [b - 1, b, b + 1, b + (1 << 14) - 1];
        let sums =
            [1 << 30, 3 << 29, 0x12_3456_789a, 1 << 32, u64::from(u32::MAX) << 5].map(near).into_iter().flatten();
        for b in sums.chain([256 << 30]).filter(|b| *b >= 1 << 30) {
            for a in [0, 1, 255, 77_777, most - 1, most] {
                assert_eq!(u64::from(quotient_by_bits(a, b)), (a << 32) / b, "{a} / {b}");
                assert_eq!(u64::from(quotient_by_bytes(a, b)), (a << 32) / b, "{a} / {b}");
            }
        }
    }

    #[test]
    fn find_is_the_inverse_of_cumulative() {
        let mut memory = [5u32, 70_000, (-90_000i32) as u32, 65_536];
        let d = Distribution::softmax(&mut memory, Temperature::ONE, Portable);
        for v in 0..4 {
            let (low, f) = (d.cumulative(v), d.frequency(v));
            assert_eq!((d.find(low), d.find(low + f - 1)), (v, v));
        }
        assert_eq!(d.find(u32::MAX), 3);
        assert_eq!(d.frequency(9), 0);
    }

    #[test]
    fn temperatures_out_of_range_are_none() {
        assert_eq!(Temperature::from_milli(9), None);
        assert_eq!(Temperature::from_milli(100_001), None);
        assert_eq!(Temperature::from_milli(1000), Some(Temperature::ONE));
    }
}
