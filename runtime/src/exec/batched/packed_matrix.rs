//! The weighted sums of an op with its weights packed for vectors.

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

/// Vectors of outputs that are computed at once.
pub(super) const VECTORS: usize = 4;

/// Does the same with the number of a panel's vectors as a constant.
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

/// All sums of a colour group.
pub(super) struct PackedMatrix<A> {
    /// Their numbers, of all of the op's.
    pub(super) outputs: Range<usize>,
    pub(super) left_shift: u32,
    panels: Vec<Panel>,
    /// Words of inputs that lie in rows above; they come first.
    pub(super) above: usize,
    /// Of each class, or of all, `[classes or 1, padded outputs]`: for activations, and for inputs.
    biases: [Vec<i32>; 2],
    /// Outputs, with those that fill the last vector.
    padded: usize,
    arithmetic: PhantomData<A>,
}

/// Sums over the rows above a row of one image, of all of its columns: what a column's sums may begin with.
pub(super) struct RowPrefix {
    /// Of each panel, `[columns, outputs]`.
    sums: Vec<i32>,
    columns: usize,
}

/// Outputs that are computed at once.
pub(super) struct Panel {
    pub(super) vectors: usize,
    pub(super) lines: Arc<[Line]>,
    /// One for each lane.
    pub(super) multipliers: Arc<[i32]>,
    /// The outputs, of all of the op's.
    pub(super) outputs: Range<usize>,
    /// Where the lanes are, of the colour group's padded outputs.
    lanes: Range<usize>,
}

/// The sums of a panel, of all places, and what belongs to them.
pub(super) struct Results<'r> {
    /// The outputs, of all of the op's.
    pub(super) outputs: Range<usize>,
    /// The sums, `[batch_columns, vectors, LANES]`.
    sums: &'r [i32],
    vectors: usize,
    /// As many as there are sums of a place.
    multipliers: &'r [i32],
    left_shift: u32,
}

