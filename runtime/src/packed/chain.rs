//! All ops at a pixel of one image, one after the other, which is what a batch of one waits for.

use super::walk::{Kept, Op, Shared, Step};
use super::{Pack, conv, elementwise};
use crate::kernels::{Kernel, map_within};
use crate::model::Image;
use core::ops::Range;

/// A part of an op.
#[repr(u8)] // a number in its own place is quicker to read than one that hides in a field, at each op of each pixel
enum Link {
    /// A panel of a convolution.
    Conv(conv::Link),
    /// The inputs of a convolution are kept for later pixels: those numbers of the registers; of a row, from number `row` on.
    Keep {
        inputs: Range<usize>,
        row: usize,
    },
    Quantize(elementwise::Quantize),
    /// An op as it is.
    Op,
}

/// The parts of all ops for each colour, each with the number of its op.
pub(super) struct Chain(Vec<Vec<(usize, Link)>>);

impl Chain {
    pub(super) fn new<A: Pack>(ops: &[Op<A>], image: Image) -> Self {
        let colour = |group: usize| {
            let mut links = Vec::new();
            for (n, op) in ops.iter().enumerate() {
                match op {
                    Op::Conv(conv) => {
                        let panels = conv.links(group, image.width, image.levels);
                        links.extend(panels.into_iter().map(|link| (n, Link::Conv(link))));
                        // All colours at once, after the last one.
                        let keep = conv.keeps().filter(|_| group + 1 == image.channels);
                        links.extend(keep.map(|inputs| (n, Link::Keep { inputs, row: 0 })));
                    }
                    Op::Elementwise(record) => links.push(match record.quantize() {
                        Some(quantize) => (n, Link::Quantize(elementwise::Quantize::new::<A>(quantize, group, image))),
                        None => (n, Link::Op),
                    }),
                    Op::Lstm(_) => links.push((n, Link::Op)),
                }
            }
            links
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
        for (n, link) in self.0.iter_mut().flatten() {
            let rows = kept.get(*n)?.rows();
            match (link, ops.get(*n)?) {
                (Link::Conv(link), Op::Conv(conv)) => conv.begin_row(link, step, rows, shared, kernel)?,
                (Link::Keep { row, .. }, _) => *row = rows?.at(0, step.row, 0, 0, 0),
                _ => {}
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
        for (n, link) in self.0.get(step.groups.start)? {
            match link {
                Link::Conv(link) => {
                    let rows = if link.reads_rows() { kept.get(*n)?.rows() } else { None };
                    link.run::<A, K>(step.column, rows, shared, kernel)?;
                }
                Link::Quantize(quantize) => quantize.run::<A>(&mut shared.registers)?,
                Link::Keep { inputs, row } => {
                    let rows = kept.get_mut(*n)?.rows_mut()?;
                    let here = rows.along(*row, step.column);
                    let (x, y) = (shared.registers.numbers()?.get(inputs.clone())?, rows.numbers_mut());
                    map_within(
                        x,
                        y.get_mut(here..here + x.len())?,
                        #[inline(always)]
                        |x, y| *y = x,
                    );
                }
                Link::Op => match (ops.get(*n)?, kept.get_mut(*n)?) {
                    (Op::Lstm(lstm), Kept::Lstm(state)) => lstm.alone(step, state, shared, kernel)?,
                    (Op::Elementwise(record), _) => elementwise::run::<A, K>(record, step, shared, kernel)?,
                    _ => {}
                },
            }
        }
        Some(())
    }
}
