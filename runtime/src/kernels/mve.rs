//! MVE, the vectors of Cortex-M55 and M85: sixteen 8-bit products are added up by one instruction, and loops take their last,
//! shorter round by themselves.

mod cell;
mod each;
mod memory;

use super::{Kernel, Portable};
use crate::numbers::Rescale;
use core::arch::asm;
pub(crate) use memory::{copy, fill};

/// The kernel of Cortex-M cores with MVE, which Arm also calls Helium.
///
/// It is fastest with weights in [`crate::blob::Layout::Rows`], with a multiple of sixteen inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mve;

/// Bytes of a vector.
const VECTOR: usize = 16;

impl Kernel for Mve {
    const VECTORS: bool = true;
    const WHOLE: bool = true;

    #[inline(never)]
    fn rows(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        let (length, outputs) = (x.len(), sums.len());
        if outputs != bias.len() || weights.len() != outputs * length || outputs == 0 || length == 0 {
            return Portable.rows(bias, weights, x, sums);
        }
        let at = Rows { bias: bias.as_ptr(), weights: weights.as_ptr(), x: x.as_ptr(), sums: sums.as_mut_ptr() };
        let vectors = if outputs.is_multiple_of(4) && length.is_multiple_of(VECTOR) { length / VECTOR } else { 0 };
        // SAFETY: there are as many sums as biases, as many weights for each as inputs, and not none of either. Where
        // inputs are a given number of vectors, they are that many, and outputs are a multiple of four.
        unsafe {
            match vectors {
                1 => held_1(at, outputs),
                2 => held_2(at, outputs),
                3 => held_3(at, outputs),
                4 => held_4(at, outputs),
                5 => held_5(at, outputs),
                6 => held_6(at, outputs),
                _ => any(at, outputs, length),
            }
        }
    }

    #[inline(always)]
    fn blocks(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        Portable.blocks(bias, weights, x, sums);
    }

    #[inline(always)]
    fn scale(self, sums: &mut [i32], left: u32, multipliers: &[i32]) {
        each::scale(sums, left, multipliers);
    }

    #[inline(always)]
    fn activations(self, v: &[i32], zero_point: i32, low: i32, y: &mut [i8]) {
        each::activations(v, zero_point, low, y);
    }

    #[inline(always)]
    fn streams(self, v: &[i32], low: i32, high: i32, y: &mut [i16]) {
        each::streams(v, low, high, y);
    }

    #[inline(always)]
    fn accumulate(self, v: &[i32], y: &mut [i16]) {
        each::accumulate(v, y);
    }

    #[inline(always)]
    fn rescaled8(self, x: &[i16], rescale: Rescale, zero_point: i32, low: i32, y: &mut [i8]) {
        each::rescaled8(x, rescale, zero_point, low, y);
    }

    #[inline(always)]
    fn rescaled16(self, x: &[i16], rescale: Rescale, low: i32, high: i32, y: &mut [i16]) {
        each::rescaled16(x, rescale, low, high, y);
    }

    #[inline(always)]
    fn rescaled_onto(self, x: &[i16], rescale: Rescale, y: &mut [i16]) {
        each::rescaled_onto(x, rescale, y);
    }

    #[inline(always)]
    fn units(self, [x, state]: [&[i32]; 2], before: &[i16], cell_bits: u32, c: &mut [i16], h: &mut [i16]) {
        let units = (x.len().min(state.len()) / 4).min(before.len()).min(c.len()).min(h.len());
        let (before, c, h) = (before.as_ptr(), c.as_mut_ptr(), h.as_mut_ptr());
        // SAFETY: all have numbers of so many units.
        unsafe { cell::steps(units, x.as_ptr(), state.as_ptr(), before, cell_bits, c, h) };
    }
}

/// Where the numbers of some outputs lie.
#[derive(Clone, Copy)]
struct Rows {
    bias: *const i32,
    weights: *const i8,
    x: *const i8,
    sums: *mut i32,
}

