//! Convolution kernel. The input gradient is also a convolution, with the roles of inputs and outputs swapped
//! (`turned`).

use super::{Conv, inside, is_open, offset, row_and_column};
use crate::gpu::{Quad, at_once, empty, group, images, in_rows};
use burn::backend::cubecl::dtype_to_storage_type;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

/// Threads per workgroup.
const THREADS: usize = 64;

/// Pixels per thread.
const PLACES: usize = 2;

/// Maximum number of outputs per thread.
const OUTPUTS: usize = 16;

/// Maximum number of weight rows (inputs over all taps) in shared memory.
const ROWS: usize = 128;

impl Conv {
    /// Outputs per thread, in groups of four.
    fn quads(self, turned: bool) -> usize {
        self.makes(turned).min(OUTPUTS).div_ceil(4)
    }

    /// Inputs of a tap whose weights are in shared memory at a time.
    fn block(self, turned: bool) -> usize {
        let reads = self.reads(turned);
        if reads <= ROWS { reads } else { reads.div_ceil(reads.div_ceil(ROWS)).next_multiple_of(8) }
    }

    /// Input blocks per tap.
    fn blocks(self, turned: bool) -> usize {
        self.reads(turned).div_ceil(self.block(turned))
    }

    /// Taps in shared memory at a time.
    fn together(self, turned: bool) -> usize {
        if self.blocks(turned) > 1 { 1 } else { (ROWS / self.reads(turned)).min(self.open()).max(1) }
    }

    /// Size of the weights in shared memory, in groups of four.
    fn kept(self, turned: bool) -> usize {
        self.together(turned) * self.block(turned) * self.quads(turned)
    }

    /// Number of loads of weights into shared memory.
    fn turns(self, turned: bool) -> usize {
        self.open().div_ceil(self.together(turned)) * self.blocks(turned)
    }
}

