//! LSTM scans over images: a step for several pixels, and its gradient.
//!
//! All gates, cells and outputs of a pixel are computed together, by wavefronts of mutually independent pixels. Images
//! are not skewed for this: a [`Plan`] lists the pixels that each pixel reads.

use super::lanes::{Lanes, load, store};
use super::math::{sigmoid, tanh};
use crate::plan::Plan;

/// `z = x + Σ_tap W_tap · h[tap]`, `c = σ(f)·c' + σ(i)·tanh(g)`, `h = σ(o)·tanh(c)` for every pixel of some images.
pub(crate) struct Scan<'a> {
    pub plan: &'a Plan,
    pub images: usize,
    /// Features of h and c.
    pub hidden: usize,
    /// `hidden` rounded up to whole vectors.
    pub stride: usize,
    /// Input contribution to the gates, `[images, pixels, 4, hidden]`, in the order o, f, i, g.
    pub x: &'a [f32],
    /// `[stride / lanes, taps, hidden, 4, lanes]`: the weights for each vector of features are contiguous.
    pub weights: &'a [f32],
    /// Outputs and cells other than pixels', `[1 + initials, hidden]`. The first is zero.
    pub edge_h: &'a [f32],
    pub edge_c: &'a [f32],
    /// Activated gates, laid out like `x`.
    pub gates: &'a mut [f32],
    /// `[images, pixels, hidden]`.
    pub c: &'a mut [f32],
    /// `[images, pixels, hidden]`.
    pub h: &'a mut [f32],
}

/// Gradients of [`Scan`] for `x` and for the initial states.
pub(crate) struct ScanGradient<'a> {
    pub plan: &'a Plan,
    pub images: usize,
    pub hidden: usize,
    pub stride: usize,
    /// Transposed weights of [`Scan`], `[4, hidden, vectors, lanes]` for each group of [`VECTORS`] vectors of the
    /// `[taps, stride]` inputs. The last group may be smaller.
    pub weights: &'a [f32],
    pub edge_c: &'a [f32],
    pub gates: &'a [f32],
    pub c: &'a [f32],
    /// Gradient of `h`, `[images, pixels, hidden]`.
    pub dh: &'a [f32],
    /// Gradient of `x`.
    pub dx: &'a mut [f32],
    /// Gradients of all states, `[images, states, hidden]`. Initially zero. On return, only the edge states are
    /// meaningful.
    pub states_h: &'a mut [f32],
    pub states_c: &'a mut [f32],
}

/// Maximum number of gradient vectors computed at a time.
pub(crate) const VECTORS: usize = 3;

/// Runs `job`, `P` pixels at a time.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn scan<V: Lanes, const P: usize>(job: &mut Scan) {
    let (plan, h) = (job.plan, job.hidden);
    let all = job.images * plan.pixels;
    assert!(job.stride.is_multiple_of(V::COUNT) && h <= job.stride && job.stride - h < V::COUNT && h > 0);
    assert!(job.x.len() == all * 4 * h && job.gates.len() == all * 4 * h);
    assert!(job.c.len() == all * h && job.h.len() == all * h);
    assert!(job.weights.len() == plan.taps * h * 4 * job.stride);
    assert!(job.edge_h.len() == (1 + plan.initials) * h && job.edge_c.len() == job.edge_h.len());
    let mut begin = 0;
    for &end in &plan.ends {
        let wave = (end - begin) * job.images;
        for block in (0..h).step_by(V::COUNT) {
            let mut at = 0;
            // SAFETY: pixels from `at` on are in the wave, `block` is a feature index, and the asserts cover the rest.
            unsafe {
                while at + P <= wave {
                    scan_pixels::<V, P>(job, begin, at, block);
                    at += P;
                }
                while at + 2 <= wave {
                    scan_pixels::<V, 2>(job, begin, at, block);
                    at += 2;
                }
                if at < wave {
                    scan_pixels::<V, 1>(job, begin, at, block);
                }
            }
        }
        begin = end;
    }
}

/// Image and pixel of P consecutive wave entries. A wave lists all images of a pixel consecutively.
#[inline(always)]
fn places<const P: usize>(plan: &Plan, images: usize, begin: usize, at: usize) -> [(usize, usize); P] {
    let mut places = [(0, 0); P];
    for (p, place) in places.iter_mut().enumerate() {
        *place = ((at + p) % images, plan.order[begin + (at + p) / images]);
    }
    places
}

/// Pointer to the `hidden` features of a state of an image.
///
/// # Safety
/// `pixels` must hold the features of all images' pixels, `edges` the features of the other states.
#[inline(always)]
unsafe fn state(
    plan: &Plan,
    hidden: usize,
    pixels: *const f32,
    edges: *const f32,
    image: usize,
    state: usize,
) -> *const f32 {
    // SAFETY: a plan's states are below `states()`.
    unsafe {
        if state < plan.pixels {
            pixels.add((image * plan.pixels + state) * hidden)
        } else {
            edges.add((state - plan.pixels) * hidden)
        }
    }
}

