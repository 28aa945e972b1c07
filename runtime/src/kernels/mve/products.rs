//! Products: a vector of weights and one of inputs give sixteen of them.

use super::VECTOR;
use core::arch::asm;

/// Where the numbers of some outputs lie, and how their sums are scaled.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) bias: *const i32,
    pub(super) weights: *const i8,
    pub(super) x: *const i8,
    pub(super) left: u32,
    pub(super) multipliers: *const i32,
    pub(super) sums: *mut i32,
    /// Fours of outputs.
    pub(super) rounds: usize,
}

/// Defines a function for inputs that are kept in vector registers, those that are named, each with where its inputs begin.
macro_rules! held {
    ($name:ident, $($q:literal $at:literal),*) => {
        /// Sums of four outputs a round, scaled.
        ///
        /// # Safety
        /// There are four biases, multipliers and sums a round, and not none. Inputs are as many vectors as the function's name
        /// says, and each sum has as many weights, which lie one row after the other.
        #[inline(always)]
        pub(super) unsafe fn $name(at: Rows) {
            // SAFETY: a round reads four biases and four multipliers and writes four sums, and reads four rows of weights, each
            // as long as the inputs. `ldrd` wants addresses that are multiples of four, which those of biases are.
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
                    "vmov q6[2], q6[0], r0, r4",
                    "vmov q6[3], q6[1], r2, r8",
                    "vldrw.u32 q7, [{multipliers}], #16",
                    "vshl.s32 q6, {left}",
                    "vrmulh.s32 q6, q6, q7",
                    "vstrw.32 q6, [{sums}], #16",
                    "le lr, 2b",
                    x = in(reg) at.x,
                    rounds = in(reg) at.rounds,
                    bias = inout(reg) at.bias => _,
                    w = inout(reg) at.weights => _,
                    left = in(reg) at.left & 31,
                    multipliers = inout(reg) at.multipliers => _,
                    sums = inout(reg) at.sums => _,
                    out("r0") _, out("r2") _, out("r4") _, out("r8") _, out("lr") _,
                    out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q6") _, out("q7") _,
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
/// There are as many biases as sums, and as many weights for each as inputs, which are not none.
#[inline(always)]
pub(super) unsafe fn any(bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
    let (outputs, length) = (sums.len(), x.len());
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
            bias = inout(reg) bias.as_ptr() => _,
            w = inout(reg) weights.as_ptr() => _,
            x = inout(reg) x.as_ptr() => _,
            w1 = out(reg) _,
            sums = inout(reg) sums.as_mut_ptr() => _,
            out("r0") _, out("r2") _, out("r4") _, out("r8") _, out("lr") _,
            out("q0") _, out("q1") _, out("q2") _,
        );
    }
}

/// Any number of 16-bit inputs: two outputs share each vector of them that is loaded.
///
/// # Safety
/// There are as many biases as sums, and as many weights for each as inputs, which are not none.
#[cfg(feature = "a16")]
#[inline(always)]
pub(super) unsafe fn any16(bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
    let (outputs, length) = (sums.len(), x.len());
    // As above, in numbers.
    let over = length.next_multiple_of(VECTOR / 2) - length;
    // SAFETY: as above, by twos of outputs and one that may be left. Loads that widen take low registers, for which r1 and r2
    // are named.
    unsafe {
        asm!(
            "subs {outputs}, #2",
            "blt 4f",
            "2:",
            "ldrd r0, r8, [{bias}], #8",
            "add r2, r1, {length}",
            "dlstp.16 lr, {length}",
            "3:",
            "vldrh.u16 q0, [{x}], #16",
            "vldrb.s16 q1, [r1], #8",
            "vmladava.s16 r0, q0, q1",
            "vldrb.s16 q2, [r2], #8",
            "vmladava.s16 r8, q0, q2",
            "letp lr, 3b",
            "strd r0, r8, [{sums}], #8",
            "sub r1, r2, {over}",
            "sub {x}, {x}, {length}, lsl #1",
            "sub {x}, {x}, {over}, lsl #1",
            "subs {outputs}, #2",
            "bge 2b",
            "4:",
            "adds {outputs}, #2",
            "beq 6f",
            "ldr r0, [{bias}]",
            "dlstp.16 lr, {length}",
            "5:",
            "vldrh.u16 q0, [{x}], #16",
            "vldrb.s16 q1, [r1], #8",
            "vmladava.s16 r0, q0, q1",
            "letp lr, 5b",
            "str r0, [{sums}]",
            "6:",
            outputs = inout(reg) outputs => _,
            length = in(reg) length,
            over = in(reg) over,
            bias = inout(reg) bias.as_ptr() => _,
            x = inout(reg) x.as_ptr() => _,
            sums = inout(reg) sums.as_mut_ptr() => _,
            inout("r1") weights.as_ptr() => _,
            out("r0") _, out("r2") _, out("r8") _, out("lr") _,
            out("q0") _, out("q1") _, out("q2") _,
            options(nostack),
        );
    }
}
