//! Products with 16-bit inputs: weights are widened on their way from memory, and an instruction gives eight products.

use super::VECTOR;
use core::arch::asm;

/// Inputs of a vector.
const LANES: usize = VECTOR / 2;

/// Where the numbers of some outputs lie.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) bias: *const i32,
    pub(super) weights: *const i8,
    pub(super) x: *const i16,
    /// Inputs.
    pub(super) length: usize,
    pub(super) multipliers: *const i32,
    pub(super) outputs: usize,
}

/// What the last vector of inputs keeps, seen from its middle back by as many as the vector before has as well.
static KEPT: [i16; 2 * LANES] = [0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1];

impl Operands {
    /// Vectors of inputs.
    fn vectors(&self) -> usize {
        // Quicker than `div_ceil`: nothing overflows.
        self.length.wrapping_add(LANES - 1) / LANES
    }

    /// Inputs that the last vector shares with the one before.
    fn over(&self) -> usize {
        self.length.wrapping_neg() % LANES
    }
}

/// Products of a row of weights: with the vectors of inputs that are in registers, with those that are read again, and with the
/// last one. Weights of that one begin earlier, where its inputs do, so that nothing behind the row is read.
macro_rules! row {
    ($sum:literal, [$($q:literal)*], [$($again:literal)*], $last:literal) => {
        concat!(
            $("vldrb.s16 q7, [r1], #8\n vmladava.s16 ", $sum, ", q7, q", $q, "\n ",)*
            $("vldrb.s16 q7, [r1], #8\n vldrh.u16 q6, [{x}, #", $again, "]\n vmladava.s16 ", $sum, ", q7, q6\n ",)*
            "sub r1, r1, {over}\n vldrb.s16 q7, [r1], #8\n vmladava.s16 ", $sum, ", q7, q", $last
        )
    };
}

/// All outputs, of inputs that are kept in vector registers, as far as there are enough.
///
/// A round computes four, in r0, r2, r4 and r8, and then in q6; the last round one to three. What is done to sums before they are
/// multiplied and afterwards is the caller's. It needs q7.
macro_rules! outputs {
    (
        [[$($q:literal)*], [$($begin:literal)*], [$($again:literal)*], $last:literal], $at:ident, [$($begin_all:literal),*],
        [$($shift:literal),*], [$($store:literal),*], [$($end_all:literal),*], [$($options:tt)*], $($operands:tt)*
    ) => {
        asm!(
            $($begin_all,)*
            $(concat!("vldrh.u16 q", $q, ", [{x}, #", $begin, "]"),)*
            "vldrh.u16 q7, [r0]",
            concat!("vldrh.u16 q", $last, ", [r4]"),
            concat!("vand q", $last, ", q", $last, ", q7"),
            "wls lr, r2, 3f",
            "2:",
            "ldrd r0, r2, [{bias}], #8",
            "ldrd r4, r8, [{bias}], #8",
            row!("r0", [$($q)*], [$($again)*], $last),
            row!("r2", [$($q)*], [$($again)*], $last),
            row!("r4", [$($q)*], [$($again)*], $last),
            row!("r8", [$($q)*], [$($again)*], $last),
            "vmov q6[2], q6[0], r0, r4",
            "vmov q6[3], q6[1], r2, r8",
            "vldrw.u32 q7, [{multipliers}], #16",
            $($shift,)*
            "vrmulh.s32 q6, q6, q7",
            $($store,)*
            "le lr, 2b",
            "3:",
            "cmp {rest}, #0",
            "beq 6f",
            "mov r0, #0",
            row!("r0", [$($q)*], [$($again)*], $last),
            "mov r2, #0",
            "cmp {rest}, #2",
            "blo 4f",
            row!("r2", [$($q)*], [$($again)*], $last),
            "beq 4f",
            "mov r4, #0",
            row!("r4", [$($q)*], [$($again)*], $last),
            "4:",
            "vmov q6[2], q6[0], r0, r4",
            "vmov q6[3], q6[1], r2, r2",
            "dlstp.32 lr, {rest}",
            "5:",
            "vldrw.u32 q7, [{bias}]",
            "vadd.i32 q6, q6, q7",
            "vldrw.u32 q7, [{multipliers}]",
            $($shift,)*
            "vrmulh.s32 q6, q6, q7",
            $($store,)*
            "letp lr, 5b",
            "6:",
            $($end_all,)*
            x = in(reg) $at.x,
            over = in(reg) $at.over(),
            rest = in(reg) $at.outputs % 4,
            bias = inout(reg) $at.bias => _,
            multipliers = inout(reg) $at.multipliers => _,
            $($operands)*
            inout("r0") KEPT.as_ptr().wrapping_add(LANES - $at.over()) => _,
            inout("r1") $at.weights => _,
            inout("r2") $at.outputs / 4 => _,
            inout("r4") $at.x.wrapping_add($at.length - LANES) => _,
            out("lr") _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q6") _, out("q7") _,
            $($options)*
        )
    };
}

