//! A vector of four sums as an array.

use core::arch::aarch64::{int32x4_t, vst1q_s32};

/// The four lanes of a vector.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
pub(super) unsafe fn lanes(v: int32x4_t) -> [i32; 4] {
    let mut lanes = [0; 4];
    // SAFETY: the caller's; there is room for four.
    unsafe { vst1q_s32(lanes.as_mut_ptr(), v) };
    lanes
}
