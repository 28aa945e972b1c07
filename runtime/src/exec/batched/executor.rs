//! Executor of all ops: forward pass of a step, and the end of a row.

use super::elementwise;
use super::lstm::Kind;
use super::model::{AnyOps, PackedModel};
use super::ops::{Op, OpState, Ops};
use super::pack::Pack;
use super::packed_matrix::OUTPUTS;
use super::registers::Registers;
use super::single::Program;
use super::step::{Scratch, Step};
use crate::arithmetic::Int8;
#[cfg(feature = "a16")]
use crate::arithmetic::Int8A16;
use crate::blob::Model;
use crate::exec::error::Corrupt;
use crate::kernels::gemm::Pieces;
use crate::kernels::{Host, Kernel, Task};

/// Memory and op states of the images being computed.
pub(super) struct Executor<A: Pack> {
    pub(super) scratch: Scratch,
    /// Frequencies of the step's values out of 2²⁴: `[columns, channels]` in a [`super::Scorer`], `[images]` of one channel in a
    /// [`super::Batch`].
    pub(super) frequencies: Vec<u32>,
    op_states: Vec<OpState<A>>,
    /// Single-image path; `None` for more than one column of the batch.
    program: Option<Program>,
    /// Input activation of each value, `[levels]`.
    table: Vec<A::Input>,
}

impl<A: Pack> Executor<A> {
    /// Executor of `images` images, `columns` image columns per step.
    pub(super) fn new(ops: &Ops<A>, model: &Model<'_>, images: usize, columns: usize) -> Option<Self> {
        let (image, header) = (model.image(), model.header());
        let max_columns = images * columns.max(if images == 1 { image.width } else { 1 });
        let register_bytes = header.register_bytes as usize;
        let op_states = ops.0.iter().map(|op| match op {
            Op::Conv(conv) => OpState::Conv(conv.state(images, image.width)),
            Op::Lstm(lstm) => OpState::Lstm(Box::new(lstm.state(images, columns, image.width))),
            Op::Quantize(_) | Op::Elementwise(_) => OpState::Nothing,
        });
        let pieces = ops
            .0
            .iter()
            .map(|op| match op {
                Op::Conv(conv) => conv.pieces(),
                Op::Lstm(lstm) => lstm.pieces(),
                Op::Quantize(_) | Op::Elementwise(_) => 0,
            })
            .max();
        let table: &[A::Activation] = model.slice(header.input_table, 0..image.levels)?;
        Some(Self {
            scratch: Scratch {
                registers: Registers::new(images * columns, register_bytes),
                logits: vec![0; images * columns * image.channels * image.levels],
                sums: vec![0; max_columns * OUTPUTS.max(register_bytes)],
                pieces: Pieces::with_capacity(pieces.unwrap_or(0)),
                levels: image.levels,
            },
            frequencies: vec![0; images * columns * image.channels],
            program: (images * columns == 1).then(|| Program::new(&ops.0, image)),
            op_states: op_states.collect(),
            table: table.iter().map(|x| A::input(*x)).collect(),
        })
    }

    /// Resets all op states before an image.
    pub(super) fn restart(&mut self, ops: &Ops<A>, width: usize) -> Result<(), Corrupt> {
        for (op, op_state) in ops.0.iter().zip(&mut self.op_states) {
            match (op, op_state) {
                (Op::Conv(conv), OpState::Conv(state)) => conv.restart(state),
                (Op::Lstm(lstm), OpState::Lstm(state)) => lstm.restart(state, width)?,
                (Op::Quantize(_) | Op::Elementwise(_), OpState::Nothing) => {}
                (Op::Conv(_) | Op::Lstm(_) | Op::Quantize(_) | Op::Elementwise(_), _) => return Err(Corrupt),
            }
        }
        Ok(())
    }

    /// Runs all ops at all columns of the batch.
    #[inline(always)]
    pub(super) fn run<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Result<(), Corrupt> {
        for (op, op_state) in ops.0.iter().zip(&mut self.op_states) {
            match (op, op_state) {
                (Op::Conv(conv), OpState::Conv(state)) => conv.run(step, state, &mut self.scratch, kernel)?,
                (Op::Lstm(lstm), OpState::Lstm(state)) => lstm.run(step, state, &mut self.scratch, kernel)?,
                (Op::Quantize(record), OpState::Nothing) => {
                    elementwise::quantize::<A, K>(record, step, &mut self.scratch, kernel)?;
                }
                (Op::Elementwise(record), OpState::Nothing) => {
                    elementwise::run::<A, K>(record.elementwise().ok_or(Corrupt)?, step, &mut self.scratch, kernel)?;
                }
                (Op::Conv(_) | Op::Lstm(_) | Op::Quantize(_) | Op::Elementwise(_), _) => return Err(Corrupt),
            }
        }
        Ok(())
    }

    /// True if [`Executor::run_single`] applies: one colour, one column of the batch.
    pub(super) fn is_single(&self, step: &Step) -> bool {
        self.program.is_some() && step.groups.len() == 1
    }

