//! Matrix products of an op, with weights packed for vectors.

use super::pack::{Line, Pack, each_word, words};
use crate::blob::{MatrixDescriptor, Model};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::kernels::gemm::{Inputs, LANES};
use bytemuck::Zeroable;
use core::hint::black_box;
use core::marker::PhantomData;
use core::ops::Range;
use std::sync::Arc;

/// Vectors of outputs per panel, at most.
pub(super) const VECTORS: usize = 4;

/// Evaluates an expression with the number of a panel's vectors as a constant.
macro_rules! by_vectors {
    ($panel:expr, $vectors:ident => $result:expr) => {
        match $panel.vectors {
            1 => {
                const $vectors: usize = 1;
                $result
            }
            2 => {
                const $vectors: usize = 2;
                $result
            }
            3 => {
                const $vectors: usize = 3;
                $result
            }
            _ => {
                const $vectors: usize = crate::exec::batched::packed_matrix::VECTORS;
                $result
            }
        }
    };
}
pub(super) use by_vectors;

/// Outputs of a panel, at most.
pub(super) const OUTPUTS: usize = VECTORS * LANES;

/// Packed weights of a colour group, in panels.
pub(super) struct PackedMatrix<A> {
    /// Outputs of the colour group, as indices into the op's.
    pub(super) outputs: Range<usize>,
    pub(super) left_shift: u32,
    panels: Vec<Panel>,
    /// Leading words of inputs that lie in the rows above.
    pub(super) above: usize,
    /// Biases, `[classes or 1, padded]`: for kernels that subtract the input offset, and for kernels that do not.
    biases: [Vec<i32>; 2],
    /// Number of outputs, rounded up to whole vectors.
    padded: usize,
    arithmetic: PhantomData<A>,
}

/// Partial sums of one image row over the rows above, for all of its columns.
pub(super) struct RowPrefix {
    /// `[columns, lanes]` per panel.
    sums: Vec<i32>,
    columns: usize,
}

/// Initial accumulators of a panel, and the weights still to be multiplied.
#[derive(Clone, Copy)]
pub(super) struct Init<'s, 'p> {
    /// `[vectors, LANES]`.
    pub(super) sums: &'s [i32],
    pub(super) lines: &'p [Line],
}

/// Elements of a panel's outputs in a matrix with one row per column of the batch: output `o` of column `n` is element
/// `n * stride + first + o`.
#[derive(Clone, Copy)]
pub(super) struct Strided {
    pub(super) first: usize,
    pub(super) stride: usize,
}

impl Strided {
    /// Contiguous elements from `first` on, for a single column.
    #[inline(always)]
    pub(super) const fn single(first: usize) -> Self {
        Self { first, stride: 0 }
    }
}

/// Block of up to [`OUTPUTS`] outputs, computed together.
pub(super) struct Panel {
    pub(super) vectors: usize,
    /// `[words, vectors]`.
    pub(super) lines: Arc<[Line]>,
    /// `[vectors, LANES]`, zero-padded.
    pub(super) multipliers: Arc<[i32]>,
    /// Outputs, as indices into the op's.
    pub(super) outputs: Range<usize>,
    /// Lanes, as indices into the colour group's padded outputs.
    lanes: Range<usize>,
}

/// Sums of a panel at all columns of the batch, not yet requantized.
pub(super) struct Results<'r> {
    /// Outputs, as indices into the op's.
    pub(super) outputs: Range<usize>,
    /// `[batch_columns, vectors, LANES]`.
    sums: &'r [i32],
    vectors: usize,
    /// `[vectors, LANES]`.
    multipliers: &'r [i32],
    left_shift: u32,
}

