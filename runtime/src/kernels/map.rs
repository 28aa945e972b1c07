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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Portable;

    /// The portable kernel, with the chunks of a kernel that has vectors.
    #[derive(Clone, Copy)]
    struct Chunked;

    impl Kernel for Chunked {
        const VECTORS: bool = true;

        fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            Portable.gemv_row_major(bias, weights, x, sums);
        }

        fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            Portable.gemv_tiled(bias, weights, x, sums);
        }
    }

    const LENGTHS: core::ops::Range<usize> = 0..3 * CHUNK + 2;
    const MOST: usize = LENGTHS.end;

    fn counted() -> [u16; MOST] {
        core::array::from_fn(|n| n as u16)
    }

    #[test]
    fn each_element_is_mapped_once_for_any_length() {
        let x = counted();
        for length in LENGTHS {
            let expected: [u32; MOST] = core::array::from_fn(|n| if n < length { 5 + 2 * n as u32 } else { 5 });
            let (mut chunked, mut scalar, mut within) = ([5; MOST], [5; MOST], [5; MOST]);
            map(Chunked, &x[..length], &mut chunked[..length], |x, y| *y += 2 * u32::from(x));
            map(Portable, &x[..length], &mut scalar[..length], |x, y| *y += 2 * u32::from(x));
            map_within(&x[..length], &mut within[..length], |x, y| *y += 2 * u32::from(x));
            assert_eq!([chunked, scalar, within], [expected; 3], "{length}");
        }
    }

    #[test]
    fn each_pair_is_mapped_once_for_any_length() {
        let (a, b) = (counted(), counted().map(|n| -i32::from(n)));
        for length in LENGTHS {
            let expected: [i32; MOST] = core::array::from_fn(|n| if n < length { 7 - n as i32 } else { 7 });
            let (mut chunked, mut scalar) = ([7; MOST], [7; MOST]);
            let f = |a, b: i32, y: &mut i32| *y += i32::from(a) + 2 * b;
            map_two(Chunked, &a[..length], &b[..length], &mut chunked[..length], |a: u16, b, y| f(a, b, y));
            map_two(Portable, &a[..length], &b[..length], &mut scalar[..length], |a: u16, b, y| f(a, b, y));
            assert_eq!([chunked, scalar], [expected; 2], "{length}");
        }
    }

    #[test]
    fn the_shortest_slice_says_how_many() {
        let x = counted();
        for (inputs, outputs) in [(17, 40), (40, 17)] {
            let mut y = [0; MOST];
            map(Chunked, &x[..inputs], &mut y[..outputs], |_, y| *y += 1);
            assert_eq!((y.iter().sum::<i32>(), y[16], y[17]), (17, 1, 0));
            let mut y = [0; MOST];
            map_two(Chunked, &x[..inputs], &x[..outputs], &mut y, |_, _, y| *y += 1);
            assert_eq!((y.iter().sum::<i32>(), y[16], y[17]), (17, 1, 0));
        }
    }
}
