//! One value of a pixel: prediction, the source's answer, its check and its cost.

use super::{SetupError, StepError};
#[cfg(feature = "std")]
use crate::arithmetic::{Arithmetic, Int8};
use crate::blob::Model;
use crate::distribution::{Distribution, Temperature};
#[cfg(feature = "std")]
use crate::fixed::shift_logit;
use crate::kernels::Kernel;
use crate::network::Output;
use crate::source::{Position, SymbolSource};
use core::iter::Sum;
use core::ops::{Add, AddAssign};

/// Cost of values: their negative log-likelihood, exact, in units of 2⁻²⁴ bit.
///
/// ```
/// use pixelrnn::Cost;
///
/// let cost = Cost(3 << 24);
/// assert_eq!(cost.bits(), 3.0);
/// assert!((cost.nats() - 3.0 * 2f64.ln()).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cost(pub u64);

impl Cost {
    /// The cost in bits.
    pub fn bits(self) -> f64 {
        self.0 as f64 / f64::from(1u32 << 24)
    }

    /// The cost in nats.
    pub fn nats(self) -> f64 {
        self.0 as f64 * (core::f64::consts::LN_2 / f64::from(1u32 << 24))
    }
}

impl Add for Cost {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Cost {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// One finished pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pixel {
    /// Row, from the top.
    pub row: usize,
    /// Column, from the left.
    pub column: usize,
    /// The values of the channels; those that the model does not have are 0.
    pub values: [u8; 3],
    /// Cost of the values at the source's temperature.
    pub cost: Cost,
}

/// Asks `source` for the value at `position` and checks that it is one of the model's levels.
#[inline(always)]
pub(crate) fn next_value<S: SymbolSource>(
    source: &mut S,
    position: Position,
    distribution: &Distribution<'_>,
    levels: usize,
) -> Result<u8, StepError<S::Error>> {
    let value = source.next(position, distribution).map_err(StepError::Source)?;
    if usize::from(value) >= levels {
        return Err(StepError::Value { position, got: value, levels });
    }
    Ok(value)
}

/// Refuses a label out of range, and a missing label for a model with classes.
pub(crate) fn check_label(model: &Model<'_>, label: Option<usize>) -> Result<(), SetupError> {
    let classes = model.classes();
    if label.map_or(classes > 0, |label| label >= classes) {
        return Err(SetupError::Label { classes, got: label });
    }
    Ok(())
}

/// Distribution from a value's logits, computed in place.
#[inline(always)]
pub(crate) fn predicted<K: Kernel>(
    output: Output,
    logits: &mut [u32],
    temperature: Temperature,
    kernel: K,
) -> Distribution<'_> {
    let logits = match output {
        Output::Softmax => logits,
        Output::Bernoulli => bernoulli(logits),
    };
    Distribution::softmax(logits, temperature, kernel)
}

/// Distribution from a value's scaled sums, computed in place. `shift` is the left shift from sums to logits, in bits.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn predicted_of_sums<K: Kernel>(
    output: Output,
    shift: u8,
    sums: &mut [u32],
    temperature: Temperature,
    kernel: K,
) -> Distribution<'_> {
    let used = if output == Output::Bernoulli { 1 } else { sums.len() };
    Int8::logits(kernel, sums.get_mut(..used).unwrap_or_default(), output == Output::Softmax, shift);
    predicted(output, sums, temperature, kernel)
}

/// Fast path of [`predicted_of_sums`] for two levels: same frequencies. Takes and returns values, so that a loop of it vectorizes.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn predicted_of_two(
    output: Output,
    shift: u8,
    [first, second]: [u32; 2],
    temperature: Temperature,
) -> [u32; 2] {
    let distance = match output {
        Output::Softmax => second.wrapping_sub(first),
        Output::Bernoulli => first,
    };
    Distribution::softmax_of_two([0, shift_logit(distance as i32, shift) as u32], temperature)
}

/// Two logits `[0, z]` from the single logit `z` of a Bernoulli output.
fn bernoulli(logits: &mut [u32]) -> &mut [u32] {
    if let [first, second, ..] = logits {
        *second = *first;
        *first = 0;
    }
    logits
}