impl<A: Pack> PackedMatrix<A> {
    /// Packs the weights of a colour group. `pieces` are the numbers of inputs of each piece, in the order of the weights; the first
    /// `above` pieces lie in the rows above. `None` if the blob contradicts its record.
    pub(super) fn new(
        model: &Model<'_>,
        matrix: &MatrixDescriptor,
        group: usize,
        pieces: &[usize],
        above: usize,
    ) -> Option<Self> {
        let groups = model.groups();
        let layout = model.layout();
        let (first, end) = matrix.group(groups, group);
        let (outputs, length) = (end - first, layout.row(matrix.length(groups, group)));
        let before = matrix.weights_before(groups, group, layout);
        let weights: &[i8] = model.slice(matrix.weights, before..before + outputs * length)?;
        let at = |output: usize, input: usize| layout.index(outputs, length, output, input);
        let padded = outputs.next_multiple_of(LANES);
        let mut packed = Self {
            outputs: first..end,
            left_shift: u32::from(matrix.left_shift),
            panels: Vec::new(),
            above: pieces.iter().take(above).map(|piece| words::<A>(*piece)).sum(),
            biases: [Vec::new(), Vec::new()],
            padded,
            arithmetic: PhantomData,
        };
        // Contribution of the input offset to each sum.
        let mut offsets = vec![0i32; padded];
        let multipliers: &[i32] = model.slice(matrix.multipliers, first..end)?;
        let per_word = each_word::<A>();
        for panel in (0..padded).step_by(OUTPUTS) {
            let vectors = VECTORS.min((padded - panel) / LANES);
            let mut lines = Vec::new();
            let mut input = 0;
            for &piece in pieces {
                for word in (0..piece).step_by(per_word) {
                    for vector in 0..vectors {
                        let mut line = Line::zeroed();
                        let elements: &mut [A::Element] = bytemuck::cast_slice_mut(&mut line.0);
                        for (n, element) in elements.iter_mut().enumerate() {
                            let (output, k) = (panel + vector * LANES + n / per_word, word + n % per_word);
                            if output < outputs && k < piece {
                                let weight = *weights.get(at(output, input + k))?;
                                *element = A::element(weight);
                                let offset = offsets.get_mut(output)?;
                                *offset = offset.wrapping_add(A::OFFSET.wrapping_mul(weight.into()));
                            }
                        }
                        lines.push(line);
                    }
                }
                input += piece;
            }
            let lanes = panel..panel + vectors * LANES;
            let used = panel..outputs.min(lanes.end);
            let mut multipliers = multipliers.get(used.clone())?.to_vec();
            multipliers.resize(lanes.len(), 0);
            let outputs = first + used.start..first + used.end;
            let (lines, multipliers) = (lines.into(), multipliers.into());
            packed.panels.push(Panel { vectors, lines, multipliers, outputs, lanes });
        }
        let mut bias = vec![0i32; padded];
        if let Some(at) = matrix.bias.filter(|at| *at != 0) {
            bias.get_mut(..outputs)?.copy_from_slice(model.slice(at, first..end)?);
        }
        let classes = if matrix.class_bias == 0 { 1 } else { model.classes() };
        for class in 0..classes {
            let mut bias = bias.clone();
            if matrix.class_bias != 0 {
                let start = class * matrix.sums();
                let class_bias: &[i32] = model.slice(matrix.class_bias, start + first..start + end)?;
                bias.iter_mut().zip(class_bias).for_each(|(bias, added)| *bias = bias.wrapping_add(*added));
            }
            let [of_activations, of_inputs] = &mut packed.biases;
            of_inputs.extend(bias.iter().zip(&offsets).map(|(bias, offset)| bias.wrapping_sub(*offset)));
            of_activations.append(&mut bias);
        }
        Some(packed)
    }

