//! Order of a graph's steps: segments that run at one position each, and the maps through which values pass between them.

use super::plan::{Held, Step, Target};
use crate::trained::TrainedModel;
use pixelrnn::blob::Phase;
use pixelrnn::network::{Class, ColourGroups, Conv, Op};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

/// Segment of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) phase: Phase,
    pub(super) rows_ahead: usize,
    pub(super) columns_ahead: usize,
    /// Order among segments of one phase that run over whole rows one after the other.
    level: usize,
}

impl Run {
    /// The only segment of a blob without graph.
    pub(super) const PIXEL: Self = Self { phase: Phase::Past, rows_ahead: 0, columns_ahead: 0, level: 0 };

    /// Order in which segments begin, other things being equal: those that are ahead first.
    fn rank(self) -> (u8, Reverse<usize>, Reverse<usize>, usize) {
        let phase = match self.phase {
            Phase::Given => 0,
            Phase::Above => 1,
            Phase::Itself => 2,
            Phase::Past => 3,
            Phase::Row => 4,
        };
        (phase, Reverse(self.rows_ahead), Reverse(self.columns_ahead), self.level)
    }
}

/// Place where registers keep their values: a segment, or all segments of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Pixel,
    AfterPixel,
    Segment(usize),
}

/// A colour of the pixel reads what is known after an earlier colour, under mask A.
const COLOURS: (Place, Place) = (Place::Pixel, Place::AfterPixel);

/// Step of a schedule, with its segment.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) segment: usize,
    pub(super) step: Step,
}

/// Pixels that a map keeps, without and with whole rows ahead.
pub(super) type Pixels = [usize; 2];

/// Steps of a graph in order, in segments.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    pub(super) segments: Vec<Run>,
    pub(super) items: Vec<Item>,
    /// Maps that are kept.
    pub(super) maps: BTreeMap<Held, Pixels>,
}

impl Schedule {
    /// Steps of a network without graph, at the pixel, in their order.
    pub(super) fn chain(steps: &[Step]) -> Self {
        let items = steps.iter().map(|step| Item { segment: 0, step: step.clone() }).collect();
        Self { segments: vec![Run::PIXEL], items, maps: BTreeMap::new() }
    }

    /// Index of the record of each map, in a blob that begins with one record for the graph and has one for each segment.
    pub(super) fn map_records(&self, ops: impl Fn(&Step) -> usize) -> BTreeMap<Held, u16> {
        let (mut next, mut segment, mut maps) = (1, None, BTreeMap::new());
        for item in &self.items {
            next += usize::from(segment.replace(item.segment) != Some(item.segment));
            if let Step::Keep { held } = item.step {
                maps.insert(held, next as u16);
            }
            next += ops(&item.step);
        }
        maps
    }

    pub(super) fn place(&self, segment: usize) -> Place {
        match self.segments[segment].phase {
            Phase::Past => Place::Pixel,
            Phase::Itself => Place::AfterPixel,
            Phase::Given | Phase::Above | Phase::Row => Place::Segment(segment),
        }
    }
}

/// Value that a step reads, and where.
#[derive(Clone, Copy, Debug)]
struct Read {
    held: Held,
    taps: Taps,
}

#[derive(Clone, Copy, Debug)]
enum Taps {
    /// At the position of the step.
    Here,
    /// In another row, or at other columns: rows down, first and last column to the right.
    Map { rows: isize, columns: [isize; 2] },
}

/// How a convolution reads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Centred mask: the op keeps its own past inputs.
    Masked,
    /// Taps before the centre from a map, the centre from a register.
    Centre,
    /// All taps from a map.
    Map,
}

/// Form of the convolution of node `n`, writing to `to`. `first` is the convolution that may read the image in its register.
pub(super) fn form(model: &TrainedModel, n: usize, first: Option<usize>) -> Form {
    let node = &model.nodes()[n];
    let Op::Conv(conv) = node.op else { return Form::Map };
    let input = class_of(model, node.inputs[0]);
    // A mask may close all taps: nothing is read.
    if conv.taps().next().is_none() {
        return Form::Map;
    }
    // A value that is known later than the output is in no register when it is computed.
    if node.inputs[0] != 0 && node.class < input {
        return Form::Centre;
    }
    if reads_only_centre(&conv) {
        let masked = conv.mask.is_some() || conv.inputs.groups == 1;
        // A centre under mask A in the image's register is the first convolution's.
        return if masked && (node.inputs[0] != 0 || node.class == Class::Itself || first == Some(n)) {
            Form::Masked
        } else {
            Form::Centre
        };
    }
    if conv.centred_mask().is_some() && (node.inputs[0] != 0 || first == Some(n)) {
        return Form::Masked;
    }
    // Elsewhere the closed weights of a mask are zeros.
    let by_pixel = matches!(input, Class::Past | Class::Itself) && node.class <= Class::Itself;
    if by_pixel { Form::Centre } else { Form::Map }
}

