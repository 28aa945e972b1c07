//! Checks of a graph: its segments, and that each map has the values that are read from it.

use super::{Checked, array, bytes, ensure, logits, matrix, overlap, within_limit};
use crate::blob::plan::Plan;
use crate::blob::raw::Raw;
use crate::blob::record::{
    DType, Destination, GraphOp, GraphRecord, Instruction, JoinRecord, KeepRecord, LoadRecord, MapConvRecord, Phase,
    SegmentRecord, TableIndex, TableRecord, Vector, group_start,
};
use crate::network::Image;
use bytemuck::Zeroable;

/// Place of an op in the graph. All ops of a blob without graph are in one segment of phase [`Phase::Past`].
#[allow(clippy::struct_excessive_bools)] // answers to independent questions
pub(super) struct Place {
    pub(super) segment: SegmentRecord,
    /// Phase of the segment.
    phase: Phase,
    /// Index of the op's record.
    op: usize,
    /// Index of the segment's record.
    start: usize,
    /// True if the op may read the image's register.
    pub(super) reads_image: bool,
    /// True in a model with colour groups.
    pub(super) grouped: bool,
    /// True if the op reads, under mask A, what is known after an earlier colour of the pixel.
    earlier_colours: bool,
    /// True if the op reads features of all colour groups at once, in a phase that computes them one after the other.
    pub(super) all_groups: bool,
}

impl Place {
    /// True if registers that the segment with index `start` writes are there when the op runs.
    pub(super) fn shares_registers(&self, start: usize, segment: &SegmentRecord) -> bool {
        start == self.start
            || match (segment.phase(), self.phase) {
                (Some(Phase::Past), Phase::Past) | (Some(Phase::Itself), Phase::Itself) => true,
                // With colour groups, no register is used twice.
                (Some(Phase::Itself), Phase::Past) => self.earlier_colours,
                (Some(Phase::Past), Phase::Itself) => self.grouped,
                _ => false,
            }
    }
}

/// Walk over the records, segment by segment.
pub(super) struct Places<'r, 'a> {
    model: &'r Raw<'a>,
    graph: Option<&'a GraphRecord>,
    segment: SegmentRecord,
    phase: Phase,
    start: usize,
    /// Ops of the segment that are still to come.
    rest: usize,
    /// Bytes of maps and of op states so far, under each plan.
    maps: [u64; 2],
    states: [u64; 2],
    /// Index of the op that makes the logits.
    logits: Option<usize>,
    /// Index of the last op of phase [`Phase::Past`].
    last_past: usize,
}

const PLANS: [Plan; 2] = [Plan::Pixel, Plan::Row];

impl<'r, 'a> Places<'r, 'a> {
    pub(super) fn new(model: &'r Raw<'a>) -> Self {
        let graph = model.records().first().and_then(|record| record.graph());
        let segment = SegmentRecord { phase: Phase::Past as u8, ..SegmentRecord::zeroed() };
        let rest = if graph.is_some() { 0 } else { model.records().len() };
        let (phase, logits) = (Phase::Past, None);
        Self { model, graph, segment, phase, start: 0, rest, maps: [0; 2], states: [0; 2], logits, last_past: 0 }
    }

