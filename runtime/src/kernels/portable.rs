//! Plain Rust, in a form that compilers vectorise.

use super::Kernel;
use crate::blob::Layout;

/// Reference kernel, available on every machine. All other kernels are bit-exact with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Kernel for Portable {
    #[inline(never)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        gemv_row_major(bias, weights, x, sums);
    }

    #[inline(never)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        gemv_tiled(bias, weights, x, sums, |weights| weights);
    }
}

/// [`Kernel::gemv_row_major`], generic over the input type.
#[inline(always)]
pub(super) fn gemv_row_major<X: Copy + Into<i32>>(bias: &[i32], weights: &[i8], x: &[X], sums: &mut [i32]) {
    let mut rest = weights;
    for (sum, bias) in sums.iter_mut().zip(bias) {
        let Some((row, after)) = rest.split_at_checked(x.len()) else { return };
        rest = after;
        *sum = dot(*bias, row, x);
    }
}

/// [`Kernel::gemv_tiled`], generic over the input type. `order` maps four stored weights to the order of their inputs.
#[inline(always)]
pub(super) fn gemv_tiled<X: Copy + Into<i32>>(
    bias: &[i32],
    weights: &[i8],
    x: &[X],
    sums: &mut [i32],
    order: impl Fn([i8; Layout::INPUTS]) -> [i8; Layout::INPUTS],
) {
    let (mut rest, mut biases, mut left) = (weights, bias, sums);
    // Zipped chunks divide by their length, which the optimizer proves to be no panic only where it inlines them.
    loop {
        let outputs = left.len().min(biases.len()).min(Layout::OUTPUTS);
        let (Some(sums), Some(bias)) = (left.split_off_mut(..outputs), biases.split_off(..outputs)) else { return };
        let Some(block) = rest.split_off(..outputs * x.len()).filter(|_| outputs > 0) else { return };
        let (block, _) = block.as_chunks::<{ Layout::INPUTS }>();
        for (output, (sum, bias)) in sums.iter_mut().zip(bias).enumerate() {
            *sum = *bias;
            for (n, x) in x.as_chunks::<{ Layout::INPUTS }>().0.iter().enumerate() {
                if let Some(weights) = block.get(n * outputs + output) {
                    *sum = dot(*sum, &order(*weights), x);
                }
            }
        }
    }
}

#[inline(always)]
fn dot<X: Copy + Into<i32>>(sum: i32, weights: &[i8], x: &[X]) -> i32 {
    weights.iter().zip(x).fold(sum, |sum, (w, x)| sum.wrapping_add(i32::from(*w) * (*x).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUTS: usize = 7;
    const INPUTS: usize = 12;

    fn bias() -> [i32; OUTPUTS] {
        core::array::from_fn(|output| 1000 * output as i32 - 3000)
    }

    fn weight(output: usize, input: usize) -> i8 {
        (output * 31 + input * 17) as u8 as i8
    }

    fn inputs() -> [i8; INPUTS] {
        core::array::from_fn(|input| (input * 101 + 128) as u8 as i8)
    }

    /// Weights of the first `inputs` inputs in a layout.
    fn weights(layout: Layout, inputs: usize) -> [i8; OUTPUTS * INPUTS] {
        let mut weights = [0; OUTPUTS * INPUTS];
        for output in 0..OUTPUTS {
            for input in 0..inputs {
                weights[layout.index(OUTPUTS, layout.row(inputs), output, input)] = weight(output, input);
            }
        }
        weights
    }

    fn expected(inputs: usize) -> [i32; OUTPUTS] {
        let x = self::inputs();
        let dot = |output| (0..inputs).map(|input| i32::from(weight(output, input)) * i32::from(x[input])).sum::<i32>();
        core::array::from_fn(|output| bias()[output] + dot(output))
    }

    #[test]
    fn products_of_rows_are_their_definition_for_any_number_of_inputs() {
        for inputs in 0..=INPUTS {
            let mut sums = [0; OUTPUTS];
            let weights = weights(Layout::RowMajor, inputs);
            Portable.gemv_row_major(&bias(), &weights, &self::inputs()[..inputs], &mut sums);
            assert_eq!(sums, expected(inputs), "{inputs} inputs");
        }
    }

    #[test]
    fn products_of_tiles_are_their_definition_with_a_last_block_of_three_outputs() {
        for inputs in [0, 4, 8, 12] {
            let mut sums = [0; OUTPUTS];
            Portable.gemv_tiled(&bias(), &weights(Layout::Tiled, inputs), &self::inputs()[..inputs], &mut sums);
            assert_eq!(sums, expected(inputs), "{inputs} inputs");
        }
    }

    #[test]
    #[cfg(feature = "a16")]
    fn sixteen_bit_inputs_give_the_same_sums_in_all_layouts() {
        let (mut sums, x) = ([[0; OUTPUTS]; 3], inputs().map(i16::from));
        let [rows, tiled, pairs] =
            [Layout::RowMajor, Layout::Tiled, Layout::TiledPairs].map(|layout| weights(layout, INPUTS));
        Portable.gemv_row_major_i16(&bias(), &rows, &x, &mut sums[0]);
        Portable.gemv_tiled_i16(&bias(), &tiled, &x, &mut sums[1]);
        Portable.gemv_tiled_pairs_i16(&bias(), &pairs, &x, &mut sums[2]);
        assert_eq!(sums, [expected(INPUTS); 3]);
    }

    #[test]
    fn outputs_that_a_slice_does_not_cover_are_left_alone() {
        let (bias, weights, x) = (bias(), weights(Layout::RowMajor, INPUTS), inputs());
        for (biases, weights) in [(2, &weights[..]), (OUTPUTS, &weights[..3 * INPUTS - 1])] {
            let mut sums = [-1; OUTPUTS];
            Portable.gemv_row_major(&bias[..biases], weights, &x, &mut sums);
            assert_eq!((&sums[..2], &sums[2..]), (&expected(INPUTS)[..2], &[-1; OUTPUTS - 2][..]));
        }
    }

    #[test]
    fn sums_wrap_around() {
        let mut sums = [0];
        Portable.gemv_row_major(&[i32::MAX], &[1], &[1], &mut sums);
        assert_eq!(sums, [i32::MIN]);
    }
}
