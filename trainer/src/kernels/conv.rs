//! Convolution of one image as a product with a weight matrix, and its weight gradient.
//!
//! A *row* `k` is an input feature at an open tap. In the padded image, the input for row `k` at a pixel is
//! `offsets[k]` floats after the pixel's first one. Offsets thus express all kernels, dilations and masks, and closed
//! taps are simply absent. The input gradient is also a convolution, over the output gradient, with transposed weights
//! and mirrored offsets.

use super::lanes::Lanes;

/// `y[i, j, o] = bias[o] + Σ_k weights[k, o] · x[i·row_step + j·step + offsets[k]]`.
pub(crate) struct Forward<'a> {
    /// Input.
    pub x: &'a [f32],
    /// Offset of the input for row `k`.
    pub offsets: &'a [usize],
    /// Stride between pixels in `x`, in floats.
    pub step: usize,
    /// Stride between pixel rows in `x`, in floats.
    pub row_step: usize,
    /// `[offsets.len(), stride]`.
    pub weights: &'a [f32],
    /// `outputs` rounded up to whole vectors.
    pub stride: usize,
    /// `[stride]`.
    pub bias: &'a [f32],
    /// Pixel rows.
    pub rows: usize,
    /// Pixels per row.
    pub columns: usize,
    /// Output features.
    pub outputs: usize,
    /// `[rows, columns, outputs]`.
    pub y: &'a mut [f32],
}

/// `gradient[k, o] += Σ_ij x[i·row_step + j·step + offsets[k]] · dy[i, j, o]`, `bias[o] += Σ_ij dy[i, j, o]`.
pub(crate) struct WeightGradient<'a> {
    /// Input of the convolution.
    pub x: &'a [f32],
    /// See [`Forward`].
    pub offsets: &'a [usize],
    /// See [`Forward`].
    pub step: usize,
    /// See [`Forward`].
    pub row_step: usize,
    /// Output gradient, `[rows, columns, outputs]`.
    pub dy: &'a [f32],
    /// Pixel rows.
    pub rows: usize,
    /// Pixels per row.
    pub columns: usize,
    /// Output features.
    pub outputs: usize,
    /// `outputs` rounded up to whole vectors.
    pub stride: usize,
    /// `[offsets.len(), stride]`.
    pub gradient: &'a mut [f32],
    /// `[stride]`.
    pub bias: &'a mut [f32],
}

/// True if all accesses are within `x`.
fn fits(x: &[f32], offsets: &[usize], step: usize, row_step: usize, rows: usize, columns: usize) -> bool {
    let farthest = offsets.iter().copied().max().unwrap_or(0);
    rows == 0 || columns == 0 || offsets.is_empty() || (rows - 1) * row_step + (columns - 1) * step + farthest < x.len()
}

/// Runs `job` in blocks of `P2` pixels by two vectors of outputs, and `P1` pixels by one vector for the remainder.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn forward<V: Lanes, const P2: usize, const P1: usize>(job: &mut Forward) {
    assert!(fits(job.x, job.offsets, job.step, job.row_step, job.rows, job.columns));
    assert!(job.outputs <= job.stride && job.stride.is_multiple_of(V::COUNT) && job.bias.len() == job.stride);
    assert!(job.weights.len() == job.offsets.len() * job.stride);
    assert!(job.y.len() == job.rows * job.columns * job.outputs);
    let mut o = 0;
    while o < job.outputs {
        // SAFETY: o < outputs, so one vector from o is within the stride. Two are if more than one vector remains.
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
/// The conditions of [`forward`], after its asserts. `o` is a multiple of the lane count, and `N` vectors from `o` fit
/// the stride.
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
                // Recomputes some pixels with an overlapping last block, which is faster than single pixels.
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
/// The conditions of [`forward_features`]. Pixels `j..j + P` of row `i` exist.
#[inline(always)]
unsafe fn forward_pixels<V: Lanes, const N: usize, const P: usize>(job: &mut Forward, o: usize, i: usize, j: usize) {
    let step = job.step;
    // SAFETY: `fits` bounds the reads of x. Weights and bias have `N` vectors from o, and whole vectors are stored only
    // if whole vectors of outputs remain.
    unsafe {
        let bias = job.bias.as_ptr().add(o);
        let mut sums = [[V::splat(0.0); N]; P];
        for sums in &mut sums {
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(bias.add(n * V::COUNT));
            }
        }
        let x = job.x.as_ptr().add(i * job.row_step + j * step);
        // Four pixels share an address register, with scaled index addressing.
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

/// Runs `job` in blocks of `B2` rows by two vectors of outputs, and `B1` rows by one vector for the remainder.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn weight_gradient<V: Lanes, const B2: usize, const B1: usize>(job: &mut WeightGradient) {
    assert!(fits(job.x, job.offsets, job.step, job.row_step, job.rows, job.columns));
    assert!(job.outputs <= job.stride && job.stride.is_multiple_of(V::COUNT) && job.bias.len() == job.stride);
    assert!(job.gradient.len() == job.offsets.len() * job.stride);
    assert!(job.dy.len() == job.rows * job.columns * job.outputs);
    let mut o = 0;
    while o < job.outputs {
        // SAFETY: see `forward`.
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
/// The conditions of [`weight_gradient`], after its asserts. `N` vectors from `o` fit the stride.
#[inline(always)]
unsafe fn gradient_features<V: Lanes, const N: usize, const B: usize>(job: &mut WeightGradient, o: usize) {
    let mut k = 0;
    // SAFETY: rows k to k + B (or + 4, + 2, or k alone) have offsets.
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

/// Loads N vectors of `dy` from `from`. Only the first `left` floats belong to this pixel; the rest is zero.
///
/// # Safety
/// The CPU must support the instructions of `V`, and `min(left, N · lanes)` floats must be readable.
#[inline(always)]
unsafe fn load_features<V: Lanes, const N: usize>(from: *const f32, left: usize) -> [V; N] {
    // SAFETY: guaranteed by the caller. The last vector reads only the remaining floats.
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
/// The conditions of [`gradient_features`]. Rows `k..k + B` exist.
#[inline(always)]
unsafe fn gradient_rows<V: Lanes, const N: usize, const B: usize>(job: &mut WeightGradient, o: usize, k: usize) {
    // SAFETY: `fits` bounds the reads of x; the lengths of dy and gradient bound their accesses.
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
/// The conditions of [`gradient_features`].
#[inline(always)]
unsafe fn gradient_bias<V: Lanes, const N: usize>(job: &mut WeightGradient, o: usize) {
    // SAFETY: the lengths of dy and bias bound all accesses.
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
