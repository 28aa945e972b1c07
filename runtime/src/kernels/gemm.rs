//! Products with packed weights: a *panel* of outputs for many places at once.
//!
//! A place is a pixel of an image. Its inputs lie in one or more pieces, the taps of each kernel row; outputs lie in the lanes of
//! vectors, so that nothing has to be added across a vector, with short sums as with long ones.

/// Outputs of a vector.
pub const LANES: usize = 16;

/// Bytes of inputs that one step multiplies: four 8-bit numbers or two 16-bit ones.
pub const WORD: usize = 4;

/// Consecutive inputs of every place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The first place's first input.
    pub start: usize,
    /// Steps of [`WORD`] bytes.
    pub words: usize,
}

/// Pieces of a product, those that lie end to end joined.
#[derive(Clone, Debug, Default)]
pub struct Pieces(Vec<Piece>);

impl Pieces {
    /// None, with memory for so many.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a piece, of inputs of type `X`.
    #[inline(always)]
    pub fn push<X>(&mut self, start: usize, words: usize) {
        match self.0.last_mut() {
            Some(last) if last.start + last.words * (WORD / size_of::<X>()) == start => last.words += words,
            _ => self.0.push(Piece { start, words }),
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Piece] {
        &self.0
    }
}

/// The inputs of places.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, X> {
    /// Where they lie.
    pub numbers: &'a [X],
    /// Numbers from place to place.
    pub stride: usize,
    /// The first place's.
    pub pieces: &'a [Piece],
}

/// The shape of a product, checked against the lengths of all its slices.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Shape {
    /// Vectors of [`LANES`] outputs.
    pub(in crate::kernels) vectors: usize,
    pub(in crate::kernels) columns: usize,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Shape {
    /// `None` unless everything that a product reads and writes is there: `weights` are [`WORD`] bytes for each step and output.
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
        let each = WORD / size_of::<X>();
        let end =
            |piece: &Piece| piece.start.checked_add(last.checked_mul(inputs.stride)?)?.checked_add(piece.words * each);
        let all = inputs.pieces.iter().all(|piece| end(piece).is_some_and(|end| end <= inputs.numbers.len()))
            && words.checked_mul(vectors * LANES * WORD)? <= weights_bytes
            && vectors * LANES <= bias.len();
        all.then_some(Self { vectors, columns })
    }
}

/// Sums of `V` vectors of outputs at one place, which are to stay in registers.
pub type Accumulators<const V: usize> = [[i32; LANES]; V];

/// The weights of `V` vectors of outputs for a word of `EACH` inputs.
pub type PanelWeights<W, const EACH: usize, const V: usize> = [[[W; EACH]; LANES]; V];

/// The products of one place in plain Rust, added to `sums`.
#[inline(always)]
pub(in crate::kernels) fn gemv_accumulate<
    X: Copy + Into<i32>,
    W: Copy + Into<i32>,
    const EACH: usize,
    const V: usize,
>(
    weights: &[PanelWeights<W, EACH, V>],
    x: &[[X; EACH]],
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

/// A panel in plain Rust, [`LANES`] outputs at once.
#[inline(always)]
pub(in crate::kernels) fn portable<X: Copy + Into<i32>, W: Copy + Into<i32>, const EACH: usize>(
    weights: &[[[W; EACH]; LANES]],
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
                let Some(x) = inputs.numbers.get(start..start + piece.words * EACH) else { return };
                for (x, weights) in x.as_chunks::<EACH>().0.iter().zip(&mut weights) {
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