/// True for a convolution of one tap, at the position itself.
fn reads_only_centre(conv: &Conv) -> bool {
    conv.kernel == [1, 1] && conv.anchor == [0, 0]
}

/// True if the centre of a convolution of [`Form::Centre`] is read.
pub(super) fn opens_centre(conv: &Conv) -> bool {
    conv.taps().any(|(u, v)| conv.offset(u, v) == (0, 0))
}

pub(super) fn class_of(model: &TrainedModel, value: usize) -> Class {
    if value == 0 { Class::Itself } else { model.nodes()[value - 1].class }
}

/// Number of taps from the map in kernel row `u`, from its first column on.
pub(super) fn taps_in_row(conv: &Conv, form: Form, u: usize) -> usize {
    let [_, columns] = conv.kernel;
    let [row, column] = conv.anchor;
    if conv.taps().next().is_none() {
        return 0;
    }
    let masked = conv.mask.is_some();
    match u.cmp(&row) {
        Ordering::Equal if form == Form::Centre => columns.min(column),
        Ordering::Equal if masked => columns.min(column + 1),
        Ordering::Greater if masked || form == Form::Centre => 0,
        Ordering::Less | Ordering::Equal | Ordering::Greater => columns,
    }
}

struct Scheduler<'m> {
    model: &'m TrainedModel,
    steps: Vec<Step>,
    /// Step that makes each value in each format.
    producer: BTreeMap<Held, usize>,
    reads: Vec<Vec<Read>>,
    runs: Vec<Run>,
    first: Option<usize>,
    float: bool,
}

/// Index of the node whose convolution reads the image in its register: the first with mask A.
pub(super) fn first_conv(model: &TrainedModel, steps: &[Step]) -> Option<usize> {
    steps.iter().find_map(|step| match *step {
        Step::Conv { node, to } if !matches!(to, Target::Accumulate { .. }) => {
            let Op::Conv(conv) = model.nodes()[node].op else { return None };
            let reads = model.nodes()[node].inputs[0] == 0 && conv.centred_mask() == Some(pixelrnn::network::Mask::A);
            (reads && model.nodes()[node].class == Class::Past).then_some(node)
        }
        _ => None,
    })
}

/// Orders `steps`. `float` is true for a blob of floats.
pub(super) fn schedule(model: &TrainedModel, steps: Vec<Step>, float: bool) -> Schedule {
    let mut producer = BTreeMap::new();
    for (n, step) in steps.iter().enumerate() {
        for held in step.writes() {
            producer.insert(held, n);
        }
    }
    let first = first_conv(model, &steps);
    let mut scheduler = Scheduler { model, producer, reads: Vec::new(), runs: Vec::new(), first, float, steps };
    scheduler.reads = scheduler.steps.iter().map(|step| scheduler.reads_of(step)).collect();
    scheduler.choose_runs();
    let order = scheduler.order();
    scheduler.place(&order)
}

