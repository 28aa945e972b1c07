//! Compares a kernel with its definition, over lengths around its step sizes and over extreme values.

use pixelrnn::blob::Layout;
use pixelrnn::fixed::{Rescale, requantize};
use pixelrnn::kernels::{Gemv, Kernel, Portable};

/// True on targets with vector units, which have the memory for more cases.
const LARGE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_family = "wasm"));

/// Largest number of inputs per product.
const LENGTH: usize = if LARGE { 130 } else { 112 };

/// Largest number of outputs: two tiles plus one, or more than a vector kernel computes at once.
const OUTPUTS: usize = if LARGE { 37 } else { 9 };

/// Input lengths around the step sizes 2, 4, 8, 16 and, with vectors, 64.
/// Also the multiples of 16 that a kernel may hold in registers and the next one, and the multiples of 8 that it may hold
/// of 16-bit inputs.
const LENGTHS: &[usize] = if LARGE {
    &[0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 48, 63, 64, 68, LENGTH]
} else {
    &[0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 48, 55, 60, 64, 80, 96, LENGTH]
};

/// Largest number of elements for elementwise operations. An LSTM has four sums per unit.
const MAX_ELEMENTS: usize = 8;

/// Sentinel after the sums, which a kernel must not overwrite.
const GUARD: i32 = 0x5a5a_5a5a;

/// Case in which a kernel is wrong. `values` 0 to 3 are extreme values, 4 is random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A matrix-vector product.
    Product {
        /// Weight layout.
        layout: Layout,
        /// Number of outputs.
        outputs: usize,
        /// Number of inputs.
        length: usize,
        /// Kind of values.
        values: u32,
    },
    /// An elementwise operation.
    Elementwise {
        /// Number of elements.
        length: usize,
        /// Kind of values.
        values: u32,
    },
}

/// Runs `kernel` on all cases and returns their number.
///
/// # Errors
/// Returns the first case with a wrong result.
pub fn check<K: Kernel>(kernel: K) -> Result<u32, Wrong> {
    let mut cases = 0;
    for layout in [Layout::RowMajor, Layout::Tiled] {
        for length in LENGTHS {
            let length = layout.row(*length);
            for outputs in 0..=OUTPUTS {
                for values in 0..5 {
                    if !agrees(kernel, layout, outputs, length, values) {
                        return Err(Wrong::Product { layout, outputs, length, values });
                    }
                    cases += 1;
                }
            }
        }
    }
    for length in 0..=MAX_ELEMENTS {
        for values in 0..5 {
            if !elementwise_agrees(kernel, length, values) {
                return Err(Wrong::Elementwise { length, values });
            }
            cases += 1;
        }
    }
    Ok(cases)
}

/// Aligned to four bytes, like the weights in a blob.
#[repr(align(4))]
struct Aligned([i8; OUTPUTS * LENGTH.next_multiple_of(4)]);

fn agrees<K: Kernel>(kernel: K, layout: Layout, outputs: usize, length: usize, values: u32) -> bool {
    let mut random = 0x2545_f491 ^ (length as u32) << 8 ^ outputs as u32;
    let mut byte = |extreme: [i8; 4]| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        extreme.get(values as usize).copied().unwrap_or((random >> 24) as i8)
    };
    let mut weights = Aligned([0; OUTPUTS * LENGTH.next_multiple_of(4)]);
    let mut x = [0; LENGTH.next_multiple_of(4)];
    let mut bias = [0; OUTPUTS];
    weights.0.fill_with(|| byte([-128, 127, -128, 127]));
    x.fill_with(|| byte([-128, 127, 127, -128]));
    bias.fill_with(|| i32::from_ne_bytes([(); 4].map(|()| byte([-128, 127, -1, 0]) as u8)));
    let mut sums = [GUARD; OUTPUTS + 1];
    let (Some(weights), Some(x), Some(bias)) =
        (weights.0.get(..outputs * length), x.get(..length), bias.get(..outputs))
    else {
        return false;
    };
    let Some(out) = sums.get_mut(..outputs) else { return false };
    match layout {
        Layout::RowMajor => kernel.gemv_row_major(bias, weights, x, out),
        _ => kernel.gemv_tiled(bias, weights, x, out),
    }
    // Scaled products: multipliers at both extremes, with rounding and wrapping.
    let left = values as u8 * 7;
    let mut scaled = [GUARD; OUTPUTS + 1];
    let multipliers: [i32; OUTPUTS] = core::array::from_fn(|n| [i32::MAX, 1, -1, i32::MIN, 0x4321_8765][n % 5]);
    if let (Layout::RowMajor, Some(scaled), Some(multipliers)) =
        (layout, scaled.get_mut(..outputs), multipliers.get(..outputs))
    {
        kernel.gemv_scaled(Gemv { bias, weights, x, left_shift: left, multipliers }, scaled);
    }
    let scaled_right = scaled.iter().enumerate().all(|(output, scaled)| {
        let multiplier = if output < outputs { multipliers.get(output) } else { None };
        match (layout, multiplier, sums.get(output)) {
            (Layout::RowMajor, Some(multiplier), Some(sum)) => {
                *scaled == requantize(*sum, u32::from(left), *multiplier)
            }
            _ => *scaled == GUARD,
        }
    });
    scaled_right
        && (layout == Layout::Tiled || stored_agrees(kernel, bias, weights, x, values))
        && wide_agrees(kernel, layout, bias, weights, x, values)
        && sums.iter().enumerate().all(|(output, sum)| {
            let Some(bias) = bias.get(output) else { return *sum == GUARD };
            let product = |(input, x): (usize, &i8)| {
                let at = weight_index(layout, outputs, length, output, input);
                i32::from(*x) * weights.get(at).map_or(0, |w| i32::from(*w))
            };
            *sum == x.iter().enumerate().map(product).fold(*bias, i32::wrapping_add)
        })
}