/// Defines a function for inputs that are kept in vector registers, as many as are named.
macro_rules! held {
    ($name:ident, $($q:literal $at:literal),*) => {
        /// # Safety
        /// There are `outputs` biases and sums, a multiple of four and not zero; inputs are as many vectors as the function's
        /// name says, and weights `outputs` times as many.
        #[inline(always)]
        unsafe fn $name(at: Rows, outputs: usize) {
            // SAFETY: a round reads four biases and writes four sums, and reads four rows of weights, each as long as the
            // inputs, one after the other; there are a quarter as many rounds as outputs. `ldrd` and `strd` want addresses that
            // are multiples of four, which those of biases and sums are.
            unsafe {
                asm!(
                    $(concat!("vldrb.u8 q", $q, ", [{x}, #", $at, "]"),)*
                    "dls lr, {rounds}",
                    "2:",
                    "ldrd r0, r2, [{bias}], #8",
                    "ldrd r4, r8, [{bias}], #8",
                    $("vldrb.u8 q7, [{w}], #16", concat!("vmladava.s8 r0, q7, q", $q),)*
                    $("vldrb.u8 q7, [{w}], #16", concat!("vmladava.s8 r2, q7, q", $q),)*
                    $("vldrb.u8 q7, [{w}], #16", concat!("vmladava.s8 r4, q7, q", $q),)*
                    $("vldrb.u8 q7, [{w}], #16", concat!("vmladava.s8 r8, q7, q", $q),)*
                    "strd r0, r2, [{sums}], #8",
                    "strd r4, r8, [{sums}], #8",
                    "le lr, 2b",
                    x = in(reg) at.x,
                    rounds = in(reg) outputs / 4,
                    bias = inout(reg) at.bias => _,
                    w = inout(reg) at.weights => _,
                    sums = inout(reg) at.sums => _,
                    out("r0") _, out("r2") _, out("r4") _, out("r8") _, out("lr") _,
                    out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q7") _,
                    options(nostack),
                );
            }
        }
    };
}
held!(held_1, 0 0);
held!(held_2, 0 0, 1 16);
held!(held_3, 0 0, 1 16, 2 32);
held!(held_4, 0 0, 1 16, 2 32, 3 48);
held!(held_5, 0 0, 1 16, 2 32, 3 48, 4 64);
held!(held_6, 0 0, 1 16, 2 32, 3 48, 4 64, 5 80);

/// Any number of inputs: four outputs share each vector of them that is loaded.
///
/// # Safety
/// There are `outputs` biases and sums, `length` inputs, neither of them zero, and `outputs · length` weights.
#[inline(always)]
unsafe fn any(at: Rows, outputs: usize, length: usize) {
    // What pointers are too far behind a row, as they go on by whole vectors.
    let over = length.next_multiple_of(VECTOR) - length;
    // SAFETY: the first loop is over fours of outputs, the second one over those that are left. Each round of theirs reads a
    // bias and writes a sum for each output, and as many inputs as there are, and as many weights of each row: the loops
    // within leave off what is beyond. Register r7, which has no name here, is put back. `ldrd` and `strd` want addresses
    // that are multiples of four, which those of biases and sums are.
    unsafe {
        asm!(
            "push {{r7}}",
            "sub sp, #8",
            "str {outputs}, [sp]",
            "lsrs {outputs}, {outputs}, #2",
            "beq 4f",
            "2:",
            "str {outputs}, [sp, #4]",
            "ldrd r0, r2, [{bias}], #8",
            "ldrd r4, r8, [{bias}], #8",
            "add {w1}, {w}, {length}",
            "add r7, {w1}, {length}",
            "add {outputs}, r7, {length}",
            "dlstp.8 lr, {length}",
            "3:",
            "vldrb.u8 q0, [{x}], #16",
            "vldrb.u8 q1, [{w}], #16",
            "vmladava.s8 r0, q0, q1",
            "vldrb.u8 q2, [{w1}], #16",
            "vmladava.s8 r2, q0, q2",
            "vldrb.u8 q1, [r7], #16",
            "vmladava.s8 r4, q0, q1",
            "vldrb.u8 q2, [{outputs}], #16",
            "vmladava.s8 r8, q0, q2",
            "letp lr, 3b",
            "strd r0, r2, [{sums}], #8",
            "strd r4, r8, [{sums}], #8",
            "sub {w}, {outputs}, {over}",
            "sub {x}, {x}, {length}",
            "sub {x}, {x}, {over}",
            "ldr {outputs}, [sp, #4]",
            "subs {outputs}, #1",
            "bne 2b",
            "4:",
            "ldr {outputs}, [sp]",
            "ands {outputs}, {outputs}, #3",
            "beq 7f",
            "5:",
            "ldr r0, [{bias}], #4",
            "dlstp.8 lr, {length}",
            "6:",
            "vldrb.u8 q0, [{x}], #16",
            "vldrb.u8 q1, [{w}], #16",
            "vmladava.s8 r0, q0, q1",
            "letp lr, 6b",
            "str r0, [{sums}], #4",
            "sub {w}, {w}, {over}",
            "sub {x}, {x}, {length}",
            "sub {x}, {x}, {over}",
            "subs {outputs}, #1",
            "bne 5b",
            "7:",
            "add sp, #8",
            "pop {{r7}}",
            outputs = inout(reg) outputs => _,
            length = in(reg) length,
            over = in(reg) over,
            bias = inout(reg) at.bias => _,
            w = inout(reg) at.weights => _,
            x = inout(reg) at.x => _,
            w1 = out(reg) _,
            sums = inout(reg) at.sums => _,
            out("r0") _, out("r2") _, out("r4") _, out("r8") _, out("lr") _,
            out("q0") _, out("q1") _, out("q2") _,
        );
    }
}
