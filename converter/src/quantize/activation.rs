//! Functions of one number in a blob: ranges and records, one rule a function.

use super::bounds::Interval;
use super::plan::Held;
use super::{Lowering, scale};
use crate::error::Error;
use crate::reference::activation::real;
use pixelrnn::blob::{EluRecord, Record, ReluRecord, kind};
use pixelrnn::network::{Activation, ValueId};

/// An ELU below this differs from -1 by less than 2⁻²³.
const ELU_END: f64 = -16.0;

/// Largest input of an ELU whose 16-bit steps are finer than those of its exponent: up to it, `exp(x) - 1` is `x` to 10 bits.
const ELU_IS_LINEAR: f64 = 1.0 / 512.0;

/// Interval of the results over an interval of inputs.
pub(super) fn bounds(activation: Activation, (low, high): Interval) -> Interval {
    match activation {
        Activation::Relu | Activation::Elu => (real(activation, low), real(activation, high)),
    }
}

/// Whether the result is held in the scale of the input.
pub(super) const fn keeps_scale(activation: Activation) -> bool {
    match activation {
        Activation::Relu | Activation::Elu => true,
    }
}

/// The inputs beyond which the result does not change by half a step.
pub(super) const fn surviving(activation: Activation) -> Interval {
    match activation {
        Activation::Relu => (0.0, f64::INFINITY),
        Activation::Elu => (ELU_END, f64::INFINITY),
    }
}

impl Lowering<'_> {
    /// The record of `to = activation(from)`.
    pub(super) fn activation(&self, activation: Activation, from: ValueId, to: ValueId) -> Result<Record, Error> {
        let (input, output) = (self.places[&Held::Wide(from)], self.places[&Held::Wide(to)]);
        let count = self.count(to);
        Ok(match activation {
            Activation::Relu => {
                Record::from(ReluRecord { kind: kind::RELU, input, output, count, ..bytemuck::Zeroable::zeroed() })
            }
            Activation::Elu if self.weights.is_integer() && self.reach(from) < ELU_IS_LINEAR => {
                let (one, nothing) = (self.factor(1.0, to)?, self.factor(0.0, to)?);
                Record::from(self.add_record([from, from], to, [one, nothing]))
            }
            Activation::Elu => Record::from(EluRecord {
                kind: kind::ELU,
                input,
                output,
                count,
                // Held to the largest factor, a step of the residual is 0.17 and more: the error is below one step.
                exponent: self.factor(
                    (self.ranges.wide[&from] * std::f64::consts::LOG2_E * 65536.0).min(scale::MAX_FACTOR),
                    to,
                )?,
                back: (4.0 / self.ranges.wide[&to]).round().min(f64::from(i32::MAX)) as i32,
                ..bytemuck::Zeroable::zeroed()
            }),
        })
    }
}