    /// Bytes of the packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.panels.iter().map(|panel| size_of_val(&*panel.lines)).sum()
    }

    /// Panels in order of outputs.
    pub(super) fn panels(&self) -> &[Panel] {
        &self.panels
    }

    /// Zeroed row prefix for images of `columns` columns.
    pub(super) fn new_row_prefix(&self, columns: usize) -> RowPrefix {
        RowPrefix { sums: vec![0; columns * self.padded], columns }
    }

    /// Computes a panel's partial sums over the rows above, `[columns, vectors, LANES]`, biases included.
    #[inline(always)]
    pub(super) fn fill<K: Kernel>(
        &self,
        kernel: K,
        panel: &Panel,
        inputs: &Inputs<'_, A::Input>,
        label: Option<usize>,
        sums: &mut [i32],
    ) -> Result<(), Corrupt> {
        let bias = self.bias(kernel, panel.lanes.clone(), label).ok_or(Corrupt)?;
        A::gemm(kernel, bytemuck::cast_slice(&panel.lines), inputs, bias, panel.vectors, sums);
        Ok(())
    }

    /// [`PackedMatrix::fill`] for all panels.
    #[inline(always)]
    pub(super) fn fill_all<K: Kernel>(
        &self,
        kernel: K,
        inputs: &Inputs<'_, A::Input>,
        label: Option<usize>,
        row_prefix: &mut RowPrefix,
    ) -> Result<(), Corrupt> {
        for panel in &self.panels {
            let lanes = panel.lanes.start * row_prefix.columns..panel.lanes.end * row_prefix.columns;
            self.fill(kernel, panel, inputs, label, row_prefix.sums.get_mut(lanes).ok_or(Corrupt)?)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn bias<K: Kernel>(&self, kernel: K, lanes: Range<usize>, label: Option<usize>) -> Option<&[i32]> {
        let [of_activations, of_inputs] = &self.biases;
        let bias = if kernel.input_offset() == A::OFFSET { of_activations } else { of_inputs };
        let class = if bias.len() > self.padded { label? * self.padded } else { 0 };
        bias.get(class + lanes.start..class + lanes.end)
    }

    /// Initial state of a panel: its biases and all of its weights.
    #[inline(always)]
    pub(super) fn init<'p, K: Kernel>(
        &'p self,
        panel: &'p Panel,
        kernel: K,
        label: Option<usize>,
    ) -> Option<Init<'p, 'p>> {
        Some(Init { sums: self.bias(kernel, panel.lanes.clone(), label)?, lines: &panel.lines })
    }

    /// Fast path of [`PackedMatrix::init`] after [`PackedMatrix::fill_all`]: same result with the rows above already multiplied.
    #[inline(always)]
    pub(super) fn init_from_prefix<'p, 's>(
        &self,
        panel: &'p Panel,
        row_prefix: &'s RowPrefix,
        column: usize,
    ) -> Option<Init<'s, 'p>> {
        let lanes = panel.lanes.len();
        let at = row_prefix.columns * panel.lanes.start + column * lanes;
        Some(Init { sums: row_prefix.sums.get(at..at + lanes)?, lines: panel.lines.get(self.above * panel.vectors..)? })
    }

    /// Computes a panel's sums at all columns of the batch, in `memory`.
    #[inline(always)]
    pub(super) fn sums<'r, K: Kernel>(
        &'r self,
        panel: &'r Panel,
        kernel: K,
        inputs: &Inputs<'_, A::Input>,
        batch_columns: usize,
        label: Option<usize>,
        memory: &'r mut [i32],
    ) -> Option<Results<'r>> {
        let sums = memory.get_mut(..batch_columns * panel.lanes.len())?;
        let Init { sums: bias, lines } = self.init(panel, kernel, label)?;
        A::gemm(kernel, bytemuck::cast_slice(lines), inputs, bias, panel.vectors, sums);
        let (outputs, vectors) = (panel.outputs.clone(), panel.vectors);
        Some(Results { outputs, sums, vectors, multipliers: &panel.multipliers, left_shift: self.left_shift })
    }
}

/// Half of the lanes of a vector.
const HALF: usize = LANES / 2;

/// Zero-sized stand-in for an absent second operand.
pub(super) const NOTHING: &[()] = &[(); usize::MAX];

/// Sums that are requantized and passed on element by element.
pub(super) trait Scaled {
    /// Calls `f(requantized sum, x, y)` for each output at each column of the batch, with the elements `to` of `x` and `y`.
    fn each_with<K: Kernel, X: Copy, Y: Copy>(
        &self,
        kernel: K,
        x: &[X],
        y: &mut [Y],
        to: Strided,
        f: impl Fn(i32, X, &mut Y),
    ) -> Result<(), Corrupt>;

    /// Calls `f(requantized sum, y)`; see [`Scaled::each_with`].
    #[inline(always)]
    fn each<K: Kernel, Y: Copy>(
        &self,
        kernel: K,
        y: &mut [Y],
        to: Strided,
        f: impl Fn(i32, &mut Y),
    ) -> Result<(), Corrupt> {
        self.each_with(
            kernel,
            NOTHING,
            y,
            to,
            #[inline(always)]
            |v, (), y| f(v, y),
        )
    }
}

impl Scaled for Results<'_> {
    #[inline(always)]
    fn each_with<K: Kernel, X: Copy, Y: Copy>(
        &self,
        kernel: K,
        x: &[X],
        y: &mut [Y],
        to: Strided,
        f: impl Fn(i32, X, &mut Y),
    ) -> Result<(), Corrupt> {
        let count = self.outputs.len();
        kernel.run(
            #[inline(always)]
            || by_vectors!(self, V => self.batch_columns::<K, X, Y, V>(kernel, x, y, to, count, &f)),
        )
    }
}

