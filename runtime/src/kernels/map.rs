//! The same function of each number, by the instructions of a kernel.
//!
//! Compilers make vectors of a loop over an array whose length they know. So numbers are taken sixteen at a time.

use super::Kernel;

/// Numbers at a time.
const PIECE: usize = 16;

/// `f(x, y)` of each pair.
#[inline(always)]
pub(crate) fn map<K: Kernel, X: Copy, Y>(kernel: K, x: &[X], y: &mut [Y], f: impl Fn(X, &mut Y)) {
    let one_by_one = |x: &[X], y: &mut [Y]| {
        for (y, x) in y.iter_mut().zip(x) {
            f(*x, y);
        }
    };
    if !K::VECTORS {
        return one_by_one(x, y);
    }
    kernel.run(|| {
        let length = x.len().min(y.len());
        let (Some(x), Some(y)) = (x.get(..length), y.get_mut(..length)) else { return };
        let (x, x_rest) = x.as_chunks::<PIECE>();
        let (y, y_rest) = y.as_chunks_mut::<PIECE>();
        for (y, x) in y.iter_mut().zip(x) {
            for (y, x) in y.iter_mut().zip(x) {
                f(*x, y);
            }
        }
        one_by_one(x_rest, y_rest);
    });
}

/// `f(a, b, y)` of each three.
#[inline(always)]
pub(crate) fn map_two<K: Kernel, A: Copy, B: Copy, Y>(
    kernel: K,
    a: &[A],
    b: &[B],
    y: &mut [Y],
    f: impl Fn(A, B, &mut Y),
) {
    let one_by_one = |a: &[A], b: &[B], y: &mut [Y]| {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            f(*a, *b, y);
        }
    };
    if !K::VECTORS {
        return one_by_one(a, b, y);
    }
    kernel.run(|| {
        let length = a.len().min(b.len()).min(y.len());
        let (Some(a), Some(b), Some(y)) = (a.get(..length), b.get(..length), y.get_mut(..length)) else { return };
        let (a, a_rest) = a.as_chunks::<PIECE>();
        let (b, b_rest) = b.as_chunks::<PIECE>();
        let (y, y_rest) = y.as_chunks_mut::<PIECE>();
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                f(*a, *b, y);
            }
        }
        one_by_one(a_rest, b_rest, y_rest);
    });
}
