//! Elementwise maps with a kernel's target features enabled.
//!
//! Compilers vectorise a loop over an array of known length. Slices are therefore processed in chunks of sixteen, and the
//! remainder one element at a time.

use super::Kernel;
use core::hint::black_box;

/// Elements per chunk.
const CHUNK: usize = 16;

/// `f(x, y)` for each pair. Slices shorter than a chunk do not repay the call of [`Kernel::run`].
#[inline(always)]
pub(crate) fn map<K: Kernel, X: Copy, Y: Copy>(kernel: K, x: &[X], y: &mut [Y], f: impl Fn(X, &mut Y)) {
    if !K::VECTORS || y.len() < CHUNK {
        return map_scalar(x, y, &f);
    }
    kernel.run(
        #[inline(always)]
        move || map_within(x, y, f),
    );
}

/// [`map`] for callers that already have the target features enabled.
#[inline(always)]
pub(crate) fn map_within<X: Copy, Y: Copy>(x: &[X], y: &mut [Y], f: impl Fn(X, &mut Y)) {
    let length = x.len().min(y.len());
    let (Some(x), Some(y)) = (x.get(..length), y.get_mut(..length)) else { return };
    let (x, x_rest) = x.as_chunks::<CHUNK>();
    let (y, y_rest) = y.as_chunks_mut::<CHUNK>();
    for (y, x) in y.iter_mut().zip(x) {
        let mut chunk = *y;
        map_scalar(&{ *x }, &mut chunk, &f);
        *y = chunk;
        black_box(());
    }
    map_scalar(x_rest, y_rest, &f);
}

/// `f(a, b, y)` for each triple.
#[inline(always)]
pub(crate) fn map_two<K: Kernel, A: Copy, B: Copy, Y: Copy>(
    kernel: K,
    a: &[A],
    b: &[B],
    y: &mut [Y],
    f: impl Fn(A, B, &mut Y),
) {
    if !K::VECTORS {
        return map_two_scalar(a, b, y, &f);
    }
    kernel.run(
        #[inline(always)]
        move || {
            let length = a.len().min(b.len()).min(y.len());
            let (Some(a), Some(b), Some(y)) = (a.get(..length), b.get(..length), y.get_mut(..length)) else { return };
            let (a, a_rest) = a.as_chunks::<CHUNK>();
            let (b, b_rest) = b.as_chunks::<CHUNK>();
            let (y, y_rest) = y.as_chunks_mut::<CHUNK>();
            for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                let mut chunk = *y;
                map_two_scalar(&{ *a }, &{ *b }, &mut chunk, &f);
                *y = chunk;
                black_box(());
            }
            map_two_scalar(a_rest, b_rest, y_rest, &f);
        },
    );
}

#[inline(always)]
fn map_scalar<X: Copy, Y: Copy>(x: &[X], y: &mut [Y], f: &impl Fn(X, &mut Y)) {
    for (y, x) in y.iter_mut().zip(x) {
        f(*x, y);
    }
}

#[inline(always)]
fn map_two_scalar<A: Copy, B: Copy, Y: Copy>(a: &[A], b: &[B], y: &mut [Y], f: &impl Fn(A, B, &mut Y)) {
    for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
        f(*a, *b, y);
    }
}
