//! The DSP instructions of Cortex-M4, M7 and M33: `smlad` multiplies and adds two pairs of 16-bit numbers at once.

use super::{Kernel, Portable};
use crate::blob::Layout;
use core::arch::asm;

/// The kernel of Cortex-M cores with the DSP extension.
///
/// It is fastest with weights in [`Layout::Blocks`]: four outputs share the activations that are widened for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp;

impl Kernel for Dsp {
    #[inline(always)]
    fn rows(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        Portable.rows(bias, weights, x, sums);
    }

    #[inline(never)]
    fn blocks(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        let size = Layout::OUTPUTS * x.len();
        let whole = sums.len().min(bias.len()) / Layout::OUTPUTS * Layout::OUTPUTS;
        let aligned = weights.as_ptr().cast::<u32>().is_aligned() && x.len().is_multiple_of(Layout::INPUTS);
        let (Some(before), true) = (weights.get(..whole * x.len()), aligned && size > 0) else {
            return Portable.blocks(bias, weights, x, sums);
        };
        for ((sums, bias), weights) in sums
            .chunks_exact_mut(Layout::OUTPUTS)
            .zip(bias.chunks_exact(Layout::OUTPUTS))
            .zip(before.chunks_exact(size))
        {
            if let (Ok(sums), &[a, b, c, d]) = (<&mut [i32; 4]>::try_from(sums), bias) {
                // SAFETY: the weights are four times as many as the inputs, these are a multiple of four and not none,
                // and the weights lie at a multiple of four, as `before` and `size` do.
                *sums = unsafe { four([a, b, c, d], weights, x) };
            }
        }
        if let (Some(sums), Some(bias), Some(weights)) =
            (sums.get_mut(whole..), bias.get(whole..), weights.get(whole * x.len()..))
            && !sums.is_empty()
        {
            Portable.blocks(bias, weights, x, sums);
        }
    }
}

/// Four inputs of four outputs: 21 instructions for 16 multiply-adds.
macro_rules! round {
    () => {
        "ldr {x0}, [{x}], #4
        ldrd {w0}, {w1}, [{w}], #8
        sxtb16 {x1}, {x0}, ror #8
        sxtb16 {x0}, {x0}
        sxtb16 {t}, {w0}
        sxtb16 {w0}, {w0}, ror #8
        smlad {a}, {t}, {x0}, {a}
        sxtb16 {t}, {w1}
        smlad {a}, {w0}, {x1}, {a}
        sxtb16 {w1}, {w1}, ror #8
        smlad {b}, {t}, {x0}, {b}
        smlad {b}, {w1}, {x1}, {b}
        ldrd {w0}, {w1}, [{w}], #8
        sxtb16 {t}, {w0}
        sxtb16 {w0}, {w0}, ror #8
        smlad {c}, {t}, {x0}, {c}
        sxtb16 {t}, {w1}
        smlad {c}, {w0}, {x1}, {c}
        sxtb16 {w1}, {w1}, ror #8
        smlad {d}, {t}, {x0}, {d}
        smlad {d}, {w1}, {x1}, {d}"
    };
}

/// Four outputs.
///
/// # Safety
/// `x` has a multiple of four numbers and at least four, `weights` at least four times as many, at an address that is a
/// multiple of four.
#[inline(always)]
unsafe fn four([mut a, mut b, mut c, mut d]: [i32; 4], weights: &[i8], x: &[i8]) -> [i32; 4] {
    // SAFETY: a round reads four bytes of `x` and sixteen of `weights`; there are rounds until `x` is at its end, one at first
    // where their number is odd, then two at a time. They write to registers alone. `ldrd` wants addresses that are
    // multiples of four; `ldr` takes any, as long as the
    // processor does not trap unaligned loads.
    unsafe {
        asm!(
            "lsls {t}, {t}, #30", // bit 2 of the length: an odd number of rounds
            "bcc 2f",
            round!(),
            "cmp {x}, {end}",
            "beq 3f",
            "2:",
            round!(),
            round!(),
            "cmp {x}, {end}",
            "bne 2b",
            "3:",
            x = inout(reg) x.as_ptr() => _,
            w = inout(reg) weights.as_ptr() => _,
            end = in(reg) x.as_ptr().add(x.len()),
            a = inout(reg) a,
            b = inout(reg) b,
            c = inout(reg) c,
            d = inout(reg) d,
            x0 = out(reg) _,
            x1 = out(reg) _,
            w0 = out(reg) _,
            w1 = out(reg) _,
            t = inout(reg) x.len() => _,
            options(nostack, readonly),
        );
    }
    [a, b, c, d]
}