/// Compares products fused with requantization, storing or accumulation with [`Portable`], with and without a left
/// shift, and with full and partial activation ranges.
#[inline(never)]
fn stored_agrees<K: Kernel>(kernel: K, bias: &[i32], weights: &[i8], x: &[i8], values: u32) -> bool {
    let multipliers = multipliers(values);
    let Some(multipliers) = multipliers.get(..bias.len()) else { return false };
    let same = |left| {
        let rows = Gemv { bias, weights, x, left_shift: left, multipliers };
        let narrow = |wide: [i16; OUTPUTS + 1]| wide.map(i32::from);
        [(3, -128), (-128, -128), (-5, -5)].into_iter().all(|(zero_point, clamp_min)| {
            let made = |k: &dyn Fn(&mut [i32], &mut [i8])| stored(bias.len(), 0x5a_i8, k).map(i32::from);
            made(&|sums, y| kernel.gemv_activations(rows, zero_point, clamp_min, sums, y))
                == made(&|sums, y| Portable.gemv_activations(rows, zero_point, clamp_min, sums, y))
        }) && {
            let made = |k: &dyn Fn(&mut [i32], &mut [i16])| narrow(stored(bias.len(), 0x7ff0_i16, k));
            made(&|sums, y| kernel.gemv_accumulated(rows, sums, y))
                == made(&|sums, y| Portable.gemv_accumulated(rows, sums, y))
        } && {
            let zeros = [0; OUTPUTS];
            let rows = Gemv { bias: zeros.get(..bias.len()).unwrap_or_default(), ..rows };
            let mut added = false;
            let quick = stored(bias.len(), GUARD, |_, y| added = kernel.gemv_added(rows, y));
            let expected = stored(bias.len(), GUARD, |sums, y| {
                Portable.gemv_scaled(rows, sums);
                for (y, sum) in y.iter_mut().zip(sums) {
                    *y = y.wrapping_add(*sum);
                }
            });
            quick == if added { expected } else { [GUARD; OUTPUTS + 1] }
        }
    };
    same(0) && same(5)
}

/// Small, medium and large multipliers.
fn multipliers(values: u32) -> [i32; OUTPUTS] {
    core::array::from_fn(|n| [i32::MAX, 1, 1 << 30, 0x4321_8765, 0x1234][n % 5] >> values)
}

/// Runs `work` on a buffer filled with `first` that has one guard element at its end.
fn stored<T: Copy>(outputs: usize, first: T, mut work: impl FnMut(&mut [i32], &mut [T])) -> [T; OUTPUTS + 1] {
    let (mut sums, mut y) = ([0; OUTPUTS], [first; OUTPUTS + 1]);
    if let (Some(sums), Some(y)) = (sums.get_mut(..outputs), y.get_mut(..outputs)) {
        work(sums, y);
    }
    y
}

/// Aligned to four bytes, like the activations in a state.
#[cfg(feature = "a16")]
#[repr(align(4))]
struct AlignedWide([i16; LENGTH.next_multiple_of(4) + 1]);

