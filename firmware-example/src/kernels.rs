//! Whether a kernel gives what its definition says, over lengths around its steps and over extreme values.

use pixelrnn::blob::Layout;
use pixelrnn::kernels::Kernel;

/// Whether the machine has vectors, and memory enough to try more.
const LARGE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_family = "wasm"));

/// Inputs of the longest product that is tried.
const LENGTH: usize = if LARGE { 130 } else { 48 };

/// The most outputs that are tried: two blocks and one more, or as many as a kernel computes at once and some more.
const OUTPUTS: usize = if LARGE { 37 } else { 9 };

/// Lengths around the steps of two, four, eight, sixteen and, with vectors, 64 inputs at a time.
const LENGTHS: &[usize] = if LARGE {
    &[0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 48, 63, 64, 68, LENGTH]
} else {
    &[0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, LENGTH]
};

/// Stands behind the sums, and must stay.
const GUARD: i32 = 0x5a5a_5a5a;

/// A product that a kernel got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// How the weights lay.
    pub layout: Layout,
    /// How many outputs there were.
    pub outputs: usize,
    /// How many inputs.
    pub length: usize,
    /// The values: 0 to 3 are extreme ones, 4 random ones.
    pub values: u32,
}

/// Tries `kernel` on all cases and gives how many there were.
///
/// # Errors
/// The first case that is wrong.
pub fn check<K: Kernel>(kernel: K) -> Result<u32, Wrong> {
    let mut cases = 0;
    for layout in [Layout::Rows, Layout::Blocks] {
        for length in LENGTHS {
            let length = layout.row(*length);
            for outputs in 0..=OUTPUTS {
                for values in 0..5 {
                    if !agrees(kernel, layout, outputs, length, values) {
                        return Err(Wrong { layout, outputs, length, values });
                    }
                    cases += 1;
                }
            }
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
        Layout::Rows => kernel.rows(bias, weights, x, out),
        Layout::Blocks => kernel.blocks(bias, weights, x, out),
    }
    sums.iter().enumerate().all(|(output, sum)| {
        let Some(bias) = bias.get(output) else { return *sum == GUARD };
        let product = |(input, x): (usize, &i8)| {
            let at = place(layout, outputs, length, output, input);
            i32::from(*x) * weights.get(at).map_or(0, |w| i32::from(*w))
        };
        *sum == x.iter().enumerate().map(product).fold(*bias, i32::wrapping_add)
    })
}

/// Where a weight lies among those of `outputs` outputs with `length` inputs each: the blob format's definition.
fn place(layout: Layout, outputs: usize, length: usize, output: usize, input: usize) -> usize {
    match layout {
        Layout::Rows => output * length + input,
        Layout::Blocks => {
            let first = output / 4 * 4;
            let in_block = (outputs - first).min(4);
            first * length + input / 4 * 4 * in_block + (output - first) * 4 + input % 4
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixelrnn::kernels::{Native, Portable};

    #[test]
    fn kernels_of_this_machine_are_right() {
        assert_eq!(check(Portable), Ok(2 * 21 * 38 * 5));
        assert_eq!(check(Native::default()), check(Portable));
    }

    /// Forgets the last input, as a loop that is unrolled wrongly does.
    #[derive(Clone, Copy)]
    struct Short;

    impl Kernel for Short {
        fn rows(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            let kept = x.len() - usize::from(x.len() == 17);
            for (o, (sum, bias)) in sums.iter_mut().zip(bias).enumerate() {
                let row = weights[o * x.len()..].iter().zip(&x[..kept]);
                *sum = row.fold(*bias, |sum, (w, x)| sum.wrapping_add(i32::from(*w) * i32::from(*x)));
            }
        }

        fn blocks(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            Portable.blocks(bias, weights, x, sums);
        }
    }

    #[test]
    fn a_kernel_that_is_wrong_at_one_length_is_found() {
        let wrong = check(Short).unwrap_err();
        assert_eq!((wrong.layout, wrong.length, wrong.outputs), (Layout::Rows, 17, 1));
    }
}
