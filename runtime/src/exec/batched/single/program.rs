//! Flat instruction list for one pixel of a single image.

use super::conv::ConvPanel;
use crate::exec::batched::elementwise;
use crate::exec::batched::graph;
use crate::exec::batched::ops::{Op, OpState, Ops};
use crate::exec::batched::pack::Pack;
use crate::exec::batched::step::{Scratch, Step};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::network::Image;
use core::ops::Range;

/// Instruction: an op, or a part of one.
#[repr(u8)] // explicit tag: avoids niche decoding on every instruction
enum Instruction {
    /// One panel of a convolution.
    Conv(ConvPanel),
    /// Copies the inputs of a convolution, a range of the registers, to its cache.
    Keep(Range<usize>),
    /// Quantization.
    Quantize(elementwise::Quantize),
    /// Whole op: an LSTM or an elementwise op.
    Op,
}

/// Instructions of each colour group, with the index of their op.
pub(in crate::exec::batched) struct Program(Vec<Vec<(usize, Instruction)>>);

impl Program {
    pub(in crate::exec::batched) fn new<A: Pack>(ops: &Ops<A>, image: Image) -> Self {
        let groups = ops.groups;
        let colour = |group: usize| {
            let mut instructions = Vec::new();
            for (n, op) in ops.past() {
                match op {
                    Op::Conv(conv) if conv.is_irregular() => instructions.push((n, Instruction::Op)),
                    Op::Conv(conv) => {
                        let panels = conv.conv_panels(group, image.width, image.levels);
                        instructions.extend(panels.into_iter().map(|panel| (n, Instruction::Conv(panel))));
                        // The inputs of all groups are kept once, with the last group.
                        let keep = conv.kept_inputs().filter(|_| group + 1 == groups);
                        instructions.extend(keep.map(|inputs| (n, Instruction::Keep(inputs))));
                    }
                    Op::Quantize(record) => {
                        let quantize = elementwise::Quantize::new::<A>(record, group, groups);
                        instructions.push((n, Instruction::Quantize(quantize)));
                    }
                    Op::Lstm(_) | Op::Elementwise(_) | Op::Graph(_) => instructions.push((n, Instruction::Op)),
                }
            }
            instructions
        };
        Self((0..groups).map(colour).collect())
    }

    /// Work before the first pixel of a row: partial sums of convolutions over the rows above.
    #[inline(always)]
    pub(in crate::exec::batched) fn begin_row<A: Pack, K: Kernel>(
        &mut self,
        ops: &[Op<A>],
        op_states: &[OpState<A>],
        step: &Step,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        for (n, instruction) in self.0.iter_mut().flatten() {
            if let (Instruction::Conv(panel), Op::Conv(conv)) = (instruction, ops.get(*n).ok_or(Corrupt)?) {
                let rows = op_states.get(conv.map.unwrap_or(*n)).ok_or(Corrupt)?.rows();
                conv.begin_row(panel, step, rows, scratch, kernel)?;
            }
        }
        Ok(())
    }

    /// Runs the instructions of the step's colour group.
    #[inline(always)]
    pub(in crate::exec::batched) fn run<A: Pack, K: Kernel>(
        &self,
        ops: &[Op<A>],
        op_states: &mut [OpState<A>],
        step: &Step,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        for (n, instruction) in self.0.get(step.groups.start).ok_or(Corrupt)? {
            match instruction {
                Instruction::Conv(panel) => {
                    let from = panel.map.unwrap_or(*n);
                    let rows = if panel.reads_rows() { op_states.get(from).ok_or(Corrupt)?.rows() } else { None };
                    panel.run::<A, K>(step, rows, scratch, kernel)?;
                }
                Instruction::Quantize(quantize) => quantize.run::<A>(&mut scratch.registers)?,
                Instruction::Keep(inputs) => {
                    let rows = op_states.get_mut(*n).ok_or(Corrupt)?.rows_mut().ok_or(Corrupt)?;
                    let x = scratch.registers.slice().ok_or(Corrupt)?.get(inputs.clone()).ok_or(Corrupt)?;
                    rows.keep_single(rows.at(0, step.row, 0, step.column, 0), x)?;
                }
                Instruction::Op => match (ops.get(*n).ok_or(Corrupt)?, op_states.get_mut(*n).ok_or(Corrupt)?) {
                    (Op::Lstm(lstm), OpState::Lstm(state)) => lstm.single(step, state, scratch, kernel)?,
                    (op, _) => graph::op(*n, op, op_states, step, scratch, kernel)?,
                },
            }
        }
        Ok(())
    }
}