/// Compares products of 16-bit activations with [`Portable`].
#[cfg(feature = "a16")]
#[inline(never)]
fn wide_agrees<K: Kernel>(kernel: K, layout: Layout, bias: &[i32], weights: &[i8], x: &[i8], values: u32) -> bool {
    let mut wide = AlignedWide([0; LENGTH.next_multiple_of(4) + 1]);
    for (wide, x) in wide.0.iter_mut().zip(x.iter().chain(x.first())) {
        *wide = i16::from(*x) * 64 + i16::from(*x) % 64;
    }
    let mut sums = [[GUARD; OUTPUTS + 1]; 4];
    let outs = sums.each_mut().map(|sums| sums.get_mut(..bias.len()));
    // Every other kind of values starts at an unaligned address, as 16-bit inputs may start between words.
    let begin = usize::from(values % 2 == 1);
    let (Some(wide), [Some(out), Some(expected), Some(pairs), Some(pairs_expected)]) =
        (wide.0.get(begin..begin + x.len()), outs)
    else {
        return false;
    };
    match layout {
        Layout::RowMajor => {
            kernel.gemv_row_major_i16(bias, weights, wide, out);
            Portable.gemv_row_major_i16(bias, weights, wide, expected);
        }
        _ => {
            kernel.gemv_tiled_i16(bias, weights, wide, out);
            Portable.gemv_tiled_i16(bias, weights, wide, expected);
            kernel.gemv_tiled_pairs_i16(bias, weights, wide, pairs);
            Portable.gemv_tiled_pairs_i16(bias, weights, wide, pairs_expected);
        }
    }
    let [sums, expected, pairs, pairs_expected] = sums;
    sums == expected
        && pairs == pairs_expected
        && (layout == Layout::Tiled || wide_stored_agrees(kernel, bias, weights, wide, values))
}

/// [`stored_agrees`] for 16-bit activations.
#[cfg(feature = "a16")]
#[inline(never)]
fn wide_stored_agrees<K: Kernel>(kernel: K, bias: &[i32], weights: &[i8], x: &[i16], values: u32) -> bool {
    let multipliers = multipliers(values);
    let Some(multipliers) = multipliers.get(..bias.len()) else { return false };
    let same = |left| {
        let rows = Gemv { bias, weights, x, left_shift: left, multipliers };
        let made = |k: &dyn Fn(&mut [i32], &mut [i16])| stored(bias.len(), 0x7ff0_i16, k);
        [0, -8192].into_iter().all(|clamp_min| {
            made(&|sums, y| kernel.gemv_activations_i16(rows, clamp_min, 8191, sums, y))
                == made(&|sums, y| Portable.gemv_activations_i16(rows, clamp_min, 8191, sums, y))
        }) && made(&|sums, y| kernel.gemv_accumulated_i16(rows, sums, y))
            == made(&|sums, y| Portable.gemv_accumulated_i16(rows, sums, y))
            && stored(bias.len(), GUARD, |_, y| kernel.gemv_sums_i16(rows, y))
                == stored(bias.len(), GUARD, |_, y| Portable.gemv_sums_i16(rows, y))
    };
    same(0) && same(5)
}

/// No 16-bit activations in this build.
#[cfg(not(feature = "a16"))]
fn wide_agrees<K: Kernel>(_: K, _: Layout, _: &[i32], _: &[i8], _: &[i8], _: u32) -> bool {
    true
}

/// Fills three output buffers.
type Task<'a> = dyn FnMut(&mut [i8], &mut [i16], &mut [i16]) + 'a;

/// Compares elementwise operations on `length` elements with [`Portable`].
fn elementwise_agrees<K: Kernel>(kernel: K, length: usize, values: u32) -> bool {
    let mut random = 0x1234_5678 ^ length as u32;
    let mut number = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Rescaled values have 30 bits and a sign.
        [-1 << 30, 1 << 30, 0, -1].get(values as usize).copied().unwrap_or((random as i32) >> (random >> 27).max(1))
    };
    let sums: [[i32; 4 * MAX_ELEMENTS]; 2] = [(); 2].map(|()| [(); 4 * MAX_ELEMENTS].map(|()| number()));
    let residual: [[i16; MAX_ELEMENTS]; 2] =
        [(); 2].map(|()| [(); MAX_ELEMENTS].map(|()| number().clamp(-32_768, 32_767) as i16));
    let (zero_point, clamp_min) = [(-128, -128), (127, 127), (0, 0), (-5, -5), (7, -128)][values as usize % 5];
    let rescale = [(i16::MAX, 1), (i16::MAX, 30), (1, 1), (16_384, 15), (12_345, 13)][values as usize % 5];
    let rescale = Rescale { multiplier: rescale.0, shift: rescale.1 };
    let all = |try_it: &mut Task<'_>| {
        // The initial contents double as guard elements at the end.
        let (mut narrow, mut wide, mut more) =
            ([0x5a; MAX_ELEMENTS + 1], [0x5a5a; MAX_ELEMENTS + 1], [0x5a5a; MAX_ELEMENTS + 1]);
        if let (Some(old), Some(to)) = (residual[1].get(..length), wide.get_mut(..length)) {
            to.copy_from_slice(old);
        }
        if let (Some(a), Some(b), Some(c)) = (narrow.get_mut(..length), wide.get_mut(..length), more.get_mut(..length))
        {
            try_it(a, b, c);
        }
        (narrow, wide, more)
    };
    let (Some(v), Some(h), Some(x), Some(before)) =
        (sums[0].get(..length), sums[1].get(..4 * length), residual[0].get(..length), residual[1].get(..length))
    else {
        return false;
    };
    let gates = [sums[0].get(..4 * length).unwrap_or_default(), h];
    /// True if both kernels leave the same outputs.
    macro_rules! same {
        (|$kernel:ident, $narrow:pat_param, $wide:pat_param, $more:pat_param| $work:expr) => {
            all(&mut |$narrow, $wide, $more| {
                let $kernel = kernel;
                $work
            }) == all(&mut |$narrow, $wide, $more| {
                let $kernel = Portable;
                $work
            })
        };
    }
    same!(|k, y, _, _| k.activations(v, zero_point, clamp_min, y))
        && same!(|k, _, y, _| k.residuals(v, -8192, 8191, y))
        && same!(|k, _, y, _| k.accumulate(v, y))
        && same!(|k, y, _, _| k.rescaled_i8(x, rescale, zero_point, clamp_min, y))
        && same!(|k, _, y, _| k.rescaled_i16(x, rescale, -32_768, 32_767, y))
        && same!(|k, _, y, _| k.rescaled_onto(x, rescale, y))
        // Rotates the per-unit bits, so that each value occurs in every vector lane.
        && (0..16).all(|first| {
            let bits: [u8; MAX_ELEMENTS] = core::array::from_fn(|unit| 0x70 + ((first + 7 * unit) % 128) as u8);
            let bits = bits.get(..length).unwrap_or_default();
            same!(|k, _, c, h| k.units(gates, before, bits, c, h))
                && same!(|k, _, c, h| k.summed_units(gates[1], before, bits, c, h))
        })
        && (0..=h.len()).rev().step_by(3).all(|levels| h.get(..levels).is_some_and(|h| softmax_agrees(kernel, h)))
}

