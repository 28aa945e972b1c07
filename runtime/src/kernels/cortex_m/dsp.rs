//! DSP extension of Cortex-M4, M7 and M33: `smlad` multiplies two pairs of 16-bit values and accumulates both products.

mod memory;
#[cfg(feature = "a16")]
mod softmax;

pub(crate) use memory::copy;

use crate::blob::Layout;
use crate::kernels::{Kernel, Portable};
use core::arch::asm;

/// Loads four 8-bit inputs: the even ones into `x0`, the odd ones into `x1`. Leaves `t` free.
macro_rules! inputs8 {
    () => {
        "ldr {x0}, [{x}], #4
        sxtb16 {x1}, {x0}, ror #8
        sxtb16 {x0}, {x0}"
    };
}

/// Loads four 16-bit inputs as they lie, two adjacent ones per register.
#[cfg(feature = "a16")]
macro_rules! inputs16 {
    () => {
        "ldrd {x0}, {x1}, [{x}], #8"
    };
}

/// Four inputs of four outputs: 21 instructions for 16 multiply-adds, 19 with 16-bit inputs.
macro_rules! round {
    ($inputs:ident) => {
        concat!(
            $inputs!(),
            "
            ldrd {w0}, {w1}, [{w}], #8
            sxtb16 {t}, {w0}
            sxtb16 {w0}, {w0}, ror #8
            smlad r0, {t}, {x0}, r0
            sxtb16 {t}, {w1}
            smlad r0, {w0}, {x1}, r0
            sxtb16 {w1}, {w1}, ror #8
            smlad r1, {t}, {x0}, r1
            smlad r1, {w1}, {x1}, r1
            ldrd {w0}, {w1}, [{w}], #8
            sxtb16 {t}, {w0}
            sxtb16 {w0}, {w0}, ror #8
            smlad r2, {t}, {x0}, r2
            sxtb16 {t}, {w1}
            smlad r2, {w0}, {x1}, r2
            sxtb16 {w1}, {w1}, ror #8
            smlad r3, {t}, {x0}, r3
            smlad r3, {w1}, {x1}, r3"
        )
    };
}

/// Two rounds of 8-bit inputs.
macro_rules! rounds8 {
    () => {
        concat!(round!(inputs8), "\n", round!(inputs8))
    };
}

/// Four rounds of 16-bit inputs.
#[cfg(feature = "a16")]
macro_rules! rounds16 {
    () => {
        concat!(round!(inputs16), "\n", round!(inputs16), "\n", round!(inputs16), "\n", round!(inputs16))
    };
}

/// Rounds of 16-bit inputs until the rest is a multiple of 32 bytes, which is four rounds.
#[cfg(feature = "a16")]
macro_rules! odd16 {
    () => {
        concat!("5:\n", round!(inputs16), "\nsub {t}, {end}, {x}\nlsls {t}, {t}, #27\nbne 5b")
    };
}

/// Blocks of four outputs, `$count` outputs in all. `$rounds` are `$at_once` rounds; `$odd` are the rounds that make the rest
/// of the inputs a multiple of them, skipped if there are none.
///
/// # Safety
/// - `$rounds` are exactly `$at_once` rounds, and `$odd` leaves a multiple of them.
/// - `$count` is a multiple of four and not 0; `$bias` and `$sums` hold at least `$count` elements.
/// - `$x` holds a multiple of four inputs and is not empty; `$weights` holds at least `$count` times its length.
/// - `$weights` is aligned to four bytes, and so is a 16-bit `$x`.
macro_rules! fours {
    ([$odd:expr, $rounds:expr, $at_once:literal], $bias:ident, $weights:ident, $x:ident, $sums:ident, $count:ident) => {{
        // Blocks after the first, times two, plus one if there are odd rounds.
        let odd = !($x.len() / Layout::INPUTS).is_multiple_of($at_once);
        let rest = ($count / Layout::OUTPUTS - 1) * 2 + usize::from(odd);
        // A block reads its four biases and writes its four sums. A round reads four inputs and sixteen weights; rounds run until
        // `$x` is at its end, the odd ones first. State between blocks takes 16 bytes of stack, which are released. `ldm`, `stm`,
        // `ldrd` and `strd` need four-byte alignment; `ldr` needs none unless the processor traps unaligned loads.
        asm!(
            "sub sp, #16", // next biases, next sums, blocks left, first input
            "strd {x0}, {x1}, [sp]",
            "strd {w0}, {x}, [sp, #8]",
            "2:",
            "ldm {x0}!, {{r0, r1, r2, r3}}",
            "str {x0}, [sp]",
            "lsrs {t}, {w0}, #1",
            "bcc 3f",
            $odd,
            "cmp {x}, {end}",
            "beq 4f",
            "3:",
            $rounds,
            "cmp {x}, {end}",
            "bne 3b",
            "4:",
            "ldrd {x0}, {x1}, [sp]",
            "stm {x1}!, {{r0, r1, r2, r3}}",
            "str {x1}, [sp, #4]",
            "ldrd {w0}, {x}, [sp, #8]",
            "subs {w0}, {w0}, #2",
            "str {w0}, [sp, #8]",
            "bpl 2b",
            "add sp, #16",
            x = inout(reg) $x.as_ptr() => _,
            w = inout(reg) $weights.as_ptr() => _,
            end = in(reg) $x.as_ptr().add($x.len()),
            out("r0") _,
            out("r1") _,
            out("r2") _,
            out("r3") _,
            x0 = inout(reg) $bias.as_ptr() => _,
            x1 = inout(reg) $sums.as_mut_ptr() => _,
            w0 = inout(reg) rest => _,
            w1 = out(reg) _,
            t = out(reg) _,
        );
    }};
}

