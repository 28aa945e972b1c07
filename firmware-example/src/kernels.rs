//! Whether a kernel gives what its definition says, over lengths around its steps and over extreme values.

use pixelrnn::blob::Layout;
use pixelrnn::fixed::{Rescale, requantize};
use pixelrnn::kernels::{Gemv, Kernel, Portable};

/// Whether the machine has vectors, and memory enough to try more.
const LARGE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_family = "wasm"));

/// Inputs of the longest product that is tried.
const LENGTH: usize = if LARGE { 130 } else { 112 };

/// The most outputs that are tried: two blocks and one more, or as many as a kernel computes at once and some more.
const OUTPUTS: usize = if LARGE { 37 } else { 9 };

/// Lengths around the steps of two, four, eight, sixteen and, with vectors, 64 inputs at a time; and the multiples of sixteen that
/// a kernel may hold in registers, and one more; and, of 16-bit inputs, each number of eights that it may hold.
const LENGTHS: &[usize] = if LARGE {
    &[0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 48, 63, 64, 68, LENGTH]
} else {
    &[0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 48, 55, 60, 64, 80, 96, LENGTH]
};

/// The most numbers that are tried where each is for itself: units of an LSTM with four sums each.
const EACH: usize = 8;

/// Stands behind the sums, and must stay.
const GUARD: i32 = 0x5a5a_5a5a;

/// What a kernel got wrong. Of the values, 0 to 3 are extreme ones, 4 random ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A product.
    Product {
        /// How the weights lay.
        layout: Layout,
        /// How many outputs there were.
        outputs: usize,
        /// How many inputs.
        length: usize,
        /// The values.
        values: u32,
    },
    /// What happens to numbers one by one.
    Each {
        /// How many there were.
        length: usize,
        /// The values.
        values: u32,
    },
}

/// Tries `kernel` on all cases and gives how many there were.
///
/// # Errors
/// The first case that is wrong.
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
    for length in 0..=EACH {
        for values in 0..5 {
            if !each(kernel, length, values) {
                return Err(Wrong::Each { length, values });
            }
            cases += 1;
        }
    }
    Ok(cases)
}

/// Four-byte aligned, as weights in a blob are.
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
    // Scaled: sums that are rounded, wrap and are the largest and the least.
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
                let at = place(layout, outputs, length, output, input);
                i32::from(*x) * weights.get(at).map_or(0, |w| i32::from(*w))
            };
            *sum == x.iter().enumerate().map(product).fold(*bias, i32::wrapping_add)
        })
}

