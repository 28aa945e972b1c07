//! Section 4 of the page: from logits to a value and its cost.

use super::numbers::exp2_neg;
use super::random::Random;

/// The inverse of a temperature of `milli` thousandths, in units of 2⁻¹⁶.
///
/// # Panics
/// When there is no such temperature.
pub fn inverse_temperature(milli: u32) -> i64 {
    let milli = i64::from(milli);
    assert!((10..=100_000).contains(&milli), "a temperature of {milli} thousandths");
    (65_536_000 + milli / 2) / milli
}

/// The frequencies of all values, which sum to 2²⁴. A single logit is that of value 1, value 0 has the logit 0.
///
/// # Panics
/// When there is no logit at all.
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

/// The value that the next random number draws.
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

/// The cost of a value of frequency `freq`: `24 - log2(freq)` bits in units of 2⁻²⁴ bit.
pub fn cost(freq: u64) -> u64 {
    let e = i64::from(freq.ilog2());
    let m = (freq << (31 - e)) as i64;
    let i = (m >> 26) % 32;
    // 2³¹ / (1 + (i + ½)/32) = 2³⁷ / (64 + 2i + 1), rounded to the nearest; the divisor is odd, so there are no ties.
    let divisor = 64 + 2 * i + 1;
    let reciprocal = ((1_i64 << 38) + divisor) / (2 * divisor);
    // Double precision is off by some 10⁻⁷ here, and no entry is that close to a half.
    let g = (-(reciprocal as f64 / 2f64.powi(31)).log2() * 2f64.powi(30)).round() as i64;
    let x = ((m * reciprocal) >> 31) - (1 << 31);
    let q = (x * x) >> 31;
    let c = (q * x) >> 31;
    let y = x - (q >> 1) + c / 3;
    let log = (e << 30) + g + ((y * 1_549_082_005) >> 31);
    ((((24 << 30) - log).max(0) + 32) >> 6) as u64
}
