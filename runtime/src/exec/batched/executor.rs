//! All ops at the places of a step, and what waits for the end of a row.

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

/// Images in the making.
pub(super) struct Executor<A: Pack> {
    pub(super) scratch: Scratch,
    /// How probable the values of a step were, of 2²⁴, `[batch_columns, channels]`; where places are images, one channel's alone.
    pub(super) frequencies: Vec<u32>,
    kept: Vec<OpState<A>>,
    /// Where one image is made pixel by pixel; elsewhere, `None`.
    program: Option<Program>,
    /// The activation of each value.
    table: Vec<A::Input>,
}

impl<A: Pack> Executor<A> {
    /// A walk of `images` images, `columns` columns at a time.
    pub(super) fn new(ops: &Ops<A>, model: &Model<'_>, images: usize, columns: usize) -> Option<Self> {
        let (image, header) = (model.image(), model.header());
        let most = images * columns.max(if images == 1 { image.width } else { 1 });
        let widest = header.register_bytes as usize;
        let kept = ops.0.iter().map(|op| match op {
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
                registers: Registers::new(images * columns, widest),
                logits: vec![0; images * columns * image.channels * image.levels],
                sums: vec![0; most * OUTPUTS.max(widest)],
                pieces: Pieces::with_capacity(pieces.unwrap_or(0)),
                levels: image.levels,
            },
            frequencies: vec![0; images * columns * image.channels],
            program: (images * columns == 1).then(|| Program::new(&ops.0, image)),
            kept: kept.collect(),
            table: table.iter().map(|x| A::input(*x)).collect(),
        })
    }

    /// Goes back to the first pixel.
    pub(super) fn restart(&mut self, ops: &Ops<A>, width: usize) -> Result<(), Corrupt> {
        for (op, kept) in ops.0.iter().zip(&mut self.kept) {
            match (op, kept) {
                (Op::Conv(conv), OpState::Conv(state)) => conv.restart(state),
                (Op::Lstm(lstm), OpState::Lstm(state)) => lstm.restart(state, width)?,
                (Op::Quantize(_) | Op::Elementwise(_), OpState::Nothing) => {}
                (Op::Conv(_) | Op::Lstm(_) | Op::Quantize(_) | Op::Elementwise(_), _) => return Err(Corrupt),
            }
        }
        Ok(())
    }

    /// Runs all ops.
    #[inline(always)]
    pub(super) fn run<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Result<(), Corrupt> {
        for (op, kept) in ops.0.iter().zip(&mut self.kept) {
            match (op, kept) {
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

    /// Whether [`Executor::run_single`] is the way to go: a colour of the only place.
    pub(super) fn is_single(&self, step: &Step) -> bool {
        self.program.is_some() && step.groups.len() == 1
    }

    /// As [`Executor::run`], at a pixel of the only image.
    #[inline(always)]
    pub(super) fn run_single<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Result<(), Corrupt> {
        let program = self.program.as_mut().ok_or(Corrupt)?;
        if step.begins_row() {
            program.begin_row(&ops.0, &self.kept, step, &mut self.scratch, kernel)?;
        }
        program.run(&ops.0, &mut self.kept, step, &mut self.scratch, kernel)
    }

    /// After a row: the sweeps of the right halves.
    #[inline(always)]
    pub(super) fn end_row<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Result<(), Corrupt> {
        for (op, kept) in ops.0.iter().zip(&mut self.kept) {
            if let (Op::Lstm(lstm), OpState::Lstm(state)) = (op, kept)
                && lstm.kind == Kind::Right
            {
                lstm.sweep(step, state, &mut self.scratch, kernel)?;
            }
        }
        Ok(())
    }

    /// Writes a value of a place: what later pixels and colours read.
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
        if let Some(rows) = self.kept.first_mut().and_then(OpState::rows_mut) {
            let (image, column) = step.batch_column(batch_column);
            *rows.get_mut(image, step.row, column).ok_or(Corrupt)?.get_mut(channel).ok_or(Corrupt)? = x;
        }
        Ok(())
    }
}

/// The executor's two large functions, each compiled here once for each type of numbers and in no program again.
pub(super) trait Execute: Pack {
    /// Runs all ops at a step.
    fn forward(executor: &mut Executor<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Result<(), Corrupt>;
    /// Runs whatever waits for the end of a row.
    fn end_row(executor: &mut Executor<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Result<(), Corrupt>;
}

macro_rules! execute {
    ($($numbers:ty),*) => {$(
        impl Execute for $numbers {
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

/// All ops at a step.
struct Forward<'j, A: Pack> {
    executor: &'j mut Executor<A>,
    ops: &'j Ops<A>,
    step: &'j Step,
}

impl<A: Pack> Task for Forward<'_, A> {
    type Output = Result<(), Corrupt>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Result<(), Corrupt> {
        self.executor.run(self.ops, self.step, kernel)
    }
}

/// As [`Forward`], at a pixel of the only image.
struct ForwardSingle<'j, A: Pack>(Forward<'j, A>);

impl<A: Pack> Task for ForwardSingle<'_, A> {
    type Output = Result<(), Corrupt>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Result<(), Corrupt> {
        self.0.executor.run_single(self.0.ops, self.0.step, kernel)
    }
}

/// What follows a row.
struct EndRow<'j, A: Pack> {
    executor: &'j mut Executor<A>,
    ops: &'j Ops<A>,
    step: &'j Step,
}

impl<A: Pack> Task for EndRow<'_, A> {
    type Output = Result<(), Corrupt>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Result<(), Corrupt> {
        self.executor.end_row(self.ops, self.step, kernel)
    }
}

/// Runs all ops at a step.
fn forward<A: Pack>(executor: &mut Executor<A>, ops: &Ops<A>, step: &Step, kernel: Host) -> Result<(), Corrupt> {
    let forward = Forward { executor, ops, step };
    if forward.executor.is_single(step) { kernel.dispatch(ForwardSingle(forward)) } else { kernel.dispatch(forward) }
}

/// After a row.
fn end_row<A: Pack>(executor: &mut Executor<A>, ops: &Ops<A>, step: &Step, kernel: Host) -> Result<(), Corrupt> {
    kernel.dispatch(EndRow { executor, ops, step })
}

/// A walk with the numbers of its model.
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
