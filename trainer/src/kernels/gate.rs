//! Gated activations: a function of the first half of a pixel's features times the sigmoid of the last half.

use super::lanes::{Lanes, load, store};
use super::math::{sigmoid, tanh};

/// `y = f(a) · sigmoid(b)` of the halves `a` and `b` of the features of each pixel.
pub(crate) struct Gate<'a> {
    /// `[pixels, 2, features]`.
    pub x: &'a [f32],
    /// Summed with `x` first. Empty for none.
    pub also: &'a [f32],
    /// Features of a half.
    pub features: usize,
    /// True if `f` is the hyperbolic tangent, false if it is the identity.
    pub tanh: bool,
    /// `[pixels, features]`.
    pub y: &'a mut [f32],
    /// `f(a)` and `sigmoid(b)`, laid out like `x`. Empty if not needed.
    pub gates: &'a mut [f32],
}

/// Gradient of [`Gate`] for `x`.
pub(crate) struct GateGradient<'a> {
    /// See [`Gate`].
    pub gates: &'a [f32],
    /// See [`Gate`].
    pub features: usize,
    /// See [`Gate`].
    pub tanh: bool,
    /// Gradient of `y`, `[pixels, features]`.
    pub dy: &'a [f32],
    /// `[pixels, 2, features]`.
    pub dx: &'a mut [f32],
}

/// Runs `job`.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn gate<V: Lanes>(job: &mut Gate) {
    let p = job.features;
    assert!(p > 0 && job.y.len().is_multiple_of(p) && job.x.len() == 2 * job.y.len());
    assert!(job.also.is_empty() || job.also.len() == job.x.len());
    assert!(job.gates.is_empty() || job.gates.len() == job.x.len());
    for pixel in 0..job.y.len() / p {
        for block in (0..p).step_by(V::COUNT) {
            let left = (p - block).min(V::COUNT);
            let at = pixel * 2 * p + block;
            // SAFETY: the pixel is within the maps, and `left` features remain from `block` on.
            unsafe {
                let x = job.x.as_ptr().add(at);
                let (mut a, mut b) = (load::<V>(x, left), load::<V>(x.add(p), left));
                if !job.also.is_empty() {
                    let also = job.also.as_ptr().add(at);
                    (a, b) = (a.add(load(also, left)), b.add(load(also.add(p), left)));
                }
                let a = if job.tanh { tanh(a) } else { a };
                let b = sigmoid(b);
                store(a.mul(b), job.y.as_mut_ptr().add(pixel * p + block), left);
                if !job.gates.is_empty() {
                    let gates = job.gates.as_mut_ptr().add(at);
                    store(a, gates, left);
                    store(b, gates.add(p), left);
                }
            }
        }
    }
}

/// Runs `job`.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn gate_gradient<V: Lanes>(job: &mut GateGradient) {
    let p = job.features;
    assert!(p > 0 && job.dy.len().is_multiple_of(p) && job.dx.len() == 2 * job.dy.len());
    assert!(job.gates.len() == job.dx.len());
    for pixel in 0..job.dy.len() / p {
        for block in (0..p).step_by(V::COUNT) {
            let left = (p - block).min(V::COUNT);
            let at = pixel * 2 * p + block;
            // SAFETY: the pixel is within the maps, and `left` features remain from `block` on.
            unsafe {
                let one = V::splat(1.0);
                let gates = job.gates.as_ptr().add(at);
                let (a, b) = (load::<V>(gates, left), load::<V>(gates.add(p), left));
                let dy = load::<V>(job.dy.as_ptr().add(pixel * p + block), left);
                let through_a = dy.mul(b);
                let da = if job.tanh { through_a.mul(one.sub(a.mul(a))) } else { through_a };
                let db = through_a.mul(a).mul(one.sub(b));
                let dx = job.dx.as_mut_ptr().add(at);
                store(da, dx, left);
                store(db, dx.add(p), left);
            }
        }
    }
}