impl Scheduler<'_> {
    /// True if registers of one place are not there in another. With colour groups, no register is used twice.
    fn apart(&self, reader: Place, maker: Place) -> bool {
        let description = self.model.description();
        let grouped = description.image.channels > 1 && description.colour_groups != ColourGroups::None;
        let pair = (reader, maker);
        reader != maker && !(grouped && (pair == COLOURS || pair == (Place::AfterPixel, Place::Pixel)))
    }

    fn size(&self) -> [usize; 2] {
        let image = self.model.description().image;
        [image.height, image.width]
    }

    fn reads_of(&self, step: &Step) -> Vec<Read> {
        let here = |held| Read { held, taps: Taps::Here };
        match *step {
            Step::Conv { node, to } => {
                let held = Held::Narrow(self.model.nodes()[node].inputs[0]);
                let mut reads = self.conv_reads(node, held);
                if let Target::Accumulate { onto, .. } = to {
                    reads.push(here(Held::Wide(onto)));
                }
                reads
            }
            Step::Shift { from, rows, columns, .. } => {
                let columns = -(columns as isize);
                vec![Read { held: from, taps: Taps::Map { rows: -(rows as isize), columns: [columns; 2] } }]
            }
            Step::Scale { from, .. } if !self.float => vec![here(Held::Wide(from))],
            _ => step.reads(self.model).into_iter().map(here).collect(),
        }
    }

    fn conv_reads(&self, node: usize, held: Held) -> Vec<Read> {
        let Op::Conv(conv) = self.model.nodes()[node].op else { return Vec::new() };
        let form = form(self.model, node, self.first);
        let here = Read { held, taps: Taps::Here };
        if form == Form::Masked {
            return vec![here];
        }
        let rows = (0..conv.kernel[0]).filter_map(|u| {
            let (taps, dilation) = (taps_in_row(&conv, form, u), conv.dilation as isize);
            let (rows, first) = conv.offset(u, 0);
            let columns = [first, first + (taps as isize - 1) * dilation];
            (taps > 0).then_some(Read { held, taps: Taps::Map { rows, columns } })
        });
        let centre = (form == Form::Centre && opens_centre(&conv)).then_some(here);
        centre.into_iter().chain(rows).collect()
    }

    /// Class of what a step makes.
    fn class(&self, step: &Step) -> Class {
        let value = match *step {
            Step::Conv { node, to } => match to {
                Target::Accumulate { to, .. } | Target::Narrow(to) | Target::Wide(to) => to,
                Target::Logits => self.model.nodes()[node].output,
            },
            Step::Logits { .. } => return Class::Past,
            Step::Widen => return Class::Itself,
            ref other => other.writes().first().map_or(0, |held| held.value()),
        };
        // Whatever depends on less than the pixel and makes the logits is computed with them.
        if value == self.model.nodes().len() { Class::Past } else { class_of(self.model, value) }
    }

    fn choose_runs(&mut self) {
        let [height, width] = self.size();
        self.runs = self
            .steps
            .iter()
            .map(|step| {
                let phase = match self.class(step) {
                    Class::Given => Phase::Given,
                    Class::Above => Phase::Above,
                    Class::Past => Phase::Past,
                    Class::Itself => Phase::Itself,
                    Class::Row => Phase::Row,
                };
                Run { phase, ..Run::PIXEL }
            })
            .collect();
        // Positions ahead, from the last reader back.
        for n in (0..self.steps.len()).rev() {
            let run = self.runs[n];
            // The row of a table is copied where it is read.
            for read in self.reads[n].clone() {
                let Some(&maker) = self.producer.get(&read.held) else { continue };
                let (rows, right) = match read.taps {
                    Taps::Here => (0, 0),
                    Taps::Map { rows, columns: [_, last] } => (rows, last),
                };
                let of = &mut self.runs[maker];
                match (of.phase, run.phase) {
                    (Phase::Above, Phase::Above) if rows == 0 => {
                        let ahead = (run.columns_ahead as isize + right).max(0) as usize;
                        of.columns_ahead = of.columns_ahead.max(ahead.min(width - 1));
                    }
                    (Phase::Above, Phase::Past | Phase::Itself) if rows == 0 => {
                        of.columns_ahead = of.columns_ahead.max((right.max(0) as usize).min(width - 1));
                    }
                    (Phase::Given, _) => {
                        let own = if run.phase == Phase::Given { run.rows_ahead as isize } else { 0 };
                        of.rows_ahead = of.rows_ahead.max(((own + rows).max(0) as usize).min(height - 1));
                    }
                    _ => {}
                }
            }
        }
        // A value is narrowed where it is made: activations take less memory in a map.
        for n in 0..self.steps.len() {
            if let Step::Quantize { from, .. } = self.steps[n]
                && let Some(&maker) = self.producer.get(&Held::Wide(from))
            {
                self.runs[n] = self.runs[maker];
            }
        }
        // Segments over whole rows, and those that are ahead by a whole row: one that reads its own row of another, at later columns,
        // comes after it.
        for n in 0..self.steps.len() {
            for read in self.reads[n].clone() {
                let Some(&maker) = self.producer.get(&read.held) else { continue };
                let (of, own) = (self.runs[maker], self.runs[n]);
                let level = match (of.phase, own.phase) {
                    (Phase::Above, Phase::Above) if of.columns_ahead == own.columns_ahead => match read.taps {
                        Taps::Map { rows: 0, columns: [_, last] } if last > 0 => of.level + 1,
                        Taps::Map { rows: ..0, .. } => own.level,
                        Taps::Here | Taps::Map { .. } => of.level,
                    },
                    (Phase::Given, Phase::Given) | (Phase::Row, Phase::Row) => match read.taps {
                        Taps::Here if of.rows_ahead == own.rows_ahead => of.level,
                        Taps::Map { rows, .. } if rows < 0 && of.rows_ahead == own.rows_ahead => own.level,
                        Taps::Here | Taps::Map { .. } => of.level + 1,
                    },
                    _ => continue,
                };
                self.runs[n].level = own.level.max(level);
            }
        }
    }

    /// Steps that must come before step `n`.
    fn needs(&self, n: usize) -> Vec<usize> {
        let mut needs: Vec<usize> = Vec::new();
        for read in &self.reads[n] {
            // Rows above are finished; the order in a row counts.
            let above = matches!(read.taps, Taps::Map { rows: ..0, .. }) && self.runs[n].phase != Phase::Given;
            needs.extend(self.producer.get(&read.held).filter(|_| !above));
        }
        // The logits are the last op at a pixel.
        if self.makes_logits(n) {
            needs.extend((0..self.steps.len()).filter(|step| *step != n && self.runs[*step].phase == Phase::Past));
        }
        // A sum in place comes after all readers of what it changes.
        if let Step::Conv { to: Target::Accumulate { onto, .. }, .. } = self.steps[n] {
            let reads = |step: usize| step < n && self.reads[step].iter().any(|read| read.held == Held::Wide(onto));
            needs.extend((0..n).filter(|step| reads(*step)));
        }
        needs
    }

    fn makes_logits(&self, n: usize) -> bool {
        matches!(self.steps[n], Step::Logits { .. } | Step::Conv { to: Target::Logits, .. })
    }

    /// Topological order that stays in a segment as long as it can.
    fn order(&self) -> Vec<usize> {
        let needs: Vec<Vec<usize>> = (0..self.steps.len()).map(|n| self.needs(n)).collect();
        let (mut done, mut order) = (vec![false; self.steps.len()], Vec::new());
        let mut current: Option<Run> = None;
        let is_first = |n: usize| matches!(self.steps[n], Step::Conv { node, .. } if Some(node) == self.first);
        while order.len() < self.steps.len() {
            let ready = |n: &usize| !done[*n] && needs[*n].iter().all(|need| done[*need]);
            let all = || (0..self.steps.len()).filter(ready);
            let stay = current.and_then(|run| all().find(|n| self.runs[*n] == run));
            let next = stay.or_else(|| all().min_by_key(|n| (self.runs[*n].rank(), !is_first(*n), *n)));
            // Each step needs earlier ones alone, so one is always ready.
            let Some(next) = next else { break };
            done[next] = true;
            current = Some(self.runs[next]);
            order.push(next);
        }
        order
    }

    /// Lays out the steps in segments, and passes values between them.
    fn place(&self, order: &[usize]) -> Schedule {
        let mut schedule = Schedule::default();
        // Segment of each step.
        let mut segment_of = vec![0; self.steps.len()];
        // The image is kept if it is read at other positions, or after its row.
        let image_first = self.reads.iter().zip(&self.runs).any(|(reads, run)| {
            let later = !matches!(run.phase, Phase::Past | Phase::Itself);
            reads.iter().any(|read| read.held == Held::Narrow(0) && (later || matches!(read.taps, Taps::Map { .. })))
        });
        if image_first {
            schedule.segments.push(Run { phase: Phase::Itself, ..Run::PIXEL });
        }
        for (at, &n) in order.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| self.runs[order[before]]);
            if before != Some(self.runs[n]) {
                schedule.segments.push(self.runs[n]);
            }
            segment_of[n] = schedule.segments.len() - 1;
        }
        // Maps: of values that are read at other positions or in other places.
        let passes = |n: usize, read: &Read, schedule: &Schedule| {
            let place = schedule.place(segment_of[n]);
            let Some(&maker) = self.producer.get(&read.held) else {
                // The image: in its register at the pixel and after it.
                return matches!(read.taps, Taps::Map { .. }) || matches!(place, Place::Segment(_));
            };
            let apart = self.apart(place, schedule.place(segment_of[maker]));
            let copied = self.is_anywhere(&self.steps[maker]);
            matches!(read.taps, Taps::Map { .. }) || (apart && !copied)
        };
        let mut kept: BTreeSet<Held> = BTreeSet::new();
        for n in 0..self.steps.len() {
            kept.extend(self.reads[n].iter().filter(|read| passes(n, read, &schedule)).map(|read| read.held));
        }
        if image_first {
            schedule.items.push(Item { segment: 0, step: Step::Keep { held: Held::Narrow(0) } });
        }
        let mut there: BTreeSet<(Place, Held)> = BTreeSet::new();
        for &n in order {
            let (segment, place) = (segment_of[n], schedule.place(segment_of[n]));
            for read in self.reads[n].clone() {
                let maker = self.producer.get(&read.held).copied();
                let of = maker.map_or(Place::AfterPixel, |maker| schedule.place(segment_of[maker]));
                let image = maker.is_none() && !matches!(place, Place::Segment(_));
                let here = matches!(read.taps, Taps::Here);
                let table = maker.is_some_and(|maker| self.is_anywhere(&self.steps[maker]));
                if !here || image || !(table || self.apart(place, of)) || !there.insert((place, read.held)) {
                    continue;
                }
                let step = match maker.filter(|_| table) {
                    Some(maker) => self.steps[maker].clone(),
                    None => Step::Load { from: read.held, to: read.held, rows: 0, columns: 0 },
                };
                schedule.items.push(Item { segment, step });
            }
            let step = match self.steps[n].clone() {
                Step::Shift { from, to, rows, columns } => Step::Load { from, to, rows, columns },
                other => other,
            };
            let written = step.writes();
            // A table is written where it is read, unless a map needs it.
            let unread = self.is_anywhere(&step) && written.iter().all(|held| !kept.contains(held));
            if unread {
                continue;
            }
            there.extend(written.iter().map(|held| (place, *held)));
            schedule.items.push(Item { segment, step });
            for held in written.into_iter().filter(|held| kept.contains(held)) {
                schedule.items.push(Item { segment, step: Step::Keep { held } });
            }
        }
        drop_empty(&mut schedule);
        schedule.maps = self.maps(&kept);
        schedule
    }

    /// True for the row of a table that does not depend on the position: it is copied where it is read.
    fn is_anywhere(&self, step: &Step) -> bool {
        matches!(step, Step::Table { node, .. } if !matches!(self.model.nodes()[*node].op, Op::Embed { .. }))
    }

    /// Pixels of each map: from the last one that is written when a reader runs back to the first that it reads.
    fn maps(&self, kept: &BTreeSet<Held>) -> BTreeMap<Held, Pixels> {
        let [height, width] = self.size();
        let mut maps: BTreeMap<Held, Pixels> = kept.iter().map(|held| (*held, [1, 1])).collect();
        for (n, read) in self.reads.iter().enumerate().flat_map(|(n, reads)| reads.iter().map(move |read| (n, read))) {
            let Some(pixels) = maps.get_mut(&read.held) else { continue };
            let of =
                self.producer.get(&read.held).map_or(Run { phase: Phase::Itself, ..Run::PIXEL }, |n| self.runs[*n]);
            let own = self.runs[n];
            let (rows, first) = match read.taps {
                Taps::Here => (0, 0),
                Taps::Map { rows, columns: [first, _] } => (rows, first),
            };
            let rows_from_last = rows + own.rows_ahead as isize - of.rows_ahead as isize;
            // Before the first row, segments run for all rows up to the one that they are ahead of.
            let at_first = of.rows_ahead as isize - rows.max(0);
            let back = (-rows_from_last).max(at_first).max(0).unsigned_abs() * width + (-first).max(0).unsigned_abs();
            for (by_row, pixels) in [false, true].into_iter().zip(pixels) {
                let whole = of.phase == Phase::Given || own.phase == Phase::Row || (by_row && of.phase == Phase::Above);
                let lead = if whole { width - 1 } else { of.columns_ahead };
                *pixels = (*pixels).max((back + lead + 1).min(height * width));
            }
        }
        maps
    }
}

/// Removes segments without ops: those of tables that are written elsewhere.
fn drop_empty(schedule: &mut Schedule) {
    let used: BTreeSet<usize> = schedule.items.iter().map(|item| item.segment).collect();
    let new: BTreeMap<usize, usize> = used.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    schedule.segments = used.iter().map(|old| schedule.segments[*old]).collect();
    for item in &mut schedule.items {
        item.segment = new[&item.segment];
    }
}
