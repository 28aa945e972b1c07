//! Matrix-vector products, alone and fused with requantization.

use super::{Random, Size, Wrong, right};
use pixelrnn::blob::Layout;
use pixelrnn::fixed::{accumulate, activation, requantize};
use pixelrnn::kernels::{Gemv, Kernel, Portable};

/// Input lengths around the step sizes 2, 4, 8, 16 and 64 of the kernels. Also multiples of 16, and of 8 for 16-bit inputs,
/// that a kernel may hold in registers, and the next ones.
const LENGTHS: [usize; 36] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 20, 31, 32, 33, 48, 55, 60, 63, 64, 65, 68, 80, 96, 100, 112, 127, 128,
    129, 130, 144, 191, 192, 193,
];

/// Pairs of an extreme weight and an extreme input, and `None` for random ones.
const VALUES: [Option<[i8; 2]>; 7] =
    [Some([-128, -128]), Some([-128, 127]), Some([127, -128]), Some([127, 127]), Some([-1, -128]), None, None];

/// Outputs by which one slice is longer than the others.
const EXTRA: usize = 3;
/// Maximum offset of a slice in its buffer.
const OFFSET: usize = 15;
const OUTPUTS: usize = Size::TARGET.outputs + EXTRA;
const INPUTS: usize = Size::TARGET.inputs.next_multiple_of(Layout::INPUTS);

/// Sentinel around the outputs.
const GUARD: i32 = 0x5a5a_5a5a;

/// Operands of all cases with one kind of values.
#[repr(C, align(16))]
struct Operands {
    weights: [i8; OUTPUTS * INPUTS + OFFSET],
    x: [i8; INPUTS + OFFSET],
    #[cfg(feature = "a16")]
    x_i16: [i16; INPUTS + OFFSET],
    bias: [i32; OUTPUTS + OFFSET],
}

impl Operands {
    const EMPTY: Self = Self {
        weights: [0; OUTPUTS * INPUTS + OFFSET],
        x: [0; INPUTS + OFFSET],
        #[cfg(feature = "a16")]
        x_i16: [0; INPUTS + OFFSET],
        bias: [0; OUTPUTS + OFFSET],
    };

    /// Fills the buffers in place: a board has no room for two of them.
    fn fill(&mut self, values: usize, random: &mut Random) {
        let [weight, x] = [0, 1].map(|n| VALUES[values].map(|pair| pair[n]));
        self.weights.fill_with(|| weight.unwrap_or_else(|| random.byte()));
        self.x.fill_with(|| x.unwrap_or_else(|| random.byte()));
        // Activations have 14 bits.
        #[cfg(feature = "a16")]
        self.x_i16.fill_with(|| match x {
            Some(x) => i16::from(x) * 64 + i16::from(x) % 64,
            None => (random.bits() as i32 >> 18) as i16,
        });
        for (n, bias) in self.bias.iter_mut().enumerate() {
            *bias = [i32::MAX, i32::MIN, 0, -1, 12_345][n % 5].wrapping_sub(n as i32);
        }
    }
}

/// Shape and memory of a case.
#[derive(Clone, Copy)]
struct Case<'a> {
    layout: Layout,
    inputs: usize,
    outputs: usize,
    values: usize,
    /// Offset of the weights and, up to a few elements, of the other slices. 0 is aligned to 16 bytes.
    at: usize,
    operands: &'a Operands,
}

pub(super) fn check<K: Kernel>(kernel: K, size: Size) -> Result<u32, Wrong> {
    let mut random = Random(0x2545_f491);
    let (mut cases, mut operands) = (0, Operands::EMPTY);
    for values in 0..VALUES.len() {
        operands.fill(values, &mut random);
        for layout in [
            Layout::RowMajor,
            Layout::Tiled,
            #[cfg(feature = "a16")]
            Layout::TiledPairs,
        ] {
            for inputs in LENGTHS.into_iter().filter(|inputs| *inputs <= size.inputs) {
                let inputs = layout.row(inputs);
                for outputs in 0..=size.outputs {
                    // Each shape occurs with aligned and with unaligned operands.
                    let at = if values % 2 == 0 { 0 } else { (random.bits() >> 28) as usize };
                    let case = Case { layout, inputs, outputs, values, at, operands: &operands };
                    check_case(kernel, case).map_err(|operation| Wrong { operation, inputs, outputs, values })?;
                    cases += 1;
                }
            }
        }
    }
    Ok(cases)
}

