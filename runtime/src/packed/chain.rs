//! All ops at a pixel of one image, one after the other, which is what a batch of one waits for.

use super::walk::{Kept, Op, Shared, Step};
use super::{Pack, conv, elementwise};
use crate::kernels::Kernel;
use crate::model::Image;
use core::ops::Range;

/// A part of an op.
#[repr(u8)] // a number in its own place is quicker to read than one that hides in a field, at each op of each pixel
enum Part {
    /// A panel of a convolution.
    Conv(conv::Link),
    /// The inputs of a convolution are kept for later pixels: those numbers of the registers.
    Keep(Range<usize>),
    Quantize(elementwise::Quantize),
    /// An op as it is.
    Op,
}

/// The parts of all ops for each colour, each with the number of its op.
pub(super) struct Chain(Vec<Vec<(usize, Part)>>);

impl Chain {
    pub(super) fn new<A: Pack>(ops: &[Op<A>], image: Image) -> Self {
        let colour = |group: usize| {
            let mut parts = Vec::new();
            for (n, op) in ops.iter().enumerate() {
                match op {
                    Op::Conv(conv) => {
                        let panels = conv.links(group, image.width, image.levels);
                        parts.extend(panels.into_iter().map(|link| (n, Part::Conv(link))));
                        // All colours at once, after the last one.
                        let keep = conv.keeps().filter(|_| group + 1 == image.channels);
                        parts.extend(keep.map(|inputs| (n, Part::Keep(inputs))));
                    }
                    Op::Elementwise(record) => parts.push(match record.quantize() {
                        Some(quantize) => (n, Part::Quantize(elementwise::Quantize::new::<A>(quantize, group, image))),
                        None => (n, Part::Op),
                    }),
                    Op::Lstm(_) => parts.push((n, Part::Op)),
                }
            }
            parts
        };
        Self((0..image.channels).map(colour).collect())
    }

    /// Before the first pixel of a row.
    #[inline(always)]
    pub(super) fn begin_row<A: Pack, K: Kernel>(
        &mut self,
        ops: &[Op<A>],
        kept: &[Kept<A>],
        step: &Step,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        for (n, part) in self.0.iter_mut().flatten() {
            if let (Part::Conv(link), Op::Conv(conv)) = (part, ops.get(*n)?) {
                conv.begin_row(link, step, kept.get(*n)?.rows(), shared, kernel)?;
            }
        }
        Some(())
    }

    /// Runs all ops for the step's colour.
    #[inline(always)]
    pub(super) fn run<A: Pack, K: Kernel>(
        &self,
        ops: &[Op<A>],
        kept: &mut [Kept<A>],
        step: &Step,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        for (n, part) in self.0.get(step.groups.start)? {
            match part {
                Part::Conv(link) => {
                    let rows = if link.reads_rows() { kept.get(*n)?.rows() } else { None };
                    link.run::<A, K>(step, rows, shared, kernel)?;
                }
                Part::Quantize(quantize) => quantize.run::<A>(&mut shared.registers)?,
                Part::Keep(inputs) => {
                    let rows = kept.get_mut(*n)?.rows_mut()?;
                    let x = shared.registers.numbers()?.get(inputs.clone())?;
                    rows.keep_alone(rows.at(0, step.row, 0, step.column, 0), x)?;
                }
                Part::Op => match (ops.get(*n)?, kept.get_mut(*n)?) {
                    (Op::Lstm(lstm), Kept::Lstm(state)) => lstm.alone(step, state, shared, kernel)?,
                    (Op::Elementwise(record), _) => elementwise::run::<A, K>(record, step, shared, kernel)?,
                    _ => {}
                },
            }
        }
        Some(())
    }
}
