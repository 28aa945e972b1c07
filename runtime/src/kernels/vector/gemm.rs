//! Packed matrix product with vectors, generic over the instruction set; see [`crate::kernels::gemm`].

use crate::kernels::gemm::{Accumulators, Inputs, LANES, PanelWeights, Shape, WORD};

/// Instruction set of a packed matrix product.
///
/// # Safety
/// All functions are inlined into callers that have the target features enabled, and must be called nowhere else. Pointers
/// must be valid for the accesses that a function documents; they need no alignment.
pub(in crate::kernels) trait Lanes {
    /// Registers per [`LANES`] accumulators.
    const PARTS: usize;
    /// True where a tile has to fit in 16 registers.
    const FEW_REGISTERS: bool = false;
    /// One register of [`LANES`]` / PARTS` accumulators.
    type Accumulators: Copy;
    /// One word of inputs, broadcast to all outputs.
    type Input: Copy;

    /// Reads one register of accumulators.
    unsafe fn load(x: *const i32) -> Self::Accumulators;
    /// Writes one register of accumulators.
    unsafe fn store(y: *mut i32, sums: Self::Accumulators);
    unsafe fn zero() -> Self::Accumulators;
    unsafe fn add(a: Self::Accumulators, b: Self::Accumulators) -> Self::Accumulators;
    /// Reads the word at `x`, [`WORD`] bytes.
    unsafe fn input(x: *const u8) -> Self::Input;
    /// Adds the products of a word with the weights of one register's outputs, of which it reads [`WORD`] bytes each.
    unsafe fn multiply(sums: Self::Accumulators, weights: *const u8, x: Self::Input) -> Self::Accumulators;
}

/// Packed matrix product of one panel.
///
/// # Safety
/// Same contract as [`Lanes`].
#[inline(always)]
pub(in crate::kernels) unsafe fn gemm<L: Lanes, W, X>(
    weights: &[W],
    inputs: &Inputs<'_, X>,
    bias: &[i32],
    vectors: usize,
    sums: &mut [i32],
) {
    let Some(shape) = Shape::new(size_of_val(weights), inputs, bias, vectors, sums) else { return };
    // The tile sizes avoid register spills.
    // SAFETY: the caller has the target features enabled, and `Shape::new` checked the length of every slice.
    unsafe {
        match (shape.vectors, L::PARTS) {
            (4, 1) => all::<L, X, 4, 6, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (3, 1) => all::<L, X, 3, 8, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (2, 1) => all::<L, X, 2, 12, 2>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (_, 4) if L::FEW_REGISTERS => all::<L, X, 2, 2, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (_, 4) => all::<L, X, 4, 4, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            _ => all::<L, X, 1, 4, 4>(weights.as_ptr().cast(), inputs, bias, shape, sums),
        }
    }
}

/// All columns: tiles of `COLUMNS`, then of four, then single ones with `SPLIT` independent chains of accumulators. Each
/// tile covers `REGISTERS` registers of outputs.
///
/// # Safety
/// Same contract as [`Lanes`]. `shape` fits the slices, and `REGISTERS` divides the number of its registers.
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
        // SAFETY: the caller upholds [`Lanes`]; each tile ends within `shape.columns` and `registers`.
        unsafe {
            while column + COLUMNS <= shape.columns {
                tile.run::<L, REGISTERS, COLUMNS, 1>(column);
                column += COLUMNS;
            }
            while COLUMNS > 4 && column + 4 <= shape.columns {
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

/// Operands that tiles share.
struct Tile<'a, X> {
    weights: *const u8,
    inputs: &'a Inputs<'a, X>,
    bias: &'a [i32],
    shape: Shape,
    sums: *mut i32,
    /// First register of outputs.
    first: usize,
}

impl<X> Tile<'_, X> {
    /// One tile of `COLUMNS` columns and `REGISTERS` registers of outputs.
    ///
    /// # Safety
    /// Same contract as [`Lanes`]; `COLUMNS` columns exist from `column` on, and `REGISTERS` registers from the first on.
    #[inline(always)]
    unsafe fn run<L: Lanes, const REGISTERS: usize, const COLUMNS: usize, const SPLIT: usize>(&self, column: usize) {
        let Self { inputs, bias, shape: Shape { vectors, .. }, first, .. } = *self;
        let (outputs, per_register) = (vectors * LANES, LANES / L::PARTS);
        let step = outputs * WORD;
        // SAFETY: the caller guarantees the columns and registers. `Shape::new` checked that every piece lies within the inputs
        // at every column, and that weights have one row of outputs for each word.
        unsafe {
            let mut weights = self.weights.add(first * per_register * WORD);
            let mut totals = [[[L::zero(); REGISTERS]; COLUMNS]; SPLIT];
            for totals in &mut totals[0] {
                let bias = bias.as_ptr().add(first * per_register);
                for (r, total) in totals.iter_mut().enumerate() {
                    *total = L::load(bias.add(r * per_register));
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
                    L::store(self.sums.add((column + p) * outputs + (first + r) * per_register), total);
                }
            }
        }
    }
}