/// Computes a vector of features from `block` on, for P wave entries from `at` on.
///
/// # Safety
/// The conditions of [`scan`], after its asserts. The entries are in the wave that starts at `begin`, and `block` is a
/// multiple of the lane count, below `hidden`.
#[inline(always)]
unsafe fn scan_pixels<V: Lanes, const P: usize>(job: &mut Scan, begin: usize, at: usize, block: usize) {
    let (plan, h) = (job.plan, job.hidden);
    let places = places::<P>(plan, job.images, begin, at);
    let left = (h - block).min(V::COUNT);
    // SAFETY: entries are within the images, and a plan's states within maps or edges. `left` features remain from
    // `block` on, each with whole vectors of weights.
    unsafe {
        let mut sums = [[V::splat(0.0); 4]; P];
        for (sums, (image, pixel)) in sums.iter_mut().zip(places) {
            let x = job.x.as_ptr().add((image * plan.pixels + pixel) * 4 * h + block);
            for (gate, sum) in sums.iter_mut().enumerate() {
                *sum = load::<V>(x.add(gate * h), left);
            }
        }
        let mut weights = job.weights.as_ptr().add(block * plan.taps * h * 4);
        for tap in 0..plan.taps {
            let mut inputs = [job.edge_h.as_ptr(); P];
            for (input, (image, pixel)) in inputs.iter_mut().zip(places) {
                let from = plan.outputs[pixel * plan.taps + tap];
                *input = state(plan, h, job.h.as_ptr(), job.edge_h.as_ptr(), image, from);
            }
            for j in 0..h {
                let w = load_all::<V, 4>(weights);
                weights = weights.add(4 * V::COUNT);
                for (sums, input) in sums.iter_mut().zip(inputs) {
                    let input = V::splat(*input.add(j));
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = input.mul_add(w, *sum);
                    }
                }
            }
        }
        for (sums, (image, pixel)) in sums.into_iter().zip(places) {
            let at = image * plan.pixels + pixel;
            let cell = state(plan, h, job.c.as_ptr(), job.edge_c.as_ptr(), image, plan.cells[pixel]);
            let cell = load::<V>(cell.add(block), left);
            let [o, f, i, g] = sums;
            let gates = [sigmoid(o), sigmoid(f), sigmoid(i), tanh(g)];
            let c = gates[1].mul_add(cell, gates[2].mul(gates[3]));
            let to = job.gates.as_mut_ptr().add(at * 4 * h + block);
            for (gate, value) in gates.into_iter().enumerate() {
                store(value, to.add(gate * h), left);
            }
            store(c, job.c.as_mut_ptr().add(at * h + block), left);
            store(gates[0].mul(tanh(c)), job.h.as_mut_ptr().add(at * h + block), left);
        }
    }
}

/// Loads N consecutive vectors. A closure would not inherit the caller's target features.
///
/// # Safety
/// The CPU must support the instructions of `V`, and the vectors must be readable.
#[inline(always)]
unsafe fn load_all<V: Lanes, const N: usize>(from: *const f32) -> [V; N] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut all = [V::splat(0.0); N];
        for (n, one) in all.iter_mut().enumerate() {
            *one = V::load(from.add(n * V::COUNT));
        }
        all
    }
}

/// Runs `job`.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn scan_gradient<V: Lanes, const P: usize>(job: &mut ScanGradient) {
    let (plan, h) = (job.plan, job.hidden);
    let all = job.images * plan.pixels;
    assert!(job.stride.is_multiple_of(V::COUNT) && h <= job.stride && job.stride - h < V::COUNT && h > 0);
    assert!(job.gates.len() == all * 4 * h && job.dx.len() == all * 4 * h);
    assert!(job.c.len() == all * h && job.dh.len() == all * h);
    assert!(job.weights.len() == 4 * h * plan.taps * job.stride);
    assert!(job.edge_c.len() == (1 + plan.initials) * h);
    assert!(job.states_h.len() == job.images * plan.states() * h && job.states_c.len() == job.states_h.len());
    let begins = std::iter::once(0).chain(plan.ends.iter().copied()).collect::<Vec<_>>();
    let vectors = plan.taps * (job.stride / V::COUNT);
    for (&begin, &end) in begins.iter().zip(&plan.ends).rev() {
        let wave = (end - begin) * job.images;
        for at in 0..wave {
            let [(image, pixel)] = places::<1>(plan, job.images, begin, at);
            // SAFETY: the pixel is in the wave, and the asserts cover the rest.
            unsafe { gradient_gates::<V>(job, image, pixel) };
        }
        for vector in (0..vectors).step_by(VECTORS) {
            // SAFETY: the matched number of vectors remains from `vector` on. The gate gradients of the wave are
            // complete.
            unsafe {
                match vectors - vector {
                    1 => gradient_vectors::<V, P, 1>(job, (begin, wave), vector),
                    2 => gradient_vectors::<V, P, 2>(job, (begin, wave), vector),
                    _ => gradient_vectors::<V, P, VECTORS>(job, (begin, wave), vector),
                }
            }
        }
    }
}