/// Does the same for each number of vectors that inputs may be in: in which registers the first ones are kept and where they begin, where
/// those begin that there is no register for, and the register of the last one.
macro_rules! vectors {
    ($at:ident, $with:ident) => {
        match $at.vectors() {
            2 => $with!([[0], [0], [], 1]),
            3 => $with!([[0 1], [0 16], [], 2]),
            4 => $with!([[0 1 2], [0 16 32], [], 3]),
            5 => $with!([[0 1 2 3], [0 16 32 48], [], 4]),
            6 => $with!([[0 1 2 3 4], [0 16 32 48 64], [], 5]),
            7 => $with!([[0 1 2 3 4], [0 16 32 48 64], [80], 5]),
            8 => $with!([[0 1 2 3 4], [0 16 32 48 64], [80 96], 5]),
            _ => return false,
        }
    };
}

/// Scaled sums as activations that are not negative, of sums that need not be shifted; `false` where inputs are too many or too few.
///
/// # Safety
/// There are as many inputs, outputs and so on as `at` says, and as many weights for each output as inputs.
#[inline(always)]
pub(super) unsafe fn activations(at: Operands, y: *mut i16) -> bool {
    macro_rules! with {
        ($vectors:tt) => {
            outputs!(
                $vectors,
                at,
                [],
                [],
                // From 0 to 8191: what has more than 13 bits is saturated.
                ["vqshlu.s32 q6, q6, #19", "vshr.u32 q6, q6, #19", "vstrh.32 q6, [r3], #8"],
                [],
                [options(nostack)],
                inout("r3") y => _,
                out("r8") _,
            )
        };
    }
    // SAFETY: a round reads four biases and multipliers and writes four numbers, and reads four rows of weights, each as long as the
    // inputs; the last round leaves off what is beyond. Inputs are a vector at least, and of the table as much is read as it has.
    // `ldrd` wants addresses that are multiples of four, which those of biases are.
    unsafe { vectors!(at, with) }
    true
}

/// As [`activations`], of sums that there are already.
#[inline(always)]
pub(super) fn activated(sums: &[i32], multipliers: &[i32], y: &mut [i16]) {
    // SAFETY: it reads and writes as many numbers as there are of all three.
    unsafe {
        asm!(
            "wlstp.32 lr, {count}, 3f",
            "2:",
            "vldrw.u32 q0, [{sums}], #16",
            "vldrw.u32 q1, [{multipliers}], #16",
            "vrmulh.s32 q0, q0, q1",
            "vqshlu.s32 q0, q0, #19",
            "vshr.u32 q0, q0, #19",
            "vstrh.32 q0, [r0], #8",
            "letp lr, 2b",
            "3:",
            count = in(reg) sums.len().min(multipliers.len()).min(y.len()),
            sums = inout(reg) sums.as_ptr() => _,
            multipliers = inout(reg) multipliers.as_ptr() => _,
            inout("r0") y.as_mut_ptr() => _,
            out("lr") _,
            out("q0") _,
            out("q1") _,
            options(nostack),
        );
    }
}

/// Adds scaled sums to `y`, saturated, of sums that need not be shifted; `false` where inputs are too many or too few.
///
/// # Safety
/// As [`activations`].
#[inline(always)]
pub(super) unsafe fn accumulated(at: Operands, y: *mut i16) -> bool {
    macro_rules! with {
        ($vectors:tt) => {
            outputs!(
                $vectors,
                at,
                [],
                [],
                ["vldrh.s32 q7, [r3]", "vadd.i32 q6, q6, q7", "vqmovnb.s32 q6, q6", "vstrh.32 q6, [r3], #8"],
                [],
                [options(nostack)],
                inout("r3") y => _,
                out("r8") _,
            )
        };
    }
    // SAFETY: as in `activations`.
    unsafe { vectors!(at, with) }
    true
}

/// Scaled sums; `false` where inputs are too many or too few.
///
/// # Safety
/// As [`activations`].
#[inline(always)]
pub(super) unsafe fn scaled(at: Operands, left: u32, y: *mut i32) -> bool {
    macro_rules! with {
        ($vectors:tt) => {
            outputs!(
                $vectors,
                at,
                [],
                ["vshl.s32 q6, {left}"],
                ["vstrw.32 q6, [{y}], #16"],
                [],
                [options(nostack)],
                left = in(reg) left & 31,
                y = inout(reg) y => _,
                out("r8") _,
            )
        };
    }
    // SAFETY: as in `activations`.
    unsafe { vectors!(at, with) }
    true
}

