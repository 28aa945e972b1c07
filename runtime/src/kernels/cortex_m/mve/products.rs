//! Matrix-vector products: `vmladava.s8` accumulates the sixteen products of a vector of weights and one of inputs.

use super::VECTOR;
use core::arch::asm;

/// Operands of a product with requantization.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) bias: *const i32,
    pub(super) weights: *const i8,
    pub(super) x: *const i8,
    pub(super) multipliers: *const i32,
    /// Outputs divided by four.
    pub(super) rounds: usize,
}

/// Dot product of a row of weights with the inputs in registers, into `$sum`. `$first` is the instruction for the first
/// vector: `vmladav` overwrites the accumulator, `vmladava` adds to it.
macro_rules! row {
    ($first:literal, $sum:literal, [$q:literal $(, $more:literal)*]) => {
        concat!(
            "vldrb.u8 q7, [{w}], #16\n ",
            $first,
            ".s8 ",
            $sum,
            ", q7, q",
            $q,
            $("\n vldrb.u8 q7, [{w}], #16\n vmladava.s8 ", $sum, ", q7, q", $more,)*
        )
    };
}

/// All outputs, with the inputs held in the listed vector registers; each is listed with the byte offset of its inputs.
///
/// An iteration computes four outputs, in r0, r2, r4 and r8, then in q6. The caller passes the start of an iteration, the
/// first product instruction, and the instructions before and after the multiplication. Clobbers q7.
macro_rules! outputs {
    (
        $at:ident, [$($q:literal $begin:literal),*], [$($begin_round:literal),*], $products:literal, [$($shift:literal),*],
        [$($store:literal),*], $($operands:tt)*
    ) => {
        asm!(
            $(concat!("vldrb.u8 q", $q, ", [r0, #", $begin, "]"),)*
            "wls lr, r2, 3f",
            "2:",
            $($begin_round,)*
            row!($products, "r0", [$($q),*]),
            row!($products, "r2", [$($q),*]),
            row!($products, "r4", [$($q),*]),
            row!($products, "r8", [$($q),*]),
            "vmov q6[2], q6[0], r0, r4",
            "vmov q6[3], q6[1], r2, r8",
            "vldrw.u32 q7, [{multipliers}], #16",
            $($shift,)*
            "vrmulh.s32 q6, q6, q7",
            $($store,)*
            "le lr, 2b",
            "3:",
            w = inout(reg) $at.weights => _,
            multipliers = inout(reg) $at.multipliers => _,
            $($operands)*
            inout("r0") $at.x => _,
            inout("r2") $at.rounds => _,
            out("r4") _, out("r8") _, out("lr") _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q6") _, out("q7") _,
            options(nostack),
        )
    };
}

/// [`outputs`] with accumulators that start from the biases.
macro_rules! biased {
    ($at:ident, $held:tt, $shift:tt, $store:tt, $($operands:tt)*) => {
        outputs!(
            $at,
            $held,
            ["ldrd r0, r2, [{bias}], #8", "ldrd r4, r8, [{bias}], #8"],
            "vmladava",
            $shift,
            $store,
            bias = inout(reg) $at.bias => _,
            $($operands)*
        )
    };
}

/// Dispatch on the number of input vectors to hold in registers: one to six, else the function returns `false`.
macro_rules! held {
    ($vectors:expr, $with:ident, $($arguments:tt)*) => {
        match $vectors {
            1 => $with!([0 0], $($arguments)*),
            2 => $with!([0 0, 1 16], $($arguments)*),
            3 => $with!([0 0, 1 16, 2 32], $($arguments)*),
            4 => $with!([0 0, 1 16, 2 32, 3 48], $($arguments)*),
            5 => $with!([0 0, 1 16, 2 32, 3 48, 4 64], $($arguments)*),
            6 => $with!([0 0, 1 16, 2 32, 3 48, 4 64, 5 80], $($arguments)*),
            _ => return false,
        }
    };
}