/// Processes all entries of a wave, P at a time, with `N` vectors of weights.
///
/// # Safety
/// The conditions of [`scan_gradient`], after its asserts. `N` vectors remain from `vector` on.
#[inline(always)]
unsafe fn gradient_vectors<V: Lanes, const P: usize, const N: usize>(
    job: &mut ScanGradient,
    (begin, wave): (usize, usize),
    vector: usize,
) {
    let (plan, images) = (job.plan, job.images);
    let mut at = 0;
    // SAFETY: entries from `at` on are in the wave.
    unsafe {
        while at + P <= wave {
            gradient_states::<V, P, N>(job, &places(plan, images, begin, at), vector);
            at += P;
        }
        while at < wave {
            gradient_states::<V, 1, N>(job, &places(plan, images, begin, at), vector);
            at += 1;
        }
    }
}

/// Gradients of a pixel's gate inputs and of the cell that it continued.
///
/// # Safety
/// The conditions of [`scan_gradient`], after its asserts. The pixel is inside the image.
#[inline(always)]
unsafe fn gradient_gates<V: Lanes>(job: &mut ScanGradient, image: usize, pixel: usize) {
    let (plan, h) = (job.plan, job.hidden);
    let at = image * plan.pixels + pixel;
    let here = (image * plan.states() + pixel) * h;
    let before = (image * plan.states() + plan.cells[pixel]) * h;
    let mut block = 0;
    while block < h {
        let left = (h - block).min(V::COUNT);
        // SAFETY: the pixel is within the maps, the state within the states, and `left` features remain.
        unsafe {
            let one = V::splat(1.0);
            let gates = job.gates.as_ptr().add(at * 4 * h + block);
            let [o, f, i, g] = [
                load::<V>(gates, left),
                load::<V>(gates.add(h), left),
                load::<V>(gates.add(2 * h), left),
                load::<V>(gates.add(3 * h), left),
            ];
            let tanh_c = tanh(load::<V>(job.c.as_ptr().add(at * h + block), left));
            let before_c = state(plan, h, job.c.as_ptr(), job.edge_c.as_ptr(), image, plan.cells[pixel]);
            let before_c = load::<V>(before_c.add(block), left);
            let dh = load::<V>(job.dh.as_ptr().add(at * h + block), left);
            let dh = dh.add(load(job.states_h.as_ptr().add(here + block), left));
            let dc = load::<V>(job.states_c.as_ptr().add(here + block), left);
            let dc = dh.mul(o).mul_add(one.sub(tanh_c.mul(tanh_c)), dc);
            let d = [
                dh.mul(tanh_c).mul(o.mul(one.sub(o))),
                dc.mul(before_c).mul(f.mul(one.sub(f))),
                dc.mul(g).mul(i.mul(one.sub(i))),
                dc.mul(i).mul(one.sub(g.mul(g))),
            ];
            let dx = job.dx.as_mut_ptr().add(at * 4 * h + block);
            for (gate, d) in d.into_iter().enumerate() {
                store(d, dx.add(gate * h), left);
            }
            let to = job.states_c.as_mut_ptr().add(before + block);
            store(dc.mul_add(f, load(to, left)), to, left);
        }
        block += V::COUNT;
    }
}

/// Propagates the gate gradients of P pixels to the states that they read, with `N` vectors of weights from `vector`
/// on.
///
/// # Safety
/// The conditions of [`scan_gradient`], after its asserts. The entries are within the images, the vectors within a row
/// of weights.
#[inline(always)]
unsafe fn gradient_states<V: Lanes, const P: usize, const N: usize>(
    job: &mut ScanGradient,
    places: &[(usize, usize); P],
    vector: usize,
) {
    let (plan, h) = (job.plan, job.hidden);
    // SAFETY: the caller guarantees entries and vectors. Weight rows have whole vectors.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; P];
        let mut from = [job.dx.as_ptr(); P];
        for (from, (image, pixel)) in from.iter_mut().zip(places) {
            *from = from.add((image * plan.pixels + pixel) * 4 * h);
        }
        let mut weights = job.weights.as_ptr().add(vector * V::COUNT * 4 * h);
        for q in 0..4 * h {
            let w = load_all::<V, N>(weights);
            weights = weights.add(N * V::COUNT);
            for (sums, from) in sums.iter_mut().zip(from) {
                let d = V::splat(*from.add(q));
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = d.mul_add(w, *sum);
                }
            }
        }
        let blocks = job.stride / V::COUNT;
        for (sums, &(image, pixel)) in sums.into_iter().zip(places) {
            for (n, sum) in sums.into_iter().enumerate() {
                let (tap, block) = ((vector + n) / blocks, (vector + n) % blocks * V::COUNT);
                let state = plan.outputs[pixel * plan.taps + tap];
                let to = job.states_h.as_mut_ptr().add((image * plan.states() + state) * h + block);
                let left = (h - block).min(V::COUNT);
                store(sum.add(load(to, left)), to, left);
            }
        }
    }
}
