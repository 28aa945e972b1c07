//! The same function of each number, by the instructions of a kernel.
//!
//! Compilers make vectors of a loop over an array whose length they know. So numbers are taken sixteen at a time, and the
//! last ones one by one.

use super::Kernel;
use core::hint::black_box;

/// Numbers at a time.
const PIECE: usize = 16;

/// `f(x, y)` of each pair. Few of them are not worth the way into the kernel's instructions.
#[inline(always)]
pub(crate) fn map<K: Kernel, X: Copy, Y: Copy>(kernel: K, x: &[X], y: &mut [Y], f: impl Fn(X, &mut Y)) {
    if !K::VECTORS || y.len() < PIECE {
        return each(x, y, &f);
    }
    kernel.run(
        #[inline(always)]
        move || map_within(x, y, f),
    );
}

/// As [`map`], in the midst of code that may use the instructions already.
#[inline(always)]
pub(crate) fn map_within<X: Copy, Y: Copy>(x: &[X], y: &mut [Y], f: impl Fn(X, &mut Y)) {
    let length = x.len().min(y.len());
    let (Some(x), Some(y)) = (x.get(..length), y.get_mut(..length)) else { return };
    let (x, x_rest) = x.as_chunks::<PIECE>();
    let (y, y_rest) = y.as_chunks_mut::<PIECE>();
    for (y, x) in y.iter_mut().zip(x) {
        let mut piece = *y;
        each(&{ *x }, &mut piece, &f);
        *y = piece;
        black_box(());
    }
    each(x_rest, y_rest, &f);
}

/// `f(a, b, y)` of each three.
#[inline(always)]
pub(crate) fn map_two<K: Kernel, A: Copy, B: Copy, Y: Copy>(
    kernel: K,
    a: &[A],
    b: &[B],
    y: &mut [Y],
    f: impl Fn(A, B, &mut Y),
) {
    if !K::VECTORS {
        return each_two(a, b, y, &f);
    }
    kernel.run(
        #[inline(always)]
        move || {
            let length = a.len().min(b.len()).min(y.len());
            let (Some(a), Some(b), Some(y)) = (a.get(..length), b.get(..length), y.get_mut(..length)) else { return };
            let (a, a_rest) = a.as_chunks::<PIECE>();
            let (b, b_rest) = b.as_chunks::<PIECE>();
            let (y, y_rest) = y.as_chunks_mut::<PIECE>();
            for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                let mut piece = *y;
                each_two(&{ *a }, &{ *b }, &mut piece, &f);
                *y = piece;
                black_box(());
            }
            each_two(a_rest, b_rest, y_rest, &f);
        },
    );
}

#[inline(always)]
fn each<X: Copy, Y: Copy>(x: &[X], y: &mut [Y], f: &impl Fn(X, &mut Y)) {
    for (y, x) in y.iter_mut().zip(x) {
        f(*x, y);
    }
}

#[inline(always)]
fn each_two<A: Copy, B: Copy, Y: Copy>(a: &[A], b: &[B], y: &mut [Y], f: &impl Fn(A, B, &mut Y)) {
    for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
        f(*a, *b, y);
    }
}
