//! A convolution of one image as sums over the rows of a weight matrix, and its gradient for the weights.
//!
//! A *row* `k` is one input feature at one open tap. Where the image lies padded, the number that row `k` multiplies
//! at a pixel stands `offsets[k]` floats after that pixel's first one, so that kernels, dilations and masks of all
//! kinds are lists of offsets here, and closed taps are not in the list. The gradient for the input is a convolution
//! too, of the output's gradient with the weights transposed and the offsets turned around.

use super::lanes::Lanes;

/// `y[i, j, o] = bias[o] + Σ_k weights[k, o] · x[i·row_step + j·step + offsets[k]]`.
pub(crate) struct Forward<'a> {
    /// The input.
    pub x: &'a [f32],
    /// Where row `k` finds its number.
    pub offsets: &'a [usize],
    /// Floats from a pixel to the next in `x`.
    pub step: usize,
    /// Floats from a row of pixels to the next in `x`.
    pub row_step: usize,
    /// `[offsets.len(), stride]`.
    pub weights: &'a [f32],
    /// `outputs`, rounded up to whole vectors.
    pub stride: usize,
    /// `[stride]`.
    pub bias: &'a [f32],
    /// Rows of pixels.
    pub rows: usize,
    /// Pixels in a row.
    pub columns: usize,
    /// Features of `y`.
    pub outputs: usize,
    /// `[rows, columns, outputs]`.
    pub y: &'a mut [f32],
}

/// `gradient[k, o] += Σ_ij x[i·row_step + j·step + offsets[k]] · dy[i, j, o]`, `bias[o] += Σ_ij dy[i, j, o]`.
pub(crate) struct WeightGradient<'a> {
    /// The input of the convolution.
    pub x: &'a [f32],
    /// As in [`Forward`].
    pub offsets: &'a [usize],
    /// As in [`Forward`].
    pub step: usize,
    /// As in [`Forward`].
    pub row_step: usize,
    /// Gradient of the output, `[rows, columns, outputs]`.
    pub dy: &'a [f32],
    /// Rows of pixels.
    pub rows: usize,
    /// Pixels in a row.
    pub columns: usize,
    /// Features of `dy`.
    pub outputs: usize,
    /// `outputs`, rounded up to whole vectors.
    pub stride: usize,
    /// `[offsets.len(), stride]`.
    pub gradient: &'a mut [f32],
    /// `[stride]`.
    pub bias: &'a mut [f32],
}

/// Whether every row of every pixel stands inside `x`.
fn fits(x: &[f32], offsets: &[usize], step: usize, row_step: usize, rows: usize, columns: usize) -> bool {
    let farthest = offsets.iter().copied().max().unwrap_or(0);
    rows == 0 || columns == 0 || offsets.is_empty() || (rows - 1) * row_step + (columns - 1) * step + farthest < x.len()
}

/// Computes `job`, `P2` pixels at a time where two vectors of outputs are left and `P1` where there is one.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn forward<V: Lanes, const P2: usize, const P1: usize>(job: &mut Forward) {
    assert!(fits(job.x, job.offsets, job.step, job.row_step, job.rows, job.columns));
    assert!(job.outputs <= job.stride && job.stride.is_multiple_of(V::COUNT) && job.bias.len() == job.stride);
    assert!(job.weights.len() == job.offsets.len() * job.stride);
    assert!(job.y.len() == job.rows * job.columns * job.outputs);
    let mut o = 0;
    while o < job.outputs {
        // SAFETY: o is below outputs, so that one vector from o stays inside the stride, and two do where more than
        // one vector is left.
        unsafe {
            if job.outputs - o > V::COUNT {
                forward_features::<V, 2, P2>(job, o);
                o += 2 * V::COUNT;
            } else {
                forward_features::<V, 1, P1>(job, o);
                o += V::COUNT;
            }
        }
    }
}

