//! The flat list of instructions that one pixel of one image takes.

use super::conv::ConvPanel;
use crate::exec::batched::elementwise;
use crate::exec::batched::ops::{Op, OpState};
use crate::exec::batched::pack::Pack;
use crate::exec::batched::step::{Scratch, Step};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::network::Image;
use core::ops::Range;

/// A step of the program: an op, or a part of one.
#[repr(u8)] // explicit tag: avoids niche decoding on every instruction
enum Instruction {
    /// A panel of a convolution.
    Conv(ConvPanel),
    /// Keeps the inputs of a convolution, a range of the registers, for later pixels.
    Keep(Range<usize>),
    /// Quantization.
    Quantize(elementwise::Quantize),
    /// An op by its general function.
    Op,
}

/// The instructions for each colour, each with the index of its op.
pub(in crate::exec::batched) struct Program(Vec<Vec<(usize, Instruction)>>);

impl Program {
    pub(in crate::exec::batched) fn new<A: Pack>(ops: &[Op<A>], image: Image) -> Self {
        let colour = |group: usize| {
            let mut parts = Vec::new();
            for (n, op) in ops.iter().enumerate() {
                match op {
                    Op::Conv(conv) => {
                        let panels = conv.conv_panels(group, image.width, image.levels);
                        parts.extend(panels.into_iter().map(|panel| (n, Instruction::Conv(panel))));
                        // All colours at once, after the last one.
                        let keep = conv.keeps().filter(|_| group + 1 == image.channels);
                        parts.extend(keep.map(|inputs| (n, Instruction::Keep(inputs))));
                    }
                    Op::Quantize(record) => {
                        parts.push((n, Instruction::Quantize(elementwise::Quantize::new::<A>(record, group, image))));
                    }
                    Op::Lstm(_) | Op::Elementwise(_) => parts.push((n, Instruction::Op)),
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
    ) -> Result<(), Corrupt> {
        for (n, part) in self.0.iter_mut().flatten() {
            if let (Instruction::Conv(panel), Op::Conv(conv)) = (part, ops.get(*n).ok_or(Corrupt)?) {
                conv.begin_row(panel, step, kept.get(*n).ok_or(Corrupt)?.rows(), scratch, kernel)?;
            }
        }
        Ok(())
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
    ) -> Result<(), Corrupt> {
        for (n, part) in self.0.get(step.groups.start).ok_or(Corrupt)? {
            match part {
                Instruction::Conv(panel) => {
                    let rows = if panel.reads_rows() { kept.get(*n).ok_or(Corrupt)?.rows() } else { None };
                    panel.run::<A, K>(step, rows, scratch, kernel)?;
                }
                Instruction::Quantize(quantize) => quantize.run::<A>(&mut scratch.registers)?,
                Instruction::Keep(inputs) => {
                    let rows = kept.get_mut(*n).ok_or(Corrupt)?.rows_mut().ok_or(Corrupt)?;
                    let x = scratch.registers.slice().ok_or(Corrupt)?.get(inputs.clone()).ok_or(Corrupt)?;
                    rows.keep_single(rows.at(0, step.row, 0, step.column, 0), x)?;
                }
                Instruction::Op => match (ops.get(*n).ok_or(Corrupt)?, kept.get_mut(*n).ok_or(Corrupt)?) {
                    (Op::Lstm(lstm), OpState::Lstm(state)) => lstm.single(step, state, scratch, kernel)?,
                    (Op::Elementwise(record), OpState::Nothing) => {
                        elementwise::run::<A, K>(record.elementwise().ok_or(Corrupt)?, step, scratch, kernel)?;
                    }
                    (Op::Conv(_) | Op::Lstm(_) | Op::Quantize(_) | Op::Elementwise(_), _) => return Err(Corrupt),
                },
            }
        }
        Ok(())
    }
}