impl<A: Pack> PackedMatrix<A> {
    /// Packs the weights of a group; `pieces` are the inputs of each piece, in the order of the weights, `above` of them in the rows
    /// above. `None` where the blob does not have what its record says.
    pub(super) fn new(
        model: &Model<'_>,
        matrix: &MatrixDescriptor,
        group: usize,
        (pieces, above): (&[usize], usize),
    ) -> Option<Self> {
        let groups = model.image().channels;
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
        // What the offset of the inputs adds to each sum.
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
                        let numbers: &mut [A::Element] = bytemuck::cast_slice_mut(&mut line.0);
                        for (n, number) in numbers.iter_mut().enumerate() {
                            let (output, k) = (panel + vector * LANES + n / per_word, word + n % per_word);
                            if output < outputs && k < piece {
                                let weight = *weights.get(at(output, input + k))?;
                                *number = A::element(weight);
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
            let there = panel..outputs.min(lanes.end);
            let mut multipliers = multipliers.get(there.clone())?.to_vec();
            multipliers.resize(lanes.len(), 0);
            let outputs = first + there.start..first + there.end;
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
                let more: &[i32] = model.slice(matrix.class_bias, start + first..start + end)?;
                bias.iter_mut().zip(more).for_each(|(bias, more)| *bias = bias.wrapping_add(*more));
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

    /// Panels, one after the other.
    pub(super) fn panels(&self) -> &[Panel] {
        &self.panels
    }

    /// Memory for sums ahead of a row of so many columns.
    pub(super) fn new_row_prefix(&self, columns: usize) -> RowPrefix {
        RowPrefix { sums: vec![0; columns * self.padded], columns }
    }

    /// Computes the sums over the rows above of a panel, whose inputs at the first column, with those of the other columns behind
    /// them, are `inputs`.
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

    /// As [`PackedMatrix::fill`], of all panels.
    #[inline(always)]
    pub(super) fn fill_all<K: Kernel>(
        &self,
        kernel: K,
        inputs: &Inputs<'_, A::Input>,
        label: Option<usize>,
        ahead: &mut RowPrefix,
    ) -> Result<(), Corrupt> {
        for panel in &self.panels {
            let lanes = panel.lanes.start * ahead.columns..panel.lanes.end * ahead.columns;
            self.fill(kernel, panel, inputs, label, ahead.sums.get_mut(lanes).ok_or(Corrupt)?)?;
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

    /// What the sums of a panel begin with, and the weights of what is missing then.
    #[inline(always)]
    pub(super) fn begin<'p, K: Kernel>(
        &'p self,
        panel: &'p Panel,
        kernel: K,
        label: Option<usize>,
    ) -> Option<(&'p [i32], &'p [Line])> {
        Some((self.bias(kernel, panel.lanes.clone(), label)?, &panel.lines))
    }

    /// As [`PackedMatrix::begin`], in a column whose sums over the rows above are there already.
    #[inline(always)]
    pub(super) fn row_prefix<'p, 'a>(
        &self,
        panel: &'p Panel,
        ahead: &'a RowPrefix,
        column: usize,
    ) -> Option<(&'a [i32], &'p [Line])> {
        let lanes = panel.lanes.len();
        let at = ahead.columns * panel.lanes.start + column * lanes;
        Some((ahead.sums.get(at..at + lanes)?, panel.lines.get(self.above * panel.vectors..)?))
    }

    /// Computes the sums of `batch_columns` of a panel in `memory`.
    #[inline(always)]
    pub(super) fn sums<'r, K: Kernel>(
        &'r self,
        panel: &'r Panel,
        kernel: K,
        inputs: &Inputs<'_, A::Input>,
        (batch_columns, label): (usize, Option<usize>),
        memory: &'r mut [i32],
    ) -> Option<Results<'r>> {
        let sums = memory.get_mut(..batch_columns * panel.lanes.len())?;
        let (bias, lines) = self.begin(panel, kernel, label)?;
        A::gemm(kernel, bytemuck::cast_slice(lines), inputs, bias, panel.vectors, sums);
        let (outputs, vectors) = (panel.outputs.clone(), panel.vectors);
        Some(Results { outputs, sums, vectors, multipliers: &panel.multipliers, left_shift: self.left_shift })
    }
}

/// Half of the lanes of a vector.
const HALF: usize = LANES / 2;

/// Where nothing is read beside the sums: as many numbers of no size as anyone asks for.
pub(super) const NOTHING: &[()] = &[(); usize::MAX];

/// Sums, and what becomes of them.
pub(super) trait Scaled {
    /// `f(requantized sum, x, y)` of each output of each place; the panel's outputs begin at number `to.0` of each row of `x` and `y`,
    /// `[batch_columns, to.1]`.
    fn each_with<K: Kernel, X: Copy, Y: Copy>(
        &self,
        kernel: K,
        x: &[X],
        y: &mut [Y],
        to: (usize, usize),
        f: impl Fn(i32, X, &mut Y),
    ) -> Result<(), Corrupt>;

    /// `f(requantized sum, y)`; see [`Scaled::each_with`].
    #[inline(always)]
    fn each<K: Kernel, Y: Copy>(
        &self,
        kernel: K,
        y: &mut [Y],
        to: (usize, usize),
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
        (first, columns): (usize, usize),
        f: impl Fn(i32, X, &mut Y),
    ) -> Result<(), Corrupt> {
        let shape = (first, columns, self.outputs.len());
        kernel.run(
            #[inline(always)]
            || by_vectors!(self, V => self.batch_columns::<K, X, Y, V>(kernel, x, y, shape, &f)),
        )
    }
}

impl Results<'_> {
    /// All places, `count` outputs in `V` vectors: loops of a length that the compiler knows, with the multipliers in registers.
    #[inline(always)]
    fn batch_columns<K: Kernel, X: Copy, Y: Copy, const V: usize>(
        &self,
        kernel: K,
        x: &[X],
        y: &mut [Y],
        (first, columns, count): (usize, usize, usize),
        f: &impl Fn(i32, X, &mut Y),
    ) -> Result<(), Corrupt> {
        let multipliers = self.multipliers.as_chunks::<LANES>().0.first_chunk::<V>().ok_or(Corrupt)?;
        let scaled = |sums, multipliers| kernel.requantize(sums, self.left_shift, multipliers);
        for (batch_column, sums) in self.sums.chunks_exact(V * LANES).enumerate() {
            let start = batch_column * columns + first;
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

/// [`apply`] of a vector that is filled in part: half a vector is not rare, and a loop of a length that is known as well.
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

/// `f(scaled sum, x, y)` of each.
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
            let packed = PackedMatrix::<Int8>::new(&model, &matrix, 0, (&pieces, 1)).unwrap();
            let (numbers, list, stride) = inputs(&pieces, 3);
            let inputs = Inputs { numbers: &numbers, stride, pieces: list.all() };
            // Kernels differ in the offset of their inputs.
            for (kernel, panel) in
                Host::all().flat_map(|kernel| packed.panels().iter().map(move |panel| (kernel, panel)))
            {
                let mut memory = vec![0; 3 * OUTPUTS];
                let sums = packed.sums(panel, kernel, &inputs, (3, None), &mut memory).unwrap().sums;
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
            let packed = PackedMatrix::<Int8>::new(&model, &matrix, 0, (&pieces, 1)).unwrap();
            let (numbers, list, stride) = inputs(&pieces, 2);
            let [above, rest] = [0, 1].map(|n| list.all().get(n).into_iter().copied().collect::<Vec<_>>());
            let inputs = |pieces| Inputs { numbers: &numbers, stride, pieces };
            let mut ahead = packed.new_row_prefix(2);
            packed.fill_all(Portable, &inputs(&above), None, &mut ahead).unwrap();
            for panel in packed.panels() {
                for (column, values) in numbers.chunks(stride).enumerate() {
                    let (begun, lines) = packed.row_prefix(panel, &ahead, column).unwrap();
                    let mut sums = vec![0; panel.vectors * LANES];
                    let inputs = Inputs { numbers: values, stride, pieces: &rest };
                    Int8::gemm(Portable, bytemuck::cast_slice(lines), &inputs, begun, panel.vectors, &mut sums);
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
            assert!(PackedMatrix::<Int8>::new(&model, &wrong, 0, (&[length], 0)).is_none());
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
        let mut y = [-1; 10];
        results.each(Portable, &mut y, (1, 5), |v, y: &mut i32| *y = v).unwrap();
        assert_eq!(y, [-1, 0, 2, 4, -1, -1, 32, 34, 36, -1]);
        assert_eq!(results.each(Portable, &mut y[..8], (1, 5), |v, y| *y = v), Err(Corrupt));
    }
}