fn check_case<K: Kernel>(kernel: K, case: Case<'_>) -> Result<(), &'static str> {
    match case.layout {
        Layout::RowMajor => check_row_major(kernel, case)?,
        Layout::Tiled => {
            let x = case.slice(&case.operands.x);
            let [gemv, portable]: [&Product<'_, i8>; 2] =
                [&|b, w, x, y| kernel.gemv_tiled(b, w, x, y), &|b, w, x, y| Portable.gemv_tiled(b, w, x, y)];
            right(case.agrees(x, gemv, portable, &case.sums(x)), "gemv_tiled")?;
        }
        #[cfg(feature = "a16")]
        Layout::TiledPairs => {}
    }
    #[cfg(feature = "a16")]
    check_i16(kernel, case)?;
    Ok(())
}

/// Writes the sums of a product: bias, weights, inputs, sums.
type Product<'a, X> = dyn Fn(&[i32], &[i8], &[X], &mut [i32]) + 'a;

impl Case<'_> {
    /// Inputs of the case from a buffer.
    fn slice<'b, X>(&self, x: &'b [X]) -> &'b [X] {
        &x[self.at % 5..][..self.inputs]
    }

    fn bias(&self) -> &[i32] {
        &self.operands.bias[self.at % 7..]
    }

    fn weights(&self) -> &[i8] {
        &self.operands.weights[self.at..]
    }

    /// Sums by definition.
    #[inline(never)]
    fn sums<X: Copy + Into<i32>>(&self, x: &[X]) -> [i32; OUTPUTS] {
        let (bias, weights) = (self.bias(), self.weights());
        let product = |output, (input, x): (usize, &X)| {
            i32::from(weights[self.layout.index(self.outputs, self.inputs, output, input)]) * (*x).into()
        };
        let mut sums = [GUARD; OUTPUTS];
        for (output, sum) in sums[..self.outputs].iter_mut().enumerate() {
            *sum = x.iter().enumerate().map(|x| product(output, x)).fold(bias[output], i32::wrapping_add);
        }
        sums
    }

    /// Compares a product with `sums`, also if one of its slices is longer than the others, and with [`Portable`] if the
    /// weights are too short.
    #[inline(never)]
    fn agrees<X>(&self, x: &[X], gemv: &Product<'_, X>, portable: &Product<'_, X>, sums: &[i32; OUTPUTS]) -> bool {
        let (bias, weights, outputs, all) = (self.bias(), self.weights(), self.outputs, self.outputs * self.inputs);
        let longer = outputs + EXTRA;
        let lengths = [
            (outputs, all, outputs),
            (outputs, longer * self.inputs, outputs),
            (longer, longer * self.inputs, outputs),
            (outputs, longer * self.inputs, longer),
        ];
        lengths.into_iter().all(|(biases, given, written)| {
            let run = &mut |y: &mut [i32]| gemv(&bias[..biases], &weights[..given], x, y);
            self.leaves(written, GUARD, run, &|output| sums[output])
        }) && {
            let mut expected = [GUARD; OUTPUTS];
            let (bias, weights) = (&bias[..outputs], &weights[..all.saturating_sub(1)]);
            portable(bias, weights, x, &mut expected[..outputs]);
            self.leaves(outputs, GUARD, &mut |y| gemv(bias, weights, x, y), &|output| expected[output])
        }
    }

    /// True if `work` turns a slice of `first` into the `expected` outputs, and writes nothing around it.
    #[inline(never)]
    fn leaves<T: Copy + PartialEq>(
        &self,
        length: usize,
        first: T,
        work: &mut dyn FnMut(&mut [T]),
        expected: &dyn Fn(usize) -> T,
    ) -> bool {
        let begin = self.at % 4;
        let mut made = [first; OUTPUTS + 4];
        work(&mut made[begin..begin + length]);
        let inside = begin..begin + length;
        made.iter().enumerate().all(|(n, y)| *y == if inside.contains(&n) { expected(n - begin) } else { first })
    }

    /// Operands of a fused product.
    fn fused<'b, X>(&'b self, x: &'b [X], left_shift: u8, multipliers: &'b [i32; OUTPUTS]) -> Gemv<'b, X> {
        Gemv {
            bias: &self.bias()[..self.outputs],
            weights: &self.weights()[..self.outputs * self.inputs],
            x,
            left_shift,
            multipliers: &multipliers[..self.outputs],
        }
    }

    /// Small, medium and large multipliers.
    #[inline(never)]
    fn multipliers(&self) -> [i32; OUTPUTS] {
        core::array::from_fn(|n| [i32::MAX, 1, 1 << 30, 0x4321_8765, 0x1234][n % 5] >> self.values)
    }
}