/// Compares the steps of a softmax over `logits` with [`Portable`], at low to high temperatures.
fn softmax_agrees<K: Kernel>(kernel: K, logits: &[i32]) -> bool {
    let mut memory = [[0x5a5a_5a5a; 4 * MAX_ELEMENTS + 1]; 2];
    [1 << 16, 655, 6_553_600, 40_000].into_iter().all(|inverse| {
        // Logits close together and far apart.
        [0, 8, 15].into_iter().all(|shift| {
            let [mine, portable] = memory.each_mut().map(|memory| {
                for (to, logit) in memory.iter_mut().zip(logits) {
                    *to = (*logit >> shift) as u32;
                }
                memory
            });
            softmax_steps(kernel, mine, logits.len(), inverse)
                == softmax_steps(Portable, portable, logits.len(), inverse)
                && mine == portable
        })
    })
}

/// Maximum of the first logits, its index, and the sums of weights and frequencies. Both are written in place of the
/// logits.
fn softmax_steps<K: Kernel>(
    kernel: K,
    memory: &mut [u32],
    levels: usize,
    inverse: u32,
) -> Option<(i32, usize, u64, u32)> {
    let logits = memory.get_mut(..levels)?;
    let (largest, at) = kernel.largest(logits);
    let sum = kernel.weights(logits, largest, inverse);
    Some((largest, at, sum, kernel.frequencies(logits, 0x1234_5678)))
}

/// Index of a weight in a matrix of `outputs` x `length`, as defined by the blob format.
fn weight_index(layout: Layout, outputs: usize, length: usize, output: usize, input: usize) -> usize {
    match layout {
        Layout::RowMajor => output * length + input,
        _ => {
            let first = output / 4 * 4;
            let in_block = (outputs - first).min(4);
            first * length + input / 4 * 4 * in_block + (output - first) * 4 + input % 4
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixelrnn::kernels::Native;

    #[test]
    fn kernels_of_this_machine_are_right() {
        assert_eq!(check(Portable), Ok(2 * 21 * 38 * 5 + 9 * 5));
        assert_eq!(check(Native::default()), check(Portable));
    }

    /// Skips the last input at one length, like a wrongly unrolled loop.
    #[derive(Clone, Copy)]
    struct Short;

    impl Kernel for Short {
        fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            let kept = x.len() - usize::from(x.len() == 17);
            for (o, (sum, bias)) in sums.iter_mut().zip(bias).enumerate() {
                let row = weights[o * x.len()..].iter().zip(&x[..kept]);
                *sum = row.fold(*bias, |sum, (w, x)| sum.wrapping_add(i32::from(*w) * i32::from(*x)));
            }
        }

        fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            Portable.gemv_tiled(bias, weights, x, sums);
        }
    }

    #[test]
    fn a_kernel_that_is_wrong_at_one_length_is_found() {
        let wrong = Wrong::Product { layout: Layout::RowMajor, outputs: 1, length: 17, values: 0 };
        assert_eq!(check(Short), Err(wrong));
    }
}
