//! An LSTM's scan over an image, forward and backward, in one launch each.
//!
//! A workgroup processes an image wave by wave, in the order of a [`Plan`]. A thread computes one feature of a pixel.
//! Intermediate values are stored in wave order too, so that neighbouring threads read neighbouring values.

use super::{Quad, at_once, empty, empty_of, images};
use crate::plan::Plan;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

/// Minimum number of threads that compute the same feature and so share its weights.
const TOGETHER: usize = 32;

/// Sizes of a scan. Kernels are compiled for each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sizes {
    /// Features of h and c.
    pub hidden: usize,
    pub pixels: usize,
    pub taps: usize,
    /// Number of initial states.
    pub initials: usize,
    pub waves: usize,
}

impl Sizes {
    pub(crate) fn new(plan: &Plan, hidden: usize) -> Self {
        Self { hidden, pixels: plan.pixels, taps: plan.taps, initials: plan.initials, waves: plan.ends.len() }
    }

    // Offsets of the parts of `tables`. The first part is the order.

    const fn outputs(self) -> usize {
        self.pixels
    }

    const fn cells(self) -> usize {
        self.outputs() + self.pixels * self.taps
    }

    const fn readers(self) -> usize {
        self.cells() + self.pixels
    }

    const fn heirs(self) -> usize {
        self.readers() + self.pixels * self.taps
    }

    const fn ends(self) -> usize {
        self.heirs() + self.pixels
    }

    /// States of an image: one per pixel, a zero state, and the initial states.
    pub(crate) const fn states(self) -> usize {
        self.pixels + 1 + self.initials
    }
}

/// Flattens a plan into one array for the kernels. All parts except the first use wave-order indices of pixels and
/// states:
///
/// - the pixels in wave order, `[pixels]`;
/// - the states that taps read, `[pixels, taps]`;
/// - the states whose cells are continued, `[pixels]`;
/// - the pixels that read a pixel through each tap, `[pixels, taps]`;
/// - the pixels that continue its cell, `[pixels]`;
/// - the start of each wave and the end of the last one, `[waves + 1]`.
///
/// The index `pixels` means that there is no such pixel.
pub(crate) fn tables(plan: &Plan) -> Vec<i32> {
    let Plan { pixels, taps, .. } = *plan;
    let ranks = &plan.ranks;
    let outputs: Vec<usize> = plan
        .order
        .iter()
        .flat_map(|&at| (0..taps).map(move |tap| (at, tap)))
        .map(|(at, tap)| ranks[plan.output(at, tap)])
        .collect();
    let cells: Vec<usize> = plan.order.iter().map(|&at| ranks[plan.cells[at]]).collect();
    let (mut readers, mut heirs) = (vec![pixels; pixels * taps], vec![pixels; pixels]);
    for n in 0..pixels {
        for tap in 0..taps {
            let state = outputs[n * taps + tap];
            if state < pixels {
                readers[state * taps + tap] = n;
            }
        }
        if cells[n] < pixels {
            heirs[cells[n]] = n;
        }
    }
    let parts = [&plan.order, &outputs, &cells, &readers, &heirs, &vec![0], &plan.ends];
    parts.into_iter().flatten().map(|&at| at as i32).collect()
}

/// Logistic function.
#[cube]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Hyperbolic tangent. The shading language's `tanh` may overflow.
#[cube]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// A wave: pixels without mutual dependencies, in wave-order indices.
#[derive(CubeType)]
struct Wave {
    begin: usize,
    end: usize,
    /// Threads per feature, so that neighbouring threads compute the same feature.
    apart: usize,
}

/// The wave with this index.
#[cube]
fn wave_of(tables: &[i32], number: usize, #[comptime] sizes: Sizes) -> Wave {
    let at = comptime!(sizes.ends()) + number;
    let begin = tables[at] as usize;
    let end = tables[at + 1] as usize;
    Wave { begin, end, apart: (end - begin).div_ceil(TOGETHER) * TOGETHER }
}