/// Row-major products, alone, scaled, and fused with and without a left shift.
#[inline(never)]
fn check_row_major<K: Kernel>(kernel: K, case: Case<'_>) -> Result<(), &'static str> {
    let x = case.slice(&case.operands.x);
    let sums = &case.sums(x);
    let [gemv, portable]: [&Product<'_, i8>; 2] =
        [&|b, w, x, y| kernel.gemv_row_major(b, w, x, y), &|b, w, x, y| Portable.gemv_row_major(b, w, x, y)];
    right(case.agrees(x, gemv, portable, sums), "gemv_row_major")?;

    let outputs = case.outputs;
    // Multipliers at both extremes, with rounding and wrapping.
    let multipliers = core::array::from_fn(|n| [i32::MAX, 1, -1, i32::MIN, 0x4321_8765][n % 5]);
    let rows = case.fused(x, [0, 7, 14, 21, 28, 31, 1][case.values], &multipliers);
    let scaled = |n: usize| requantize(sums[n], u32::from(rows.left_shift), multipliers[n]);
    right(case.leaves(outputs, GUARD, &mut |y| kernel.gemv_scaled(rows, y), &scaled), "gemv_scaled")?;

    [0, 5].into_iter().try_for_each(|left_shift| check_fused(kernel, case, sums, left_shift))
}

/// Row-major products with requantization, stored and accumulated, with full and partial activation ranges.
#[inline(never)]
fn check_fused<K: Kernel>(
    kernel: K,
    case: Case<'_>,
    sums: &[i32; OUTPUTS],
    left_shift: u8,
) -> Result<(), &'static str> {
    let (outputs, multipliers) = (case.outputs, case.multipliers());
    let scratch = &mut [0; OUTPUTS][..outputs];
    let rows = case.fused(case.slice(&case.operands.x), left_shift, &multipliers);
    let scaled = |sum: i32, n: usize| requantize(sum, u32::from(left_shift), multipliers[n]);
    for (zero_point, clamp_min) in [(3, -128), (-128, -128), (-5, -5)] {
        let run = &mut |y: &mut [i8]| kernel.gemv_activations(rows, zero_point, clamp_min, scratch, y);
        let expected = &|n: usize| activation(scaled(sums[n], n), zero_point, clamp_min);
        right(case.leaves(outputs, 0x5a, run, expected), "gemv_activations")?;
    }
    let run = &mut |y: &mut [i16]| kernel.gemv_accumulated(rows, scratch, y);
    let expected = &|n: usize| accumulate(scaled(sums[n], n), 0x7ff0);
    right(case.leaves(outputs, 0x7ff0, run, expected), "gemv_accumulated")?;

    let rows = Gemv { bias: &[0; OUTPUTS][..outputs], ..rows };
    let added = core::cell::Cell::new(false);
    let run = &mut |y: &mut [i32]| added.set(kernel.gemv_added(rows, y));
    let expected = &|n: usize| {
        let sum = sums[n].wrapping_sub(case.bias()[n]);
        if added.get() { GUARD.wrapping_add(scaled(sum, n)) } else { GUARD }
    };
    right(case.leaves(outputs, GUARD, run, expected), "gemv_added")
}

/// Products of 16-bit activations.
#[cfg(feature = "a16")]
#[inline(never)]
fn check_i16<K: Kernel>(kernel: K, case: Case<'_>) -> Result<(), &'static str> {
    let x = case.slice(&case.operands.x_i16);
    let sums = &case.sums(x);
    let agrees = |gemv, portable| case.agrees(x, gemv, portable, sums);
    match case.layout {
        Layout::RowMajor => {
            let agree = agrees(&|b, w, x, y| kernel.gemv_row_major_i16(b, w, x, y), &|b, w, x, y| {
                Portable.gemv_row_major_i16(b, w, x, y);
            });
            right(agree, "gemv_row_major_i16")?;
        }
        Layout::Tiled => {
            let agree = agrees(&|b, w, x, y| kernel.gemv_tiled_i16(b, w, x, y), &|b, w, x, y| {
                Portable.gemv_tiled_i16(b, w, x, y);
            });
            return right(agree, "gemv_tiled_i16");
        }
        Layout::TiledPairs => {
            let agree = agrees(&|b, w, x, y| kernel.gemv_tiled_pairs_i16(b, w, x, y), &|b, w, x, y| {
                Portable.gemv_tiled_pairs_i16(b, w, x, y);
            });
            return right(agree, "gemv_tiled_pairs_i16");
        }
    }
    [0, 5].into_iter().try_for_each(|left_shift| check_fused_i16(kernel, case, sums, left_shift))
}

/// [`check_fused`] for 16-bit activations.
#[cfg(feature = "a16")]
#[inline(never)]
fn check_fused_i16<K: Kernel>(
    kernel: K,
    case: Case<'_>,
    sums: &[i32; OUTPUTS],
    left_shift: u8,
) -> Result<(), &'static str> {
    let (outputs, multipliers) = (case.outputs, case.multipliers());
    let scratch = &mut [0; OUTPUTS][..outputs];
    let rows = case.fused(case.slice(&case.operands.x_i16), left_shift, &multipliers);
    let scaled = |n: usize| requantize(sums[n], u32::from(left_shift), multipliers[n]);
    for clamp_min in [0, -8192] {
        let run = &mut |y: &mut [i16]| kernel.gemv_activations_i16(rows, clamp_min, 8191, scratch, y);
        let expected = &|n: usize| scaled(n).clamp(clamp_min, 8191) as i16;
        right(case.leaves(outputs, 0x7ff0, run, expected), "gemv_activations_i16")?;
    }
    let run = &mut |y: &mut [i16]| kernel.gemv_accumulated_i16(rows, scratch, y);
    let expected = &|n: usize| accumulate(scaled(n), 0x7ff0);
    right(case.leaves(outputs, 0x7ff0, run, expected), "gemv_accumulated_i16")?;
    let run = &mut |y: &mut [i32]| kernel.gemv_sums_i16(rows, y);
    right(case.leaves(outputs, GUARD, run, &scaled), "gemv_sums_i16")
}
