//! Short copies and fills, sixteen bytes at a time.

use core::arch::asm;

/// Copies bytes up to the shorter length.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    // SAFETY: tail predication limits all accesses to the shorter length of `to` and `from`.
    unsafe {
        asm!(
            "wlstp.8 lr, {count}, 3f",
            "2:",
            "vldrb.u8 q0, [{from}], #16",
            "vstrb.8 q0, [{to}], #16",
            "letp lr, 2b",
            "3:",
            count = in(reg) to.len().min(from.len()),
            from = inout(reg) from.as_ptr() => _,
            to = inout(reg) to.as_mut_ptr() => _,
            out("lr") _,
            out("q0") _,
            options(nostack),
        );
    }
}

/// Fills a slice with a byte.
#[inline(always)]
pub(crate) fn fill(to: &mut [u8], value: u8) {
    // SAFETY: tail predication limits all writes to `to`.
    unsafe {
        asm!(
            "vdup.8 q0, {value}",
            "wlstp.8 lr, {count}, 3f",
            "2:",
            "vstrb.8 q0, [{to}], #16",
            "letp lr, 2b",
            "3:",
            value = in(reg) u32::from(value),
            count = in(reg) to.len(),
            to = inout(reg) to.as_mut_ptr() => _,
            out("lr") _,
            out("q0") _,
            options(nostack),
        );
    }
}
