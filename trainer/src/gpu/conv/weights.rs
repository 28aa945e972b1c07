//! Gradients of a convolution's weights and bias.
//!
//! Both are sums over all pixels of all images: products of an output's gradient with each input that a tap reads and,
//! for the bias, with one. Workgroups compute partial sums over some of the pixels, and a second kernel adds these.

use super::tiles::CHUNK;
use super::{Conv, inside, is_open, offset, row_and_column};
use crate::gpu::{Quad, empty, empty_of, group, images, in_rows};
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

/// Elements per workgroup of the second kernel.
const NUMBERS: usize = 32;

/// Threads that share the partial sums of an element.
const SHARES: usize = 8;

/// Feature index of the constant-one column.
const ONE: i32 = -1;

/// Feature index of a missing column.
const NONE: i32 = -2;

impl Conv {
    /// Elements per output in the second kernel: all weights, open or closed, and a bias.
    const fn numbers(self) -> usize {
        self.taps() * self.inputs.count + 1
    }
}

/// A quad of output gradients or columns at a pixel of an image. Zero if out of range.
#[cube]
fn fetch<F: Float>(
    x: &[F],
    dy: &[F],
    reads: &Shared<[i32]>,
    number: usize,
    image: usize,
    pixel: usize,
    first_output: usize,
    #[comptime] conv: Conv,
) -> Quad {
    let pixels = comptime!(conv.pixels());
    let inputs = comptime!(conv.inputs.count);
    let outputs = comptime!(conv.outputs.count);
    let along = comptime!(conv.tiles()[0]);
    let mut four = Quad::new(0.0);
    if pixel < pixels && number < comptime!(conv.fours()) {
        if number < along {
            #[unroll]
            for n in 0..4usize {
                let output = first_output + number * 4 + n;
                if comptime!(conv.outputs.count.is_multiple_of(4 * conv.tiles()[0])) || output < outputs {
                    four.insert(n, f32::cast_from(dy[(image * outputs + output) * pixels + pixel]));
                }
            }
        } else {
            let (i, j) = row_and_column(pixel, conv);
            #[unroll]
            for n in 0..4usize {
                let slot = ((number - along) * 4 + n) * 3;
                let feature = reads[slot];
                if feature == ONE {
                    four.insert(n, 1.0);
                } else if feature != NONE {
                    let mut row = i;
                    let mut column = j;
                    if comptime!(!conv.is_of_pixels()) {
                        row += reads[slot + 1];
                        column += reads[slot + 2];
                    }
                    if comptime!(conv.is_of_pixels()) || inside(row, column, conv) {
                        let at = feature + row * comptime!(conv.width as i32) + column;
                        let mut value = f32::cast_from(x[image * inputs * pixels + at as usize]);
                        if comptime!(conv.relu) {
                            value = max(value, 0.0);
                        }
                        four.insert(n, value);
                    }
                }
            }
        }
    }
    four
}

/// Index of a thread's `n`th quad within a pixel.
#[cube]
fn number_of(n: usize, #[comptime] conv: Conv) -> usize {
    UNIT_POS_X as usize / CHUNK + n * comptime!(conv.threads() / CHUNK)
}

/// Loads the quads of a chunk's pixel that are assigned to this thread.
#[cube]
fn fetch_all<F: Float>(
    fours: &mut Array<Quad>,
    x: &[F],
    dy: &[F],
    reads: &Shared<[i32]>,
    chunk: usize,
    first_output: usize,
    #[comptime] conv: Conv,
) {
    let chunks = comptime!(conv.chunks());
    let pixel = chunk % chunks * CHUNK + UNIT_POS_X as usize % CHUNK;
    #[unroll]
    for n in 0..comptime!(conv.fours_a_thread()) {
        fours[n] = fetch(x, dy, reads, number_of(n, conv), chunk / chunks, pixel, first_output, conv);
    }
}

