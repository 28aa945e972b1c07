//! Vector of four lanes to an array.

use core::arch::aarch64::{int32x4_t, vst1q_s32};

/// Lanes of a vector, the lowest first.
///
/// # Safety
/// NEON is enabled.
#[inline(always)]
pub(super) unsafe fn lanes(v: int32x4_t) -> [i32; 4] {
    let mut lanes = [0; 4];
    // SAFETY: the caller has NEON enabled; `lanes` holds four elements.
    unsafe { vst1q_s32(lanes.as_mut_ptr(), v) };
    lanes
}
