//! Masked convolution, and its gradients.

use super::{at_once, empty, images};
use burn::backend::cubecl::dtype_to_storage_type;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use pixelrnn::model::{ColourGroups, Features, Mask, MaskedConv};

/// Pixels that a group of threads computes.
const PIXELS: usize = 64;

/// Outputs that a thread computes.
const OUTPUTS: usize = 8;

/// Threads of a group that sums a weight gradient, on a side: each has outputs and inputs of its own.
const SIDE: usize = 16;

/// Pixels that such a group reads at a time, and how far apart they lie, which spreads them over the banks of its memory.
const CHUNK: usize = 32;
const APART: usize = CHUNK + 1;

/// Groups of threads that keep a GPU busy.
const GROUPS: usize = 1024;

/// A masked convolution over images of a size, which kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conv {
    inputs: Channels,
    outputs: Channels,
    kernel: [usize; 2],
    dilation: usize,
    own: bool,
    height: usize,
    width: usize,
    relu: bool,
}

/// Features, and how they are dealt out to colours; see [`Features`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Channels {
    count: usize,
    groups: usize,
    part: usize,
    contiguous: bool,
}

impl From<Features> for Channels {
    fn from(f: Features) -> Self {
        let contiguous = f.order == ColourGroups::Contiguous;
        Self { count: f.count, groups: f.groups, part: f.count / f.parts, contiguous }
    }
}

impl Conv {
    /// `conv` over images of `height` by `width` pixels, or over their positive part if `relu`.
    pub(crate) fn new(conv: &MaskedConv, [height, width]: [usize; 2], relu: bool) -> Self {
        Self {
            inputs: conv.inputs.into(),
            outputs: conv.outputs.into(),
            kernel: conv.kernel,
            dilation: conv.dilation,
            own: conv.mask == Mask::B,
            height,
            width,
            relu,
        }
    }

    const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// The shape of the weights.
    pub(crate) const fn weight(self) -> [usize; 4] {
        [self.outputs.count, self.inputs.count, self.kernel[0], self.kernel[1]]
    }

