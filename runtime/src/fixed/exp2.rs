//! `2^-d` in fixed point, for the softmax.

/// Coefficients of a minimax polynomial for `2^-f`, `0 <= f < 1`, in units of 2⁻³⁰. The maximal error is 1.3·10⁻⁷, and the
/// value at 0 is exact.
pub(crate) const COEFFICIENTS: [i32; 6] = [1 << 30, -744_258_157, 257_898_519, -59_395_849, 9_908_897, -1_024_387];

/// `2^-d` in units of 2⁻³⁰, for `d` in units of 2⁻¹⁶; 0 from 31 · 2¹⁶ on.
// One copy on devices, where code size counts; inlined and vectorised elsewhere.
#[cfg_attr(target_os = "none", inline(never))]
#[cfg_attr(not(target_os = "none"), inline)]
pub const fn exp2_neg(d: u32) -> u32 {
    let whole = d >> 16;
    if whole > 30 {
        return 0;
    }
    let f = (d & 0xFFFF) as i64;
    let [c0, c1, c2, c3, c4, c5] = COEFFICIENTS;
    let mut sum = c5;
    sum = c4 + ((sum as i64 * f) >> 16) as i32;
    sum = c3 + ((sum as i64 * f) >> 16) as i32;
    sum = c2 + ((sum as i64 * f) >> 16) as i32;
    sum = c1 + ((sum as i64 * f) >> 16) as i32;
    sum = c0 + ((sum as i64 * f) >> 16) as i32;
    (sum as u32) >> whole
}

#[cfg(test)]
mod tests {
    use super::exp2_neg;

    #[test]
    fn agrees_with_floats_over_the_whole_range() {
        for d in (0..40 << 16).step_by(13) {
            let exact = (-f64::from(d) / 65536.0).exp2();
            let got = f64::from(exp2_neg(d)) / f64::from(1 << 30);
            assert!((got - exact).abs() <= 1.4e-7 * exact + 1.0 / f64::from(1 << 30), "d = {d}: {got} for {exact}");
        }
        assert_eq!(exp2_neg(0), 1 << 30);
        assert_eq!(exp2_neg(u32::MAX), 0);
    }
}