/// One word of each column of a tile.
///
/// # Safety
/// Same contract as [`Lanes`]; `x` is valid for one word per column, `weights` for one word per output of the tile.
#[inline(always)]
unsafe fn word<L: Lanes, const REGISTERS: usize, const COLUMNS: usize>(
    totals: &mut [[L::Accumulators; REGISTERS]; COLUMNS],
    weights: *const u8,
    x: *const u8,
    stride: usize,
) {
    for (p, totals) in totals.iter_mut().enumerate() {
        // SAFETY: the caller guarantees the target features, a word per column and a word of weights per output.
        unsafe {
            let x = L::input(x.add(p * stride));
            for (r, total) in totals.iter_mut().enumerate() {
                *total = L::multiply(*total, weights.add(r * (LANES / L::PARTS) * WORD), x);
            }
        }
    }
}

/// Upper bound of [`Lanes::PARTS`].
const MAX_PARTS: usize = 4;

/// Upper bound of the independent accumulator chains of a column.
const CHAINS: usize = 4;

/// One column, with accumulators in registers.
///
/// # Safety
/// Same contract as [`Lanes`].
#[inline(always)]
pub(in crate::kernels) unsafe fn gemv_accumulate<L: Lanes, X, W, const PER_WORD: usize, const V: usize>(
    weights: &[PanelWeights<W, PER_WORD, V>],
    x: &[[X; PER_WORD]],
    mut sums: Accumulators<V>,
) -> Accumulators<V> {
    const { assert!(PER_WORD * size_of::<X>() == WORD && PER_WORD * size_of::<W>() == WORD && L::PARTS <= MAX_PARTS) }
    // Bounded by the number of registers.
    let chains = match V * L::PARTS {
        0..=2 => CHAINS,
        3..=4 => 2,
        _ => 1,
    };
    let per_register = LANES / L::PARTS;
    let words = weights.len().min(x.len());
    // SAFETY: the caller upholds [`Lanes`]. Arrays of [`LANES`] elements cover all registers of a vector, and `words` bounds
    // the index into both slices.
    unsafe {
        let mut totals = [[[L::zero(); MAX_PARTS]; V]; CHAINS];
        for (totals, sums) in totals[0].iter_mut().zip(&sums) {
            for (part, total) in totals.iter_mut().enumerate().take(L::PARTS) {
                *total = L::load(sums.as_ptr().add(part * per_register));
            }
        }
        let mut word = 0;
        while word + chains <= words {
            for (chain, totals) in totals.iter_mut().enumerate().take(chains) {
                word_of_column::<L, X, W, PER_WORD, V>(
                    totals,
                    weights.get_unchecked(word + chain),
                    x.get_unchecked(word + chain),
                );
            }
            word += chains;
        }
        while word < words {
            word_of_column::<L, X, W, PER_WORD, V>(&mut totals[0], weights.get_unchecked(word), x.get_unchecked(word));
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
                L::store(sums.as_mut_ptr().add(part * per_register), total);
            }
        }
    }
    sums
}

/// One word of one column.
///
/// # Safety
/// Same contract as [`Lanes`].
#[inline(always)]
unsafe fn word_of_column<L: Lanes, X, W, const PER_WORD: usize, const V: usize>(
    totals: &mut [[L::Accumulators; MAX_PARTS]; V],
    weights: &PanelWeights<W, PER_WORD, V>,
    x: &[X; PER_WORD],
) {
    // SAFETY: the caller upholds [`Lanes`]; `x` is one word, and `weights` has [`LANES`] words for each vector.
    unsafe {
        let x = L::input(x.as_ptr().cast());
        for (totals, weights) in totals.iter_mut().zip(weights) {
            for (part, total) in totals.iter_mut().enumerate().take(L::PARTS) {
                *total = L::multiply(*total, weights.as_ptr().add(part * (LANES / L::PARTS)).cast(), x);
            }
        }
    }
}