    /// Taps, open or not.
    const fn taps(self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The number of the tap at the centre. Those before it are open.
    const fn centre(self) -> usize {
        self.kernel[0] / 2 * self.kernel[1] + self.kernel[1] / 2
    }

    /// How many taps there are up to the last that is open for some features.
    const fn open(self) -> usize {
        self.centre() + (self.own || self.coloured()) as usize
    }

    /// Features that are read, and that are made, by the convolution or, `turned` around, by its gradient.
    const fn reads(self, turned: bool) -> usize {
        if turned { self.outputs.count } else { self.inputs.count }
    }

    const fn makes(self, turned: bool) -> usize {
        self.reads(!turned)
    }

    /// Whether the centre is open for some features and not for others.
    const fn coloured(self) -> bool {
        self.inputs.groups > 1
    }

    /// Outputs and inputs that a thread sums a weight gradient for, of each.
    fn tile(self) -> usize {
        match self.inputs.count.max(self.outputs.count) {
            ..=16 => 1,
            ..=32 => 2,
            _ => 4,
        }
    }

    /// Groups of threads that share a weight gradient.
    fn blocks(self) -> usize {
        let side = SIDE * self.tile();
        self.taps() * self.inputs.count.div_ceil(side) * self.outputs.count.div_ceil(side)
    }

    /// In how many parts the weight gradient of so many images is summed.
    pub(crate) fn parts(self, images: usize) -> usize {
        images.min(GROUPS.div_ceil(self.blocks()))
    }
}

/// The colour of a feature.
#[cube]
fn colour(feature: usize, #[comptime] channels: Channels) -> usize {
    let feature = feature % comptime!(channels.part);
    if comptime!(channels.contiguous) {
        feature / comptime!(channels.part / channels.groups)
    } else {
        feature % comptime!(channels.groups)
    }
}

/// Whether the centre is open from one feature to another.
#[cube]
fn centre_open(input: usize, output: usize, #[comptime] conv: Conv) -> bool {
    let from = colour(input, conv.inputs);
    let to = colour(output, conv.outputs);
    if comptime!(conv.own) { from <= to } else { from < to }
}

/// `y = bias + Σ_tap W_tap · x[tap]` at every pixel; turned around, the gradient of that for `x`, where the bias is none, and where `gate`
/// is what was convolved, which counts if a ReLU came before.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn convolve_kernel<F: Float>(
    x: &[F],
    weight: &[F],
    bias: &[F],
    gate: &[F],
    y: &mut [F],
    #[comptime] conv: Conv,
    #[comptime] turned: bool,
    #[comptime] biases: usize,
    #[define(F)] _dtype: ElemType,
) {
    let pixels = comptime!(conv.pixels());
    let reads = comptime!(conv.reads(turned));
    let makes = comptime!(conv.makes(turned));
    let taps = comptime!(conv.taps());
    let image = CUBE_POS_Z as usize;
    let first = CUBE_POS_Y as usize * OUTPUTS;
    let pixel = CUBE_POS_X as usize * PIXELS + UNIT_POS_X as usize;
    if pixel < pixels {
        let i = (pixel / comptime!(conv.width)) as i32;
        let j = (pixel % comptime!(conv.width)) as i32;
        let mut sums = Array::<f32>::new(OUTPUTS);
        #[unroll]
        for n in 0..OUTPUTS {
            let output = min(first + n, comptime!(conv.makes(turned) - 1));
            if comptime!(biases == 0) {
                sums[n] = 0.0;
            } else if comptime!(biases == 1) {
                sums[n] = f32::cast_from(bias[output]);
            } else {
                sums[n] = f32::cast_from(bias[image * makes + output]);
            }
        }
        for tap in 0..comptime!(conv.open()) {
            let (down, right) = offset(tap, conv);
            let row = if comptime!(turned) { i - down } else { i + down };
            let column = if comptime!(turned) { j - right } else { j + right };
            if inside(row, column, conv) {
                let at = (row * comptime!(conv.width as i32) + column) as usize;
                for block in 0..comptime!(conv.reads(turned) / at_once(conv.reads(turned))) {
                    #[unroll]
                    for m in 0..comptime!(at_once(conv.reads(turned))) {
                        let input = block * comptime!(at_once(conv.reads(turned))) + m;
                        let mut value = f32::cast_from(x[(image * reads + input) * pixels + at]);
                        if comptime!(conv.relu && !turned) {
                            value = max(value, 0.0);
                        }
                        #[unroll]
                        for n in 0..OUTPUTS {
                            let output = min(first + n, comptime!(conv.makes(turned) - 1));
                            let place = if comptime!(turned) { input * makes + output } else { output * reads + input };
                            let mut w = f32::cast_from(weight[place * taps + tap]);
                            if comptime!(conv.coloured()) {
                                if tap == comptime!(conv.centre()) {
                                    let open = if comptime!(turned) {
                                        centre_open(output, input, conv)
                                    } else {
                                        centre_open(input, output, conv)
                                    };
                                    w = select(open, w, 0.0);
                                }
                            }
                            sums[n] += value * w;
                        }
                    }
                }
            }
        }
        #[unroll]
        for n in 0..OUTPUTS {
            if first + n < makes {
                let at = (image * makes + first + n) * pixels + pixel;
                let mut sum = sums[n];
                if comptime!(conv.relu && turned) {
                    sum = select(f32::cast_from(gate[at]) > 0.0, sum, 0.0);
                }
                y[at] = F::cast_from(sum);
            }
        }
    }
}

/// Rows and columns from a pixel to the one that a tap reads.
#[cube]
fn offset(tap: usize, #[comptime] conv: Conv) -> (i32, i32) {
    let down = (tap / comptime!(conv.kernel[1])) as i32 - comptime!((conv.kernel[0] / 2) as i32);
    let right = (tap % comptime!(conv.kernel[1])) as i32 - comptime!((conv.kernel[1] / 2) as i32);
    (down * comptime!(conv.dilation as i32), right * comptime!(conv.dilation as i32))
}

/// Whether a pixel is inside the image.
#[cube]
fn inside(row: i32, column: i32, #[comptime] conv: Conv) -> bool {
    row >= 0 && row < comptime!(conv.height as i32) && column >= 0 && column < comptime!(conv.width as i32)
}

