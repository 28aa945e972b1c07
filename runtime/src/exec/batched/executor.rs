//! Executor of all ops: forward pass of a step, and the end of a row.

use super::graph::{self, GraphOp, MapShape};
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
use crate::blob::{Model, Phase};
use crate::exec::error::Corrupt;
use crate::kernels::gemm::Pieces;
use crate::kernels::{Host, Kernel, Task};
use crate::network::{Image, Output};

/// Memory and op states of the images being computed.
pub(super) struct Executor<A: Pack> {
    pub(super) scratch: Scratch,
    /// Memory for whole rows of a single image, in a graph.
    row_scratch: Option<Scratch>,
    /// Frequencies of the step's values out of 2²⁴: `[columns, channels]` in a [`super::Scorer`], `[images]` of one channel in a
    /// [`super::Batch`].
    pub(super) frequencies: Vec<u32>,
    op_states: Vec<OpState<A>>,
    /// Single-image path; `None` for more than one column of the batch.
    program: Option<Program>,
    /// Input activation of each value, `[levels]`.
    table: Vec<A::Input>,
    image: Image,
    /// True if one pass computes one logit of each channel.
    spread: bool,
}

impl<A: Pack> Executor<A> {
    /// Executor of `images` images, `columns` image columns per step.
    pub(super) fn new(
        ops: &Ops<A>,
        model: &Model<'_>,
        images: usize,
        columns: usize,
        scores_rows: bool,
    ) -> Option<Self> {
        let (image, header) = (model.image(), model.header());
        let op_states = ops.all.iter().enumerate().map(|(n, op)| match op {
            Op::Conv(conv) => OpState::Conv(conv.state(images, image.width)),
            Op::Lstm(lstm) => OpState::Lstm(Box::new(lstm.state(images, columns, image.width))),
            Op::Graph(GraphOp::Keep(record)) => {
                let shape = ops.maps.iter().find(|(map, _)| *map == n).map_or(MapShape::default(), |(_, shape)| *shape);
                graph::state(record, shape, images, image)
            }
            Op::Quantize(_) | Op::Elementwise(_) | Op::Graph(_) => OpState::Nothing,
        });
        let pieces = ops.all.iter().map(|op| match op {
            Op::Conv(conv) => conv.pieces(),
            Op::Lstm(lstm) => lstm.pieces(),
            Op::Quantize(_) | Op::Elementwise(_) | Op::Graph(_) => 0,
        });
        let pieces = pieces.max().unwrap_or(0);
        let scratch = |columns: usize| {
            let max_columns = images * columns.max(if images == 1 { image.width } else { 1 });
            let register_bytes = header.register_bytes as usize;
            Scratch {
                registers: Registers::new(images * columns, register_bytes),
                logits: vec![0; images * columns * image.channels * image.levels],
                sums: vec![0; max_columns * OUTPUTS.max(register_bytes)],
                pieces: Pieces::with_capacity(pieces),
                levels: image.levels,
                logit_stride: image.channels * image.levels,
                values: vec![0; images * columns],
            }
        };
        let rows = ops.segments.iter().any(|segment| graph::is_by_row(segment.phase));
        let table: &[A::Activation] = model.slice(header.input_table, 0..image.levels)?;
        let ungrouped = ops.groups < image.channels;
        Some(Self {
            scratch: scratch(columns),
            row_scratch: (rows && images == 1 && !scores_rows).then(|| scratch(image.width)),
            frequencies: vec![0; images * columns * image.channels],
            program: (images * columns == 1 && !scores_rows).then(|| Program::new(ops, image)),
            op_states: op_states.collect(),
            table: table.iter().map(|x| A::input(*x)).collect(),
            image,
            spread: ungrouped && model.output() == Output::Bernoulli,
        })
    }