/// Kernel of Cortex-M cores with the DSP extension.
///
/// Fastest with weights in [`Layout::Tiled`], and in `Layout::TiledPairs` for 16-bit activations: four outputs share each
/// load of activations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp;

impl Kernel for Dsp {
    #[inline(always)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        Portable.gemv_row_major(bias, weights, x, sums);
    }

    #[inline(never)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        let whole = whole(bias, weights, x, sums);
        // The remainder comes first, so that no operand has to be kept on the stack across the blocks.
        if let Some((bias, weights, sums)) = rest(whole, bias, weights, x, sums) {
            Portable.gemv_tiled(bias, weights, x, sums);
        }
        if whole > 0 {
            // SAFETY: `whole` is not 0, so it has checked the lengths, the counts and the alignment of the weights.
            unsafe { fours!([round!(inputs8), rounds8!(), 2], bias, weights, x, sums, whole) };
        }
    }

    #[cfg(feature = "a16")]
    #[inline(never)]
    fn gemv_tiled_pairs_i16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        // `ldrd` loads two words of inputs and needs four-byte alignment.
        let whole = if x.as_ptr().cast::<u32>().is_aligned() { whole(bias, weights, x, sums) } else { 0 };
        if let Some((bias, weights, sums)) = rest(whole, bias, weights, x, sums) {
            Portable.gemv_tiled_pairs_i16(bias, weights, x, sums);
        }
        if whole > 0 {
            // SAFETY: `whole` is not 0, so it has checked lengths, counts and the alignment of the weights; `x` is aligned too.
            unsafe { fours!([odd16!(), rounds16!(), 4], bias, weights, x, sums, whole) };
        }
    }

    // Models with 16-bit activations have hundreds of levels; builds without them need short code.
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn largest(self, logits: &[u32]) -> (i32, usize) {
        softmax::largest(logits)
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn weights(self, logits: &mut [u32], largest: i32, inverse: u32) -> u64 {
        softmax::weights(logits, largest, inverse)
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn frequencies(self, weights: &mut [u32], scale: u32) -> u32 {
        softmax::frequencies(weights, scale)
    }
}

/// Outputs in whole blocks that [`fours`] can compute: a multiple of four, 0 if its preconditions do not hold.
///
/// These are biases and sums of one length, a row of `x.len()` weights per output aligned to four bytes, and a multiple of
/// four inputs that is not 0.
#[inline(always)]
fn whole<X>(bias: &[i32], weights: &[i8], x: &[X], sums: &[i32]) -> usize {
    // Excludes overflow of the product. Models stay below these sizes.
    let few = (sums.len() | x.len()) <= usize::from(u16::MAX);
    let all = sums.len() == bias.len() && weights.len() == sums.len() * x.len();
    let aligned = weights.as_ptr().cast::<u32>().is_aligned() && x.len().is_multiple_of(Layout::INPUTS);
    if few && all && aligned && !x.is_empty() { sums.len() / Layout::OUTPUTS * Layout::OUTPUTS } else { 0 }
}

/// Biases, weights and sums after the first `whole` outputs, if any.
#[inline(always)]
fn rest<'a, X>(
    whole: usize,
    bias: &'a [i32],
    weights: &'a [i8],
    x: &[X],
    sums: &'a mut [i32],
) -> Option<(&'a [i32], &'a [i8], &'a mut [i32])> {
    let sums = sums.get_mut(whole..).filter(|sums| !sums.is_empty())?;
    Some((bias.get(whole..)?, weights.get(whole * x.len()..)?, sums))
}
