//! Lowering of quantization, `add` and `depth_gate`: one record each, on the residual.

use super::Lowering;
use super::plan::Held;
use super::scale;
use crate::error::Error;
use pixelrnn::blob::{AddRecord, DepthGateRecord, QuantizeRecord, Record, kind};
use pixelrnn::fixed::Rescale;
use pixelrnn::network::ValueId;

impl Lowering<'_> {
    /// Narrows the residual `from` to the activation `to`, the same value or its ReLU.
    pub(super) fn quantize(&self, from: ValueId, to: ValueId) -> Result<Record, Error> {
        let (wide, narrow) = (self.ranges.wide[&from], self.ranges.narrow[&to]);
        let relu = from != to;
        Ok(Record::from(QuantizeRecord {
            kind: kind::QUANTIZE,
            zero_point: narrow.zero_point,
            clamp_min: if relu { narrow.zero_point } else { narrow.clamp_min },
            input: self.at(Held::Wide(from)),
            output: self.at(Held::Narrow(to)),
            count: self.count(to),
            rescale: self.factor(wide / narrow.scale, to)?,
            ..bytemuck::Zeroable::zeroed()
        }))
    }

    /// `scale · a + b`.
    pub(super) fn add(&self, scale: f32, [a, b]: [ValueId; 2], to: ValueId) -> Result<Record, Error> {
        let (of_a, of_b) = (f64::from(scale.abs()) * self.ranges.wide[&a], self.ranges.wide[&b]);
        let of_sum = self.ranges.wide[&to];
        let factors = [self.factor(of_a / of_sum, to)?, self.factor(of_b / of_sum, to)?];
        Ok(Record::from(AddRecord { negate: u8::from(scale < 0.0), ..self.add_record([a, b], to, factors) }))
    }

    pub(super) fn add_record(
        &self,
        [a, b]: [ValueId; 2],
        to: ValueId,
        [rescale_a, rescale_b]: [Rescale; 2],
    ) -> AddRecord {
        AddRecord {
            kind: kind::ADD,
            a: self.at(Held::Wide(a)),
            b: self.at(Held::Wide(b)),
            output: self.at(Held::Wide(to)),
            count: self.count(to),
            rescale_a,
            rescale_b,
            ..bytemuck::Zeroable::zeroed()
        }
    }

    /// `a + sigmoid(t) · b`.
    pub(super) fn depth_gate(&self, [a, b, t]: [ValueId; 3], to: ValueId) -> Result<Record, Error> {
        let of_sum = self.ranges.wide[&to];
        Ok(Record::from(DepthGateRecord {
            kind: kind::DEPTH_GATE,
            a: self.at(Held::Wide(a)),
            b: self.at(Held::Wide(b)),
            t: self.at(Held::Wide(t)),
            output: self.at(Held::Wide(to)),
            count: self.count(to),
            rescale_a: self.factor(self.ranges.wide[&a] / of_sum, to)?,
            rescale_b: self.factor(self.ranges.wide[&b] / of_sum, to)?,
            rescale_t: self.factor((self.ranges.wide[&t] * 2048.0).min(scale::MAX_FACTOR), to)?,
            ..bytemuck::Zeroable::zeroed()
        }))
    }
}
