//! `tanh` and `sigmoid` of numbers in units of 2⁻¹², in units of 2⁻¹⁵.

/// `T[i]`. Double precision is off by some 10⁻¹² here, and no entry is that close to a half.
fn table(i: i64) -> i64 {
    let exact = (i as f64 / 64.0).tanh() * 32768.0;
    (exact.round() as i64).min(32767)
}

fn p(u: i64) -> i64 {
    assert!((0..=1 << 16).contains(&u), "{u} is beyond the table");
    let n = (u >> 7).min(511);
    table(n) + (((table(n + 1) - table(n)) * (u - 128 * n) + 64) >> 7)
}

/// The hyperbolic tangent.
pub fn tanh(z: i16) -> i64 {
    let z = i64::from(z);
    if z < 0 { -p(2 * -z) } else { p(2 * z) }
}

/// `1 / (1 + exp(-z))`.
pub fn sigmoid(z: i16) -> i64 {
    let z = i64::from(z);
    let twice = if z < 0 { 32769 - p(-z) } else { 32769 + p(z) };
    (twice >> 1).min(32767)
}
