//! Panels by vectors: what is the same for all instruction sets; see [`super::panel`].

use super::panel::{Inputs, LANES, Shape, WORD};

/// What a panel needs of an instruction set.
///
/// # Safety
/// All functions are inlined into a caller that has the instructions, and are called nowhere else.
pub(super) trait Lanes {
    /// Registers that [`LANES`] sums take.
    const PARTS: usize;
    /// Sums of one register, [`LANES`]` / PARTS`.
    type Sums: Copy;
    /// A word of inputs, for all outputs.
    type Input: Copy;

    unsafe fn load(x: *const i32) -> Self::Sums;
    unsafe fn store(y: *mut i32, sums: Self::Sums);
    unsafe fn zero() -> Self::Sums;
    unsafe fn add(a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// The word at `x`.
    unsafe fn input(x: *const u8) -> Self::Input;
    /// The products of a word with the weights of one register's outputs, added.
    unsafe fn multiply(sums: Self::Sums, weights: *const u8, x: Self::Input) -> Self::Sums;
}

/// A panel.
///
/// # Safety
/// As of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn panel<L: Lanes, W, X>(
    weights: &[W],
    inputs: &Inputs<'_, X>,
    bias: &[i32],
    vectors: usize,
    sums: &mut [i32],
) {
    let Some(shape) = Shape::new(size_of_val(weights), inputs, bias, vectors, sums) else { return };
    // SAFETY: the caller's, and the shape was checked. More registers than there are would be slow.
    unsafe {
        match (shape.vectors, L::PARTS) {
            (4, 1) => all::<L, X, 4, 6, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (3, 1) => all::<L, X, 3, 8, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (2, 1) => all::<L, X, 2, 12, 2>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (_, 4) => all::<L, X, 4, 4, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            _ => all::<L, X, 1, 4, 4>(weights.as_ptr().cast(), inputs, bias, shape, sums),
        }
    }
}

/// All places, `PLACES` at a time, then four and one at a time, the last with `SPLIT` sums to be added to one in the end, which
/// do not wait for each other; `REGISTERS` of outputs at a time.
///
/// # Safety
/// As of [`Lanes`]; the shape is that of the slices.
#[inline(always)]
unsafe fn all<L: Lanes, X, const REGISTERS: usize, const PLACES: usize, const SPLIT: usize>(
    weights: *const u8,
    inputs: &Inputs<'_, X>,
    bias: &[i32],
    shape: Shape,
    sums: &mut [i32],
) {
    let registers = shape.vectors * L::PARTS;
    let mut first = 0;
    while first < registers {
        let mut place = 0;
        let tile = Tile { weights, inputs, bias, shape, sums: sums.as_mut_ptr(), first };
        // SAFETY: the caller's; there are so many places and registers.
        unsafe {
            while place + PLACES <= shape.places {
                tile.run::<L, REGISTERS, PLACES, 1>(place);
                place += PLACES;
            }
            while place + 4 <= shape.places {
                tile.run::<L, REGISTERS, 4, 1>(place);
                place += 4;
            }
            while place < shape.places {
                tile.run::<L, REGISTERS, 1, SPLIT>(place);
                place += 1;
            }
        }
        first += REGISTERS;
    }
}

/// What tiles share.
struct Tile<'a, X> {
    weights: *const u8,
    inputs: &'a Inputs<'a, X>,
    bias: &'a [i32],
    shape: Shape,
    sums: *mut i32,
    /// The first register of outputs.
    first: usize,
}

impl<X> Tile<'_, X> {
    /// # Safety
    /// As of [`Lanes`]; there are so many places from `place` on and so many registers from the first on.
    #[inline(always)]
    unsafe fn run<L: Lanes, const REGISTERS: usize, const PLACES: usize, const SPLIT: usize>(&self, place: usize) {
        let Self { inputs, bias, shape: Shape { vectors, .. }, first, .. } = *self;
        let (outputs, each) = (vectors * LANES, LANES / L::PARTS);
        let step = outputs * WORD;
        // SAFETY: the caller's. Pieces read as many words of each place as the shape's check allows, weights one line of outputs a
        // word.
        unsafe {
            let mut weights = self.weights.add(first * each * WORD);
            let mut totals = [[[L::zero(); REGISTERS]; PLACES]; SPLIT];
            for totals in &mut totals[0] {
                let bias = bias.as_ptr().add(first * each);
                for (r, total) in totals.iter_mut().enumerate() {
                    *total = L::load(bias.add(r * each));
                }
            }
            let stride = inputs.stride * size_of::<X>();
            for piece in inputs.pieces {
                let mut x = inputs.numbers.as_ptr().add(piece.start + place * inputs.stride).cast::<u8>();
                let mut words = piece.words;
                while words >= SPLIT {
                    for (s, totals) in totals.iter_mut().enumerate() {
                        word::<L, REGISTERS, PLACES>(totals, weights.add(s * step), x.add(s * WORD), stride);
                    }
                    weights = weights.add(SPLIT * step);
                    x = x.add(SPLIT * WORD);
                    words -= SPLIT;
                }
                while words > 0 {
                    word::<L, REGISTERS, PLACES>(&mut totals[0], weights, x, stride);
                    weights = weights.add(step);
                    x = x.add(WORD);
                    words -= 1;
                }
            }
            for p in 0..PLACES {
                for r in 0..REGISTERS {
                    let mut total = totals[0][p][r];
                    for totals in totals.iter().skip(1) {
                        total = L::add(total, totals[p][r]);
                    }
                    L::store(self.sums.add((place + p) * outputs + (first + r) * each), total);
                }
            }
        }
    }
}

/// One word of each place.
///
/// # Safety
/// As of [`Lanes`]; weights and words are there.
#[inline(always)]
unsafe fn word<L: Lanes, const REGISTERS: usize, const PLACES: usize>(
    totals: &mut [[L::Sums; REGISTERS]; PLACES],
    weights: *const u8,
    x: *const u8,
    stride: usize,
) {
    for (p, totals) in totals.iter_mut().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let x = L::input(x.add(p * stride));
            for (r, total) in totals.iter_mut().enumerate() {
                *total = L::multiply(*total, weights.add(r * (LANES / L::PARTS) * WORD), x);
            }
        }
    }
}