/// Some outputs that share each vector of inputs that is loaded: where their rows begin, from which registers on and with how many sums,
/// and how sums are read and written. Each of the rows but the first is in `$row`, after the one in `$before`.
macro_rules! shared {
    ([$($row:literal $before:literal),*], [$($bias:literal),*], [$($weights:literal $sum:literal),*], $end:literal, [$($store:literal),*]) => {
        concat!(
            $("add ", $row, ", ", $before, ", r11\n ",)*
            $($bias, "\n ",)*
            "dlstp.16 lr, r11\n 3:\n vldrh.u16 q0, [r9], #16\n ",
            $("vldrb.s16 q1, [", $weights, "], #8\n vmladava.s16 ", $sum, ", q0, q1\n ",)*
            "letp lr, 3b\n ldrd r3, r5, [sp, #4]\n ",
            $($store, "\n ",)*
            "str r3, [sp, #4]\n sub r1, ", $end, ", r5\n sub r9, r9, r11, lsl #1\n sub r9, r9, r5, lsl #1"
        )
    };
}

/// Any number of inputs, of five, four, two or one outputs at a time.
///
/// # Safety
/// There are as many biases as sums, and as many weights for each as inputs, which are not none.
#[inline(always)]
pub(super) unsafe fn any(bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
    let (outputs, length) = (sums.len(), x.len());
    // What pointers are too far behind a row, as they go on by whole vectors.
    let over = length.next_multiple_of(LANES) - length;
    // SAFETY: a round reads as many biases and writes as many sums as it has outputs, and reads as many inputs as there are, and
    // as many weights of each row: the loops within leave off what is beyond. Loads that widen take low registers and sums even
    // ones; r6 and r7, which have no names here, are put back. `ldrd` and `strd` want addresses that are multiples of four, which
    // those of biases and sums are.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "sub sp, #16",
            "strd r2, r3, [sp, #4]",
            "2:",
            "str r0, [sp]",
            // Of eight outputs, twice four are quicker than five, two and one.
            "cmp r0, #8",
            "beq 4f",
            "cmp r0, #5",
            "blo 5f",
            shared!(
                ["r3" "r1", "r5" "r3", "r6" "r5", "r7" "r6"],
                ["ldrd r0, r2, [r12], #8", "ldrd r4, r8, [r12], #8", "ldr r10, [r12], #4"],
                ["r1" "r0", "r3" "r2", "r5" "r4", "r6" "r8", "r7" "r10"],
                "r7",
                ["strd r0, r2, [r3], #8", "strd r4, r8, [r3], #8", "str r10, [r3], #4"]
            ),
            "ldr r0, [sp]",
            "subs r0, #5",
            "bne 2b",
            "b 8f",
            "5:",
            "cmp r0, #4",
            "bne 6f",
            "4:",
            shared!(
                ["r3" "r1", "r5" "r3", "r6" "r5"],
                ["ldrd r0, r2, [r12], #8", "ldrd r4, r8, [r12], #8"],
                ["r1" "r0", "r3" "r2", "r5" "r4", "r6" "r8"],
                "r6",
                ["strd r0, r2, [r3], #8", "strd r4, r8, [r3], #8"]
            ),
            "ldr r0, [sp]",
            "subs r0, #4",
            "bne 2b",
            "b 8f",
            "6:",
            "cmp r0, #2",
            "blo 7f",
            shared!(["r6" "r1"], ["ldrd r0, r2, [r12], #8"], ["r1" "r0", "r6" "r2"], "r6", ["strd r0, r2, [r3], #8"]),
            "ldr r0, [sp]",
            "subs r0, #2",
            "bne 2b",
            "b 8f",
            "7:",
            "cbz r0, 8f",
            shared!([], ["ldr r0, [r12], #4"], ["r1" "r0"], "r1", ["str r0, [r3], #4"]),
            "ldr r0, [sp]",
            "subs r0, #1",
            "bne 2b",
            "8:",
            "add sp, #16",
            "pop {{r6, r7}}",
            inout("r0") outputs => _,
            inout("r1") weights.as_ptr() => _,
            inout("r2") sums.as_mut_ptr() => _,
            inout("r3") over => _,
            out("r4") _,
            out("r5") _,
            out("r8") _,
            inout("r9") x.as_ptr() => _,
            out("r10") _,
            in("r11") length,
            inout("r12") bias.as_ptr() => _,
            out("lr") _,
            out("q0") _, out("q1") _,
        );
    }
}
