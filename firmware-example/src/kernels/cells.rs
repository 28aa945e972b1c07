//! LSTM cells, compared with [`lstm::cell`] unit by unit.

use super::{Random, Size, Wrong};
use pixelrnn::fixed::lstm;
use pixelrnn::kernels::Kernel;

const UNITS: usize = Size::TARGET.elements;

/// Gates that are open.
const OPEN: i16 = i16::MAX;

pub(super) fn check<K: Kernel>(kernel: K, size: Size) -> Result<u32, Wrong> {
    let wrong = |outputs, values| Wrong { operation: "cells", inputs: 0, outputs, values };
    // Sweeps over all values, with the input gate open, with the output gate open, and with all gates between.
    for bits in all_bits() {
        let of_gate = |g| ([OPEN, i16::MIN, OPEN, g], 0, bits);
        // The shifts of `tanh`'s argument go both ways and saturate.
        let of_cell = |c| ([OPEN, OPEN, 0, 0], c, bits);
        if !sweep(kernel, size, &of_gate) || !sweep(kernel, size, &of_cell) {
            return Err(wrong(size.elements, bits.into()));
        }
    }
    let of_gates = |z: i16| ([z, !z, z.wrapping_add(99), z], !z, 3);
    if !sweep(kernel, size, &of_gates) {
        return Err(wrong(size.elements, 3));
    }
    let mut random = Random(3);
    for units in 0..=size.elements {
        // The same bits for all units, then bits of each unit's own.
        for common in all_bits().map(Some).chain([None; 16]) {
            let mut operands = Operands::new();
            (0..units).for_each(|_| operands.push(random_unit(&mut random, common)));
            if !operands.agree(kernel, [units; 5]) {
                return Err(wrong(units, common.unwrap_or_default().into()));
            }
        }
    }
    // The shortest slice ends a call.
    let mut operands = Operands::new();
    (0..size.elements).for_each(|_| operands.push(([1234; 4], -99, 7)));
    for short in [0, 5, size.elements / 2, size.elements - 1] {
        for slice in 0..5 {
            let mut lengths = [size.elements; 5];
            lengths[slice] = short;
            if !operands.agree(kernel, lengths) {
                return Err(wrong(short, 7));
            }
        }
    }
    Ok(2 * 24 + 1 + (size.elements as u32 + 1) * (24 + 16) + 4 * 5)
}

/// All cell bits with the coarsest gate, and all gate fractions.
fn all_bits() -> impl Iterator<Item = u8> {
    (0x70..=0x7f).chain((7..=14).map(|fraction| 16 * fraction + 3))
}

/// Gates, previous cell state and bits.
type Unit = ([i16; 4], i16, u8);

/// Random numbers, half of them extreme or near 0.
fn random_unit(random: &mut Random, bits: Option<u8>) -> Unit {
    let mut number = || {
        let choice = (random.bits() >> 24) as usize % 12;
        let any = (random.bits() >> 16) as i16;
        [i16::MIN, i16::MIN + 1, -1, 0, 1, i16::MAX].get(choice).copied().unwrap_or(any)
    };
    let (gates, before) = ([(); 4].map(|()| number()), number());
    (gates, before, bits.unwrap_or_else(|| 0x70 + (random.bits() >> 25) as u8))
}

/// Steps the units of all values, [`Size::step`] apart.
fn sweep<K: Kernel>(kernel: K, size: Size, unit: &dyn Fn(i16) -> Unit) -> bool {
    let mut operands = Operands::new();
    (i16::MIN..=i16::MAX).step_by(size.step).all(|value| {
        operands.push(unit(value));
        operands.units < size.elements || core::mem::replace(&mut operands, Operands::new()).agree_all(kernel)
    }) && operands.agree_all(kernel)
}

struct Operands {
    units: usize,
    gates: [[i16; 4]; UNITS],
    before: [i16; UNITS],
    bits: [u8; UNITS],
}

impl Operands {
    const fn new() -> Self {
        Self { units: 0, gates: [[0; 4]; UNITS], before: [0; UNITS], bits: [0x70; UNITS] }
    }

    fn push(&mut self, (gates, before, bits): Unit) {
        let at = self.units;
        (self.gates[at], self.before[at], self.bits[at]) = (gates, before, bits);
        self.units += 1;
    }

    fn agree_all<K: Kernel>(&self, kernel: K) -> bool {
        self.agree(kernel, [self.units; 5])
    }

    /// Compares with the definition, from slices of the given numbers of units.
    #[inline(never)]
    fn agree<K: Kernel>(&self, kernel: K, [gates, before, bits, c, h]: [usize; 5]) -> bool {
        const GUARD: (i16, i16) = (78, 77);
        let units = gates.min(before).min(bits).min(c).min(h);
        let (mut new_h, mut new_c) = ([GUARD.0; UNITS + 1], [GUARD.1; UNITS + 1]);
        let gates = self.gates[..gates].as_flattened();
        kernel.cells(gates, &self.before[..before], &self.bits[..bits], &mut new_c[..c], &mut new_h[..h]);
        new_h.into_iter().zip(new_c).enumerate().all(|(n, made)| {
            made == if n < units { lstm::cell(self.gates[n], self.before[n], u32::from(self.bits[n])) } else { GUARD }
        })
    }
}
