//! Lowering of ops that only graphs have, and of their segments and maps.

use super::activation::{SIGMOID_PLACES, TANH_END, TANH_PLACES, fraction};
use super::layout::Slots;
use super::plan::Held;
use super::ranges::SIGMOID_END;
use super::schedule::{Place, Run, Schedule};
use super::write::BlobWriter;
use super::{Lowering, scale};
use crate::error::Error;
use pixelrnn::blob::{
    GateRecord, GraphRecord, JoinRecord, KeepRecord, LoadRecord, LogitsRecord, MultiplyRecord, NumberFormat, Record,
    SegmentRecord, Span, TableIndex, TableRecord, group_start, kind,
};
use pixelrnn::network::{ColourGroups, Op, ValueId};

impl Lowering<'_> {
    /// Writes the record that begins a graph.
    pub(super) fn begin_graph(&self, blob: &mut BlobWriter) {
        let description = self.model.description();
        let ungrouped = description.colour_groups == ColourGroups::None && description.image.channels > 1;
        let record = GraphRecord { kind: kind::GRAPH, ungrouped: ungrouped.into(), ..bytemuck::Zeroable::zeroed() };
        blob.op(record.into(), 0, 1.0, "graph");
    }

    /// Writes the record that begins a segment.
    pub(super) fn begin_segment(run: Run, ops: usize, blob: &mut BlobWriter) {
        let record = SegmentRecord {
            kind: kind::SEGMENT,
            phase: run.phase as u8,
            ops: ops as u16,
            columns_ahead: run.columns_ahead as u16,
            rows_ahead: run.rows_ahead as u16,
            // Filled in at the end.
            state: [0; 2],
            ..bytemuck::Zeroable::zeroed()
        };
        blob.op(record.into(), 0, 1.0, "segment");
    }

    fn dtype(held: Held) -> u8 {
        u8::from(!matches!(held, Held::Narrow(_)))
    }

    fn slots(&self, held: Held) -> u16 {
        self.layouts[held.value()].len() as u16
    }

    pub(super) fn keep(&self, held: Held, schedule: &Schedule) -> Record {
        let zero_point = if let Held::Narrow(v) = held { self.ranges.narrow[&v].zero_point } else { 0 };
        Record::from(KeepRecord {
            kind: kind::KEEP,
            dtype: Self::dtype(held),
            zero_point,
            input: self.at(held),
            count: self.slots(held),
            pixels: schedule.maps.get(&held).copied().unwrap_or([1; 2]).map(|pixels| pixels as u32),
            // Filled in at the end.
            at: [0; 2],
            ..bytemuck::Zeroable::zeroed()
        })
    }

    pub(super) fn load(&self, from: Held, to: Held, [rows, columns]: [usize; 2], blob: &BlobWriter) -> Record {
        Record::from(LoadRecord {
            kind: kind::LOAD,
            map: blob.map_of(from),
            output: self.at(to),
            rows: rows as u16,
            columns: columns as u16,
            dtype: Self::dtype(from),
            count: self.slots(from),
            ..bytemuck::Zeroable::zeroed()
        })
    }

    pub(super) fn multiply(&self, [a, b]: [ValueId; 2], to: ValueId) -> Record {
        let [of_a, of_b, of_product] = [a, b, to].map(|v| self.ranges.wide[&v]);
        Record::from(MultiplyRecord {
            kind: kind::MULTIPLY,
            a: self.at(Held::Wide(a)),
            b: self.at(Held::Wide(b)),
            output: self.at(Held::Wide(to)),
            count: self.count(to),
            multiplier: high_word(of_a * of_b / of_product * 2f64.powi(32)),
            ..bytemuck::Zeroable::zeroed()
        })
    }

    pub(super) fn gate(&self, from: ValueId, to: ValueId, glu: bool) -> Result<Record, Error> {
        let (step, reach) = (self.ranges.wide[&from], self.reach(from));
        // A factor beyond the limit saturates only where one step of the input is far beyond the ends of the function.
        let argument = |places: u32| self.factor((step * f64::from(1u32 << places)).min(scale::MAX_FACTOR), to);
        let fraction_b = fraction(reach.min(SIGMOID_END) / 2.0);
        let rescale_b = argument(u32::from(fraction_b) + SIGMOID_PLACES)?;
        let mut record = GateRecord {
            kind: if glu { kind::GLU } else { kind::GATE },
            fraction: 7,
            fraction_b,
            input: self.at(Held::Wide(from)),
            output: self.at(Held::Wide(to)),
            count: self.count(to),
            rescale_a: rescale_b,
            rescale_b,
            multiplier: if glu { high_word(step / self.ranges.wide[&to] * 65_536.0) } else { 0 },
            ..bytemuck::Zeroable::zeroed()
        };
        if !glu {
            record.fraction = fraction(reach.min(TANH_END));
            record.rescale_a = argument(u32::from(record.fraction) + TANH_PLACES)?;
        }
        Ok(Record::from(record))
    }

    /// `factor · from`: a sum with 0 times itself, or with the zeros of a table.
    pub(super) fn scaled(&self, from: ValueId, to: ValueId, factor: f32) -> Result<Record, Error> {
        let unit = f64::from(factor.abs()) * self.ranges.wide[&from] / self.ranges.wide[&to];
        let mut record = self.add_record([from, from], to, [self.factor(unit, to)?, self.factor(0.0, to)?]);
        record.negate = u8::from(factor < 0.0);
        if !self.weights.is_integer() {
            record.b = self.at(Held::Row(to));
        }
        Ok(Record::from(record))
    }

    pub(super) fn class_bias(&self, from: ValueId, to: ValueId) -> Result<Record, Error> {
        let of_sum = self.ranges.wide[&to];
        let factors =
            [self.factor(self.ranges.wide[&from] / of_sum, to)?, self.factor(self.row_step(to) / of_sum, to)?];
        let mut record = self.add_record([from, from], to, factors);
        record.b = self.at(Held::Row(to));
        Ok(Record::from(record))
    }

    /// Step of the numbers in the table of a class bias.
    fn row_step(&self, to: ValueId) -> f64 {
        if !self.weights.is_integer() {
            return 1.0;
        }
        let weight = self.model.tensor(&self.model.nodes()[to - 1], "class.weight");
        let most = weight.map_or(0.0, |t| t.data.iter().fold(0.0, |most: f64, x| most.max(f64::from(x.abs()))));
        scale::step(most / f64::from(i16::MAX))
    }

    /// A row of a table: ones, an embedding, class biases, or zeros.
    pub(super) fn table(&self, node: usize, to: Held, blob: &mut BlobWriter) -> Record {
        let of = &self.model.nodes()[node];
        let slots = &self.layouts[to.value()];
        let tensor = |suffix: &str| self.model.tensor(of, suffix).map_or(&[][..], |t| &t.data);
        let (index, rows): (TableIndex, Vec<Vec<f32>>) = match of.op {
            Op::Embed { levels } => {
                let (weight, count) = (tensor("weight"), of.features.count);
                let row = |level: usize| in_slots(slots, |f| weight[level * count + f]);
                (TableIndex::Value, (0..levels).map(row).collect())
            }
            Op::ClassBias => {
                let (weight, classes) = (tensor("class.weight"), self.model.description().classes);
                let row = |class: usize| in_slots(slots, |f| weight[f * classes + class]);
                (TableIndex::Label, (0..classes).map(row).collect())
            }
            Op::Ones => (TableIndex::Only, vec![in_slots(slots, |_| 1.0)]),
            _ => (TableIndex::Only, vec![in_slots(slots, |_| 0.0)]),
        };
        let numbers: Vec<f32> = rows.into_iter().flatten().collect();
        let step = if let Held::Wide(v) = to { self.ranges.wide[&v] } else { self.row_step(to.value()) };
        let table = match self.weights {
            NumberFormat::I8 | NumberFormat::I8A16 => {
                let short = |x: &f32| (f64::from(*x) / step).round().clamp(-32768.0, 32767.0) as i16;
                blob.numbers(&numbers.iter().map(short).collect::<Vec<i16>>())
            }
            NumberFormat::F16 | NumberFormat::F32 => blob.numbers(&numbers),
        };
        Record::from(TableRecord {
            kind: kind::TABLE,
            index: index as u8,
            count: slots.len() as u16,
            output: self.at(to),
            table,
            ..bytemuck::Zeroable::zeroed()
        })
    }

    pub(super) fn concat(&self, [a, b]: [ValueId; 2], to: ValueId) -> Result<Record, Error> {
        let split = self.model.nodes()[to - 1].features.count - self.features(b);
        let spans = [self.spans(a, to, |f| (f < split).then_some(f))?, self.spans(b, to, |f| f.checked_sub(split))?];
        self.join([a, b], to, spans)
    }

    pub(super) fn slice(&self, of: ValueId, from: usize, to: ValueId) -> Result<Record, Error> {
        let spans = [self.spans(of, to, |f| Some(f + from))?, [Span::default(); 3]];
        let record = self.join([of, of], to, spans)?;
        let mut record: JoinRecord = bytemuck::must_cast(record);
        record.counts[1] = 0;
        Ok(Record::from(record))
    }

    fn features(&self, v: ValueId) -> usize {
        self.layouts[v].iter().flatten().count()
    }

    fn join(&self, inputs: [ValueId; 2], to: ValueId, spans: [[Span; 3]; 2]) -> Result<Record, Error> {
        let unit = |v: ValueId| self.factor(self.ranges.wide[&v] / self.ranges.wide[&to], to);
        let record = JoinRecord {
            kind: kind::JOIN,
            count: self.count(to),
            inputs: inputs.map(|v| self.at(Held::Wide(v))),
            counts: inputs.map(|v| self.count(v)),
            output: self.at(Held::Wide(to)),
            rescale: [unit(inputs[0])?, unit(inputs[1])?],
            spans,
            ..bytemuck::Zeroable::zeroed()
        };
        // The features must come in the order of the value's layout.
        let expected = &self.layouts[to];
        let groups = self.groups();
        for group in 0..groups {
            let start = group_start(expected.len(), groups, group);
            let end = group_start(expected.len(), groups, group + 1);
            let taken: usize = record.spans.iter().map(|spans| usize::from(spans[group].count)).sum();
            let there = expected[start..end].iter().take_while(|slot| slot.is_some()).count();
            let all = expected[start..end].iter().flatten().count();
            // At a pixel, later groups are not computed yet.
            let late = matches!(self.place, Place::Pixel | Place::AfterPixel)
                && record.spans.iter().zip(record.counts).any(|(spans, count)| {
                    let span = spans[group];
                    usize::from(span.from + span.count) > group_start(count.into(), groups, group + 1)
                });
            if taken != all || there != all || late {
                return Err(Error::Colours { op: self.name_of(to) });
            }
        }
        Ok(Record::from(record))
    }

    /// For each colour group of `to`, the elements of `of` that it takes; `from` gives the feature of `of` for one of `to`.
    fn spans(&self, of: ValueId, to: ValueId, from: impl Fn(usize) -> Option<usize>) -> Result<[Span; 3], Error> {
        let (source, slots, groups) = (&self.layouts[of], &self.layouts[to], self.groups());
        let mut spans = [Span::default(); 3];
        for (group, span) in spans.iter_mut().enumerate().take(groups) {
            let range = group_start(slots.len(), groups, group)..group_start(slots.len(), groups, group + 1);
            let wanted: Vec<usize> = slots[range].iter().flatten().filter_map(|f| from(*f)).collect();
            let at = |f: usize| source.iter().position(|slot| *slot == Some(f));
            let Some(first) = wanted.first().and_then(|f| at(*f)) else { continue };
            if wanted.iter().enumerate().any(|(n, f)| at(*f) != Some(first + n)) {
                return Err(Error::Colours { op: self.name_of(to) });
            }
            *span = Span { from: first as u16, count: wanted.len() as u16 };
        }
        Ok(spans)
    }

    fn groups(&self) -> usize {
        let description = self.model.description();
        if description.colour_groups == ColourGroups::None { 1 } else { description.image.channels }
    }

    /// The logits from a residual.
    pub(super) fn logits(&self, from: ValueId) -> Result<Record, Error> {
        let unit = self.ranges.wide[&from] * std::f64::consts::LOG2_E * 65_536.0;
        let mut shift = 0;
        while shift < 16 && unit / f64::from(1u32 << shift) > scale::MAX_FACTOR {
            shift += 1;
        }
        Ok(Record::from(LogitsRecord {
            kind: kind::LOGITS,
            logit_shift: if self.weights.is_integer() { shift } else { 0 },
            count: self.count(from),
            input: self.at(Held::Wide(from)),
            rescale: self.factor(unit / f64::from(1u32 << shift), from)?,
            ..bytemuck::Zeroable::zeroed()
        }))
    }
}

/// A multiplier for the high word of a product.
fn high_word(factor: f64) -> i32 {
    factor.round().clamp(0.0, f64::from(i32::MAX)) as i32
}

/// Numbers of the features in the order of a layout, 0 for padding.
fn in_slots(slots: &Slots, of: impl Fn(usize) -> f32) -> Vec<f32> {
    slots.iter().map(|slot| slot.map_or(0.0, &of)).collect()
}