impl Results<'_> {
    /// [`Scaled::each_with`] for `count` outputs in `V` vectors. Constant trip counts keep the multipliers in registers.
    #[inline(always)]
    fn batch_columns<K: Kernel, X: Copy, Y: Copy, const V: usize>(
        &self,
        kernel: K,
        x: &[X],
        y: &mut [Y],
        Strided { first, stride }: Strided,
        count: usize,
        f: &impl Fn(i32, X, &mut Y),
    ) -> Result<(), Corrupt> {
        let multipliers = self.multipliers.as_chunks::<LANES>().0.first_chunk::<V>().ok_or(Corrupt)?;
        let scaled = |sums, multipliers| kernel.requantize(sums, self.left_shift, multipliers);
        for (batch_column, sums) in self.sums.chunks_exact(V * LANES).enumerate() {
            let start = batch_column * stride + first;
            let (x, last_x) = x.get(start..start + count).ok_or(Corrupt)?.as_chunks::<LANES>();
            let (y, last_y) = y.get_mut(start..start + count).ok_or(Corrupt)?.as_chunks_mut::<LANES>();
            let mut vectors = sums.as_chunks::<LANES>().0.iter().zip(multipliers);
            for ((y, x), (sums, multipliers)) in y.iter_mut().zip(x).zip(&mut vectors) {
                let mut vector = *y;
                apply(scaled(sums, multipliers), x, &mut vector, f);
                *y = vector;
                black_box(());
            }
            if let Some((sums, multipliers)) = vectors.next() {
                apply_last(scaled(sums, multipliers), last_x, last_y, f);
            }
        }
        Ok(())
    }
}

/// [`apply`] for a partial vector. Half a vector is common and has a loop of constant length.
#[inline(always)]
pub(super) fn apply_last<X: Copy, Y: Copy>(scaled: [i32; LANES], x: &[X], y: &mut [Y], f: &impl Fn(i32, X, &mut Y)) {
    let (half_x, rest_x) = x.as_chunks::<HALF>();
    let (half_y, rest_y) = y.as_chunks_mut::<HALF>();
    if let ([x], [y]) = (half_x, &mut *half_y) {
        let mut half = *y;
        apply(scaled, x, &mut half, f);
        *y = half;
        black_box(());
    }
    for ((y, x), scaled) in rest_y.iter_mut().zip(rest_x).zip(scaled.iter().skip(half_y.len() * HALF)) {
        f(*scaled, *x, y);
    }
}