/// # Safety
/// As [`forward`], whose asserts must hold; `o` is a multiple of the lanes, and `N` vectors from `o` fit the stride.
#[inline(always)]
unsafe fn forward_features<V: Lanes, const N: usize, const P: usize>(job: &mut Forward, o: usize) {
    for i in 0..job.rows {
        let mut j = 0;
        // SAFETY: pixels j to j + P (or j alone) are in the row.
        unsafe {
            while j + P <= job.columns {
                forward_pixels::<V, N, P>(job, o, i, j);
                j += P;
            }
            if j < job.columns && job.columns >= P {
                // The last few pixels once more with some of their neighbours: faster than one by one.
                forward_pixels::<V, N, P>(job, o, i, job.columns - P);
            } else {
                while j < job.columns {
                    forward_pixels::<V, N, 1>(job, o, i, j);
                    j += 1;
                }
            }
        }
    }
}

/// # Safety
/// As [`forward_features`]; pixels `j..j + P` of row `i` exist.
#[inline(always)]
unsafe fn forward_pixels<V: Lanes, const N: usize, const P: usize>(job: &mut Forward, o: usize, i: usize, j: usize) {
    let step = job.step;
    // SAFETY: `fits` holds the reads of x, the lengths of weights and bias those of `N` vectors from o, and stores
    // write whole vectors only where whole vectors of outputs are left.
    unsafe {
        let bias = job.bias.as_ptr().add(o);
        let mut sums = [[V::splat(0.0); N]; P];
        for sums in &mut sums {
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(bias.add(n * V::COUNT));
            }
        }
        let x = job.x.as_ptr().add(i * job.row_step + j * step);
        // Four pixels from one address, which the processor can add a few steps to by itself.
        let fours = 4 * step;
        let mut weights = job.weights.as_ptr().add(o);
        for &offset in job.offsets {
            let mut w = [V::splat(0.0); N];
            for (n, w) in w.iter_mut().enumerate() {
                *w = V::load(weights.add(n * V::COUNT));
            }
            weights = weights.add(job.stride);
            let x = x.add(offset);
            for (p, sums) in sums.iter_mut().enumerate() {
                let x = V::splat(*x.wrapping_add(p / 4 * fours).add(p % 4 * step));
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = x.mul_add(w[n], *sum);
                }
            }
        }
        for (p, sums) in sums.iter().enumerate() {
            let y = job.y.as_mut_ptr().add((i * job.columns + j + p) * job.outputs + o);
            for (n, sum) in sums.iter().enumerate() {
                let left = job.outputs - o - n * V::COUNT;
                if left >= V::COUNT {
                    sum.store(y.add(n * V::COUNT));
                } else {
                    sum.store_first(y.add(n * V::COUNT), left);
                }
            }
        }
    }
}

/// Computes `job`, `B2` rows at a time where two vectors of outputs are left and `B1` where there is one.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn weight_gradient<V: Lanes, const B2: usize, const B1: usize>(job: &mut WeightGradient) {
    assert!(fits(job.x, job.offsets, job.step, job.row_step, job.rows, job.columns));
    assert!(job.outputs <= job.stride && job.stride.is_multiple_of(V::COUNT) && job.bias.len() == job.stride);
    assert!(job.gradient.len() == job.offsets.len() * job.stride);
    assert!(job.dy.len() == job.rows * job.columns * job.outputs);
    let mut o = 0;
    while o < job.outputs {
        // SAFETY: as in `forward`.
        unsafe {
            if job.outputs - o > V::COUNT {
                gradient_features::<V, 2, B2>(job, o);
                o += 2 * V::COUNT;
            } else {
                gradient_features::<V, 1, B1>(job, o);
                o += V::COUNT;
            }
        }
    }
}