/// `z = x + Σ_tap W_tap · h[tap]`, `c = σ(f)·c' + σ(i)·tanh(g)`, `h = σ(o)·tanh(c)` for every pixel of the images.
///
/// Inputs: `x` is `[N, 4 · hidden, pixels]` in gate order o, f, i, g; `weight` is `[hidden, taps, hidden]` (to, tap,
/// from) with four gates each; the initial states are `[initials, hidden]`. Outputs: `h` is `[N, hidden, pixels]`. In
/// wave order, the states of pixels, the zero state and the initial states are `[N, hidden, states]`, and the activated
/// gates `[N, 4 · hidden, pixels]`.
#[cube(launch)]
fn scan_kernel<F: Float>(
    x: &[F],
    weight: &[Vector<F, Const<4>>],
    initial_h: &[F],
    initial_c: &[F],
    tables: &[i32],
    h: &mut [F],
    states_h: &mut [F],
    states_c: &mut [F],
    gates: &mut [F],
    #[comptime] sizes: Sizes,
    #[define(F)] _dtype: ElemType,
) {
    let hidden = comptime!(sizes.hidden);
    let pixels = comptime!(sizes.pixels);
    let taps = comptime!(sizes.taps);
    let states = comptime!(sizes.states());
    let image = CUBE_POS_X as usize;
    let threads = CUBE_DIM_X as usize;
    let outputs = comptime!(sizes.outputs());
    let cells = comptime!(sizes.cells());
    let gate = comptime!(sizes.hidden * sizes.pixels);

    for item in range_stepped(UNIT_POS_X as usize, comptime!((1 + sizes.initials) * sizes.hidden), threads) {
        let edge = item / hidden;
        let u = item - edge * hidden;
        let to = (image * hidden + u) * states + pixels + edge;
        if edge == 0 {
            states_h[to] = F::from_int(0);
            states_c[to] = F::from_int(0);
        } else {
            states_h[to] = initial_h[item - hidden];
            states_c[to] = initial_c[item - hidden];
        }
    }
    sync_storage();

    for number in 0..comptime!(sizes.waves) {
        let wave = wave_of(tables, number, sizes);
        for item in range_stepped(UNIT_POS_X as usize, wave.apart * hidden, threads) {
            let u = item / wave.apart;
            let at = wave.begin + item - u * wave.apart;
            if at < wave.end {
                let pixel = tables[at] as usize;
                let from = (image * 4 * hidden + u) * pixels + pixel;
                let mut z = Quad::new(0.0);
                #[unroll]
                for n in 0..4usize {
                    z.insert(n, f32::cast_from(x[from + n * gate]));
                }
                for tap in 0..taps {
                    let state = tables[outputs + at * taps + tap] as usize;
                    for block in 0..comptime!(sizes.hidden / at_once(sizes.hidden)) {
                        #[unroll]
                        for n in 0..comptime!(at_once(sizes.hidden)) {
                            let k = block * comptime!(at_once(sizes.hidden)) + n;
                            let read = f32::cast_from(states_h[(image * hidden + k) * states + state]);
                            z += Quad::new(read) * Quad::cast_from(weight[(u * taps + tap) * hidden + k]);
                        }
                    }
                }
                let state = (image * hidden + u) * states;
                let o = sigmoid(z.extract(0usize));
                let f = sigmoid(z.extract(1usize));
                let i = sigmoid(z.extract(2usize));
                let g = tanh(z.extract(3usize));
                let c = f * f32::cast_from(states_c[state + tables[cells + at] as usize]) + i * g;
                let y = F::cast_from(o * tanh(c));
                let own = (image * 4 * hidden + u) * pixels + at;
                gates[own] = F::cast_from(o);
                gates[own + gate] = F::cast_from(f);
                gates[own + 2 * gate] = F::cast_from(i);
                gates[own + 3 * gate] = F::cast_from(g);
                states_c[state + at] = F::cast_from(c);
                states_h[state + at] = y;
                h[(image * hidden + u) * pixels + pixel] = y;
            }
        }
        sync_storage();
    }
}

/// Gradient of [`scan_kernel`] for `x`, and `dc` `[N, hidden, pixels]`, the gradient that each pixel passes to its
/// previous cell, in wave order. Uses the outputs of [`scan_kernel`] and the gradient `dh` of `h`. `weight` is
/// `[hidden, taps, hidden]` (from, tap, to) with four gates each. `dz` is the gradient for `x` again in wave order,
/// `[N, hidden, pixels]` quads.
#[cube(launch)]
fn scan_gradient_kernel<F: Float>(
    weight: &[Vector<F, Const<4>>],
    states_c: &[F],
    gates: &[F],
    dh: &[F],
    tables: &[i32],
    dx: &mut [F],
    dc: &mut [F],
    dz: &mut [Vector<f32, Const<4>>],
    #[comptime] sizes: Sizes,
    #[define(F)] _dtype: ElemType,
) {
    let hidden = comptime!(sizes.hidden);
    let pixels = comptime!(sizes.pixels);
    let taps = comptime!(sizes.taps);
    let states = comptime!(sizes.states());
    let image = CUBE_POS_X as usize;
    let threads = CUBE_DIM_X as usize;
    let cells = comptime!(sizes.cells());
    let readers = comptime!(sizes.readers());
    let heirs = comptime!(sizes.heirs());
    let gate = comptime!(sizes.hidden * sizes.pixels);

    for step in 0..comptime!(sizes.waves) {
        let wave = wave_of(tables, comptime!(sizes.waves - 1) - step, sizes);
        for item in range_stepped(UNIT_POS_X as usize, wave.apart * hidden, threads) {
            let u = item / wave.apart;
            let at = wave.begin + item - u * wave.apart;
            if at < wave.end {
                let pixel = tables[at] as usize;
                let here = (image * hidden + u) * pixels + at;
                let mut read = Quad::new(0.0);
                for tap in 0..taps {
                    let reader = tables[readers + at * taps + tap] as usize;
                    if reader < pixels {
                        for block in 0..comptime!(sizes.hidden / at_once(sizes.hidden)) {
                            #[unroll]
                            for n in 0..comptime!(at_once(sizes.hidden)) {
                                let k = block * comptime!(at_once(sizes.hidden)) + n;
                                let w = Quad::cast_from(weight[(u * taps + tap) * hidden + k]);
                                read += dz[(image * hidden + k) * pixels + reader] * w;
                            }
                        }
                    }
                }
                let mut dy = f32::cast_from(dh[(image * hidden + u) * pixels + pixel]);
                #[unroll]
                for n in 0..4usize {
                    dy += read.extract(n);
                }
                let own = (image * 4 * hidden + u) * pixels + at;
                let o = f32::cast_from(gates[own]);
                let f = f32::cast_from(gates[own + gate]);
                let i = f32::cast_from(gates[own + 2 * gate]);
                let g = f32::cast_from(gates[own + 3 * gate]);
                let all = (image * hidden + u) * states;
                let t = tanh(f32::cast_from(states_c[all + at]));
                let before = f32::cast_from(states_c[all + tables[cells + at] as usize]);
                let mut d = dy * o * (1.0 - t * t);
                let heir = tables[heirs + at] as usize;
                if heir < pixels {
                    d += f32::cast_from(dc[(image * hidden + u) * pixels + heir]);
                }
                let mut four = Quad::new(dy * t * o * (1.0 - o));
                four.insert(1usize, d * before * f * (1.0 - f));
                four.insert(2usize, d * g * i * (1.0 - i));
                four.insert(3usize, d * i * (1.0 - g * g));
                #[unroll]
                for n in 0..4usize {
                    dx[(image * 4 * hidden + u) * pixels + pixel + n * gate] = F::cast_from(four.extract(n));
                }
                dz[here] = four;
                dc[here] = F::cast_from(d * f);
            }
        }
        sync_storage();
    }
}

