//! Matrix product with packed weights: a *panel* of outputs for many columns of the batch.
//!
//! A column is one pixel of an image. Its inputs lie in one or more pieces, the taps of each kernel row. Outputs lie in the
//! lanes of vectors, so no horizontal sum is needed, and short inner dimensions are as efficient as long ones.

/// Outputs per vector.
pub const LANES: usize = 16;

/// Bytes of a word, the inputs of one multiply step: four of 8 bits or two of 16 bits.
pub const WORD: usize = 4;

/// Contiguous run of inputs, at the same offset in every column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Index of the first input in the first column.
    pub start: usize,
    /// Length in words of [`WORD`] bytes.
    pub words: usize,
}

/// Pieces of an inner dimension; adjacent ones are merged.
#[derive(Clone, Debug, Default)]
pub struct Pieces(Vec<Piece>);

impl Pieces {
    /// Empty list with room for `count` pieces.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Removes all pieces.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends a piece of inputs of type `X`.
    #[inline(always)]
    pub fn push<X>(&mut self, start: usize, words: usize) {
        match self.0.last_mut() {
            Some(last) if last.start + last.words * (WORD / size_of::<X>()) == start => last.words += words,
            _ => self.0.push(Piece { start, words }),
        }
    }

    /// Pieces in order.
    pub fn all(&self) -> &[Piece] {
        &self.0
    }
}

/// Inputs of all columns.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, X> {
    /// Memory that the pieces index.
    pub numbers: &'a [X],
    /// Elements from one column to the next.
    pub stride: usize,
    /// Pieces of the first column.
    pub pieces: &'a [Piece],
}