/// Calls `f(scaled sum, x, y)` for each element.
#[inline(always)]
pub(super) fn apply<X: Copy, Y>(scaled: [i32; LANES], x: &[X], y: &mut [Y], f: &impl Fn(i32, X, &mut Y)) {
    for ((y, x), scaled) in y.iter_mut().zip(x).zip(scaled) {
        f(scaled, *x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Int8;
    use crate::blob::Instruction;
    use crate::kernels::gemm::{Pieces, WORD};
    use crate::kernels::{Host, Portable};

    crate::include_model!(
        #[allow(dead_code)]
        mod digits = "../../../testdata/mnist-pixelcnn.prnn"
    );

    /// Matrices of the model's convolutions.
    fn matrices(model: &Model<'static>) -> Vec<MatrixDescriptor> {
        let matrix = |op| if let Instruction::MaskedConv(conv) = op { Some(conv.matrix()) } else { None };
        model.instructions().flatten().filter_map(matrix).collect()
    }

    /// Bytes from a piece of inputs to the next one: whole words, and one more so that the two are not merged.
    fn room(piece: usize) -> usize {
        piece.next_multiple_of(WORD) + WORD
    }

    /// Inputs of `columns` columns.
    fn inputs(pieces: &[usize], columns: usize) -> (Vec<u8>, Pieces, usize) {
        let stride: usize = pieces.iter().map(|piece| room(*piece)).sum();
        let numbers = (0..columns * stride).map(|n| (n * 37 % 251) as u8).collect();
        let (mut list, mut start) = (Pieces::default(), 0);
        for piece in pieces {
            list.push::<u8>(start, words::<Int8>(*piece));
            start += room(*piece);
        }
        (numbers, list, stride)
    }

    /// Sums of one column, from the weights in the blob.
    fn expected(model: &Model<'_>, matrix: &MatrixDescriptor, pieces: &[usize], column: &[u8]) -> Vec<i32> {
        let (length, outputs) = (matrix.length(1, 0), matrix.sums());
        let weights: &[i8] = model.slice(matrix.weights, 0..outputs * length).unwrap();
        let bias: &[i32] = model.slice(matrix.bias.unwrap(), 0..outputs).unwrap();
        let (mut x, mut start) = (Vec::new(), 0);
        for piece in pieces {
            x.extend(column[start..start + piece].iter().map(|x| i32::from(*x) - Int8::OFFSET));
            start += room(*piece);
        }
        let dot = |row: &[i8]| row.iter().zip(&x).map(|(w, x)| i32::from(*w) * x).sum::<i32>();
        weights.chunks(length).zip(bias).map(|(row, bias)| bias + dot(row)).collect()
    }

    /// Two pieces of inputs, of which the first is in the rows above: neither is whole words.
    fn pieces(matrix: &MatrixDescriptor) -> [usize; 2] {
        let above = matrix.length(1, 0) / 2;
        [above, matrix.length(1, 0) - above]
    }

    #[test]
    fn packed_weights_give_the_sums_of_the_blob() {
        let model = digits::model().unwrap();
        for matrix in matrices(&model) {
            let pieces = pieces(&matrix);
            let packed = PackedMatrix::<Int8>::new(&model, &matrix, 0, &pieces, 1).unwrap();
            let (numbers, list, stride) = inputs(&pieces, 3);
            let inputs = Inputs { numbers: &numbers, stride, pieces: list.all() };
            // Kernels differ in the offset of their inputs.
            for (kernel, panel) in
                Host::all().flat_map(|kernel| packed.panels().iter().map(move |panel| (kernel, panel)))
            {
                let mut memory = vec![0; 3 * OUTPUTS];
                let sums = packed.sums(panel, kernel, &inputs, 3, None, &mut memory).unwrap().sums;
                for (column, sums) in numbers.chunks(stride).zip(sums.chunks(panel.vectors * LANES)) {
                    let expected = expected(&model, &matrix, &pieces, column);
                    assert_eq!(sums[..panel.outputs.len()], expected[panel.outputs.clone()], "{kernel:?}");
                }
            }
        }
    }

    #[test]
    fn sums_over_the_rows_above_are_the_beginning_of_a_columns_sums() {
        let model = digits::model().unwrap();
        for matrix in matrices(&model) {
            let pieces = pieces(&matrix);
            let packed = PackedMatrix::<Int8>::new(&model, &matrix, 0, &pieces, 1).unwrap();
            let (numbers, list, stride) = inputs(&pieces, 2);
            let [above, rest] = [0, 1].map(|n| list.all().get(n).into_iter().copied().collect::<Vec<_>>());
            let inputs = |pieces| Inputs { numbers: &numbers, stride, pieces };
            let mut prefix = packed.new_row_prefix(2);
            packed.fill_all(Portable, &inputs(&above), None, &mut prefix).unwrap();
            for panel in packed.panels() {
                for (column, values) in numbers.chunks(stride).enumerate() {
                    let Init { sums: init, lines } = packed.init_from_prefix(panel, &prefix, column).unwrap();
                    let mut sums = vec![0; panel.vectors * LANES];
                    let inputs = Inputs { numbers: values, stride, pieces: &rest };
                    Int8::gemm(Portable, bytemuck::cast_slice(lines), &inputs, init, panel.vectors, &mut sums);
                    let expected = expected(&model, &matrix, &pieces, values);
                    assert_eq!(sums[..panel.outputs.len()], expected[panel.outputs.clone()]);
                }
            }
        }
    }

    #[test]
    fn weights_that_the_blob_does_not_have_are_none() {
        let model = digits::model().unwrap();
        let matrix = matrices(&model)[0];
        let (end, length) = (model.blob().len() as u32, matrix.length(1, 0));
        for wrong in [
            MatrixDescriptor { weights: end, ..matrix },
            MatrixDescriptor { bias: Some(end - 4), ..matrix },
            MatrixDescriptor { multipliers: end - 4, ..matrix },
        ] {
            assert!(PackedMatrix::<Int8>::new(&model, &wrong, 0, &[length], 0).is_none());
        }
    }

    #[test]
    fn a_vector_in_part_writes_the_outputs_that_are_there() {
        let scaled = core::array::from_fn(|n| n as i32);
        for length in 0..LANES {
            let mut y = vec![0; length];
            apply_last(scaled, &NOTHING[..length], &mut y, &|v, (), y| *y = v + 100);
            assert!(y.into_iter().eq(100..100 + length as i32), "{length}");
        }
    }

    #[test]
    fn results_are_requantized_into_the_columns_of_their_op() {
        let sums: Vec<i32> = (0..2 * LANES as i32).map(|n| n << 16).collect();
        let multipliers = [1 << 16; LANES];
        let results = Results { outputs: 4..7, sums: &sums, vectors: 1, multipliers: &multipliers, left_shift: 1 };
        let (mut y, to) = ([-1; 10], Strided { first: 1, stride: 5 });
        results.each(Portable, &mut y, to, |v, y: &mut i32| *y = v).unwrap();
        assert_eq!(y, [-1, 0, 2, 4, -1, -1, 32, 34, 36, -1]);
        assert_eq!(results.each(Portable, &mut y[..8], to, |v, y| *y = v), Err(Corrupt));
    }
}