/// # Safety
/// As [`weight_gradient`], whose asserts must hold; `N` vectors from `o` fit the stride.
#[inline(always)]
unsafe fn gradient_features<V: Lanes, const N: usize, const B: usize>(job: &mut WeightGradient, o: usize) {
    let mut k = 0;
    // SAFETY: rows k to k + B (or + 4, + 2, or k alone) are in the list of offsets.
    unsafe {
        while k + B <= job.offsets.len() {
            gradient_rows::<V, N, B>(job, o, k);
            k += B;
        }
        while k + 4 <= job.offsets.len() {
            gradient_rows::<V, N, 4>(job, o, k);
            k += 4;
        }
        while k + 2 <= job.offsets.len() {
            gradient_rows::<V, N, 2>(job, o, k);
            k += 2;
        }
        if k < job.offsets.len() {
            gradient_rows::<V, N, 1>(job, o, k);
        }
        gradient_bias::<V, N>(job, o);
    }
}

/// N vectors of `dy` from `from`, of which `left` floats are this pixel's.
///
/// # Safety
/// The machine must have the instructions of `V`, and `min(left, N · lanes)` floats be readable.
#[inline(always)]
unsafe fn load_features<V: Lanes, const N: usize>(from: *const f32, left: usize) -> [V; N] {
    // SAFETY: the caller vouches for it; the last vector reads no more than what is left.
    unsafe {
        let mut d = [V::splat(0.0); N];
        for (n, d) in d.iter_mut().enumerate() {
            let left = left - n * V::COUNT;
            let from = from.add(n * V::COUNT);
            *d = if left >= V::COUNT { V::load(from) } else { V::load_first(from, left) };
        }
        d
    }
}

/// # Safety
/// As [`gradient_features`]; rows `k..k + B` exist.
#[inline(always)]
unsafe fn gradient_rows<V: Lanes, const N: usize, const B: usize>(job: &mut WeightGradient, o: usize, k: usize) {
    // SAFETY: `fits` holds the reads of x, the length of dy its reads, that of the gradient its reads and writes.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; B];
        let mut starts = [job.x.as_ptr(); B];
        for (b, start) in starts.iter_mut().enumerate() {
            *start = start.add(job.offsets[k + b]);
        }
        for i in 0..job.rows {
            let mut dy = job.dy.as_ptr().add(i * job.columns * job.outputs + o);
            let mut at = i * job.row_step;
            for _ in 0..job.columns {
                let d = load_features::<V, N>(dy, job.outputs - o);
                for (sums, start) in sums.iter_mut().zip(starts) {
                    let x = V::splat(*start.add(at));
                    for (sum, d) in sums.iter_mut().zip(d) {
                        *sum = x.mul_add(d, *sum);
                    }
                }
                at += job.step;
                dy = dy.wrapping_add(job.outputs);
            }
        }
        for (b, sums) in sums.iter().enumerate() {
            let to = job.gradient.as_mut_ptr().add((k + b) * job.stride + o);
            for (n, sum) in sums.iter().enumerate() {
                let to = to.add(n * V::COUNT);
                V::load(to).add(*sum).store(to);
            }
        }
    }
}

/// # Safety
/// As [`gradient_features`].
#[inline(always)]
unsafe fn gradient_bias<V: Lanes, const N: usize>(job: &mut WeightGradient, o: usize) {
    // SAFETY: the lengths of dy and of the bias hold all reads and writes.
    unsafe {
        let mut sums = [V::splat(0.0); N];
        let mut dy = job.dy.as_ptr().wrapping_add(o);
        for _ in 0..job.rows * job.columns {
            let d = load_features::<V, N>(dy, job.outputs - o);
            for (sum, d) in sums.iter_mut().zip(d) {
                *sum = sum.add(d);
            }
            dy = dy.wrapping_add(job.outputs);
        }
        for (n, sum) in sums.iter().enumerate() {
            let to = job.bias.as_mut_ptr().add(o + n * V::COUNT);
            V::load(to).add(*sum).store(to);
        }
    }
}
