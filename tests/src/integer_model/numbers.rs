//! Arithmetic shared by several ops.

use super::bytes::{i16_at, u16_at};

/// `x` modulo 2³², as an i32.
pub fn wrap32(x: i64) -> i32 {
    x as i32
}

/// Saturates to i16.
pub fn sat16(x: i64) -> i16 {
    x.clamp(-32768, 32767) as i16
}

/// `(wrap32(s · 2^left_shift) · m + 2³¹) >> 32`.
pub fn requantize(s: i32, left_shift: u8, m: i32) -> i32 {
    high_word(wrap32(i64::from(s) << left_shift).into(), m.into()) as i32
}

/// `(x · m + 2³¹) >> 32`.
pub fn high_word(x: i64, m: i64) -> i64 {
    (x * m + (1 << 31)) >> 32
}

/// `x · m / 2^n`, rounded.
#[derive(Clone, Copy, Debug)]
pub struct Rescale {
    m: i64,
    n: u32,
}

impl Rescale {
    /// Factor `m / 2^n`.
    pub fn new(m: i16, n: u16) -> Self {
        Self { m: m.into(), n: n.into() }
    }

    /// Parses `m` and `n` at `at` of a record.
    pub fn parse(record: &[u8], at: usize) -> Self {
        Self::new(i16_at(record, at), u16_at(record, at + 2))
    }

    /// `(x · m + 2^(n-1)) >> n`.
    pub fn apply(self, x: i64) -> i64 {
        self.apply_within(x, 0)
    }

    /// `(x · m + 2^(n+more-1)) >> (n + more)`, for `x` in units of `2^-more`.
    pub fn apply_within(self, x: i64, more: u32) -> i64 {
        let n = self.n + more;
        (x * self.m + (1 << (n - 1))) >> n
    }
}

/// `2^-d` in units of 2⁻³⁰, for `d` in units of 2⁻¹⁶.
///
/// # Panics
/// Panics if `d` is negative.
pub fn exp2_neg(d: i64) -> i64 {
    assert!(d >= 0, "2 to a positive power");
    let (w, f) = (d >> 16, d % 65536);
    if w > 30 {
        return 0;
    }
    let mut s = -1_024_387;
    for constant in [9_908_897, -59_395_849, 257_898_519, -744_258_157, 1 << 30] {
        s = constant + ((s * f) >> 16);
    }
    s >> w
}