    /// Resets all op states before an image.
    pub(super) fn restart(&mut self, ops: &Ops<A>, width: usize) -> Result<(), Corrupt> {
        for (op, op_state) in ops.all.iter().zip(&mut self.op_states) {
            match (op, op_state) {
                (Op::Conv(conv), OpState::Conv(state)) => conv.restart(state),
                (Op::Lstm(lstm), OpState::Lstm(state)) => lstm.restart(state, width)?,
                (Op::Graph(GraphOp::Keep(record)), state) => graph::restart(record, state),
                (Op::Quantize(_) | Op::Elementwise(_) | Op::Graph(_), OpState::Nothing) => {}
                (Op::Conv(_) | Op::Lstm(_) | Op::Quantize(_) | Op::Elementwise(_) | Op::Graph(_), _) => {
                    return Err(Corrupt);
                }
            }
        }
        Ok(())
    }

    /// Runs the segments that are due at a moment, each at its positions, at all columns of the batch.
    #[inline(always)]
    pub(super) fn run<K: Kernel>(
        &mut self,
        ops: &Ops<A>,
        step: &Step,
        moment: Moment,
        kernel: K,
    ) -> Result<(), Corrupt> {
        for segment in ops.segments.iter().filter(|segment| moment.is_due(segment.phase)) {
            let by_row = matches!(moment, Moment::RowBegins | Moment::RowEnds);
            let ahead = if by_row || moment == Moment::Scored { segment.rows_ahead } else { 0 };
            // A row that is ahead of the first one comes with all before it.
            let first_row = if step.row == 0 { 0 } else { step.row + ahead };
            let (columns, each) = match (by_row, self.row_scratch.is_some()) {
                (false, _) => (step.column..step.column + 1, step.columns),
                (true, true) => (0..1, step.width),
                (true, false) => (0..step.width, 1),
            };
            let scratch = self.row_scratch.as_mut().filter(|_| by_row).unwrap_or(&mut self.scratch);
            for row in first_row..(step.row + ahead + 1).min(self.image.height) {
                for column in columns.clone() {
                    let groups = if by_row { 0..step.all_groups } else { step.groups.clone() };
                    let at = Step { row, column, columns: each, groups, ..step.clone() };
                    for n in segment.ops.clone() {
                        graph::op(n, ops.all.get(n).ok_or(Corrupt)?, &mut self.op_states, &at, scratch, kernel)?;
                    }
                }
            }
        }
        if matches!(moment, Moment::Pixel | Moment::Scored) {
            self.spread_logits(step);
        }
        Ok(())
    }

    /// Fills the rows of maps that lie below the image.
    pub(super) fn pad_below(&mut self, ops: &Ops<A>, step: &Step) {
        for (n, shape) in ops.maps.iter().filter(|(_, shape)| shape.below > 0) {
            let row = step.row + shape.below;
            if let (Some(Op::Graph(GraphOp::Keep(record))), Some(state)) = (ops.all.get(*n), self.op_states.get_mut(*n))
                && row >= self.image.height
            {
                graph::pad_row(record, state, row, self.image, step.images);
            }
        }
    }

    /// Without colour groups, one logit of each channel moves to the place of the channel's two.
    fn spread_logits(&mut self, step: &Step) {
        if !self.spread {
            return;
        }
        let Image { channels, levels, .. } = self.image;
        let columns = self.scratch.logits.chunks_exact_mut(self.scratch.logit_stride).take(step.batch_columns());
        for logits in columns {
            for channel in (1..channels).rev() {
                logits[channel * levels] = logits[channel];
            }
        }
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
            program.begin_row(&ops.all, &self.op_states, step, &mut self.scratch, kernel)?;
        }
        program.run(&ops.all, &mut self.op_states, step, &mut self.scratch, kernel)?;
        self.spread_logits(step);
        Ok(())
    }

    /// Ends a row: runs the sweeps of the right halves.
    #[inline(always)]
    pub(super) fn end_row<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Result<(), Corrupt> {
        for (op, op_state) in ops.all.iter().zip(&mut self.op_states) {
            if let (Op::Lstm(lstm), OpState::Lstm(state)) = (op, op_state)
                && lstm.kind == Kind::Right
            {
                lstm.sweep(step, state, &mut self.scratch, kernel)?;
            }
        }
        Ok(())
    }

    /// Writes a value's activation to the input register, and to the caches of the ops that keep the image.
    pub(super) fn store(
        &mut self,
        ops: &Ops<A>,
        step: &Step,
        batch_column: usize,
        channel: usize,
        value: u8,
    ) -> Result<(), Corrupt> {
        let x = *self.table.get(usize::from(value)).ok_or(Corrupt)?;
        let channels = self.image.channels;
        let registers = self.scratch.registers.get_mut(0, channels).ok_or(Corrupt)?;
        *registers.get_mut(batch_column * channels + channel).ok_or(Corrupt)? = x;
        *self.scratch.values.get_mut(batch_column).ok_or(Corrupt)? = value;
        let (image, column) = step.batch_column(batch_column);
        for op in &ops.of_image {
            if let Some(rows) = self.op_states.get_mut(*op).and_then(OpState::rows_mut) {
                *rows.get_mut(image, step.row, column).ok_or(Corrupt)?.get_mut(channel).ok_or(Corrupt)? = x;
            }
        }
        Ok(())
    }
}

