//! Panels by vectors: what is the same for all instruction sets; see [`crate::kernels::gemm`].

use crate::kernels::gemm::{Accumulators, Inputs, LANES, PanelWeights, Shape, WORD};

/// What a panel needs of an instruction set.
///
/// # Safety
/// All functions are inlined into a caller that has the instructions, and are called nowhere else.
pub(in crate::kernels) trait Lanes {
    /// Registers that [`LANES`] sums take.
    const PARTS: usize;
    /// Sums of one register, [`LANES`]` / PARTS`.
    type Accumulators: Copy;
    /// A word of inputs, for all outputs.
    type Input: Copy;

    unsafe fn load(x: *const i32) -> Self::Accumulators;
    unsafe fn store(y: *mut i32, sums: Self::Accumulators);
    unsafe fn zero() -> Self::Accumulators;
    unsafe fn add(a: Self::Accumulators, b: Self::Accumulators) -> Self::Accumulators;
    /// The word at `x`.
    unsafe fn input(x: *const u8) -> Self::Input;
    /// The products of a word with the weights of one register's outputs, added.
    unsafe fn multiply(sums: Self::Accumulators, weights: *const u8, x: Self::Input) -> Self::Accumulators;
}

/// A panel.
///
/// # Safety
/// As of [`Lanes`].
#[inline(always)]
pub(in crate::kernels) unsafe fn gemm<L: Lanes, W, X>(
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

/// All places, `COLUMNS` at a time, then four and one at a time, the last with `SPLIT` sums to be added to one in the end, which
/// do not wait for each other; `REGISTERS` of outputs at a time.
///
/// # Safety
/// As of [`Lanes`]; the shape is that of the slices.
#[inline(always)]
unsafe fn all<L: Lanes, X, const REGISTERS: usize, const COLUMNS: usize, const SPLIT: usize>(
    weights: *const u8,
    inputs: &Inputs<'_, X>,
    bias: &[i32],
    shape: Shape,
    sums: &mut [i32],
) {
    let registers = shape.vectors * L::PARTS;
    let mut first = 0;
    while first < registers {
        let mut column = 0;
        let tile = Tile { weights, inputs, bias, shape, sums: sums.as_mut_ptr(), first };
        // SAFETY: the caller's; there are so many places and registers.
        unsafe {
            while column + COLUMNS <= shape.columns {
                tile.run::<L, REGISTERS, COLUMNS, 1>(column);
                column += COLUMNS;
            }
            while column + 4 <= shape.columns {
                tile.run::<L, REGISTERS, 4, 1>(column);
                column += 4;
            }
            while column < shape.columns {
                tile.run::<L, REGISTERS, 1, SPLIT>(column);
                column += 1;
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
    /// As of [`Lanes`]; there are so many places from `column` on and so many registers from the first on.
    #[inline(always)]
    unsafe fn run<L: Lanes, const REGISTERS: usize, const COLUMNS: usize, const SPLIT: usize>(&self, column: usize) {
        let Self { inputs, bias, shape: Shape { vectors, .. }, first, .. } = *self;
        let (outputs, each) = (vectors * LANES, LANES / L::PARTS);
        let step = outputs * WORD;
        // SAFETY: the caller's. Pieces read as many words of each place as the shape's check allows, weights one line of outputs a
        // word.
        unsafe {
            let mut weights = self.weights.add(first * each * WORD);
            let mut totals = [[[L::zero(); REGISTERS]; COLUMNS]; SPLIT];
            for totals in &mut totals[0] {
                let bias = bias.as_ptr().add(first * each);
                for (r, total) in totals.iter_mut().enumerate() {
                    *total = L::load(bias.add(r * each));
                }
            }
            let stride = inputs.stride * size_of::<X>();
            for piece in inputs.pieces {
                let mut x = inputs.numbers.as_ptr().add(piece.start + column * inputs.stride).cast::<u8>();
                let mut words = piece.words;
                while words >= SPLIT {
                    for (s, totals) in totals.iter_mut().enumerate() {
                        word::<L, REGISTERS, COLUMNS>(totals, weights.add(s * step), x.add(s * WORD), stride);
                    }
                    weights = weights.add(SPLIT * step);
                    x = x.add(SPLIT * WORD);
                    words -= SPLIT;
                }
                while words > 0 {
                    word::<L, REGISTERS, COLUMNS>(&mut totals[0], weights, x, stride);
                    weights = weights.add(step);
                    x = x.add(WORD);
                    words -= 1;
                }
            }
            for p in 0..COLUMNS {
                for r in 0..REGISTERS {
                    let mut total = totals[0][p][r];
                    for totals in totals.iter().skip(1) {
                        total = L::add(total, totals[p][r]);
                    }
                    L::store(self.sums.add((column + p) * outputs + (first + r) * each), total);
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
unsafe fn word<L: Lanes, const REGISTERS: usize, const COLUMNS: usize>(
    totals: &mut [[L::Accumulators; REGISTERS]; COLUMNS],
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

/// Registers of [`LANES`] sums, at most.
const MAX_PARTS: usize = 4;

/// Chains of products at one place that do not wait for each other, at most.
const CHAINS: usize = 4;

/// One place, whose sums stay in registers.
///
/// # Safety
/// As of [`Lanes`].
#[inline(always)]
pub(in crate::kernels) unsafe fn gemv_accumulate<L: Lanes, X, W, const EACH: usize, const V: usize>(
    weights: &[PanelWeights<W, EACH, V>],
    x: &[[X; EACH]],
    mut sums: Accumulators<V>,
) -> Accumulators<V> {
    const { assert!(EACH * size_of::<X>() == WORD && EACH * size_of::<W>() == WORD && L::PARTS <= MAX_PARTS) }
    // No more than there are registers for.
    let chains = match V * L::PARTS {
        0..=2 => CHAINS,
        3..=4 => 2,
        _ => 1,
    };
    let each = LANES / L::PARTS;
    let words = weights.len().min(x.len());
    // SAFETY: the caller's; arrays are as long as vectors are, and both slices have so many words.
    unsafe {
        let mut totals = [[[L::zero(); MAX_PARTS]; V]; CHAINS];
        for (totals, sums) in totals[0].iter_mut().zip(&sums) {
            for (part, total) in totals.iter_mut().enumerate().take(L::PARTS) {
                *total = L::load(sums.as_ptr().add(part * each));
            }
        }
        let mut word = 0;
        while word + chains <= words {
            for (chain, totals) in totals.iter_mut().enumerate().take(chains) {
                word_at_place::<L, X, W, EACH, V>(
                    totals,
                    weights.get_unchecked(word + chain),
                    x.get_unchecked(word + chain),
                );
            }
            word += chains;
        }
        while word < words {
            word_at_place::<L, X, W, EACH, V>(&mut totals[0], weights.get_unchecked(word), x.get_unchecked(word));
            word += 1;
        }
        let [first, second, third, fourth] = &totals;
        for (v, sums) in sums.iter_mut().enumerate() {
            let parts = first[v].iter().zip(&second[v]).zip(third[v].iter().zip(&fourth[v]));
            for (part, ((a, b), (c, d))) in parts.enumerate().take(L::PARTS) {
                let total = match chains {
                    1 => *a,
                    2 => L::add(*a, *b),
                    _ => L::add(L::add(*a, *b), L::add(*c, *d)),
                };
                L::store(sums.as_mut_ptr().add(part * each), total);
            }
        }
    }
    sums
}

/// One word of one place.
///
/// # Safety
/// As of [`Lanes`].
#[inline(always)]
unsafe fn word_at_place<L: Lanes, X, W, const EACH: usize, const V: usize>(
    totals: &mut [[L::Accumulators; MAX_PARTS]; V],
    weights: &PanelWeights<W, EACH, V>,
    x: &[X; EACH],
) {
    // SAFETY: the caller's; a word is there, and weights of all outputs of a vector.
    unsafe {
        let x = L::input(x.as_ptr().cast());
        for (totals, weights) in totals.iter_mut().zip(weights) {
            for (part, total) in totals.iter_mut().enumerate().take(L::PARTS) {
                *total = L::multiply(*total, weights.as_ptr().add(part * (LANES / L::PARTS)).cast(), x);
            }
        }
    }
}