/// Parts of the gradient for the weights, `[parts, outputs, inputs, taps]`: each of some images.
#[cube(launch)]
fn weight_gradient_kernel<F: Float>(
    x: &[F],
    dy: &[F],
    parts: &mut [F],
    images: u32,
    #[comptime] conv: Conv,
    #[define(F)] _dtype: ElemType,
) {
    let tile = comptime!(conv.tile());
    let side = comptime!(SIDE * conv.tile());
    let pixels = comptime!(conv.pixels());
    let inputs = comptime!(conv.inputs.count);
    let outputs = comptime!(conv.outputs.count);
    let taps = comptime!(conv.taps());
    let unit = UNIT_POS_X as usize;
    let part = CUBE_POS_Y as usize;
    let tap = CUBE_POS_X as usize % taps;
    let block = CUBE_POS_X as usize / taps;
    let across = comptime!(conv.inputs.count.div_ceil(SIDE * conv.tile()));
    let first_input = block % across * side;
    let first_output = block / across * side;
    let (down, right) = offset(tap, conv);

    let mut read = Shared::<[f32]>::new_slice(comptime!(SIDE * conv.tile() * APART));
    let mut made = Shared::<[f32]>::new_slice(comptime!(SIDE * conv.tile() * APART));
    let mut sums = Array::<f32>::new(comptime!(conv.tile() * conv.tile()));
    #[unroll]
    for n in 0..comptime!(conv.tile() * conv.tile()) {
        sums[n] = 0.0;
    }
    let mut image = part;
    while image < images as usize {
        for chunk in 0..comptime!(conv.pixels().div_ceil(CHUNK)) {
            for item in range_stepped(unit, comptime!(SIDE * conv.tile() * CHUNK), comptime!(SIDE * SIDE)) {
                let place = item % CHUNK;
                let feature = item / CHUNK;
                let pixel = chunk * CHUNK + place;
                let mut dy_here = 0.0f32;
                let mut x_here = 0.0f32;
                if pixel < pixels {
                    let row = (pixel / comptime!(conv.width)) as i32 + down;
                    let column = (pixel % comptime!(conv.width)) as i32 + right;
                    if first_output + feature < outputs {
                        dy_here = f32::cast_from(dy[(image * outputs + first_output + feature) * pixels + pixel]);
                    }
                    if inside(row, column, conv) && first_input + feature < inputs {
                        let at = (row * comptime!(conv.width as i32) + column) as usize;
                        x_here = f32::cast_from(x[(image * inputs + first_input + feature) * pixels + at]);
                        if comptime!(conv.relu) {
                            x_here = max(x_here, 0.0);
                        }
                    }
                }
                made[feature * APART + place] = dy_here;
                read[feature * APART + place] = x_here;
            }
            sync_cube();
            for place in 0..CHUNK {
                #[unroll]
                for a in 0..tile {
                    let dy_here = made[(unit / SIDE * tile + a) * APART + place];
                    #[unroll]
                    for b in 0..tile {
                        sums[a * tile + b] += dy_here * read[(unit % SIDE * tile + b) * APART + place];
                    }
                }
            }
            sync_cube();
        }
        image += CUBE_COUNT_Y as usize;
    }
    #[unroll]
    for a in 0..tile {
        #[unroll]
        for b in 0..tile {
            let output = first_output + unit / SIDE * tile + a;
            let input = first_input + unit % SIDE * tile + b;
            if output < outputs && input < inputs {
                let mut open = tap < comptime!(conv.open());
                if comptime!(conv.coloured()) {
                    if tap == comptime!(conv.centre()) {
                        open = centre_open(input, output, conv);
                    }
                }
                parts[((part * outputs + output) * inputs + input) * taps + tap] =
                    F::cast_from(select(open, sums[a * tile + b], 0.0));
            }
        }
    }
}

/// Convolves `x` `[N, inputs, H, W]` to `[N, outputs, H, W]` with `bias` `[1 or N, outputs]`, or, without one, `x` `[N, outputs, H, W]`
/// backwards to `[N, inputs, H, W]`; `gate` is what was convolved.
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
    let (client, dtype) = (x.client.clone(), dtype_to_storage_type(x.dtype));
    let groups = [conv.pixels().div_ceil(PIXELS), makes.div_ceil(OUTPUTS), images(&x)].map(|count| count as u32);
    let weight = into_contiguous(weight);
    convolve_kernel::launch(
        &client,
        CubeCount::Static(groups[0], groups[1], groups[2]),
        CubeDim::new_1d(PIXELS as u32),
        x.into_buffer_arg(),
        weight.clone().into_buffer_arg(),
        bias.map_or(weight, into_contiguous).into_buffer_arg(),
        gate.into_buffer_arg(),
        y.clone().into_buffer_arg(),
        conv,
        turned,
        biases,
        dtype,
    );
    y
}

/// Parts of the gradient for the weights, `[parts, outputs, inputs, kernel rows, kernel columns]`, which are to be added up, given `x` and
/// the gradient `dy` of what was made of it.
pub(crate) fn weight_gradient(x: CubeTensor, dy: CubeTensor, conv: Conv) -> CubeTensor {
    let (x, dy) = (into_contiguous(x), into_contiguous(dy));
    let parts = conv.parts(images(&x));
    let [outputs, inputs, rows, columns] = conv.weight();
    let made = empty(&x, [parts, outputs, inputs, rows, columns]);
    let (client, dtype, count) = (x.client.clone(), dtype_to_storage_type(x.dtype), images(&x) as u32);
    weight_gradient_kernel::launch(
        &client,
        CubeCount::Static(conv.blocks() as u32, parts as u32, 1),
        CubeDim::new_1d((SIDE * SIDE) as u32),
        x.into_buffer_arg(),
        dy.into_buffer_arg(),
        made.clone().into_buffer_arg(),
        count,
        conv,
        dtype,
    );
    made
}
