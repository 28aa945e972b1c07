//! The DSP instructions of Cortex-M4, M7 and M33: `smlad` multiplies and adds two pairs of 16-bit numbers at once.

use super::{Kernel, Portable};
use crate::blob::Layout;
use core::arch::asm;

/// The kernel of Cortex-M cores with the DSP extension.
///
/// It is fastest with weights in [`Layout::Blocks`]: four outputs share the activations that are widened for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp;

/// Bytes of weights that a block of four outputs has for four inputs.
const FOUR_BY_FOUR: usize = Layout::OUTPUTS * Layout::INPUTS;

impl Kernel for Dsp {
    #[inline]
    fn rows(self, sums: &mut [i32], weights: &[i8], x: &[i8]) {
        Portable.rows(sums, weights, x);
    }

    #[inline]
    fn blocks(self, sums: &mut [i32], weights: &[i8], x: &[i8]) {
        if x.is_empty() {
            return;
        }
        let mut weights = weights;
        let mut sums = sums.chunks_exact_mut(Layout::OUTPUTS);
        for sums in &mut sums {
            let Some((block, rest)) = weights.split_at_checked(Layout::OUTPUTS * x.len()) else { return };
            weights = rest;
            if let Ok(sums) = sums.try_into() {
                four(sums, block, x);
            }
        }
        Portable.blocks(sums.into_remainder(), weights, x);
    }
}

/// Four outputs.
#[inline(always)]
fn four(sums: &mut [i32; 4], weights: &[i8], x: &[i8]) {
    let fours = (x.len() / Layout::INPUTS).min(weights.len() / FOUR_BY_FOUR);
    if fours == 0 || !weights.as_ptr().cast::<u32>().is_aligned() {
        return Portable.blocks(sums, weights, x);
    }
    let [mut a, mut b, mut c, mut d] = *sums;
    // SAFETY: the loop reads four bytes of `x` and sixteen of `weights` for each of `fours` rounds, which both have, and
    // writes to registers alone. `ldrd` wants addresses that are multiples of four: those of the weights are; `ldr`
    // takes any.
    unsafe {
        asm!(
            "2:",
            "ldr {x0}, [{x}], #4",
            "ldrd {w0}, {w1}, [{w}], #8",
            "sxtb16 {x1}, {x0}, ror #8",
            "sxtb16 {x0}, {x0}",
            "sxtb16 {t}, {w0}",
            "sxtb16 {w0}, {w0}, ror #8",
            "smlad {a}, {t}, {x0}, {a}",
            "sxtb16 {t}, {w1}",
            "smlad {a}, {w0}, {x1}, {a}",
            "sxtb16 {w1}, {w1}, ror #8",
            "smlad {b}, {t}, {x0}, {b}",
            "smlad {b}, {w1}, {x1}, {b}",
            "ldrd {w0}, {w1}, [{w}], #8",
            "sxtb16 {t}, {w0}",
            "sxtb16 {w0}, {w0}, ror #8",
            "smlad {c}, {t}, {x0}, {c}",
            "sxtb16 {t}, {w1}",
            "smlad {c}, {w0}, {x1}, {c}",
            "sxtb16 {w1}, {w1}, ror #8",
            "smlad {d}, {t}, {x0}, {d}",
            "cmp {x}, {end}",
            "smlad {d}, {w1}, {x1}, {d}",
            "bne 2b",
            x = inout(reg) x.as_ptr() => _,
            w = inout(reg) weights.as_ptr() => _,
            end = in(reg) x.as_ptr().add(Layout::INPUTS * fours),
            a = inout(reg) a,
            b = inout(reg) b,
            c = inout(reg) c,
            d = inout(reg) d,
            x0 = out(reg) _,
            x1 = out(reg) _,
            w0 = out(reg) _,
            w1 = out(reg) _,
            t = out(reg) _,
            options(nostack, readonly),
        );
    }
    *sums = [a, b, c, d];
}
