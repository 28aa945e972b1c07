//! Lowering of activation functions: ranges and records.

use super::bounds::Interval;
use super::plan::Held;
use super::ranges::SIGMOID_END;
use super::{Lowering, scale};
use crate::error::Error;
use crate::reference::activation::real;
use pixelrnn::blob::{EluRecord, LeakyReluRecord, Record, ReluRecord, TanhRecord, kind};
use pixelrnn::network::{Activation, ValueId};

/// An ELU below this differs from -1 by less than 2⁻²³.
const ELU_END: f64 = -16.0;

/// Input range below which an ELU is lowered to the identity: the input's 16-bit steps are finer than the exponent's,
/// and `exp(x) - 1` equals `x` to 10 bits.
const ELU_IS_LINEAR: f64 = 1.0 / 512.0;

/// A hyperbolic tangent beyond this magnitude is -1 or 1 to 15 bits.
pub(super) const TANH_END: f64 = 8.0;

/// Places of the argument of a hyperbolic tangent beyond its fraction, and of a sigmoid.
pub(super) const TANH_PLACES: u32 = 5;
pub(super) const SIGMOID_PLACES: u32 = 4;

/// Input range below which a hyperbolic tangent is lowered to the identity: `x - tanh(x)` is at most `x³ / 3`, a third of
/// its unit of 2⁻¹⁵.
const TANH_IS_LINEAR: f64 = 1.0 / 32.0;

/// Smallest interval that contains all `results`.
fn hull(results: &[f64]) -> Interval {
    results.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
}

/// Fraction bits of the argument of a `tanh` record: its range ±`2^(10 - fraction)` must contain `reach`.
pub(super) fn fraction(reach: f64) -> u8 {
    (10.0 - reach.log2().ceil()).clamp(7.0, 14.0) as u8
}

/// Bounds of the results for bounds of the inputs.
pub(super) fn bounds(activation: Activation, (low, high): Interval) -> Interval {
    match activation {
        Activation::Relu | Activation::Elu | Activation::Tanh | Activation::Sigmoid => {
            (real(activation, low), real(activation, high))
        }
        // With a negative slope the minimum is at 0, if the interval contains it.
        Activation::LeakyRelu { .. } => hull(&[low, 0f64.clamp(low, high), high].map(|x| real(activation, x))),
    }
}

/// True if the result keeps the scale of the input.
pub(super) const fn keeps_scale(activation: Activation) -> bool {
    match activation {
        Activation::Relu | Activation::Elu => true,
        Activation::LeakyRelu { .. } | Activation::Tanh | Activation::Sigmoid => false,
    }
}

/// Interval outside which the result changes by less than half a step.
pub(super) const fn surviving(activation: Activation) -> Interval {
    match activation {
        Activation::Relu => (0.0, f64::INFINITY),
        Activation::Elu => (ELU_END, f64::INFINITY),
        Activation::LeakyRelu { .. } => (f64::NEG_INFINITY, f64::INFINITY),
        Activation::Tanh => (-TANH_END, TANH_END),
        Activation::Sigmoid => (-SIGMOID_END, SIGMOID_END),
    }
}

impl Lowering<'_> {
    /// The record of `to = activation(from)`.
    pub(super) fn activation(&self, activation: Activation, from: ValueId, to: ValueId) -> Result<Record, Error> {
        let (input, output) = (self.at(Held::Wide(from)), self.at(Held::Wide(to)));
        let count = self.count(to);
        Ok(match activation {
            Activation::Relu => {
                Record::from(ReluRecord { kind: kind::RELU, input, output, count, ..bytemuck::Zeroable::zeroed() })
            }
            Activation::Elu if self.weights.is_integer() && self.reach(from) < ELU_IS_LINEAR => {
                self.identity_record(from, to)?
            }
            Activation::Elu => Record::from(EluRecord {
                kind: kind::ELU,
                input,
                output,
                count,
                // The factor saturates only at residual steps of 0.17 or more: the error stays below one step.
                exponent: self.factor(
                    (self.ranges.wide[&from] * std::f64::consts::LOG2_E * 65536.0).min(scale::MAX_FACTOR),
                    to,
                )?,
                back: (4.0 / self.ranges.wide[&to]).round().min(f64::from(i32::MAX)) as i32,
                ..bytemuck::Zeroable::zeroed()
            }),
            Activation::LeakyRelu { slope } => {
                let slope = f64::from(slope);
                let unit = self.ranges.wide[&from] / self.ranges.wide[&to];
                Record::from(LeakyReluRecord {
                    kind: kind::LEAKY_RELU,
                    negate: u8::from(slope < 0.0),
                    input,
                    output,
                    count,
                    positive: self.factor(unit, to)?,
                    negative: self.factor(slope.abs() * unit, to)?,
                    ..bytemuck::Zeroable::zeroed()
                })
            }
            Activation::Tanh if self.weights.is_integer() && self.reach(from) < TANH_IS_LINEAR => {
                self.identity_record(from, to)?
            }
            Activation::Tanh => {
                let fraction = fraction(self.reach(from).min(TANH_END));
                self.tanh_record(kind::TANH, fraction, u32::from(fraction) + TANH_PLACES, from, to)?
            }
            Activation::Sigmoid => {
                let fraction = fraction(self.reach(from).min(SIGMOID_END) / 2.0);
                self.tanh_record(kind::SIGMOID, fraction, u32::from(fraction) + SIGMOID_PLACES, from, to)?
            }
        })
    }

    /// `to = from`, as the sum of `from` and 0 times itself.
    fn identity_record(&self, from: ValueId, to: ValueId) -> Result<Record, Error> {
        let unit = self.ranges.wide[&from] / self.ranges.wide[&to];
        let factors = [self.factor(unit, to)?, self.factor(0.0, to)?];
        Ok(Record::from(self.add_record([from, from], to, factors)))
    }

    /// A `tanh` or `sigmoid` record whose argument has `places` fraction bits.
    fn tanh_record(&self, kind: u8, fraction: u8, places: u32, from: ValueId, to: ValueId) -> Result<Record, Error> {
        let unit = self.ranges.wide[&from] * f64::from(1u32 << places);
        Ok(Record::from(TanhRecord {
            kind,
            fraction,
            input: self.at(Held::Wide(from)),
            output: self.at(Held::Wide(to)),
            count: self.count(to),
            // The factor saturates only when a single residual step is far beyond the saturation range.
            rescale: self.factor(unit.min(scale::MAX_FACTOR), to)?,
            back: self.factor((1.0 / 32_768.0 / self.ranges.wide[&to]).min(scale::MAX_FACTOR), to)?,
            ..bytemuck::Zeroable::zeroed()
        }))
    }
}