/// Partial sums over some of the pixels, `[parts, outputs, columns]`.
#[cube(launch)]
fn parts_kernel<F: Float>(
    x: &[F],
    dy: &[F],
    parts: &mut [f32],
    images: u32,
    #[comptime] conv: Conv,
    #[define(F)] _dtype: ElemType,
) {
    let pixels = comptime!(conv.pixels());
    let inputs = comptime!(conv.inputs.count);
    let outputs = comptime!(conv.outputs.count);
    let columns = comptime!(conv.columns());
    let along = comptime!(conv.tiles()[0]);
    let across = comptime!(conv.tiles()[1]);
    let shares = comptime!(conv.shares());
    let apart = comptime!(conv.apart());

    let unit = UNIT_POS_X as usize;
    let first_output = CUBE_POS_Z as usize * along * 4;
    let first_column = CUBE_POS_X as usize * across * 4;
    // This thread's tile and its share of the pixels.
    let tiles = comptime!(conv.tiles()[0] * conv.tiles()[1]);
    let tile = unit % tiles;
    let share = unit / tiles;
    let sums_any = share < shares;
    let output_four = tile % along;
    let column_four = tile / along;

    // For each column: offset of its feature in an image, and row and column offset of its tap.
    let mut reads = Shared::<[i32]>::new_slice(comptime!(conv.tiles()[1] * 12));
    for n in range_stepped(unit, comptime!(conv.tiles()[1] * 4), comptime!(conv.threads())) {
        let column = first_column + n;
        let (down, right) = offset(column / inputs, conv);
        let mut feature = (column % inputs * pixels) as i32;
        if column == comptime!(conv.columns() - 1) {
            feature = ONE;
        } else if column >= columns {
            feature = NONE;
        }
        reads[n * 3] = feature;
        reads[n * 3 + 1] = down;
        reads[n * 3 + 2] = right;
    }
    sync_cube();

    // For each pixel of a chunk: quads of outputs, followed by quads of columns.
    let mut fours = Shared::<[Quad]>::new_slice(comptime!(conv.apart() * CHUNK));
    let mut sums = Array::<Quad>::new(4usize);
    #[unroll]
    for n in 0..4usize {
        sums[n] = Quad::new(0.0);
    }
    // Prefetch of the next chunk during the computation of the current one.
    let mut next = Array::<Quad>::new(comptime!(conv.fours_a_thread()));
    let place = unit % CHUNK;
    let mut chunk = CUBE_POS_Y as usize;
    let end = images as usize * comptime!(conv.chunks());
    fetch_all(&mut next, x, dy, &reads, chunk, first_output, conv);
    while chunk < end {
        #[unroll]
        for n in 0..comptime!(conv.fours_a_thread()) {
            let number = number_of(n, conv);
            if number < comptime!(conv.fours()) {
                fours[place * apart + number] = next[n];
            }
        }
        chunk += CUBE_COUNT_Y as usize;
        sync_cube();
        if chunk < end {
            fetch_all(&mut next, x, dy, &reads, chunk, first_output, conv);
        }
        if sums_any {
            #[unroll]
            for n in 0..comptime!(CHUNK / conv.shares()) {
                let at = (n * shares + share) * apart;
                let dy_here = fours[at + output_four];
                let x_here = fours[at + along + column_four];
                #[unroll]
                for m in 0..4usize {
                    sums[m] += Quad::new(dy_here.extract(m)) * x_here;
                }
            }
        }
        sync_cube();
    }

    // Reduction over the shares into the first thread.
    for turn in 1..shares {
        if sums_any && share == turn {
            #[unroll]
            for m in 0..4usize {
                fours[tile * 4 + m] = sums[m];
            }
        }
        sync_cube();
        if sums_any && share == 0 {
            #[unroll]
            for m in 0..4usize {
                sums[m] += fours[tile * 4 + m];
            }
        }
        sync_cube();
    }
    if sums_any && share == 0 {
        #[unroll]
        for m in 0..4usize {
            #[unroll]
            for n in 0..4usize {
                let output = first_output + output_four * 4 + m;
                let column = first_column + column_four * 4 + n;
                if output < outputs && column < columns {
                    parts[(CUBE_POS_Y as usize * outputs + output) * columns + column] = sums[m].extract(n);
                }
            }
        }
    }
}

