//! Arithmetic of LSTMs and gates. `tanh` takes units of 2^-(e+5), where `e` is 7 except for gate g of an LSTM.
//! `sigmoid` takes units of 2⁻¹¹. Both return units of 2⁻¹⁵.

use super::numbers::{Rescale, sat16, wrap32};

/// Table entry `T[i]`. The double-precision error is about 10⁻¹², and no entry is that close to a rounding boundary.
fn table(i: i64) -> i64 {
    let exact = (i as f64 / 64.0).tanh() * 32768.0;
    (exact.round() as i64).min(32767)
}

fn p(u: i64, e: u32) -> i64 {
    assert!((0..=1 << 16).contains(&u), "{u} is beyond the table");
    let n = (u >> e).min(511);
    table(n) + (((table(n + 1) - table(n)) * (u - (n << e)) + (1 << (e - 1))) >> e)
}

/// Hyperbolic tangent.
pub fn tanh(z: i16, e: u32) -> i64 {
    let z = i64::from(z);
    if z < 0 { -p(2 * -z, e) } else { p(2 * z, e) }
}

/// `1 / (1 + exp(-z))`, computed as `(1 + tanh(z / 2)) / 2`.
pub fn sigmoid(z: i16) -> i64 {
    (32768 + tanh(z, 7)) >> 1
}

/// `1 + tanh(z / 2)`, twice the sigmoid, with `z` in units of 2^-(e+4).
pub fn twice_sigmoid(z: i16, e: u32) -> i64 {
    32768 + tanh(z, e)
}

/// Gate input `z`: saturated sum of the requantized products with x and h.
pub fn pre_activation(x: i32, h: i32) -> i16 {
    sat16(wrap32(i64::from(x) + i64::from(h)).into())
}

/// New `H` and `C` of a unit from its gates o, f, i, g, the previous cell and `b + 16·e`.
pub fn cell([o, f, i, g]: [i16; 4], before: i16, bits: u32) -> (i16, i16) {
    let (b, e) = (bits % 16, bits / 16);
    let kept = sigmoid(f) * i64::from(before);
    let c = sat16((kept + ((sigmoid(i) * tanh(g, e)) >> b) + (1 << 14)) >> 15);
    let t = if b >= 3 { sat16(i64::from(c) << (b - 3)) } else { sat16((i64::from(c) + (1 << (2 - b))) >> (3 - b)) };
    (sat16((sigmoid(o) * tanh(t, 7) + (1 << 14)) >> 15), c)
}

/// `a + sigmoid(t) · b`, with each operand rescaled. The product of `b` and its gate is rescaled as a whole.
pub fn depth_gate([a, b, t]: [i16; 3], [rescale_a, rescale_b, rescale_t]: [Rescale; 3]) -> i16 {
    let a = rescale_a.apply(a.into());
    let t = sat16(rescale_t.apply(t.into()));
    let b = rescale_b.apply_within(sigmoid(t) * i64::from(b), 15);
    sat16(a + b)
}