    /// Place of the next op.
    pub(super) fn next(&mut self, op: usize, instruction: Instruction<'a>) -> Result<Place, &'static str> {
        match instruction {
            Instruction::Graph(GraphOp::Graph(_)) => ensure(op == 0, "kind")?,
            Instruction::Graph(GraphOp::Segment(segment)) => {
                ensure(self.graph.is_some() && self.rest == 0, "ops")?;
                self.begin(op, segment)?;
            }
            _ => {
                ensure(self.rest > 0, "ops")?;
                self.rest -= 1;
            }
        }
        let first = op == self.start + usize::from(self.graph.is_some());
        self.place(op, instruction, first)
    }

    fn begin(&mut self, op: usize, segment: &SegmentRecord) -> Checked {
        self.phase = segment.phase().ok_or("phase")?;
        ensure(segment.ops > 0, "ops")?;
        let Image { height, width, .. } = self.model.image();
        let columns = usize::from(segment.columns_ahead);
        ensure(columns == 0 || (self.phase == Phase::Above && columns < width), "columns_ahead")?;
        let rows = usize::from(segment.rows_ahead);
        ensure(rows == 0 || (self.phase == Phase::Given && rows < height), "rows_ahead")?;
        ensure(segment.state.map(u64::from) == self.states, "state")?;
        (self.segment, self.start, self.rest) = (*segment, op, usize::from(segment.ops));
        Ok(())
    }

    fn place(&self, op: usize, instruction: Instruction<'_>, first: bool) -> Result<Place, &'static str> {
        let image = self.model.image().channels;
        let conv = if let Instruction::MaskedConv(conv) = instruction { Some(conv) } else { None };
        let hides = conv.is_some_and(|c| c.mask == 0 && c.input == 0 && usize::from(c.inputs) == image);
        if self.graph.is_none() {
            ensure(!matches!(instruction, Instruction::Graph(_)), "kind")?;
            ensure(op != 0 || hides, "input")?;
            let last = op + 1 == self.model.records().len();
            ensure(last == (destination(instruction) == Some(Destination::Logits)), "destination")?;
            return Ok(Place {
                segment: self.segment,
                phase: self.phase,
                op,
                start: 0,
                reads_image: op == 0,
                grouped: false,
                earlier_colours: false,
                all_groups: false,
            });
        }
        let map_conv = if let Instruction::Graph(GraphOp::Conv(conv)) = instruction { Some(conv) } else { None };
        let lstm = matches!(
            instruction,
            Instruction::RowLstm(_) | Instruction::DiagonalLeft(_) | Instruction::DiagonalRight(_)
        );
        let past = self.phase == Phase::Past;
        ensure(past || !lstm, "kind")?;
        let by_group = self.model.groups() > 1 && matches!(self.phase, Phase::Past | Phase::Itself);
        let all_groups = by_group && map_conv.is_some_and(|conv| conv.centre == 3);
        let reads_image = match self.phase {
            // The engine keeps the image for such a convolution after the pixel.
            Phase::Past => (first && hides) || map_conv.is_some_and(|conv| conv.centre == 1),
            Phase::Itself => !all_groups && conv.is_none_or(|conv| conv.kernel == [1, 1]),
            Phase::Given | Phase::Above | Phase::Row => false,
        };
        let earlier_colours = past && self.model.groups() > 1 && map_conv.is_some_and(|conv| conv.centre == 1);
        Ok(Place {
            segment: self.segment,
            phase: self.phase,
            op,
            start: self.start,
            reads_image,
            grouped: self.model.groups() > 1,
            earlier_colours,
            all_groups,
        })
    }

    /// Adds up the state of a checked op, and notes the ops that `finish` needs.
    pub(super) fn count(&mut self, op: usize, instruction: Instruction<'_>) -> Checked {
        let Image { height, width, .. } = self.model.image();
        let keep = if let Instruction::Graph(GraphOp::Keep(keep)) = instruction { Some(keep) } else { None };
        if let Some(keep) = keep {
            ensure(keep.at.map(u64::from) == self.maps, "at")?;
            let least = bytes(self.model, keep.dtype().ok_or("dtype")?) * usize::from(keep.count);
            for plan in PLANS {
                let pixels = keep.pixels(plan);
                ensure((1..=height * width).contains(&pixels) && within_limit(pixels, least), "pixels")?;
            }
        }
        for (plan, (maps, states)) in PLANS.into_iter().zip(self.maps.iter_mut().zip(&mut self.states)) {
            let bytes = instruction.state_bytes(height, width, self.model.weights(), plan) as u64;
            *if keep.is_some() { maps } else { states } += bytes;
        }
        let destination = destination(instruction);
        if destination == Some(Destination::Logits) {
            ensure(self.logits.is_none() && self.phase == Phase::Past, "destination")?;
            self.logits = Some(op);
        }
        if self.phase == Phase::Past {
            self.last_past = op;
        }
        Ok(())
    }

    /// Checks what is known at the end: the last segment is whole, the logits are made last, the maps have their size.
    pub(super) fn finish(&self) -> Checked {
        ensure(self.rest == 0, "ops")?;
        ensure(self.logits == Some(self.last_past), "destination")?;
        match self.graph {
            Some(graph) => ensure(graph.map_bytes.map(u64::from) == self.maps, "map_bytes"),
            None => Ok(()),
        }
    }
}

/// Destination of a convolution, or of the op that makes logits of a residual.
fn destination(instruction: Instruction<'_>) -> Option<Destination> {
    match instruction {
        Instruction::MaskedConv(conv) => conv.destination(),
        Instruction::Graph(GraphOp::Conv(conv)) => conv.destination(),
        Instruction::Graph(GraphOp::Logits(_)) => Some(Destination::Logits),
        Instruction::Quantize(_)
        | Instruction::Elementwise(_)
        | Instruction::RowLstm(_)
        | Instruction::DiagonalLeft(_)
        | Instruction::DiagonalRight(_)
        | Instruction::Graph(_) => None,
    }
}

/// True if the op writes the features of all colour groups at once.
pub(super) fn is_whole(instruction: Instruction<'_>) -> bool {
    matches!(instruction, Instruction::Graph(GraphOp::Load(_) | GraphOp::Table(_)))
}

/// Checks an op of a graph.
#[inline(never)]
pub(super) fn op(model: &Raw<'_>, op: GraphOp<'_>, place: &Place) -> Checked {
    match op {
        GraphOp::Graph(graph) => {
            let ungrouped = graph.ungrouped == 0 || (graph.ungrouped == 1 && model.image().channels > 1);
            ensure(ungrouped, "ungrouped")
        }
        // Checked with the places.
        GraphOp::Segment(_) | GraphOp::Keep(_) => Ok(()),
        GraphOp::Load(load) => self::load(model, load, place),
        GraphOp::Conv(conv) => self::conv(model, conv, place),
        GraphOp::Table(table) => self::table(model, table, place),
        GraphOp::Join(join) => self::join(model, join, place),
        GraphOp::Logits(of) => {
            ensure(model.groups() == 1, "kind")?;
            ensure(of.logit_shift <= 16, "logit_shift")?;
            ensure(usize::from(of.count) == logits(model), "count")
        }
    }
}

fn load(model: &Raw<'_>, load: &LoadRecord, place: &Place) -> Checked {
    let keep = map(model, load.map)?;
    ensure(load.dtype == keep.dtype, "dtype")?;
    ensure(load.count == keep.count, "count")?;
    let (rows, columns) = (-isize_of(load.rows), -isize_of(load.columns));
    reads(model, load.map, keep, place, rows, [columns; 2])
}

fn conv(model: &Raw<'_>, conv: &MapConvRecord, place: &Place) -> Checked {
    let destination = conv.destination().ok_or("destination")?;
    ensure(conv.centre <= 3, "centre")?;
    ensure(conv.centre != 0 || conv.input == 0, "input")?;
    ensure(conv.logit_shift <= 16, "logit_shift")?;
    ensure(
        (1..=127).contains(&conv.dilation) && conv.above[1] <= 127 && conv.above[0] <= 127 && conv.below <= 127,
        "dilation",
    )?;
    ensure(conv.above[0] == 0 || conv.above[0] <= conv.anchor[0], "anchor")?;
    ensure(usize::from(conv.outputs) == logits(model) || destination != Destination::Logits, "outputs")?;
    if conv.taps() > 0 {
        let keep = map(model, conv.map)?;
        ensure(keep.dtype() == Some(DType::Activation) && keep.count == conv.inputs, "map")?;
        ensure(keep.zero_point == conv.input_zero_point, "input_zero_point")?;
        let (left, dilation) = (isize_of(conv.anchor[1].into()), isize_of(conv.dilation.into()));
        for (rows, taps) in conv.rows() {
            let columns = [-left * dilation, (taps as isize - 1 - left) * dilation];
            reads(model, conv.map, keep, place, rows, columns)?;
        }
        // The batched executor reads the centre from the map.
        let kept = keep.input == conv.input && is_unchanged(model, usize::from(conv.map), place.op, keep);
        ensure(conv.centre == 0 || kept, "map")?;
    }
    let im2col = matrix(model, ["inputs", "weights", "multipliers"], &conv.matrix())?;
    ensure(im2col <= model.header().im2col_bytes as usize, "im2col_bytes")
}

/// True if the vector that op `from` keeps is still in its register when op `to` runs.
fn is_unchanged(model: &Raw<'_>, from: usize, to: usize, keep: &KeepRecord) -> bool {
    let Some(kept) = keep.dtype().map(|kind| Vector { at: keep.input, count: keep.count, kind }) else { return false };
    let between = model.records().get(from..to).unwrap_or_default();
    let mut written = between.iter().filter_map(|record| record.instruction()?.vectors().output);
    from < to && !written.any(|output| overlap(model, output, kept))
}

fn table(model: &Raw<'_>, table: &TableRecord, place: &Place) -> Checked {
    let known = match table.index().ok_or("index")? {
        TableIndex::Only => true,
        TableIndex::Label => model.classes() > 0,
        TableIndex::Value => place.phase == Phase::Itself && model.image().channels == 1,
    };
    ensure(known, "index")?;
    let rows = table.rows(model.classes(), model.image().levels);
    array(model, "table", table.table, rows * usize::from(table.count), bytes(model, DType::Residual))
}

fn join(model: &Raw<'_>, join: &JoinRecord, place: &Place) -> Checked {
    let groups = model.groups();
    let start = |count: u16, group| group_start(usize::from(count), groups, group);
    for group in 0..groups {
        let mut taken = 0;
        for (spans, count) in join.spans.iter().zip(join.counts) {
            let span = spans.get(group).ok_or("spans")?;
            let end = usize::from(span.from) + usize::from(span.count);
            // At a pixel, later groups are not computed yet.
            let by_pixel = matches!(place.phase, Phase::Past | Phase::Itself);
            let known = if by_pixel { start(count, group + 1) } else { count.into() };
            ensure(span.count == 0 || end <= known, "spans")?;
            taken += usize::from(span.count);
        }
        ensure(taken <= start(join.count, group + 1) - start(join.count, group), "spans")?;
    }
    Ok(())
}

/// Record of a map.
fn map<'a>(model: &Raw<'a>, index: u16) -> Result<&'a KeepRecord, &'static str> {
    model.records().get(usize::from(index)).and_then(|record| record.keep()).ok_or("map")
}

fn isize_of(x: u16) -> isize {
    x as isize
}

fn isize_len(x: usize) -> isize {
    x as isize
}

/// Segment of the record with index `op`, and the index of the segment's record.
fn segment_of<'a>(model: &Raw<'a>, op: usize) -> Option<(&'a SegmentRecord, usize)> {
    let before = model.records().iter().enumerate().take(op);
    before.rev().find_map(|(n, record)| Some((record.segment()?, n)))
}

