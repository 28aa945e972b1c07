//! Products with 16-bit inputs: loads widen the weights, and `vmladava.s16` accumulates eight products.

use super::VECTOR;
use core::arch::asm;

/// Inputs per vector.
const LANES: usize = VECTOR / 2;

/// Operands of a product with requantization.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) bias: *const i32,
    pub(super) weights: *const i8,
    pub(super) x: *const i16,
    /// Number of inputs.
    pub(super) length: usize,
    pub(super) multipliers: *const i32,
    pub(super) outputs: usize,
}

/// Sliding mask for the final, overlapping input vector: zero in lanes the previous vector already covered.
static KEPT: [i16; 2 * LANES] = [0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1];

impl Operands {
    /// Input vectors, the final one included.
    fn vectors(&self) -> usize {
        // Faster than `div_ceil`; the sum cannot overflow.
        self.length.wrapping_add(LANES - 1) / LANES
    }

    /// Inputs that the final vector shares with the one before it.
    fn over(&self) -> usize {
        self.length.wrapping_neg() % LANES
    }
}

/// Dot product of a row of weights, added to `$sum`: with the input vectors in registers, with those reloaded from memory,
/// and with the final one. The weights of the final vector overlap like its inputs, so no read passes the end of the row.
macro_rules! row {
    ($sum:literal, [$($q:literal)*], [$($again:literal)*], $last:literal) => {
        concat!(
            $("vldrb.s16 q7, [r1], #8\n vmladava.s16 ", $sum, ", q7, q", $q, "\n ",)*
            $("vldrb.s16 q7, [r1], #8\n vldrh.u16 q6, [{x}, #", $again, "]\n vmladava.s16 ", $sum, ", q7, q6\n ",)*
            "sub r1, r1, {over}\n vldrb.s16 q7, [r1], #8\n vmladava.s16 ", $sum, ", q7, q", $last
        )
    };
}

/// All outputs, with up to six input vectors held in registers.
///
/// An iteration computes four outputs, in r0, r2, r4 and r8, then in q6; the tail computes one to three. The caller passes
/// the instructions before and after the multiplication. Clobbers q7.
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

/// Dispatch on the number of input vectors, two to eight, else the function returns `false`. Each case lists the registers of
/// the first vectors, the byte offsets of their inputs, the offsets of vectors to reload, and the register of the final one.
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

/// Requantized accumulators as activations `0..=8191`, without a left shift. `false`, with nothing done, unless the inputs
/// take two to eight vectors.
///
/// # Safety
/// `at` holds `length` inputs, `outputs` biases and multipliers, and a row of `length` weights per output; rows are
/// contiguous. `y` is valid for `outputs` elements.
#[inline(always)]
pub(super) unsafe fn activations(at: Operands, y: *mut i16) -> bool {
    macro_rules! with {
        ($vectors:tt) => {
            outputs!(
                $vectors,
                at,
                [],
                [],
                // Unsigned saturation to 13 bits: 0 to 8191.
                ["vqshlu.s32 q6, q6, #19", "vshr.u32 q6, q6, #19", "vstrh.32 q6, [r3], #8"],
                [],
                [options(nostack)],
                inout("r3") y => _,
                out("r8") _,
            )
        };
    }
    // SAFETY: an iteration reads four biases, multipliers and rows of weights, and writes four activations; the tail is
    // limited to the remaining outputs. Two vectors or more hold at least one whole vector of inputs, so the final vector
    // starts within them, and `KEPT` is read within its bounds. `ldrd` needs four-byte alignment, which biases have.
    unsafe { vectors!(at, with) }
    true
}

/// [`activations`] from accumulators that are already computed.
#[inline(always)]
pub(super) fn activated(sums: &[i32], multipliers: &[i32], y: &mut [i16]) {
    // SAFETY: tail predication limits all accesses to the shortest of the three slices.
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

/// Adds requantized accumulators to the residual `y`, saturating, without a left shift. `false`, with nothing done, unless
/// the inputs take two to eight vectors.
///
/// # Safety
/// Same contract as [`activations`].
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
    // SAFETY: the caller guarantees the operands of `activations`, and `y` is read and written within `outputs`.
    unsafe { vectors!(at, with) }
    true
}

/// Requantized accumulators. `false`, with nothing done, unless the inputs take two to eight vectors.
///
/// # Safety
/// Same contract as [`activations`].
#[inline(always)]
pub(super) unsafe fn scaled(at: Operands, left_shift: u32, y: *mut i32) -> bool {
    macro_rules! with {
        ($vectors:tt) => {
            outputs!(
                $vectors,
                at,
                [],
                ["vshl.s32 q6, {left_shift}"],
                ["vstrw.32 q6, [{y}], #16"],
                [],
                [options(nostack)],
                left_shift = in(reg) left_shift & 31,
                y = inout(reg) y => _,
                out("r8") _,
            )
        };
    }
    // SAFETY: the caller guarantees the operands of `activations`, with `y` valid for `outputs` elements.
    unsafe { vectors!(at, with) }
    true
}

/// Outputs that share each load of an input vector. The arguments are the row pointers after the first, each with the one
/// before it; the loads of the biases; the row pointers with their accumulators; the last row pointer; the stores of the sums.
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

/// Product with any number of inputs, for five, four, two or one outputs at a time.
///
/// # Safety
/// `bias` and `sums` have the same length, `weights` holds a row of `x.len()` for each output, and `x` is not empty.
#[inline(always)]
pub(super) unsafe fn any(bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
    let (outputs, length) = (sums.len(), x.len());
    // Distance of a pointer past the end of a row, as pointers advance by whole vectors.
    let over = length.next_multiple_of(LANES) - length;
    // SAFETY: a group reads a bias and writes a sum for each of its outputs. The inner loops are tail-predicated to `length`,
    // so they read exactly the inputs and one row of weights per output. Widening loads take their base from r0 to r7, and
    // accumulators are even registers; r6 and r7, which cannot be operands, are restored, and the stack is balanced. `ldrd`
    // and `strd` need four-byte alignment, which biases and sums have by their type.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "sub sp, #16",
            "strd r2, r3, [sp, #4]",
            "2:",
            "str r0, [sp]",
            // Eight outputs: four and four are faster than five, two and one.
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
