//! All ops at a pixel of one image, one after the other, which is what a batch of one waits for.

use super::conv::ConvPanel;
use crate::exec::batched::elementwise;
use crate::exec::batched::ops::{Op, OpState};
use crate::exec::batched::pack::Pack;
use crate::exec::batched::step::{Scratch, Step};
use crate::kernels::Kernel;
use crate::network::Image;
use core::ops::Range;

/// A part of an op.
#[repr(u8)] // a number in its own place is quicker to read than one that hides in a field, at each op of each pixel
enum Instruction {
    /// A panel of a convolution.
    Conv(ConvPanel),
    /// The inputs of a convolution are kept for later pixels: those numbers of the registers.
    Keep(Range<usize>),
    Quantize(elementwise::Quantize),
    /// An op as it is.
    Op,
}

/// The parts of all ops for each colour, each with the number of its op.
pub(in crate::exec::batched) struct Program(Vec<Vec<(usize, Instruction)>>);

impl Program {
    pub(in crate::exec::batched) fn new<A: Pack>(ops: &[Op<A>], image: Image) -> Self {
        let colour = |group: usize| {
            let mut parts = Vec::new();
            for (n, op) in ops.iter().enumerate() {
                match op {
                    Op::Conv(conv) => {
                        let panels = conv.conv_panels(group, image.width, image.levels);
                        parts.extend(panels.into_iter().map(|panel_of| (n, Instruction::Conv(panel_of))));
                        // All colours at once, after the last one.
                        let keep = conv.keeps().filter(|_| group + 1 == image.channels);
                        parts.extend(keep.map(|inputs| (n, Instruction::Keep(inputs))));
                    }
                    Op::Elementwise(record) => parts.push(match record.quantize() {
                        Some(quantize) => {
                            (n, Instruction::Quantize(elementwise::Quantize::new::<A>(quantize, group, image)))
                        }
                        None => (n, Instruction::Op),
                    }),
                    Op::Lstm(_) => parts.push((n, Instruction::Op)),
                }
            }
            parts
        };
        Self((0..image.channels).map(colour).collect())
    }

    /// Before the first pixel of a row.
    #[inline(always)]
    pub(in crate::exec::batched) fn begin_row<A: Pack, K: Kernel>(
        &mut self,
        ops: &[Op<A>],
        kept: &[OpState<A>],
        step: &Step,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Option<()> {
        for (n, part) in self.0.iter_mut().flatten() {
            if let (Instruction::Conv(panel_of), Op::Conv(conv)) = (part, ops.get(*n)?) {
                conv.begin_row(panel_of, step, kept.get(*n)?.rows(), scratch, kernel)?;
            }
        }
        Some(())
    }

    /// Runs all ops for the step's colour.
    #[inline(always)]
    pub(in crate::exec::batched) fn run<A: Pack, K: Kernel>(
        &self,
        ops: &[Op<A>],
        kept: &mut [OpState<A>],
        step: &Step,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Option<()> {
        for (n, part) in self.0.get(step.groups.start)? {
            match part {
                Instruction::Conv(panel_of) => {
                    let rows = if panel_of.reads_rows() { kept.get(*n)?.rows() } else { None };
                    panel_of.run::<A, K>(step, rows, scratch, kernel)?;
                }
                Instruction::Quantize(quantize) => quantize.run::<A>(&mut scratch.registers)?,
                Instruction::Keep(inputs) => {
                    let rows = kept.get_mut(*n)?.rows_mut()?;
                    let x = scratch.registers.slice()?.get(inputs.clone())?;
                    rows.keep_single(rows.at(0, step.row, 0, step.column, 0), x)?;
                }
                Instruction::Op => match (ops.get(*n)?, kept.get_mut(*n)?) {
                    (Op::Lstm(lstm), OpState::Lstm(state)) => lstm.single(step, state, scratch, kernel)?,
                    (Op::Elementwise(record), _) => elementwise::run::<A, K>(record, step, scratch, kernel)?,
                    _ => {}
                },
            }
        }
        Some(())
    }
}