/// Shape of a product, checked against the lengths of all its slices.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128")))]
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Shape {
    /// Vectors of [`LANES`] outputs.
    pub(in crate::kernels) vectors: usize,
    pub(in crate::kernels) columns: usize,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128")))]
impl Shape {
    /// `None` if any access of the product would be out of bounds. Weights take [`WORD`] bytes per word and output.
    pub(in crate::kernels) fn new<X>(
        weights_bytes: usize,
        inputs: &Inputs<'_, X>,
        bias: &[i32],
        vectors: usize,
        sums: &[i32],
    ) -> Option<Self> {
        let columns = sums.len().checked_div(vectors * LANES)?;
        let last = columns.checked_sub(1)?;
        let words: usize = inputs.pieces.iter().map(|piece| piece.words).sum();
        let per_word = WORD / size_of::<X>();
        let end = |piece: &Piece| {
            piece.start.checked_add(last.checked_mul(inputs.stride)?)?.checked_add(piece.words * per_word)
        };
        let all = inputs.pieces.iter().all(|piece| end(piece).is_some_and(|end| end <= inputs.numbers.len()))
            && words.checked_mul(vectors * LANES * WORD)? <= weights_bytes
            && vectors * LANES <= bias.len();
        all.then_some(Self { vectors, columns })
    }
}

/// Accumulators of `V` vectors of outputs in one column, meant to stay in registers.
pub type Accumulators<const V: usize> = [[i32; LANES]; V];

/// Weights of `V` vectors of outputs for one word of `PER_WORD` inputs.
pub type PanelWeights<W, const PER_WORD: usize, const V: usize> = [[[W; PER_WORD]; LANES]; V];

/// One column in plain Rust, added to `sums`.
#[inline(always)]
pub(in crate::kernels) fn gemv_accumulate<
    X: Copy + Into<i32>,
    W: Copy + Into<i32>,
    const PER_WORD: usize,
    const V: usize,
>(
    weights: &[PanelWeights<W, PER_WORD, V>],
    x: &[[X; PER_WORD]],
    mut sums: Accumulators<V>,
) -> Accumulators<V> {
    for (weights, x) in weights.iter().zip(x) {
        for (total, weights) in sums.as_flattened_mut().iter_mut().zip(weights.as_flattened()) {
            for (weight, x) in weights.iter().zip(x) {
                *total = total.wrapping_add((*weight).into() * (*x).into());
            }
        }
    }
    sums
}

/// One panel in plain Rust, [`LANES`] outputs at a time.
#[inline(always)]
pub(in crate::kernels) fn portable<X: Copy + Into<i32>, W: Copy + Into<i32>, const PER_WORD: usize>(
    weights: &[[[W; PER_WORD]; LANES]],
    inputs: &Inputs<'_, X>,
    bias: &[i32],
    vectors: usize,
    sums: &mut [i32],
) {
    for (column, sums) in sums.chunks_exact_mut(vectors * LANES).enumerate() {
        for (vector, (sums, bias)) in
            sums.as_chunks_mut::<LANES>().0.iter_mut().zip(bias.as_chunks::<LANES>().0).enumerate()
        {
            let mut totals = *bias;
            let mut weights = weights.iter().skip(vector).step_by(vectors);
            for piece in inputs.pieces {
                let start = piece.start + column * inputs.stride;
                let Some(x) = inputs.numbers.get(start..start + piece.words * PER_WORD) else { return };
                for (x, weights) in x.as_chunks::<PER_WORD>().0.iter().zip(&mut weights) {
                    for (total, weights) in totals.iter_mut().zip(weights) {
                        for (weight, x) in weights.iter().zip(x) {
                            *total = total.wrapping_add((*weight).into() * (*x).into());
                        }
                    }
                }
            }
            *sums = totals;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Kernel, Portable};

    const VECTORS: usize = 2;
    const COLUMNS: usize = 3;
    /// Bytes from one column to the next: two pieces of one and of two words, and a gap of a word.
    const STRIDE: usize = 4 * WORD;
    const PIECES: [Piece; 2] = [Piece { start: 0, words: 1 }, Piece { start: 2 * WORD, words: 2 }];
    const WORDS: usize = 3;

    type Panel = [PanelWeights<i8, WORD, VECTORS>; WORDS];

    fn panel() -> Panel {
        let mut weights: Panel = [[[[0; WORD]; LANES]; VECTORS]; WORDS];
        for (n, weight) in weights.as_flattened_mut().as_flattened_mut().as_flattened_mut().iter_mut().enumerate() {
            *weight = (n * 29) as u8 as i8;
        }
        weights
    }

    fn numbers() -> [u8; COLUMNS * STRIDE] {
        core::array::from_fn(|n| (n * 77) as u8)
    }

    fn bias() -> [i32; VECTORS * LANES] {
        core::array::from_fn(|output| output as i32 - 5)
    }

    fn inputs(numbers: &[u8]) -> Inputs<'_, u8> {
        Inputs { numbers, stride: STRIDE, pieces: &PIECES }
    }

    /// Words of a column's inputs, in the order of the weights.
    fn column(column: usize) -> [[u8; WORD]; WORDS] {
        let (numbers, start) = (numbers(), column * STRIDE);
        [0, 2, 3].map(|word| core::array::from_fn(|n| numbers[start + word * WORD + n]))
    }

    #[test]
    fn a_product_is_its_definition() {
        let (numbers, panel, bias) = (numbers(), panel(), bias());
        let mut sums = [0; COLUMNS * VECTORS * LANES];
        Portable.gemm_u8i8(bytemuck::must_cast_slice(&panel), &inputs(&numbers), &bias, VECTORS, &mut sums);
        for (n, sum) in sums.into_iter().enumerate() {
            let (x, output) = (column(n / bias.len()), n % bias.len());
            let mut expected = bias[output];
            for (word, x) in x.iter().enumerate() {
                let weights = panel[word][output / LANES][output % LANES];
                expected += weights.iter().zip(x).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum::<i32>();
            }
            assert_eq!(sum, expected, "sum {n}");
        }
    }

    #[test]
    fn one_column_in_registers_gives_the_sums_of_the_product() {
        let (numbers, panel, bias) = (numbers(), panel(), bias());
        let mut sums = [0; COLUMNS * VECTORS * LANES];
        Portable.gemm_u8i8(bytemuck::must_cast_slice(&panel), &inputs(&numbers), &bias, VECTORS, &mut sums);
        for (n, sums) in sums.chunks(bias.len()).enumerate() {
            let alone = Portable.gemv_accumulate_u8i8::<VECTORS>(&panel, &column(n), bytemuck::must_cast(bias));
            assert_eq!(alone.as_flattened(), sums, "column {n}");
        }
    }

    #[test]
    fn adjacent_pieces_become_one() {
        let mut pieces = Pieces::with_capacity(3);
        pieces.push::<u8>(8, 2);
        pieces.push::<u8>(16, 1);
        pieces.push::<u8>(24, 1);
        assert_eq!(pieces.all(), [Piece { start: 8, words: 3 }, Piece { start: 24, words: 1 }]);
        pieces.clear();
        // A word holds two numbers of 16 bits.
        pieces.push::<i16>(8, 2);
        pieces.push::<i16>(12, 1);
        assert_eq!(pieces.all(), [Piece { start: 8, words: 3 }]);
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn a_shape_is_none_when_any_slice_is_too_short() {
        let numbers = numbers();
        let (weights, sums) = (WORDS * VECTORS * LANES * WORD, [0; COLUMNS * VECTORS * LANES]);
        let shape = |weights, numbers: &[u8], bias: &[i32], vectors, sums: &[i32]| {
            Shape::new(weights, &inputs(numbers), bias, vectors, sums).map(|shape| (shape.vectors, shape.columns))
        };
        assert_eq!(shape(weights, &numbers, &bias(), VECTORS, &sums), Some((VECTORS, COLUMNS)));
        assert_eq!(shape(weights - 1, &numbers, &bias(), VECTORS, &sums), None, "weights");
        assert_eq!(shape(weights, &numbers[1..], &bias(), VECTORS, &sums), None, "inputs");
        assert_eq!(shape(weights, &numbers, &bias()[1..], VECTORS, &sums), None, "biases");
        assert_eq!(shape(weights, &numbers, &bias(), VECTORS, &[]), None, "sums");
        assert_eq!(shape(weights, &numbers, &bias(), 0, &sums), None, "vectors");
        let far = [Piece { start: usize::MAX, words: 1 }];
        let inputs = Inputs { numbers: &numbers, stride: STRIDE, pieces: &far };
        assert!(Shape::new(weights, &inputs, &bias(), VECTORS, &sums).is_none(), "a piece past all memory");
    }
}