/// Whether sums that are scaled and stored at once, or added to others, are those of [`Portable`]: with and without a shift, and
/// with activations of a part of their range and of all of it.
#[inline(never)]
fn stored_agrees<K: Kernel>(kernel: K, bias: &[i32], weights: &[i8], x: &[i8], values: u32) -> bool {
    let multipliers = multipliers(values);
    let Some(multipliers) = multipliers.get(..bias.len()) else { return false };
    let same = |left| {
        let rows = Gemv { bias, weights, x, left_shift: left, multipliers };
        let narrow = |wide: [i16; OUTPUTS + 1]| wide.map(i32::from);
        [(3, -128), (-128, -128), (-5, -5)].into_iter().all(|(zero_point, low)| {
            let made = |k: &dyn Fn(&mut [i32], &mut [i8])| stored(bias.len(), 0x5a_i8, k).map(i32::from);
            made(&|sums, y| kernel.gemv_activations(rows, zero_point, low, sums, y))
                == made(&|sums, y| Portable.gemv_activations(rows, zero_point, low, sums, y))
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

/// Multipliers that are small, large and between.
fn multipliers(values: u32) -> [i32; OUTPUTS] {
    core::array::from_fn(|n| [i32::MAX, 1, 1 << 30, 0x4321_8765, 0x1234][n % 5] >> values)
}

/// What `work` makes of numbers that are all `first`, and one behind them.
fn stored<T: Copy>(outputs: usize, first: T, mut work: impl FnMut(&mut [i32], &mut [T])) -> [T; OUTPUTS + 1] {
    let (mut sums, mut y) = ([0; OUTPUTS], [first; OUTPUTS + 1]);
    if let (Some(sums), Some(y)) = (sums.get_mut(..outputs), y.get_mut(..outputs)) {
        work(sums, y);
    }
    y
}

/// Four-byte aligned, as activations in a state are.
#[cfg(feature = "a16")]
#[repr(align(4))]
struct AlignedWide([i16; LENGTH.next_multiple_of(4) + 1]);

/// Whether products with 16-bit activations are those of [`Portable`].
#[cfg(feature = "a16")]
#[inline(never)]
fn wide_agrees<K: Kernel>(kernel: K, layout: Layout, bias: &[i32], weights: &[i8], x: &[i8], values: u32) -> bool {
    let mut wide = AlignedWide([0; LENGTH.next_multiple_of(4) + 1]);
    for (wide, x) in wide.0.iter_mut().zip(x.iter().chain(x.first())) {
        *wide = i16::from(*x) * 64 + i16::from(*x) % 64;
    }
    let mut sums = [[GUARD; OUTPUTS + 1]; 4];
    let outs = sums.each_mut().map(|sums| sums.get_mut(..bias.len()));
    // Aligned, and at every other value so that it is not: a register may begin between words.
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

/// As [`stored_agrees`], of products with 16-bit activations.
#[cfg(feature = "a16")]
#[inline(never)]
fn wide_stored_agrees<K: Kernel>(kernel: K, bias: &[i32], weights: &[i8], x: &[i16], values: u32) -> bool {
    let multipliers = multipliers(values);
    let Some(multipliers) = multipliers.get(..bias.len()) else { return false };
    let same = |left| {
        let rows = Gemv { bias, weights, x, left_shift: left, multipliers };
        let made = |k: &dyn Fn(&mut [i32], &mut [i16])| stored(bias.len(), 0x7ff0_i16, k);
        [0, -8192].into_iter().all(|low| {
            made(&|sums, y| kernel.gemv_activations_i16(rows, low, 8191, sums, y))
                == made(&|sums, y| Portable.gemv_activations_i16(rows, low, 8191, sums, y))
        }) && made(&|sums, y| kernel.gemv_accumulated_i16(rows, sums, y))
            == made(&|sums, y| Portable.gemv_accumulated_i16(rows, sums, y))
            && stored(bias.len(), GUARD, |_, y| kernel.gemv_sums_i16(rows, y))
                == stored(bias.len(), GUARD, |_, y| Portable.gemv_sums_i16(rows, y))
    };
    same(0) && same(5)
}

/// There are none.
#[cfg(not(feature = "a16"))]
fn wide_agrees<K: Kernel>(_: K, _: Layout, _: &[i32], _: &[i8], _: &[i8], _: u32) -> bool {
    true
}

/// Fills memory of three sorts.
type Task<'a> = dyn FnMut(&mut [i8], &mut [i16], &mut [i16]) + 'a;

/// Whether `kernel` does to `length` numbers, each for itself, what [`Portable`] does.
fn each<K: Kernel>(kernel: K, length: usize, values: u32) -> bool {
    let mut random = 0x1234_5678 ^ length as u32;
    let mut number = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // What is scaled has 30 bits and a sign.
        [-1 << 30, 1 << 30, 0, -1].get(values as usize).copied().unwrap_or((random as i32) >> (random >> 27).max(1))
    };
    let sums: [[i32; 4 * EACH]; 2] = [(); 2].map(|()| [(); 4 * EACH].map(|()| number()));
    let residual: [[i16; EACH]; 2] = [(); 2].map(|()| [(); EACH].map(|()| number().clamp(-32_768, 32_767) as i16));
    let (zero_point, low) = [(-128, -128), (127, 127), (0, 0), (-5, -5), (7, -128)][values as usize % 5];
    let rescale = [(i16::MAX, 1), (i16::MAX, 30), (1, 1), (16_384, 15), (12_345, 13)][values as usize % 5];
    let rescale = Rescale { multiplier: rescale.0, shift: rescale.1 };
    let all = |try_it: &mut Task<'_>| {
        // What they begin with is behind the numbers as well, and stays there.
        let (mut narrow, mut wide, mut more) = ([0x5a; EACH + 1], [0x5a5a; EACH + 1], [0x5a5a; EACH + 1]);
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
    /// The same of both kernels.
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
    same!(|k, y, _, _| k.activations(v, zero_point, low, y))
        && same!(|k, _, y, _| k.residuals(v, -8192, 8191, y))
        && same!(|k, _, y, _| k.accumulate(v, y))
        && same!(|k, y, _, _| k.rescaled_i8(x, rescale, zero_point, low, y))
        && same!(|k, _, y, _| k.rescaled_i16(x, rescale, -32_768, 32_767, y))
        && same!(|k, _, y, _| k.rescaled_onto(x, rescale, y))
        // Bits of each unit's own, so that each value meets each place in a vector.
        && (0..16).all(|first| {
            let bits: [u8; EACH] = core::array::from_fn(|unit| 0x70 + ((first + 7 * unit) % 128) as u8);
            let bits = bits.get(..length).unwrap_or_default();
            same!(|k, _, c, h| k.units(gates, before, bits, c, h))
                && same!(|k, _, c, h| k.summed_units(gates[1], before, bits, c, h))
        })
        && (0..=h.len()).rev().step_by(3).all(|levels| h.get(..levels).is_some_and(|h| softmax_agrees(kernel, h)))
}

/// Whether the steps of a softmax of `logits` are those of [`Portable`], at temperatures from low to high.
fn softmax_agrees<K: Kernel>(kernel: K, logits: &[i32]) -> bool {
    let mut memory = [[0x5a5a_5a5a; 4 * EACH + 1]; 2];
    [1 << 16, 655, 6_553_600, 40_000].into_iter().all(|inverse| {
        // Near to each other and far apart.
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

/// The largest of the first logits and where it is, and the sums of weights and frequencies, which are left in their place.
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

/// Where a weight lies among those of `outputs` outputs with `length` inputs each: the blob format's definition.
fn place(layout: Layout, outputs: usize, length: usize, output: usize, input: usize) -> usize {
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

    /// Forgets the last input, as a loop that is unrolled wrongly does.
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
