//! Products of packed weights: every kernel of this machine equals plain loops, and never accesses memory beyond slices
//! that are too short.

use pixelrnn::kernels::gemm::{Inputs, LANES, Piece};
use pixelrnn::kernels::{Host, Kernel};
use pixelrnn_tests::random::Random;

/// Pieces like those from convolutions and LSTMs: none, one, of unequal length, empty, and overlapping.
const PIECES: [&[(usize, usize)]; 7] =
    [&[], &[(0, 1)], &[(3, 8)], &[(0, 12), (101, 8)], &[(7, 0), (9, 3)], &[(0, 5), (2, 5), (4, 1)], &[(1, 33)]];

/// Column counts around the column-block sizes of the kernels.
const COLUMNS: [usize; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 17, 28];

/// Operands of a product, with `PER_WORD` inputs and weights per word.
struct Case<X, W> {
    inputs: Vec<X>,
    weights: Vec<W>,
    bias: Vec<i32>,
    pieces: Vec<Piece>,
    stride: usize,
    vectors: usize,
    columns: usize,
}

impl<X: Copy + Into<i64>, W: Copy + Into<i64>> Case<X, W> {
    const PER_WORD: usize = 4 / size_of::<X>();

    fn new(
        (pieces, vectors, columns): (&[(usize, usize)], usize, usize),
        random: &mut Random,
        mut input: impl FnMut(&mut Random) -> X,
        mut weight: impl FnMut(&mut Random) -> W,
    ) -> Self {
        let words: usize = pieces.iter().map(|(_, words)| words).sum();
        let stride = random.below(40);
        let end = pieces.iter().map(|(start, words)| start + words * Self::PER_WORD).max().unwrap_or(0);
        let outputs = vectors * LANES;
        Self {
            inputs: (0..end + (columns - 1) * stride).map(|_| input(random)).collect(),
            weights: (0..words * outputs * Self::PER_WORD).map(|_| weight(random)).collect(),
            bias: (0..outputs).map(|_| random.bits() as i32).collect(),
            pieces: pieces.iter().map(|&(start, words)| Piece { start, words }).collect(),
            stride,
            vectors,
            columns,
        }
    }

    fn inputs(&self) -> Inputs<'_, X> {
        Inputs { numbers: &self.inputs, stride: self.stride, pieces: &self.pieces }
    }

    /// Result by definition, with `offset` subtracted from each input.
    fn expected(&self, offset: i32) -> Vec<i32> {
        let outputs = self.vectors * LANES;
        let mut sums = Vec::new();
        for column in 0..self.columns {
            for output in 0..outputs {
                let mut sum = i64::from(self.bias[output]);
                let mut word = 0;
                for piece in &self.pieces {
                    for step in 0..piece.words * Self::PER_WORD {
                        let x = self.inputs[piece.start + column * self.stride + step];
                        let line = (word + step / Self::PER_WORD) * outputs + output;
                        sum += self.weights[line * Self::PER_WORD + step % Self::PER_WORD].into()
                            * (x.into() - i64::from(offset));
                    }
                    word += piece.words;
                }
                sums.push(sum as i32);
            }
        }
        sums
    }
}

/// Both extremes, and values between them.
fn extreme(random: &mut Random, min: i32, max: i32) -> i32 {
    match random.below(4) {
        0 => min,
        1 => max,
        _ => min + random.below((max - min) as usize + 1) as i32,
    }
}

fn shapes() -> impl Iterator<Item = (&'static [(usize, usize)], usize, usize)> {
    PIECES.into_iter().flat_map(|pieces| {
        (1..=4).flat_map(move |vectors| COLUMNS.into_iter().map(move |columns| (pieces, vectors, columns)))
    })
}

/// Runs `panel` on all product shapes. `offset` returns the value subtracted from each input.
fn all_shapes<X: Copy + Into<i64>, W: Copy + Into<i64>>(
    seed: u64,
    input: impl Fn(&mut Random) -> X,
    weight: impl Fn(&mut Random) -> W,
    gemm: impl Fn(Host, &Case<X, W>, &mut [i32]),
    offset: impl Fn(Host) -> i32,
) {
    let mut random = Random::new(seed);
    for shape in shapes() {
        let case = Case::new(shape, &mut random, &input, &weight);
        for kernel in Host::all() {
            let expected = case.expected(offset(kernel));
            let mut sums = vec![0; expected.len()];
            gemm(kernel, &case, &mut sums);
            let (name, (pieces, vectors, columns)) = (kernel.name(), shape);
            assert!(sums == expected, "{name}: pieces {pieces:?}, {vectors} vectors, {columns} columns");
        }
    }
}

