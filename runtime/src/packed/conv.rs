//! Masked convolution, at all places of a step.

use super::linear::Packed;
use super::registers::Registers;
use super::rows::Rows;
use super::walk::{Shared, Step};
use super::{Pack, words};
use crate::blob::{ConvRecord, Destination, Model};
use crate::kernels::panel::{Inputs, Piece};
use crate::kernels::{Kernel, map, map_two};
use crate::numbers::requantize;
use core::ops::Range;

/// A convolution with its weights packed.
pub(super) struct Conv<A> {
    record: ConvRecord,
    /// Of each colour group.
    packed: Vec<Packed<A>>,
    /// Inputs of the taps above and to the left; none where the kernel has just a centre.
    taps: Vec<Tap>,
    /// Inputs of the centre that each colour group reads.
    open: Vec<usize>,
}

/// Taps that lie together in a row.
#[derive(Clone, Copy)]
struct Tap {
    above: usize,
    /// Columns from the first of them to the centre's.
    back: isize,
    inputs: usize,
}

impl<A: Pack> Conv<A> {
    pub(super) fn new(model: &Model<'_>, record: &ConvRecord) -> Option<Self> {
        let (top, left, right) = record.reach();
        let (dilation, inputs) = (usize::from(record.dilation), usize::from(record.inputs));
        let mut taps = Vec::new();
        for above in (0..=top).rev() {
            let count = if above > 0 { left + 1 + right } else { left };
            if dilation == 1 {
                taps.push(Tap { above, back: left as isize, inputs: count * inputs });
            } else {
                let each = |tap| Tap {
                    above: above * dilation,
                    back: (left as isize - tap as isize) * dilation as isize,
                    inputs,
                };
                taps.extend((0..count).map(each));
            }
        }
        taps.retain(|tap| tap.inputs > 0);
        let linear = record.linear();
        let groups = model.image().channels;
        let open: Vec<_> = (0..groups).map(|group| linear.open(groups, group)).collect();
        let packed = (0..groups)
            .map(|group| {
                let pieces: Vec<_> = taps.iter().map(|tap| tap.inputs).chain([open[group]]).collect();
                Packed::new(model, &linear, group, &pieces)
            })
            .collect::<Option<_>>()?;
        Some(Self { record: *record, packed, taps, open })
    }

    /// Where the inputs of later pixels are kept; `None` where no tap reads an earlier one.
    pub(super) fn rows(&self, images: usize, width: usize) -> Option<Rows<A::Input>> {
        if self.taps.is_empty() {
            return None;
        }
        let (top, left, right) = self.record.reach();
        let (dilation, inputs) = (usize::from(self.record.dilation), usize::from(self.record.inputs));
        Some(Rows::new(images, top * dilation + 1, [left * dilation, width, right * dilation], inputs))
    }

    /// Before an image: all pixels are outside.
    pub(super) fn restart(&self, rows: &mut Rows<A::Input>) {
        rows.fill(A::input(A::zero(self.record.input_zero_point)));
    }

    /// The most pieces that a product reads.
    pub(super) fn pieces(&self) -> usize {
        self.taps.len() + 1
    }

    #[inline(always)]
    pub(super) fn run<K: Kernel>(
        &self,
        step: &Step,
        first: bool,
        mut rows: Option<&mut Rows<A::Input>>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        // All colours, as what is left of a pixel is open to each of them.
        if let Some(rows) = rows.as_deref_mut().filter(|_| !first) {
            rows.keep(step, &shared.registers, self.record.input)?;
        }
        for group in step.groups.clone() {
            self.group(step, group, rows.as_deref(), shared, kernel)?;
        }
        Some(())
    }

    #[inline(always)]
    fn group<K: Kernel>(
        &self,
        step: &Step,
        group: usize,
        rows: Option<&Rows<A::Input>>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        let record = &self.record;
        let packed = self.packed.get(group)?;
        let centre = words::<A>(*self.open.get(group)?);
        let Shared { registers, logits, sums, pieces, levels } = shared;
        pieces.clear();
        let stride = if let Some(rows) = rows {
            for tap in &self.taps {
                let at = rows.at(0, step.row, tap.above, step.column, 0);
                let start = at.wrapping_add_signed(-tap.back * rows.stride().cast_signed());
                pieces.push(Piece { start, words: words::<A>(tap.inputs) });
            }
            pieces.push(Piece { start: rows.at(0, step.row, 0, step.column, 0), words: centre });
            rows.stride_of(step.columns)
        } else {
            pieces.push(Piece { start: record.input as usize / size_of::<A::Input>(), words: centre });
            registers.stride::<A::Input>()
        };
        let (start, left, destination) = (packed.outputs.start, packed.left, record.destination()?);
        for panel in packed.panels() {
            let numbers = match rows {
                Some(rows) => rows.numbers(),
                None => registers.numbers()?,
            };
            let inputs = Inputs { numbers, stride, pieces };
            let results = packed.sums(panel, kernel, &inputs, (step.places(), step.label), sums)?;
            let first = results.outputs.start;
            let range = start + first..start + results.outputs.end;
            results.places(
                #[inline(always)]
                |place, sums, multipliers| {
                    if destination == Destination::Logits {
                        kernel.scale(sums, left, multipliers);
                        let at = (place * step.all_groups + group) * *levels + first;
                        let (logits, shift) = (logits.get_mut(at..at + sums.len())?, record.logit_shift);
                        map(
                            kernel,
                            sums,
                            logits,
                            #[inline(always)]
                            move |v, logit| *logit = A::logit(v, shift) as u32,
                        );
                        return Some(());
                    }
                    store::<A, K>(record, registers, place, range.clone(), (sums, left, multipliers), kernel)
                },
            )?;
        }
        Some(())
    }
}

/// Scales sums and puts them into a register.
#[inline(always)]
fn store<A: Pack, K: Kernel>(
    record: &ConvRecord,
    registers: &mut Registers,
    place: usize,
    range: Range<usize>,
    (sums, left, multipliers): (&[i32], u32, &[i32]),
    kernel: K,
) -> Option<()> {
    if record.destination()? == Destination::Activation {
        let (zero_point, low) = (i32::from(record.output_zero_point), i32::from(record.output_low));
        map_two(
            kernel,
            sums,
            multipliers,
            registers.get_mut(place, record.output, range)?,
            #[inline(always)]
            move |v, m, y| *y = A::input(A::activation(requantize(v, left, m), zero_point, low)),
        );
        return Some(());
    }
    let stream = registers.get_mut(place, record.output, range)?;
    if record.destination()? == Destination::Accumulate {
        map_two(
            kernel,
            sums,
            multipliers,
            stream,
            #[inline(always)]
            move |v, m, y| *y = A::accumulate(requantize(v, left, m), *y),
        );
    } else {
        map_two(
            kernel,
            sums,
            multipliers,
            stream,
            #[inline(always)]
            move |v, m, y| *y = A::stream(requantize(v, left, m)),
        );
    }
    Some(())
}