/// Adds partial sums. Yields the gradients of the weights, `[outputs, inputs, taps]`, zero for closed taps, and of the
/// bias.
#[cube(launch)]
fn sums_kernel<F: Float>(
    parts: &[f32],
    weight: &mut [F],
    bias: &mut [F],
    count: u32,
    #[comptime] conv: Conv,
    #[define(F)] _dtype: ElemType,
) {
    let inputs = comptime!(conv.inputs.count);
    let outputs = comptime!(conv.outputs.count);
    let columns = comptime!(conv.columns());
    let taps = comptime!(conv.taps());
    let number = group() * NUMBERS + UNIT_POS_X as usize % NUMBERS;
    let share = UNIT_POS_X as usize / NUMBERS;
    let output = number / comptime!(conv.numbers());
    let place = number % comptime!(conv.numbers());
    let tap = place / inputs;
    let input = place % inputs;
    let of_bias = place == comptime!(conv.numbers() - 1);
    let open = of_bias || is_open(tap, input, output, conv);
    let column = select(of_bias, comptime!(conv.columns() - 1), place);
    let mut sum = 0.0f32;
    if open && output < outputs {
        let mut part = share;
        while part < count as usize {
            // Several independent reads per step, to hide latency.
            #[unroll]
            for n in 0..8usize {
                let next = part + n * SHARES;
                let is_one = next < count as usize;
                let value = parts[(select(is_one, next, part) * outputs + output) * columns + column];
                sum += select(is_one, value, 0.0);
            }
            part += comptime!(8 * SHARES);
        }
    }
    let mut sums = Shared::<[f32]>::new_slice(comptime!(NUMBERS * SHARES));
    sums[UNIT_POS_X as usize] = sum;
    sync_cube();
    if share == 0 && output < outputs {
        #[unroll]
        for n in 1..SHARES {
            sum += sums[n * NUMBERS + UNIT_POS_X as usize];
        }
        if of_bias {
            bias[output] = F::cast_from(sum);
        } else {
            weight[(output * inputs + input) * taps + tap] = F::cast_from(sum);
        }
    }
}

/// Gradients of a convolution's weights and bias.
#[derive(ExtensionType)]
#[extension_type(fusion)]
pub(crate) struct Sums<B: Backend> {
    /// `[outputs, inputs, kernel rows, kernel columns]`.
    pub weight: FloatTensor<B>,
    /// `[1, outputs]`, over all images.
    pub bias: FloatTensor<B>,
}

/// Gradients of weights and bias, given `x` and the output gradient `dy`.
pub(crate) fn weight_gradient(x: CubeTensor, dy: CubeTensor, conv: Conv) -> Sums<CubeBackend> {
    let (x, dy) = (into_contiguous(x), into_contiguous(dy));
    let (count, [down, right]) = (conv.parts(images(&x)), conv.groups());
    let parts = empty_of(&x, [count, conv.outputs.count, conv.columns()], DType::F32);
    let (weight, bias) = (empty(&x, conv.weight()), empty(&x, [1, conv.outputs.count]));
    let client = x.client.clone();
    let (elem, of_images) = (dtype_to_storage_type(x.dtype), images(&x) as u32);
    parts_kernel::launch(
        &client,
        CubeCount::Static(right as u32, count as u32, down as u32),
        CubeDim::new_1d(conv.threads() as u32),
        x.into_buffer_arg(),
        dy.into_buffer_arg(),
        parts.clone().into_buffer_arg(),
        of_images,
        conv,
        elem,
    );
    sums_kernel::launch(
        &client,
        in_rows((conv.outputs.count * conv.numbers()).div_ceil(NUMBERS), 1),
        CubeDim::new_1d((NUMBERS * SHARES) as u32),
        parts.into_buffer_arg(),
        weight.clone().into_buffer_arg(),
        bias.clone().into_buffer_arg(),
        count as u32,
        conv,
        elem,
    );
    Sums { weight, bias }
}
