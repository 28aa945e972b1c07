//! Elementwise operations, compared with [`Portable`].

use super::{Random, Size, Wrong, right};
use pixelrnn::fixed::Rescale;
use pixelrnn::kernels::{Kernel, OUTPUT_TILE, Portable};

const ELEMENTS: usize = Size::TARGET.elements;

/// Kinds of values: 0 to 3 are extreme values, 4 is random.
const KINDS: usize = 5;

/// Accumulators of a unit.
const GATES: usize = 4;

pub(super) fn check<K: Kernel>(kernel: K, size: Size) -> Result<u32, Wrong> {
    let mut cases = 0;
    for outputs in 0..=size.elements {
        for values in 0..KINDS {
            let operands = Operands::new(outputs, values);
            check_case(kernel, &operands).and_then(|()| check_units(kernel, &operands)).map_err(|operation| Wrong {
                operation,
                inputs: 0,
                outputs,
                values,
            })?;
            cases += 1;
        }
    }
    Ok(cases)
}

struct Operands {
    elements: usize,
    values: usize,
    sums: [[i32; GATES * ELEMENTS]; 2],
    residuals: [[i16; ELEMENTS]; 2],
}

impl Operands {
    fn new(elements: usize, values: usize) -> Self {
        let mut random = Random(0x1234_5678 ^ elements as u32);
        let mut number = || {
            let any = random.bits();
            // Rescaled values have 30 bits and a sign.
            [-1 << 30, 1 << 30, 0, -1].get(values).copied().unwrap_or((any as i32) >> (any >> 27).max(1))
        };
        let mut new = Self { elements, values, sums: [[0; GATES * ELEMENTS]; 2], residuals: [[0; ELEMENTS]; 2] };
        new.sums.as_flattened_mut().fill_with(&mut number);
        new.residuals.as_flattened_mut().fill_with(|| number().clamp(-32_768, 32_767) as i16);
        new
    }

    /// Results of `work`, which fills outputs of three types. The second one holds residuals before. The initial contents
    /// double as guard elements at the end.
    #[inline(never)]
    fn run(&self, work: &mut Work<'_>) -> Outputs {
        let (mut v, mut y, mut wide, mut more) =
            ([0x5a5a; ELEMENTS + 1], [0x5a; ELEMENTS + 1], [0x5a5a; ELEMENTS + 1], [0x5a5a; ELEMENTS + 1]);
        let n = self.elements;
        v[..n].copy_from_slice(&self.sums[0][..n]);
        wide[..n].copy_from_slice(&self.residuals[1][..n]);
        work(&mut v[..n], &mut y[..n], &mut wide[..n], &mut more[..n]);
        (v, y, wide, more)
    }
}

/// Fills output buffers.
type Work<'a> = dyn FnMut(&mut [i32], &mut [i8], &mut [i16], &mut [i16]) + 'a;
type Outputs = ([i32; ELEMENTS + 1], [i8; ELEMENTS + 1], [i16; ELEMENTS + 1], [i16; ELEMENTS + 1]);

/// `Err` with the operation's name unless both kernels leave the same outputs.
macro_rules! same {
    ($kernel:ident, $operands:ident, $operation:ident($($before:expr),*), |$($out:pat_param),*| $($written:expr),*) => {{
        let made = $operands.run(&mut |$($out),*| $kernel.$operation($($before,)* $($written),*));
        let expected = $operands.run(&mut |$($out),*| Portable.$operation($($before,)* $($written),*));
        right(made == expected, stringify!($operation))
    }};
}

#[inline(never)]
fn check_case<K: Kernel>(kernel: K, operands: &Operands) -> Result<(), &'static str> {
    let (n, values) = (operands.elements, operands.values);
    let (v, x) = (&operands.sums[1][..n], &operands.residuals[0][..n]);
    let (zero_point, clamp_min) = [(-128, -128), (127, 127), (0, 0), (-5, -5), (7, -128)][values];
    let (multiplier, shift) = [(i16::MAX, 1), (i16::MAX, 30), (1, 1), (16_384, 15), (12_345, 13)][values];
    let rescale = Rescale { multiplier, shift };
    same!(kernel, operands, activations(v, zero_point, clamp_min), |_, y, _, _| y)?;
    same!(kernel, operands, residuals(v, -8192, 8191), |_, _, y, _| y)?;
    same!(kernel, operands, accumulate(v), |_, _, y, _| y)?;
    same!(kernel, operands, rescaled_i8(x, rescale, zero_point, clamp_min), |_, y, _, _| y)?;
    same!(kernel, operands, rescaled_i16(x, rescale, -32_768, 32_767), |_, _, y, _| y)?;
    same!(kernel, operands, rescaled_onto(x, rescale), |_, _, y, _| y)?;
    let multipliers: [i32; ELEMENTS] = core::array::from_fn(|n| [i32::MAX, 1, -1, i32::MIN, 0x4321_8765][n % 5]);
    let left_shift = [0, 7, 14, 28, 31][values];
    let made = operands.run(&mut |v, _, _, _| kernel.scale(v, left_shift, &multipliers[..n]));
    let expected = operands.run(&mut |v, _, _, _| Portable.scale(v, left_shift, &multipliers[..n]));
    right(made == expected, "scale")
}

/// Steps of LSTM units from accumulators.
#[inline(never)]
fn check_units<K: Kernel>(kernel: K, operands: &Operands) -> Result<(), &'static str> {
    let n = operands.elements;
    if GATES * n > OUTPUT_TILE {
        return Ok(());
    }
    let [x, state] = operands.sums.each_ref().map(|sums| &sums[..GATES * n]);
    let before = &operands.residuals[1][..n];
    // Rotates the per-unit bits, so that each value occurs in every vector lane.
    (0..16).try_for_each(|first| {
        let bits: [u8; ELEMENTS] = core::array::from_fn(|unit| 0x70 + ((first + 7 * unit) % 128) as u8);
        let bits = &bits[..n];
        same!(kernel, operands, units([x, state], before, bits), |_, _, c, h| c, h)?;
        same!(kernel, operands, summed_units(state, before, bits), |_, _, c, h| c, h)
    })
}
