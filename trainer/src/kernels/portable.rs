//! Portable loops, for CPUs without the other instruction sets.

use super::conv::{self, Forward, WeightGradient};
use super::gate::{self, Gate, GateGradient};
use super::lanes::Lanes;
use super::scan::{self, Scan, ScanGradient};

/// Eight floats, left to the compiler to vectorize.
#[derive(Clone, Copy)]
struct F32x8([f32; 8]);

impl Lanes for F32x8 {
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller guarantees eight readable elements. The alignment of f32 suffices for an array of f32.
        unsafe { Self(from.cast::<[f32; 8]>().read()) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        let mut lanes = [0.0; 8];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: i < n, and the caller guarantees n readable elements.
            *lane = unsafe { *from.add(i) };
        }
        Self(lanes)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller guarantees eight writable elements.
        unsafe { to.cast::<[f32; 8]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        for (i, lane) in self.0.iter().enumerate().take(n) {
            // SAFETY: i < n, and the caller guarantees n writable elements.
            unsafe { *to.add(i) = *lane };
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] / other.0[i]))
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| if other.0[i] < self.0[i] { other.0[i] } else { self.0[i] }))
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| if other.0[i] > self.0[i] { other.0[i] } else { self.0[i] }))
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        Self(std::array::from_fn(|i| f32::from_bits(((self.0[i] as i32 + 127) << 23) as u32)))
    }

    #[inline(always)]
    unsafe fn select_below(self, limit: Self, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] < limit.0[i] { yes.0[i] } else { no.0[i] }))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // Not f32::mul_add, which is a library call without FMA instructions.
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
    }
}

pub(super) const LANES: usize = F32x8::COUNT;

pub(super) fn forward(job: &mut Forward) {
    // SAFETY: portable code runs on every CPU.
    unsafe { conv::forward::<F32x8, 2, 2>(job) }
}

pub(super) fn weight_gradient(job: &mut WeightGradient) {
    // SAFETY: portable code runs on every CPU.
    unsafe { conv::weight_gradient::<F32x8, 2, 2>(job) }
}

pub(super) fn scan(job: &mut Scan) {
    // SAFETY: portable code runs on every CPU.
    unsafe { scan::scan::<F32x8, 1>(job) }
}

pub(super) fn scan_gradient(job: &mut ScanGradient) {
    // SAFETY: portable code runs on every CPU.
    unsafe { scan::scan_gradient::<F32x8, 2>(job) }
}

pub(super) fn gate(job: &mut Gate) {
    // SAFETY: portable code runs on every CPU.
    unsafe { gate::gate::<F32x8>(job) }
}

pub(super) fn gate_gradient(job: &mut GateGradient) {
    // SAFETY: portable code runs on every CPU.
    unsafe { gate::gate_gradient::<F32x8>(job) }
}

#[cfg(test)]
mod tests {
    use super::super::math::{sigmoid, tanh};
    use super::*;

    /// Nonlinearities over their relevant range, compared with double precision.
    #[test]
    fn nonlinearities_are_exact_to_a_few_units_in_the_last_place() {
        let steps = (-12_000..=12_000).map(|n| n as f32 / 100.0);
        let tiny = (-300..=300).map(|n| n as f32 * 1e-6);
        for x in steps.chain(tiny).chain([0.0, -0.0, 0.625, -0.625, f32::MIN_POSITIVE, 1e30, -1e30]) {
            // SAFETY: portable code runs on every CPU.
            let (s, t) = unsafe { (sigmoid(F32x8([x; 8])).0[3], tanh(F32x8([x; 8])).0[3]) };
            let wide = f64::from(x);
            let sigmoid = 1.0 / (1.0 + (-wide).exp());
            assert!((f64::from(s) - sigmoid).abs() <= 4e-7 * sigmoid + 1e-37, "{x}: {s} {sigmoid}");
            assert!((f64::from(t) - wide.tanh()).abs() <= 4e-7 * wide.tanh().abs(), "{x}: {t}");
        }
        // SAFETY: as above.
        let (s, t) = unsafe { (sigmoid(F32x8([f32::NAN; 8])).0[0], tanh(F32x8([f32::NAN; 8])).0[0]) };
        assert!(s.is_nan() && t.is_nan());
    }
}