#[test]
fn sums_of_8_bit_numbers() {
    all_shapes(
        1,
        |random| extreme(random, 0, 255) as u8,
        |random| extreme(random, -128, 127) as i8,
        |kernel, case, sums| kernel.gemm_u8i8(&case.weights, &case.inputs(), &case.bias, case.vectors, sums),
        Host::input_offset,
    );
}

#[test]
fn sums_of_16_bit_numbers() {
    // Activations have 14 bits, weights 8.
    all_shapes(
        2,
        |random| extreme(random, -8192, 8191) as i16,
        |random| extreme(random, -128, 127) as i16,
        |kernel, case, sums| kernel.gemm_i16i16(&case.weights, &case.inputs(), &case.bias, case.vectors, sums),
        |_| 0,
    );
}

/// A single column, with sums kept in registers, over word counts around the block size.
fn columns_of_vectors<const V: usize>() {
    let mut random = Random::new(5);
    for words in 0..=11 {
        let case = Case::new(
            (&[(0, words)], V, 1),
            &mut random,
            |random| extreme(random, 0, 255) as u8,
            |random| extreme(random, -128, 127) as i8,
        );
        let wide = Case {
            inputs: case.inputs[..2 * words].iter().map(|x| i16::from(*x) * 32).collect(),
            weights: case.weights[..case.weights.len() / 2].iter().map(|w| i16::from(*w)).collect(),
            bias: case.bias.clone(),
            pieces: case.pieces.clone(),
            stride: case.stride,
            vectors: V,
            columns: 1,
        };
        for kernel in Host::all() {
            let bias = *case.bias.as_chunks().0.first_chunk::<V>().unwrap();
            let weights = case.weights.as_chunks().0.as_chunks().0.as_chunks().0;
            let sums = kernel.gemv_accumulate_u8i8(weights, case.inputs.as_chunks().0, bias);
            let expected = case.expected(kernel.input_offset());
            assert_eq!(sums.as_flattened(), expected, "{}: {words} words, {V} vectors", kernel.name());
            let weights = wide.weights.as_chunks().0.as_chunks().0.as_chunks().0;
            let sums = kernel.gemv_accumulate_i16i16(weights, wide.inputs.as_chunks().0, bias);
            assert_eq!(sums.as_flattened(), wide.expected(0), "{}: {words} words, {V} vectors", kernel.name());
        }
    }
}

#[test]
fn sums_of_one_column() {
    columns_of_vectors::<1>();
    columns_of_vectors::<2>();
    columns_of_vectors::<3>();
    columns_of_vectors::<4>();
}

#[test]
fn requantized_vectors_are_those_of_the_definition() {
    let mut random = Random::new(4);
    for left in [0, 1, 7, 31] {
        for _ in 0..200 {
            let mut number = || extreme(&mut random, i32::MIN / 2, i32::MAX / 2).wrapping_mul(2) | 1;
            let (sums, multipliers) = ([(); LANES].map(|()| number()), [(); LANES].map(|()| number()));
            let expected: Vec<i32> = sums
                .iter()
                .zip(multipliers)
                .map(|(sum, m)| ((i64::from(sum << left) * i64::from(m) + (1 << 31)) >> 32) as i32)
                .collect();
            for kernel in Host::all() {
                assert_eq!(kernel.requantize(&sums, left, &multipliers)[..], expected, "{}", kernel.name());
            }
        }
    }
}

#[test]
fn slices_that_are_too_short_are_not_read() {
    let mut random = Random::new(3);
    for kernel in Host::all().filter(|kernel| kernel.name() != "portable") {
        let byte = |random: &mut Random| random.below(256) as u8;
        let case = Case::new((PIECES[3], 2, 6), &mut random, byte, |random| random.below(256) as u8 as i8);
        let (inputs, bias) = (case.inputs(), &case.bias);
        let mut sums = vec![7; case.expected(0).len()];
        let short = Inputs { numbers: &inputs.numbers[1..], ..inputs };
        kernel.gemm_u8i8(&case.weights, &short, bias, 2, &mut sums);
        kernel.gemm_u8i8(&case.weights[1..], &inputs, bias, 2, &mut sums);
        kernel.gemm_u8i8(&case.weights, &inputs, &bias[1..], 2, &mut sums);
        let far = [Piece { start: usize::MAX, words: 1 }];
        kernel.gemm_u8i8(&case.weights, &Inputs { pieces: &far, ..inputs }, bias, 2, &mut sums);
        kernel.gemm_u8i8(&case.weights, &Inputs { stride: usize::MAX / 2, ..inputs }, bias, 2, &mut sums);
        kernel.gemm_u8i8(&case.weights, &inputs, bias, 0, &mut sums);
        assert!(sums.iter().all(|sum| *sum == 7), "{}: sums of numbers that are not there", kernel.name());
    }
}
