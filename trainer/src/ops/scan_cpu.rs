//! LSTM scans of a batch on the CPU, forward and backward, on slices.

use crate::kernels::{Isa, Scan, ScanGradient, VECTORS, WeightGradient};
use crate::plan::Plan;
use rayon::prelude::*;

/// Images per scan. Fills the kernels' pixel blocks even for short waves.
const IMAGES_A_SCAN: usize = 4;

/// Sizes of a scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub images: usize,
    /// Features of h and c.
    pub hidden: usize,
}

/// Tensors of a scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs<'a> {
    /// `[images, pixels, 4, hidden]`.
    pub x: &'a [f32],
    /// `[4 · hidden, hidden, taps]`.
    pub weight: &'a [f32],
    /// `[initials, hidden]`.
    pub initial_h: &'a [f32],
    pub initial_c: &'a [f32],
}

/// Outputs of a scan.
#[derive(Clone, Debug)]
pub(super) struct Outputs {
    /// `[images, pixels, 4, hidden]`.
    pub gates: Vec<f32>,
    /// `[images, pixels, hidden]`.
    pub c: Vec<f32>,
    /// `[images, pixels, hidden]`.
    pub h: Vec<f32>,
}

/// Gradients of a scan.
pub(super) struct Gradients {
    pub x: Vec<f32>,
    pub weight: Vec<f32>,
    pub initial_h: Vec<f32>,
    pub initial_c: Vec<f32>,
}

/// States other than pixels': zero, followed by the initial ones.
fn edges(initial: &[f32], hidden: usize) -> Vec<f32> {
    let mut edges = vec![0.0; hidden];
    edges.extend_from_slice(initial);
    edges
}

/// Scans all images.
pub(super) fn forward(isa: Isa, plan: &Plan, sizes: Sizes, inputs: Inputs) -> Outputs {
    let Sizes { images, hidden } = sizes;
    let (pixels, taps, stride) = (plan.pixels(), plan.taps(), isa.pad(hidden));
    let lanes = isa.pad(1);
    let mut weights = vec![0.0; taps * hidden * 4 * stride];
    for (q, weight) in inputs.weight.chunks_exact(hidden * taps).enumerate() {
        let (gate, block, lane) = (q / hidden, q % hidden / lanes, q % hidden % lanes);
        for (at, weight) in weight.iter().enumerate() {
            let (j, tap) = (at / taps, at % taps);
            weights[(((block * taps + tap) * hidden + j) * 4 + gate) * lanes + lane] = *weight;
        }
    }
    let (edge_h, edge_c) = (edges(inputs.initial_h, hidden), edges(inputs.initial_c, hidden));
    let one = pixels * hidden;
    let mut gates = vec![0.0; images * 4 * one];
    let mut c = vec![0.0; images * one];
    let mut h = vec![0.0; images * one];
    gates
        .par_chunks_mut(IMAGES_A_SCAN * 4 * one)
        .zip(c.par_chunks_mut(IMAGES_A_SCAN * one))
        .zip(h.par_chunks_mut(IMAGES_A_SCAN * one))
        .zip(inputs.x.par_chunks(IMAGES_A_SCAN * 4 * one))
        .for_each(|(((gates, c), h), x)| {
            let images = h.len() / one;
            let (edge_h, edge_c, weights) = (&edge_h, &edge_c, &weights);
            isa.scan(&mut Scan { plan, images, hidden, stride, x, weights, edge_h, edge_c, gates, c, h });
        });
    Outputs { gates, c, h }
}