/// The maximum workgroup size of the GPU, up to 1024 threads.
fn threads(client: &Client) -> CubeDim {
    CubeDim::new_1d(client.properties().hardware.max_units_per_cube.min(1024))
}

/// Outputs of a scan.
#[derive(ExtensionType)]
#[extension_type(fusion)]
pub(crate) struct Scanned<B: Backend> {
    /// `[N, hidden, pixels]`.
    pub h: FloatTensor<B>,
    /// States in wave order: pixels, zero, initial; `[N, hidden, states]`.
    pub states_h: FloatTensor<B>,
    pub states_c: FloatTensor<B>,
    /// Activated gates in wave order, `[N, 4 · hidden, pixels]`.
    pub gates: FloatTensor<B>,
}

/// Scans `x`; see [`scan_kernel`].
pub(crate) fn scan(
    x: CubeTensor,
    weight: CubeTensor,
    [initial_h, initial_c]: [CubeTensor; 2],
    tables: CubeTensor,
    sizes: Sizes,
) -> Scanned<CubeBackend> {
    let x = into_contiguous(x);
    let (n, Sizes { hidden, pixels, .. }) = (images(&x), sizes);
    let [h, states_h, states_c] = [pixels, sizes.states(), sizes.states()].map(|count| empty(&x, [n, hidden, count]));
    let gates = empty(&x, [n, 4 * hidden, pixels]);
    let (client, dtype) = (x.client.clone(), dtype_to_storage_type(x.dtype));
    scan_kernel::launch(
        &client,
        CubeCount::Static(n as u32, 1, 1),
        threads(&client),
        x.into_buffer_arg(),
        into_contiguous(weight).into_buffer_arg(),
        into_contiguous(initial_h).into_buffer_arg(),
        into_contiguous(initial_c).into_buffer_arg(),
        into_contiguous(tables).into_buffer_arg(),
        h.clone().into_buffer_arg(),
        states_h.clone().into_buffer_arg(),
        states_c.clone().into_buffer_arg(),
        gates.clone().into_buffer_arg(),
        sizes,
        dtype,
    );
    Scanned { h, states_h, states_c, gates }
}

/// Gradient of [`scan`] for `x`, and `dc`; see [`scan_gradient_kernel`].
pub(crate) fn scan_gradient(
    weight: CubeTensor,
    states_c: CubeTensor,
    gates: CubeTensor,
    dh: CubeTensor,
    tables: CubeTensor,
    sizes: Sizes,
) -> (CubeTensor, CubeTensor) {
    let dh = into_contiguous(dh);
    let (n, Sizes { hidden, pixels, .. }) = (images(&dh), sizes);
    let (dx, dc) = (empty(&dh, [n, 4 * hidden, pixels]), empty(&dh, [n, hidden, pixels]));
    let dz = empty_of(&dh, [n, hidden, pixels, 4], DType::F32);
    let (client, dtype) = (dh.client.clone(), dtype_to_storage_type(dh.dtype));
    scan_gradient_kernel::launch(
        &client,
        CubeCount::Static(n as u32, 1, 1),
        threads(&client),
        into_contiguous(weight).into_buffer_arg(),
        into_contiguous(states_c).into_buffer_arg(),
        into_contiguous(gates).into_buffer_arg(),
        dh.into_buffer_arg(),
        into_contiguous(tables).into_buffer_arg(),
        dx.clone().into_buffer_arg(),
        dc.clone().into_buffer_arg(),
        dz.into_buffer_arg(),
        sizes,
        dtype,
    );
    (dx, dc)
}
