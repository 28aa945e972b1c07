//! Integer arithmetic of all executors, with one rounding rule.
//!
//! The rule: multiply exactly, add half of the divisor, divide by a power of two and round down. No result is rounded twice.
//! `docs/blob-format.md` defines every function here in full.
#![forbid(unsafe_code)]

mod elementwise;
mod exp2;
mod log2;
pub mod lstm;

pub use elementwise::*;
#[cfg(any(pixelrnn_mve, all(pixelrnn_dsp, feature = "a16")))]
pub(crate) use exp2::COEFFICIENTS as EXP2_COEFFICIENTS;
pub use exp2::exp2_neg;
pub use log2::cost_bits;

/// `round(a · m / 2³²)`, halves up: the high word of the rounded product.
#[inline(always)]
pub const fn mul_high(a: i32, m: i32) -> i32 {
    ((a as i64 * m as i64 + (1 << 31)) >> 32) as i32
}

/// Requantization of an accumulator: `mul_high(acc · 2^left_shift, multiplier)`, with a wrapping shift.
#[inline(always)]
pub const fn requantize(acc: i32, left_shift: u32, multiplier: i32) -> i32 {
    mul_high(acc.wrapping_shl(left_shift), multiplier)
}

/// Saturation to the range of an `i16`.
#[inline(always)]
pub const fn saturate16(v: i32) -> i16 {
    within(v, i16::MIN as i32, i16::MAX as i32) as i16
}

/// Saturation to the range of an `i8`.
#[inline(always)]
pub const fn saturate8(v: i32) -> i8 {
    within(v, i8::MIN as i32, i8::MAX as i32) as i8
}

/// `Ord::clamp` as a `const fn`.
#[inline(always)]
const fn within(v: i32, min: i32, max: i32) -> i32 {
    let v = if v < min { min } else { v };
    if v > max { max } else { v }
}

/// Scale factor of 16-bit numbers: `x · multiplier / 2^shift`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Rescale {
    /// 0 to 2¹⁵ - 1, so that 32 bits hold the product.
    pub multiplier: i16,
    /// 1 to 30.
    pub shift: u16,
}

impl Rescale {
    /// Stand-in for an op without factors: valid, and never applied.
    pub(crate) const UNUSED: Self = Self { multiplier: 1, shift: 1 };

    /// `round(x · multiplier / 2^shift)`, halves up; `x` is within `i16`.
    #[inline(always)]
    pub const fn apply(self, x: i32) -> i32 {
        let shift = self.shift as u32 & 31;
        (x.wrapping_mul(self.multiplier as i32)).wrapping_add((1 << shift) >> 1) >> shift
    }

    /// True if both fields are in range.
    pub const fn is_valid(self) -> bool {
        self.multiplier >= 0 && self.shift >= 1 && self.shift <= 30
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mul_high_rounds_halves_up() {
        assert_eq!(mul_high(3, 1 << 30), 1); // 0.75
        assert_eq!(mul_high(2, 1 << 30), 1); // 0.5 up
        assert_eq!(mul_high(-2, 1 << 30), 0); // -0.5 up
        assert_eq!(mul_high(-6, 1 << 30), -1); // -1.5 up
        assert_eq!(mul_high(i32::MIN, i32::MIN), 1 << 30);
        assert_eq!(mul_high(i32::MIN, i32::MAX), -(1 << 30) + 1);
    }

    #[test]
    fn rescale_rounds_halves_up_at_the_extremes() {
        let half = Rescale { multiplier: 1 << 14, shift: 15 };
        assert_eq!([1, -1, 3, -3].map(|x| half.apply(x)), [1, 0, 2, -1]);
        let most = Rescale { multiplier: i16::MAX, shift: 1 };
        assert_eq!(most.apply(-32768), -(32767 << 14));
        let least = Rescale { multiplier: i16::MAX, shift: 30 };
        assert_eq!((least.apply(32767), least.apply(-32768)), (1, -1));
    }
}
