//! Ranges of a blob's values, from calibration and from proven bounds.

use super::activation;
use super::bounds::{Interval, hull};
use super::calibrate::{Method, Observed, Seen};
use super::plan::{Held, Step, Target};
use super::scale::{Narrow, step};
use pixelrnn::network::ValueId;
use std::collections::BTreeMap;

/// Headroom of 16-bit values above their calibrated range.
const HEADROOM: f64 = 1.5;

/// Largest ratio of proven to calibrated range at which the proven one is used. Nothing is clamped then, at the cost of
/// at most one bit of precision.
const PROVEN: f64 = 2.0;

/// A sigmoid beyond this magnitude is 0 or 1 to 15 bits.
pub(super) const SIGMOID_END: f64 = 12.0;

/// Growth of an accumulated residual beyond which it gets its own scale: four of its 16 bits.
pub(super) const MAX_GROWTH: f64 = 16.0;

/// Quantization of all values.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    pub narrow: BTreeMap<ValueId, Narrow>,
    /// Steps of 16-bit values.
    pub wide: BTreeMap<ValueId, f64>,
}

/// Chooses the quantization of all values that `steps` write. `proven` bounds the features of each value.
///
/// The image's own activation is in `image`.
pub(super) fn choose(
    image: Narrow,
    seen: &Observed,
    proven: &[Vec<Interval>],
    method: Method,
    steps: &[Step],
    sixteen_bits: bool,
) -> Ranges {
    let mut ranges = Ranges::default();
    ranges.narrow.insert(0, image);
    let mut most: BTreeMap<ValueId, f64> = BTreeMap::new();
    let mut scale_of: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for step in steps {
        for held in step.writes() {
            match held {
                Held::Row(_) => {}
                Held::Narrow(v) if matches!(step, Step::Shift { .. }) => {
                    // The same numbers at another place, and 0, which every range has.
                    let Step::Shift { from, .. } = step else { continue };
                    if let Some(form) = ranges.narrow.get(&from.value()).copied() {
                        ranges.narrow.insert(v, form);
                    }
                }
                Held::Narrow(v) => {
                    let (seen, proven) = (&seen.values[v], hull(&proven[v]));
                    let form = if sixteen_bits {
                        Narrow::from_range_16(magnitude((seen.min, seen.max), proven, HEADROOM))
                    } else {
                        Narrow::from_range(narrow_range(seen, proven, method))
                    };
                    ranges.narrow.insert(v, form);
                }
                Held::Wide(v) => {
                    // In-place ops and ops without a rescale keep the scale of their input.
                    let root = match step {
                        Step::Conv { to: Target::Accumulate { onto, .. }, .. } => scale_of[onto],
                        Step::Activation { activation, from, .. } if activation::keeps_scale(*activation) => {
                            scale_of[from]
                        }
                        Step::Slice { of, .. } => scale_of[of],
                        Step::Shift { from, .. } => scale_of[&from.value()],
                        _ => v,
                    };
                    scale_of.insert(v, root);
                    let (low, high) = surviving(steps, v);
                    let cut = |range: Interval| (range.0.max(low), range.1.min(high));
                    let of_value = cut((seen.values[v].min, seen.values[v].max));
                    let most = most.entry(root).or_default();
                    *most = most.max(magnitude(of_value, cut(hull(&proven[v])), HEADROOM));
                }
            }
        }
    }
    let limit = f64::from(i16::MAX);
    // Scales of values that depend on others' are widened until none changes: each is read by later ones only, except sums in place.
    for _ in 0..steps.len() {
        let before = most.clone();
        let wide = |v: &ValueId| step(before[&scale_of[v]] / limit);
        for made in steps {
            let (to, least) = match made {
                Step::Gate { to, glu: false, .. } => {
                    most.insert(*to, limit * GATE_UNIT);
                    continue;
                }
                // The factor of a product is below 1/2, that of a gated value below 2¹⁵.
                Step::Multiply { a, b, to } => (to, 2.05 * wide(a) * wide(b)),
                Step::Gate { from, to, .. } => (to, wide(from) / 32_000.0),
                _ => continue,
            };
            let most = most.entry(scale_of[to]).or_default();
            *most = most.max(least * limit);
        }
        if before == most {
            break;
        }
    }
    let wide = |root: &ValueId| step(most[root] / limit);
    ranges.wide = scale_of.iter().map(|(v, root)| (*v, wide(root))).collect();
    ranges
}

/// Step of the output of a `gate`.
const GATE_UNIT: f64 = 1.0 / 32_768.0;

/// Interval outside which all readers of a 16-bit value saturate.
fn surviving(steps: &[Step], v: ValueId) -> Interval {
    let all = (f64::NEG_INFINITY, f64::INFINITY);
    let mut ends: Option<Interval> = None;
    for step in steps {
        let of_reader = match *step {
            Step::Quantize { from, to } if from == v && to != v => (0.0, f64::INFINITY),
            Step::Activation { activation, from, .. } if from == v => activation::surviving(activation),
            Step::DepthGate { a, b, t, .. } if t == v && a != v && b != v => (-SIGMOID_END, SIGMOID_END),
            Step::DepthGate { a, b, t, .. } if [a, b, t].contains(&v) => all,
            Step::Quantize { from, .. } if from == v => all,
            Step::Add { a, b, .. } | Step::Multiply { a, b, .. } | Step::Concat { a, b, .. } if a == v || b == v => all,
            Step::Gate { from, .. }
            | Step::Slice { of: from, .. }
            | Step::Scale { from, .. }
            | Step::ClassBias { from, .. }
            | Step::Logits { from }
                if from == v =>
            {
                all
            }
            Step::Shift { from: Held::Wide(from), .. } if from == v => all,
            Step::Conv { to: Target::Accumulate { onto, .. }, .. } if onto == v => all,
            _ => continue,
        };
        ends = Some(ends.map_or(of_reader, |(low, high)| (low.min(of_reader.0), high.max(of_reader.1))));
    }
    ends.unwrap_or(all)
}

/// Magnitude that a 16-bit value must represent.
fn magnitude(seen: Interval, proven: Interval, headroom: f64) -> f64 {
    let most = |(low, high): Interval| high.max(-low).max(0.0);
    let (seen, proven) = (most(seen), most(proven));
    if proven <= PROVEN * seen || (seen == 0.0 && proven.is_finite()) { proven } else { seen * headroom }
}

/// Range of an 8-bit activation, always including 0.
fn narrow_range(seen: &Seen, proven: Interval, method: Method) -> Interval {
    let (low, high) = seen.range(method);
    let width = high - low;
    if proven.1 - proven.0 <= PROVEN * width || (width == 0.0 && (proven.1 - proven.0).is_finite()) {
        proven
    } else {
        (low, high)
    }
}