/// Gradients of [`forward`], given its outputs and the gradient `dh` of `h`.
pub(super) fn backward(isa: Isa, plan: &Plan, sizes: Sizes, inputs: Inputs, made: &Outputs, dh: &[f32]) -> Gradients {
    let Sizes { images, hidden } = sizes;
    let (pixels, taps, stride) = (plan.pixels(), plan.taps(), isa.pad(hidden));
    let (lanes, row) = (isa.pad(1), taps * stride);
    let mut weights = vec![0.0; 4 * hidden * row];
    for (q, weight) in inputs.weight.chunks_exact(hidden * taps).enumerate() {
        for (at, weight) in weight.iter().enumerate() {
            let to = at % taps * stride + at / taps;
            let first = to / (VECTORS * lanes) * (VECTORS * lanes);
            let together = (row - first).min(VECTORS * lanes);
            weights[first * 4 * hidden + q * together + to - first] = *weight;
        }
    }
    let (edge_h, edge_c) = (edges(inputs.initial_h, hidden), edges(inputs.initial_c, hidden));
    let (one, states) = (pixels * hidden, plan.states() * hidden);
    let gate_stride = isa.pad(4 * hidden);
    let mut dx = vec![0.0; images * 4 * one];
    let parts: Vec<[Vec<f32>; 3]> = dx
        .par_chunks_mut(IMAGES_A_SCAN * 4 * one)
        .enumerate()
        .map(|(part, dx)| {
            let first = part * IMAGES_A_SCAN;
            let images = dx.len() / (4 * one);
            let of = |all: &'_ [f32], size: usize| first * size..(first * size + images * size).min(all.len());
            let mut states_h = vec![0.0; images * states];
            let mut states_c = vec![0.0; images * states];
            isa.scan_gradient(&mut ScanGradient {
                plan,
                images,
                hidden,
                stride,
                weights: &weights,
                edge_c: &edge_c,
                gates: &made.gates[of(&made.gates, 4 * one)],
                c: &made.c[of(&made.c, one)],
                dh: &dh[of(dh, one)],
                dx,
                states_h: &mut states_h,
                states_c: &mut states_c,
            });
            let mut gradient = vec![0.0; taps * hidden * gate_stride];
            let h = &made.h[of(&made.h, one)];
            for (h, dx) in h.chunks_exact(one).zip(dx.chunks_exact(4 * one)) {
                weight_gradient(isa, plan, hidden, h, &edge_h, dx, &mut gradient);
            }
            let initials = |states_of_all: &[f32]| {
                let mut sum = vec![0.0; states - one - hidden];
                for states in states_of_all.chunks_exact(states) {
                    sum.iter_mut().zip(&states[one + hidden..]).for_each(|(sum, d)| *sum += d);
                }
                sum
            };
            [gradient, initials(&states_h), initials(&states_c)]
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut sums = parts.next().unwrap_or_default();
    for part in parts {
        for (sum, part) in sums.iter_mut().zip(part) {
            sum.iter_mut().zip(part).for_each(|(sum, d)| *sum += d);
        }
    }
    let [total, initial_h, initial_c] = sums;
    let mut weight = vec![0.0; inputs.weight.len()];
    for tap in 0..taps {
        for j in 0..hidden {
            for q in 0..4 * hidden {
                weight[(q * hidden + j) * taps + tap] = total[(tap * hidden + j) * gate_stride + q];
            }
        }
    }
    Gradients { x: dx, weight, initial_h, initial_c }
}

/// Adds the weight gradient of one image, `[taps, hidden, padded gates]`.
fn weight_gradient(isa: Isa, plan: &Plan, hidden: usize, h: &[f32], edge_h: &[f32], dx: &[f32], gradient: &mut [f32]) {
    let (pixels, taps) = (plan.pixels(), plan.taps());
    // Gathers the states read by each pixel. The rest is the weight gradient of a 1x1 convolution.
    let mut read = Vec::with_capacity(pixels * taps * hidden);
    for at in 0..pixels {
        for tap in 0..taps {
            let state = plan.output(at, tap);
            read.extend_from_slice(if state < pixels {
                &h[state * hidden..(state + 1) * hidden]
            } else {
                &edge_h[(state - pixels) * hidden..(state - pixels + 1) * hidden]
            });
        }
    }
    let offsets: Vec<usize> = (0..taps * hidden).collect();
    let stride = isa.pad(4 * hidden);
    isa.weight_gradient(&mut WeightGradient {
        x: &read,
        offsets: &offsets,
        step: taps * hidden,
        row_step: 0,
        dy: dx,
        rows: 1,
        columns: pixels,
        outputs: 4 * hidden,
        stride,
        gradient,
        bias: &mut vec![0.0; stride],
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{diagonal_bilstm, row_lstm};
    use crate::test_nets::{close, numbers};

    #[test]
    fn every_instruction_set_gives_the_same() {
        let plans = [row_lstm::plan(4, 7, 3), row_lstm::plan(3, 2, 4), diagonal_bilstm::plan(5, 6, true)];
        for (plan, initials) in plans.into_iter().zip([1, 1, 5]) {
            for hidden in [1, 7, 8, 9, 16, 17, 33] {
                let sizes = Sizes { images: 6, hidden };
                let all = 6 * plan.pixels() * hidden;
                let x: Vec<f32> = numbers(1, 4 * all).iter().map(|x| 3.0 * x).collect();
                let weight = numbers(2, 4 * hidden * hidden * plan.taps());
                let (initial_h, initial_c) = (numbers(3, initials * hidden), numbers(4, initials * hidden));
                let inputs = Inputs { x: &x, weight: &weight, initial_h: &initial_h, initial_c: &initial_c };
                let dh = numbers(5, all);
                let run = |isa| {
                    let made = forward(isa, &plan, sizes, inputs);
                    let d = backward(isa, &plan, sizes, inputs, &made, &dh);
                    [made.h, made.c, made.gates, d.x, d.weight, d.initial_h, d.initial_c]
                };
                let mut results = Isa::all().into_iter().map(|isa| (isa, run(isa)));
                let (_, portable) = results.next().unwrap();
                for (isa, result) in results {
                    for (got, expected) in result.iter().zip(&portable) {
                        close(got, expected, 1e-4, &(isa, hidden));
                    }
                }
            }
        }
    }
}
