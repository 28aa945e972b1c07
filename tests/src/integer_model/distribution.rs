//! Section 4 of the specification: from logits to a value and its cost.

use super::numbers::exp2_neg;
use super::random::Random;

/// Inverse of a temperature of `milli` thousandths, in units of 2⁻¹⁶.
///
/// # Panics
/// Panics if the temperature is out of range.
pub fn inverse_temperature(milli: u32) -> i64 {
    let milli = i64::from(milli);
    assert!((10..=100_000).contains(&milli), "a temperature of {milli} thousandths");
    (65_536_000 + milli / 2) / milli
}

/// Frequencies of all values, with sum 2²⁴. A single logit belongs to value 1, against a logit of 0 for value 0.
///
/// # Panics
/// Panics if there is no logit.
pub fn frequencies(logits: &[i32], t: i64) -> Vec<u64> {
    let logits: Vec<i64> = match logits {
        [z] => vec![0, i64::from(*z)],
        all => all.iter().map(|z| i64::from(*z)).collect(),
    };
    let top = *logits.iter().max().expect("at least two logits");
    let a = logits.iter().position(|z| *z == top).expect("it is one of them");
    let weights: Vec<u64> = logits
        .iter()
        .map(|z| {
            let d = (((top - z) * t) >> 16).min((1 << 32) - 1);
            exp2_neg(d) as u64
        })
        .collect();
    let total: u64 = weights.iter().sum();
    let scale = (((1 << 24) - logits.len() as u64) << 32) / total;
    let mut freq: Vec<u64> = weights.iter().map(|w| 1 + ((w * scale) >> 32)).collect();
    let sum: u64 = freq.iter().sum();
    freq[a] += (1 << 24) - sum;
    freq
}

/// Draws a value with the next random number.
pub fn draw(freq: &[u64], random: &mut Random) -> u8 {
    let u = u64::from(random.word() >> 8);
    let mut below = 0;
    for (value, f) in freq.iter().enumerate() {
        below += f;
        if u < below {
            return value as u8;
        }
    }
    unreachable!("frequencies sum to 2²⁴")
}

/// Cost of a value with frequency `freq`: `24 - log2(freq)` bits, in units of 2⁻²⁴ bit.
pub fn cost(freq: u64) -> u64 {
    let e = i64::from(freq.ilog2());
    let m = (freq << (31 - e)) as i64;
    let i = (m >> 26) % 32;
    // 2³¹ / (1 + (i + ½)/32) = 2³⁷ / (64 + 2i + 1), rounded to nearest. The divisor is odd, so there are no ties.
    let divisor = 64 + 2 * i + 1;
    let reciprocal = ((1_i64 << 38) + divisor) / (2 * divisor);
    // The double-precision error is about 10⁻⁷, and no entry is that close to a rounding boundary.
    let g = (-(reciprocal as f64 / 2f64.powi(31)).log2() * 2f64.powi(30)).round() as i64;
    let x = ((m * reciprocal) >> 31) - (1 << 31);
    let q = (x * x) >> 31;
    let c = (q * x) >> 31;
    let y = x - (q >> 1) + c / 3;
    let log = (e << 30) + g + ((y * 1_549_082_005) >> 31);
    ((((24 << 30) - log).max(0) + 32) >> 6) as u64
}
