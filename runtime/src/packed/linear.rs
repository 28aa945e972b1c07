//! The weighted sums of an op with its weights packed for vectors.

use super::{Pack, words};
use crate::blob::{Layout, Linear, Model};
use crate::kernels::Kernel;
use crate::kernels::panel::{Inputs, LANES, WORD};
use bytemuck::{Pod, Zeroable};
use core::hint::black_box;
use core::marker::PhantomData;
use core::ops::Range;

/// Vectors of outputs that are computed at once.
const VECTORS: usize = 4;

/// Outputs of a panel, at most.
pub(super) const OUTPUTS: usize = VECTORS * LANES;

/// The weights of a vector of outputs for a word of inputs, a line of the cache.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LANES * WORD]);

/// All sums of a colour group.
pub(super) struct Packed<A> {
    /// Their numbers, of all of the op's.
    pub(super) outputs: Range<usize>,
    left: u32,
    lines: Vec<Line>,
    panels: Vec<Panel>,
    /// Words of inputs that lie in rows above; they come first.
    above: usize,
    /// Of each class, or of all, `[classes or 1, padded outputs]`: for activations, and for inputs.
    biases: [Vec<i32>; 2],
    multipliers: Vec<i32>,
    arithmetic: PhantomData<A>,
}

/// Sums over the rows above a row of one image, of all of its columns: what a column's sums may begin with.
pub(super) struct Ahead {
    /// Of each panel, `[columns, outputs]`.
    sums: Vec<i32>,
    columns: usize,
}

/// Outputs that are computed at once.
struct Panel {
    vectors: usize,
    lines: Range<usize>,
}

impl Panel {
    /// The outputs of panel `number`, of the colour group's padded ones.
    fn outputs(&self, number: usize) -> Range<usize> {
        number * OUTPUTS..number * OUTPUTS + self.vectors * LANES
    }
}

/// The sums of a panel, of all places, and what belongs to them.
pub(super) struct Results<'r> {
    /// The outputs, of all of the op's.
    pub(super) outputs: Range<usize>,
    /// The sums, `[places, stride]`.
    sums: &'r [i32],
    stride: usize,
    /// As many as there are sums of a place.
    multipliers: &'r [i32],
    left: u32,
}

impl<A: Pack> Packed<A> {
    /// Packs the weights of a group; `pieces` are the inputs of each piece, in the order of the weights, `above` of them in the rows
    /// above. `None` where the blob does not have what its record says.
    pub(super) fn new(
        model: &Model<'_>,
        linear: &Linear,
        group: usize,
        (pieces, above): (&[usize], usize),
    ) -> Option<Self> {
        let groups = model.image().channels;
        let layout = model.layout();
        let (first, end) = linear.group(groups, group);
        let (outputs, length) = (end - first, layout.row(linear.length(groups, group)));
        let before = linear.weights_before(groups, group, layout);
        let weights: &[i8] = model.numbers(linear.weights, before..before + outputs * length)?;
        let at = |output: usize, input: usize| match layout {
            Layout::Rows => output * length + input,
            Layout::Blocks => {
                let block = output / Layout::OUTPUTS * Layout::OUTPUTS;
                let inside = Layout::OUTPUTS.min(outputs - block);
                block * length
                    + (input / Layout::INPUTS * inside + output - block) * Layout::INPUTS
                    + input % Layout::INPUTS
            }
        };
        let padded = outputs.next_multiple_of(LANES);
        let mut packed = Self {
            outputs: first..end,
            left: u32::from(linear.left),
            lines: Vec::new(),
            panels: Vec::new(),
            above: pieces.iter().take(above).map(|piece| words::<A>(*piece)).sum(),
            biases: [Vec::new(), Vec::new()],
            multipliers: vec![0; padded],
            arithmetic: PhantomData,
        };
        // What the offset of the inputs adds to each sum.
        let mut offsets = vec![0i32; padded];
        packed.multipliers.get_mut(..outputs)?.copy_from_slice(model.numbers(linear.multipliers, first..end)?);
        let per_word = WORD / size_of::<A::Input>();
        for panel in (0..padded).step_by(OUTPUTS) {
            let vectors = VECTORS.min((padded - panel) / LANES);
            let begin = packed.lines.len();
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
                        packed.lines.push(line);
                    }
                }
                input += piece;
            }
            packed.panels.push(Panel { vectors, lines: begin..packed.lines.len() });
        }
        let mut bias = vec![0i32; padded];
        if let Some(at) = linear.bias {
            bias.get_mut(..outputs)?.copy_from_slice(model.numbers(at, first..end)?);
        }
        let classes = if linear.class_bias == 0 { 1 } else { model.classes() };
        for class in 0..classes {
            let mut bias = bias.clone();
            if linear.class_bias != 0 {
                let start = class * linear.sums();
                let more: &[i32] = model.numbers(linear.class_bias, start + first..start + end)?;
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
        size_of_val(self.lines.as_slice())
    }

    /// Panels, one after the other.
    pub(super) fn panels(&self) -> Range<usize> {
        0..self.panels.len()
    }

    /// Memory for sums ahead of a row of so many columns.
    pub(super) fn ahead(&self, columns: usize) -> Ahead {
        Ahead { sums: vec![0; columns * self.multipliers.len()], columns }
    }

    /// Computes the sums over the rows above, whose inputs at the first column, with those of the other columns behind them,
    /// are `inputs`.
    #[inline(always)]
    pub(super) fn fill<K: Kernel>(
        &self,
        kernel: K,
        inputs: &Inputs<'_, A::Input>,
        label: Option<usize>,
        ahead: &mut Ahead,
    ) -> Option<()> {
        for (number, panel) in self.panels.iter().enumerate() {
            let outputs = panel.outputs(number);
            let bias = self.bias(kernel, outputs.clone(), label)?;
            let sums = ahead.sums.get_mut(ahead.columns * outputs.start..ahead.columns * outputs.end)?;
            let weights = bytemuck::cast_slice(self.lines.get(panel.lines.clone())?);
            A::panel(kernel, weights, inputs, bias, panel.vectors, sums);
        }
        Some(())
    }

    fn bias<K: Kernel>(&self, kernel: K, outputs: Range<usize>, label: Option<usize>) -> Option<&[i32]> {
        let [of_activations, of_inputs] = &self.biases;
        let bias = if kernel.input_offset() == A::OFFSET { of_activations } else { of_inputs };
        let padded = self.multipliers.len();
        let class = if bias.len() > padded { label? * padded } else { 0 };
        bias.get(class + outputs.start..class + outputs.end)
    }

    /// Computes the sums of `places` of panel `number` in `memory`; of a place in a column whose sums over the rows above are there
    /// already, `inputs` are what is left.
    #[inline(always)]
    pub(super) fn sums<'r, K: Kernel>(
        &'r self,
        number: usize,
        kernel: K,
        inputs: &Inputs<'_, A::Input>,
        (places, label): (usize, Option<usize>),
        begun: Option<(&Ahead, usize)>,
        memory: &'r mut [i32],
    ) -> Option<Results<'r>> {
        let panel = self.panels.get(number)?;
        let all = panel.outputs(number);
        let stride = all.len();
        let sums = memory.get_mut(..places * stride)?;
        let mut lines = panel.lines.clone();
        let bias = if let Some((ahead, column)) = begun {
            lines.start += self.above * panel.vectors;
            let at = ahead.columns * all.start + column * stride;
            ahead.sums.get(at..at + stride)?
        } else {
            self.bias(kernel, all.clone(), label)?
        };
        A::panel(kernel, bytemuck::cast_slice(self.lines.get(lines)?), inputs, bias, panel.vectors, sums);
        let outputs = self.outputs.start + all.start..self.outputs.end.min(self.outputs.start + all.end);
        Some(Results { outputs, sums, stride, multipliers: self.multipliers.get(all)?, left: self.left })
    }
}