/// Moment at which segments run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the first pixel of a row.
    RowBegins,
    /// At a pixel.
    Pixel,
    /// After the values of a colour group are known.
    GroupKnown,
    /// After the last pixel of a row.
    RowEnds,
    /// In a [`super::Scorer`], whose steps are whole rows of one image: all segments, in the order of the records.
    Scored,
}

impl Moment {
    const fn is_due(self, phase: Phase) -> bool {
        match self {
            Self::RowBegins => matches!(phase, Phase::Given | Phase::Above),
            Self::Pixel => matches!(phase, Phase::Past),
            Self::GroupKnown => matches!(phase, Phase::Itself),
            Self::RowEnds => matches!(phase, Phase::Row),
            Self::Scored => true,
        }
    }
}

/// Monomorphic entry points of the executor: its two large functions are compiled once per arithmetic, in this crate only.
pub(super) trait Execute: Pack {
    /// Ops that are due at a moment.
    fn forward(
        executor: &mut Executor<Self>,
        ops: &Ops<Self>,
        step: &Step,
        moment: Moment,
        kernel: Host,
    ) -> Result<(), Corrupt>;
    /// [`Executor::end_row`] with the best code of `kernel`.
    fn end_row(executor: &mut Executor<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Result<(), Corrupt>;
}

macro_rules! execute {
    ($($arithmetic:ty),*) => {$(
        impl Execute for $arithmetic {
            fn forward(
                executor: &mut Executor<Self>,
                ops: &Ops<Self>,
                step: &Step,
                moment: Moment,
                kernel: Host,
            ) -> Result<(), Corrupt> {
                forward(executor, ops, step, moment, kernel)
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
struct Forward<'j, A: Pack>(Arguments<'j, A>, Moment);

impl<A: Pack> Task for Forward<'_, A> {
    type Output = Result<(), Corrupt>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Result<(), Corrupt> {
        self.0.executor.run(self.0.ops, self.0.step, self.1, kernel)
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

/// Ops that are due at a moment, by the single-image path if it applies.
fn forward<A: Pack>(
    executor: &mut Executor<A>,
    ops: &Ops<A>,
    step: &Step,
    moment: Moment,
    kernel: Host,
) -> Result<(), Corrupt> {
    let single = moment == Moment::Pixel && executor.is_single(step);
    let arguments = Arguments { executor, ops, step };
    if single { kernel.dispatch(ForwardSingle(arguments)) } else { kernel.dispatch(Forward(arguments, moment)) }
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
    pub(super) fn new(packed: &PackedModel<'_>, images: usize, columns: usize, scores_rows: bool) -> Option<Self> {
        Some(match &packed.ops {
            AnyOps::I8(ops) => Self::I8(Executor::new(ops, &packed.model, images, columns, scores_rows)?),
            #[cfg(feature = "a16")]
            AnyOps::I8A16(ops) => Self::I8A16(Executor::new(ops, &packed.model, images, columns, scores_rows)?),
        })
    }
}