/// `y = bias + Σ_tap W_tap · x[tap]` at every pixel. With `turned`, its gradient for `x`; there is no bias then, and
/// `gate` is the convolved input, needed if a ReLU came before.
#[cube(launch)]
fn convolve_kernel<F: Float>(
    x: &[F],
    weight: &[F],
    bias: &[F],
    gate: &[F],
    y: &mut [F],
    images: u32,
    #[comptime] conv: Conv,
    #[comptime] turned: bool,
    #[comptime] biases: usize,
    #[define(F)] _dtype: ElemType,
) {
    let pixels = comptime!(conv.pixels());
    let reads = comptime!(conv.reads(turned));
    let makes = comptime!(conv.makes(turned));
    let quads = comptime!(conv.quads(turned));
    let block = comptime!(conv.block(turned));
    let together = comptime!(conv.together(turned));
    let width = comptime!(conv.width as i32);

    let first_output = CUBE_POS_Y as usize * quads * 4;
    let first_place = group() * comptime!(THREADS * PLACES) + UNIT_POS_X as usize;
    let end = images as usize * pixels;

    let mut weights = Shared::<[Quad]>::new_slice(comptime!(conv.kept(turned)));
    let mut sums = Array::<Quad>::new(comptime!(PLACES * conv.quads(turned)));
    #[unroll]
    for n in 0..comptime!(PLACES * conv.quads(turned)) {
        sums[n] = Quad::new(0.0);
    }
    for turn in 0..comptime!(conv.turns(turned)) {
        let first_tap = turn / comptime!(conv.blocks(turned)) * together;
        let first_input = turn % comptime!(conv.blocks(turned)) * block;
        sync_cube();
        for item in range_stepped(UNIT_POS_X as usize, comptime!(conv.kept(turned)), THREADS) {
            let row = item / quads;
            let tap = first_tap + row / block;
            let input = first_input + row % block;
            let mut four = Quad::new(0.0);
            #[unroll]
            for n in 0..4usize {
                let output = first_output + item % quads * 4 + n;
                if output < makes && input < reads {
                    let open = if comptime!(turned) {
                        is_open(tap, output, input, conv)
                    } else {
                        is_open(tap, input, output, conv)
                    };
                    if open {
                        let place = if comptime!(turned) { input * makes + output } else { output * reads + input };
                        four.insert(n, f32::cast_from(weight[place * comptime!(conv.taps()) + tap]));
                    }
                }
            }
            weights[item] = four;
        }
        sync_cube();

        for near in 0..together {
            let tap = first_tap + near;
            if tap < comptime!(conv.open()) {
                let (down, right) = offset(tap, conv);
                let mut from = Array::<usize>::new(PLACES);
                let mut is_there = Array::<bool>::new(PLACES);
                #[unroll]
                for p in 0..PLACES {
                    let place = first_place + p * THREADS;
                    let pixel = place % pixels;
                    let (i, j) = row_and_column(pixel, conv);
                    let row = if comptime!(turned) { i - down } else { i + down };
                    let column = if comptime!(turned) { j - right } else { j + right };
                    let there = place < end && inside(row, column, conv);
                    let at = (place / pixels * reads + first_input) * pixels + (row * width + column) as usize;
                    is_there[p] = there;
                    // Outside the image, reads an arbitrary value that is not used.
                    from[p] = select(there, at, 0);
                }
                for some in 0..comptime!(conv.block(turned) / at_once(conv.block(turned))) {
                    #[unroll]
                    for m in 0..comptime!(at_once(conv.block(turned))) {
                        let input = some * comptime!(at_once(conv.block(turned))) + m;
                        // The last block may exceed the remaining inputs. Its extra weights are zero.
                        let near_input = if comptime!(conv.reads(turned).is_multiple_of(conv.block(turned))) {
                            input
                        } else {
                            min(input, comptime!(conv.reads(turned) - 1) - first_input)
                        };
                        let mut values = Array::<f32>::new(PLACES);
                        #[unroll]
                        for p in 0..PLACES {
                            let mut value = f32::cast_from(x[from[p] + near_input * pixels]);
                            if comptime!(conv.relu && !turned) {
                                value = max(value, 0.0);
                            }
                            values[p] = select(is_there[p], value, 0.0);
                        }
                        #[unroll]
                        for q in 0..quads {
                            let w = weights[(near * block + input) * quads + q];
                            #[unroll]
                            for p in 0..PLACES {
                                sums[p * quads + q] += Quad::new(values[p]) * w;
                            }
                        }
                    }
                }
            }
        }
    }
    #[unroll]
    for p in 0..PLACES {
        let place = first_place + p * THREADS;
        if place < end {
            let image = place / pixels;
            #[unroll]
            for q in 0..quads {
                #[unroll]
                for n in 0..4usize {
                    let output = first_output + q * 4 + n;
                    if output < makes {
                        let mut sum = sums[p * quads + q].extract(n);
                        if comptime!(biases == 1) {
                            sum += f32::cast_from(bias[output]);
                        } else if comptime!(biases > 1) {
                            sum += f32::cast_from(bias[image * makes + output]);
                        }
                        let at = (image * makes + output) * pixels + place % pixels;
                        if comptime!(conv.relu && turned) {
                            sum = select(f32::cast_from(gate[at]) > 0.0, sum, 0.0);
                        }
                        y[at] = F::cast_from(sum);
                    }
                }
            }
        }
    }
}

/// Convolves `x` `[N, inputs, H, W]` to `[N, outputs, H, W]` with `bias` `[1 or N, outputs]`. Without a bias, convolves
/// `x` `[N, outputs, H, W]` backwards to `[N, inputs, H, W]`; `gate` is the input of the convolution.
pub(crate) fn convolve(
    x: CubeTensor,
    weight: CubeTensor,
    bias: Option<CubeTensor>,
    gate: CubeTensor,
    conv: Conv,
) -> CubeTensor {
    let (x, gate, turned) = (into_contiguous(x), into_contiguous(gate), bias.is_none());
    let biases = bias.as_ref().map_or(0, |bias| images(bias).min(2));
    let makes = conv.makes(turned);
    let y = empty(&x, [images(&x), makes, conv.height, conv.width]);
    let (client, dtype, count) = (x.client.clone(), dtype_to_storage_type(x.dtype), images(&x));
    let groups = in_rows((count * conv.pixels()).div_ceil(THREADS * PLACES), makes.div_ceil(4 * conv.quads(turned)));
    let weight = into_contiguous(weight);
    convolve_kernel::launch(
        &client,
        groups,
        CubeDim::new_1d(THREADS as u32),
        x.into_buffer_arg(),
        weight.clone().into_buffer_arg(),
        bias.map_or(weight, into_contiguous).into_buffer_arg(),
        gate.into_buffer_arg(),
        y.clone().into_buffer_arg(),
        count as u32,
        conv,
        turned,
        biases,
        dtype,
    );
    y
}