/// Where nothing is read beside the sums: as many numbers of no size as anyone asks for.
const NOTHING: &[()] = &[(); usize::MAX];

impl Results<'_> {
    /// `f(requantized sum, y)` of each output of each place; the panel's outputs begin at number `first` of each row of `y`,
    /// `[places, columns]`.
    #[inline(always)]
    pub(super) fn each<K: Kernel, Y: Copy>(
        &self,
        kernel: K,
        y: &mut [Y],
        (first, columns): (usize, usize),
        f: impl Fn(i32, &mut Y),
    ) -> Option<()> {
        self.each_with(
            kernel,
            NOTHING,
            y,
            (first, columns),
            #[inline(always)]
            |v, (), y| f(v, y),
        )
    }

    /// `f(requantized sum, x, y)`; `x` is as `y`.
    #[inline(always)]
    pub(super) fn each_with<K: Kernel, X: Copy, Y: Copy>(
        &self,
        kernel: K,
        x: &[X],
        y: &mut [Y],
        (first, columns): (usize, usize),
        f: impl Fn(i32, X, &mut Y),
    ) -> Option<()> {
        let shape = (first, columns, self.outputs.len());
        kernel.run(
            #[inline(always)]
            || match self.stride / LANES {
                1 => self.places::<K, X, Y, 1>(kernel, x, y, shape, &f),
                2 => self.places::<K, X, Y, 2>(kernel, x, y, shape, &f),
                3 => self.places::<K, X, Y, 3>(kernel, x, y, shape, &f),
                _ => self.places::<K, X, Y, VECTORS>(kernel, x, y, shape, &f),
            },
        )
    }

    /// All places, `count` outputs in `V` vectors: loops of a length that the compiler knows, with the multipliers in registers.
    #[inline(always)]
    fn places<K: Kernel, X: Copy, Y: Copy, const V: usize>(
        &self,
        kernel: K,
        x: &[X],
        y: &mut [Y],
        (first, columns, count): (usize, usize, usize),
        f: &impl Fn(i32, X, &mut Y),
    ) -> Option<()> {
        let multipliers = self.multipliers.as_chunks::<LANES>().0.first_chunk::<V>()?;
        let scaled = |sums, multipliers| kernel.requantize(sums, self.left, multipliers);
        for (place, sums) in self.sums.chunks_exact(V * LANES).enumerate() {
            let start = place * columns + first;
            let (x, last_x) = x.get(start..start + count)?.as_chunks::<LANES>();
            let (y, last_y) = y.get_mut(start..start + count)?.as_chunks_mut::<LANES>();
            let mut vectors = sums.as_chunks::<LANES>().0.iter().zip(multipliers);
            for ((y, x), (sums, multipliers)) in y.iter_mut().zip(x).zip(&mut vectors) {
                let mut vector = *y;
                apply(scaled(sums, multipliers), x, &mut vector, f);
                *y = vector;
                black_box(());
            }
            if let Some((sums, multipliers)) = vectors.next() {
                apply(scaled(sums, multipliers), last_x, last_y, f);
            }
        }
        Some(())
    }
}

#[inline(always)]
fn apply<X: Copy, Y>(scaled: [i32; LANES], x: &[X], y: &mut [Y], f: &impl Fn(i32, X, &mut Y)) {
    for ((y, x), scaled) in y.iter_mut().zip(x).zip(scaled) {
        f(scaled, *x, y);
    }
}