/// Checks that a map has the values at `rows` and from the first to the last of `columns`, relative to the position of `place`, and
/// still keeps them. Both executors run the ops of a segment at one position after the other; the batched one runs all segments in
/// the order of the records.
fn reads(
    model: &Raw<'_>,
    index: u16,
    keep: &KeepRecord,
    place: &Place,
    rows: isize,
    [first, last]: [isize; 2],
) -> Checked {
    let op = usize::from(index);
    let (segment, start) = segment_of(model, op).ok_or("map")?;
    let phase = segment.phase().ok_or("map")?;
    let (earlier, same) = (op < place.op, start == place.start);
    let here = |position: isize| if earlier { position <= 0 } else { position < 0 };
    let [ahead, own_ahead] = [segment, &place.segment].map(|segment| isize_of(segment.columns_ahead));
    let [below, own_below] = [segment, &place.segment].map(|segment| isize_of(segment.rows_ahead));
    // Rows down from the last row that is written.
    let rows_from_last = rows + own_below - below;
    let whole_row = match (phase, place.phase) {
        (Phase::Given, _) | (Phase::Above | Phase::Past | Phase::Itself | Phase::Row, Phase::Row) => true,
        (Phase::Above | Phase::Past | Phase::Itself | Phase::Row, Phase::Given) => return Err("map"),
        (Phase::Above | Phase::Past | Phase::Itself | Phase::Row, Phase::Above | Phase::Past | Phase::Itself) => false,
    };
    let Image { height, width, .. } = model.image();
    // Rows below the image are padding, and so are columns to the right of it.
    let (all_rows, all_columns) = (below + 1 == isize_len(height), ahead + 1 == isize_len(width));
    let rows_from_last = if phase == Phase::Given && all_rows { rows_from_last.min(0) } else { rows_from_last };
    // Rows that are ahead come before the first row at once: the order of the segments counts for them.
    let in_order = earlier || same || rows + own_below < 0;
    let written = (rows_from_last < 0 && in_order)
        || (rows_from_last == 0
            && earlier
            && match (phase, place.phase) {
                (_, _) if same => here(last),
                _ if whole_row => true,
                (Phase::Above, Phase::Above) => all_columns || last + own_ahead <= ahead,
                (Phase::Above, _) => all_columns || last <= ahead,
                (Phase::Past | Phase::Itself, Phase::Past) => last < 0,
                (Phase::Past | Phase::Itself, Phase::Itself) => last <= 0,
                _ => false,
            });
    // At a pixel and after its colours, colour groups follow one another, and a map is written after the last.
    let by_pixel = |phase| matches!(phase, Phase::Past | Phase::Itself);
    let own_pixel = place.grouped && by_pixel(phase) && by_pixel(place.phase) && rows == 0 && last >= 0;
    ensure(written && !own_pixel, "map")?;

    for plan in PLANS {
        let by_row = whole_row || (phase == Phase::Above && plan == Plan::Row);
        let lead = if by_row { width - 1 } else { usize::from(segment.columns_ahead) };
        // Before the first row, segments run for all rows up to the one that they are ahead of.
        let at_first = below - rows.max(0);
        let back = (-rows_from_last).max(at_first).max(0).unsigned_abs() * width + (-first).max(0).unsigned_abs();
        ensure(keep.pixels(plan) >= (back + lead + 1).min(height * width), "pixels")?;
    }
    Ok(())
}