    /// Fast path of [`Executor::run`] for one pixel of a single image: same result.
    #[inline(always)]
    pub(super) fn run_single<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Result<(), Corrupt> {
        let program = self.program.as_mut().ok_or(Corrupt)?;
        if step.begins_row() {
            program.begin_row(&ops.0, &self.op_states, step, &mut self.scratch, kernel)?;
        }
        program.run(&ops.0, &mut self.op_states, step, &mut self.scratch, kernel)
    }

    /// Ends a row: runs the sweeps of the right halves.
    #[inline(always)]
    pub(super) fn end_row<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Result<(), Corrupt> {
        for (op, op_state) in ops.0.iter().zip(&mut self.op_states) {
            if let (Op::Lstm(lstm), OpState::Lstm(state)) = (op, op_state)
                && lstm.kind == Kind::Right
            {
                lstm.sweep(step, state, &mut self.scratch, kernel)?;
            }
        }
        Ok(())
    }

    /// Writes a value's activation to the input register, and to the cache of the first convolution.
    pub(super) fn store(&mut self, step: &Step, batch_column: usize, channel: usize, value: u8) -> Result<(), Corrupt> {
        let x = *self.table.get(usize::from(value)).ok_or(Corrupt)?;
        let channels = step.all_groups;
        *self
            .scratch
            .registers
            .get_mut(0, channels)
            .ok_or(Corrupt)?
            .get_mut(batch_column * channels + channel)
            .ok_or(Corrupt)? = x;
        if let Some(rows) = self.op_states.first_mut().and_then(OpState::rows_mut) {
            let (image, column) = step.batch_column(batch_column);
            *rows.get_mut(image, step.row, column).ok_or(Corrupt)?.get_mut(channel).ok_or(Corrupt)? = x;
        }
        Ok(())
    }
}

/// Monomorphic entry points of the executor: its two large functions are compiled once per arithmetic, in this crate only.
pub(super) trait Execute: Pack {
    /// Forward pass of a step.
    fn forward(executor: &mut Executor<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Result<(), Corrupt>;
    /// [`Executor::end_row`] with the best code of `kernel`.
    fn end_row(executor: &mut Executor<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Result<(), Corrupt>;
}

macro_rules! execute {
    ($($arithmetic:ty),*) => {$(
        impl Execute for $arithmetic {
            fn forward(executor: &mut Executor<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Result<(), Corrupt> {
                forward(executor, ops, step, kernel)
            }

            fn end_row(executor: &mut Executor<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Result<(), Corrupt> {
                end_row(executor, ops, step, kernel)
            }
        }
    )*};
}
execute!(Int8);
#[cfg(feature = "a16")]
execute!(Int8A16);

/// Arguments of the tasks below.
struct Arguments<'j, A: Pack> {
    executor: &'j mut Executor<A>,
    ops: &'j Ops<A>,
    step: &'j Step,
}

/// Task of [`Executor::run`].
struct Forward<'j, A: Pack>(Arguments<'j, A>);

impl<A: Pack> Task for Forward<'_, A> {
    type Output = Result<(), Corrupt>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Result<(), Corrupt> {
        self.0.executor.run(self.0.ops, self.0.step, kernel)
    }
}

/// Task of [`Executor::run_single`].
struct ForwardSingle<'j, A: Pack>(Arguments<'j, A>);

impl<A: Pack> Task for ForwardSingle<'_, A> {
    type Output = Result<(), Corrupt>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Result<(), Corrupt> {
        self.0.executor.run_single(self.0.ops, self.0.step, kernel)
    }
}

/// Task of [`Executor::end_row`].
struct EndRow<'j, A: Pack>(Arguments<'j, A>);

impl<A: Pack> Task for EndRow<'_, A> {
    type Output = Result<(), Corrupt>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Result<(), Corrupt> {
        self.0.executor.end_row(self.0.ops, self.0.step, kernel)
    }
}

/// Forward pass of a step, by the single-image path if it applies.
fn forward<A: Pack>(executor: &mut Executor<A>, ops: &Ops<A>, step: &Step, kernel: Host) -> Result<(), Corrupt> {
    let single = executor.is_single(step);
    let arguments = Arguments { executor, ops, step };
    if single { kernel.dispatch(ForwardSingle(arguments)) } else { kernel.dispatch(Forward(arguments)) }
}

/// End of a row.
fn end_row<A: Pack>(executor: &mut Executor<A>, ops: &Ops<A>, step: &Step, kernel: Host) -> Result<(), Corrupt> {
    kernel.dispatch(EndRow(Arguments { executor, ops, step }))
}

/// Executor by the arithmetic of its model.
pub(super) enum AnyExecutor {
    I8(Executor<Int8>),
    #[cfg(feature = "a16")]
    I8A16(Executor<Int8A16>),
}

impl AnyExecutor {
    pub(super) fn new(packed: &PackedModel<'_>, images: usize, columns: usize) -> Option<Self> {
        Some(match &packed.ops {
            AnyOps::I8(ops) => Self::I8(Executor::new(ops, &packed.model, images, columns)?),
            #[cfg(feature = "a16")]
            AnyOps::I8A16(ops) => Self::I8A16(Executor::new(ops, &packed.model, images, columns)?),
        })
    }
}