/// Requantized accumulators. `false`, with nothing done, unless the inputs take one to six vectors.
///
/// # Safety
/// Biases, multipliers and `sums` have four elements per round. The inputs are `vectors` whole vectors, and each output has
/// a row of weights of that length; rows are contiguous.
#[inline(always)]
pub(super) unsafe fn scaled(vectors: usize, at: Operands, left_shift: u32, sums: *mut i32) -> bool {
    macro_rules! with {
        ($held:tt, ) => {
            biased!(
                at,
                $held,
                ["vshl.s32 q6, {left_shift}"],
                ["vstrw.32 q6, [{sums}], #16"],
                left_shift = in(reg) left_shift & 31,
                sums = inout(reg) sums => _,
            )
        };
    }
    // SAFETY: an iteration reads four biases, four multipliers and four rows of weights as long as the inputs, and writes
    // four sums, all of which the caller guarantees. `ldrd` needs four-byte alignment, which biases have by their type.
    unsafe { held!(vectors, with,) }
    true
}

/// Adds requantized accumulators without biases to `sums`. `false`, with nothing done, unless the inputs take one to six
/// vectors.
///
/// # Safety
/// Same contract as [`scaled`], but biases are not read.
#[inline(always)]
pub(super) unsafe fn added(vectors: usize, at: Operands, left_shift: u32, sums: *mut i32) -> bool {
    macro_rules! with {
        ($held:tt, ) => {
            outputs!(
                at,
                $held,
                [],
                "vmladav",
                ["vshl.s32 q6, {left_shift}"],
                ["vldrw.u32 q7, [{sums}]", "vadd.i32 q6, q6, q7", "vstrw.32 q6, [{sums}], #16"],
                left_shift = in(reg) left_shift & 31,
                sums = inout(reg) sums => _,
            )
        };
    }
    // SAFETY: the caller guarantees the operands of `scaled`; no biases are read, and four sums are read before the write.
    unsafe { held!(vectors, with,) }
    true
}

/// Requantized accumulators plus `add`, saturating, without a left shift. `false`, with nothing done, unless the inputs take
/// one to six vectors.
///
/// # Safety
/// Same contract as [`scaled`], with activations `y` for its sums.
#[inline(always)]
pub(super) unsafe fn activations(vectors: usize, at: Operands, add: i32, y: *mut i8) -> bool {
    macro_rules! with {
        ($held:tt, ) => {
            biased!(
                at,
                $held,
                [],
                ["vadd.i32 q6, q6, {add}", "vqmovnb.s32 q6, q6", "vqmovnb.s16 q6, q6", "vstrb.32 q6, [r1], #4"],
                add = in(reg) add,
                inout("r1") y => _,
            )
        };
    }
    // SAFETY: the caller guarantees the operands of `scaled`, and four activations per round.
    unsafe { held!(vectors, with,) }
    true
}

/// Adds requantized accumulators to the residual `y`, saturating, without a left shift. `false`, with nothing done, unless
/// the inputs take one to six vectors.
///
/// # Safety
/// Same contract as [`scaled`], with residuals `y` for its sums.
#[inline(always)]
pub(super) unsafe fn accumulated(vectors: usize, at: Operands, y: *mut i16) -> bool {
    macro_rules! with {
        ($held:tt, ) => {
            biased!(
                at,
                $held,
                [],
                ["vldrh.s32 q7, [r1]", "vadd.i32 q6, q6, q7", "vqmovnb.s32 q6, q6", "vstrh.32 q6, [r1], #8"],
                inout("r1") y => _,
            )
        };
    }
    // SAFETY: the caller guarantees the operands of `scaled`, and four residuals per round.
    unsafe { held!(vectors, with,) }
    true
}

/// Product with any number of inputs: four outputs share each load of an input vector.
///
/// # Safety
/// `bias` and `sums` have the same length, `weights` holds a row of `x.len()` for each output, and `x` is not empty.
#[inline(always)]
pub(super) unsafe fn any(bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
    let (outputs, length) = (sums.len(), x.len());
    // Distance of a pointer past the end of a row, as pointers advance by whole vectors.
    let over = length.next_multiple_of(VECTOR) - length;
    // SAFETY: the first loop runs over outputs in fours, the second one over the remainder. An iteration reads a bias and
    // writes a sum for each of its outputs. The inner loops are tail-predicated to `length`, so they read exactly the inputs
    // and one row of weights per output. The stack is balanced, and r7, which cannot be an operand, is restored. `ldrd` and
    // `strd` need four-byte alignment, which biases and sums have by their type.
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
