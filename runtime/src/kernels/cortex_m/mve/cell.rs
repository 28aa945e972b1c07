//! LSTM cell, four units at a time.

use crate::fixed::lstm::TANH;
use core::arch::asm;

/// `tanh` of q0 by [`crate::fixed::lstm`], in place. Needs 127 in q7, clobbers q1 to q4.
macro_rules! tanh {
    () => {
        concat!(
            "vabs.s32 q1, q0
            vshr.s32 q0, q0, #31
            vshl.i32 q1, q1, #1
            vshr.u32 q2, q1, #7
            vand q1, q1, q7
            vldrh.s32 q3, [{table}, q2, uxtw #1]
            vldrh.s32 q4, [{next}, q2, uxtw #1]
            vsub.i32 q4, q4, q3
            vmul.i32 q1, q1, q4
            vrshr.s32 q1, q1, #7
            vadd.i32 q1, q1, q3
            veor q1, q1, q0
            vsub.i32 q0, q1, q0"
        )
    };
}

/// `tanh` of gate g in q0, in place, with its fraction bits in the upper halves of the bytes at r0. Clobbers q1 to q4, and
/// leaves 127 in q7.
macro_rules! tanh_of_g {
    () => {
        "vabs.s32 q1, q0
        vshr.s32 q0, q0, #31
        vshl.i32 q1, q1, #1
        vldrb.u32 q2, [r0]
        vshr.u32 q2, q2, #4
        vneg.s32 q2, q2
        vshl.u32 q3, q1, q2
        vldrh.s32 q4, [{table}, q3, uxtw #1]
        vldrh.s32 q7, [{next}, q3, uxtw #1]
        vsub.i32 q7, q7, q4
        vneg.s32 q2, q2
        vshl.u32 q3, q3, q2
        vsub.i32 q1, q1, q3
        vmul.i32 q1, q1, q7
        vneg.s32 q2, q2
        vrshl.s32 q1, q1, q2
        vadd.i32 q1, q1, q4
        veor q1, q1, q0
        vsub.i32 q0, q1, q0
        vmov.i32 q7, #127"
    };
}

/// Logistic function of q0, in place.
macro_rules! sigmoid {
    () => {
        concat!(
            tanh!(),
            "
            vadd.i32 q0, q0, {one}
            vshr.s32 q0, q0, #1"
        )
    };
}

/// Saturation of q0 to 16 bits, in place.
macro_rules! saturate {
    () => {
        "vqmovnb.s32 q0, q0
        vmovlb.s16 q0, q0"
    };
}

/// Loads a gate into q0 and saturates it: the sum at offset `$at` from the addresses in q5.
macro_rules! gate {
    ($at:literal) => {
        concat!("vldrw.u32 q0, [q5, #", $at, "\n ", saturate!())
    };
}

/// Steps `units` LSTM units.
///
/// # Safety
/// `before`, `cell_bits`, `c` and `h` are valid for `units` elements, `sums` for `4 * units`.
#[inline(always)]
pub(super) unsafe fn steps(
    units: usize,
    sums: *const i32,
    before: *const i16,
    cell_bits: *const u8,
    c: *mut i16,
    h: *mut i16,
) {
    // SAFETY: q5 has the addresses of gate i of four units and advances by four units per iteration; gates o and f lie
    // before it, g behind it. An iteration reads these sums and four previous cell states, and writes four of `c` and `h`.
    // Tail predication limits the accesses to `units`. Table indices are at most 512, and the table has 514 entries.
    unsafe {
        asm!(
            "vidup.u32 q5, r0, #8",
            "vshl.i32 q5, q5, #1",
            "vadd.i32 q5, q5, {sums}",
            // Widening byte loads need a base register from r0 to r7.
            "mov r0, {bits}",
            "vmov.i32 q7, #127",
            "wlstp.32 lr, {units}, 3f",
            "2:",
            gate!("64]!"),
            sigmoid!(),
            "vmov q6, q0",
            gate!("4]"),
            tanh_of_g!(),
            "vmul.i32 q6, q6, q0",
            "vldrb.u32 q1, [r0], #4",
            "vbic.i32 q1, #0xf0",
            "vneg.s32 q1, q1",
            "vshl.s32 q6, q6, q1",
            gate!("-4]"),
            sigmoid!(),
            "vldrh.s32 q1, [r1], #8",
            "vmul.i32 q0, q0, q1",
            "vadd.i32 q0, q0, q6",
            "vrshr.s32 q0, q0, #15",
            saturate!(),
            "vstrh.32 q0, [r2], #8",
            "vldrb.u32 q1, [r0, #-4]",
            "vbic.i32 q1, #0xf0",
            "vsub.i32 q1, q1, {three}",
            "vrshl.s32 q0, q0, q1",
            saturate!(),
            tanh!(),
            "vmov q6, q0",
            gate!("-8]"),
            sigmoid!(),
            "vmul.i32 q0, q0, q6",
            "vrshr.s32 q0, q0, #15",
            "vstrh.32 q0, [r3], #8",
            "letp lr, 2b",
            "3:",
            units = in(reg) units,
            sums = in(reg) sums.wrapping_byte_add(8).wrapping_byte_sub(64),
            table = in(reg) TANH.as_ptr(),
            next = in(reg) TANH.as_ptr().wrapping_add(1),
            one = in(reg) 32_768,
            bits = in(reg) cell_bits,
            three = in(reg) 3,
            inout("r0") 0 => _,
            inout("r1") before => _,
            inout("r2") c => _,
            inout("r3") h => _,
            out("lr") _,
            out("q0") _,
            out("q1") _,
            out("q2") _,
            out("q3") _,
            out("q4") _,
            out("q5") _,
            out("q6") _,
            out("q7") _,
            options(nostack),
        );
    }
}
