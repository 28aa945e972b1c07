//! Register allocation: an offset for each value, by its live range.

use super::plan::{Held, Step, Target};
use super::schedule::{Place, Schedule};
use crate::trained::TrainedModel;
use pixelrnn::blob::NumberFormat;
use pixelrnn::network::{ColourGroups, ValueId};
use std::collections::BTreeMap;

/// Offsets of all values, each in the place where it is held.
pub(super) type Offsets = BTreeMap<(Place, Held), u32>;

/// Allocates all values. The image is live throughout, at offset 0. `count` is the number of features of a value, padding included.
pub(super) fn place(
    model: &TrainedModel,
    schedule: &Schedule,
    weights: NumberFormat,
    count: impl Fn(ValueId) -> usize,
) -> (Offsets, u32) {
    let description = model.description();
    let channels = description.image.channels;
    let items = &schedule.items;
    // A pixel of colour groups takes three passes, and later passes read values from earlier ones: nothing is freed.
    let grouped = channels > 1 && description.colour_groups != ColourGroups::None;
    let forever = grouped.then_some((0, items.len()));
    let mut lives = vec![Life { bytes: (channels * weights.activation_bytes()) as u32, steps: (0, items.len()) }];
    let mut life_of: BTreeMap<(Place, Held), usize> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        let (place, step) = (schedule.place(item.segment), &item.step);
        if !matches!(place, Place::Segment(_)) {
            life_of.entry((place, Held::Narrow(0))).or_insert(0);
        }
        for held in step.reads(model) {
            if let Some(life) = life_of.get(&(place, held)).and_then(|l: &usize| lives.get_mut(*l)) {
                life.steps.1 = life.steps.1.max(at);
            }
        }
        for held in step.writes() {
            let size = match held {
                Held::Narrow(_) => weights.activation_bytes(),
                Held::Wide(_) | Held::Row(_) => weights.residual_bytes(),
            };
            let life = if let Step::Conv { to: Target::Accumulate { onto, .. }, .. } = step {
                let life = life_of[&(place, Held::Wide(*onto))];
                lives[life].steps.1 = at;
                life
            } else {
                let bytes = (size * count(held.value())) as u32;
                lives.push(Life { bytes, steps: forever.unwrap_or((at, at)) });
                lives.len() - 1
            };
            life_of.insert((place, held), life);
        }
    }
    let (offsets, bytes) = allocate(&lives);
    (life_of.into_iter().map(|(key, life)| (key, offsets[life])).collect(), bytes)
}

/// Live range of a value, from its first write to its last read.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// Bytes.
    bytes: u32,
    /// First and last step.
    steps: (usize, usize),
}

/// First-fit allocation: overlapping live ranges get disjoint memory. Returns the offsets and the total size.
///
/// Live ranges are placed by start, ties in list order, each at the lowest free offset.
fn allocate(lives: &[Life]) -> (Vec<u32>, u32) {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|i| lives[*i].steps.0);
    let mut offsets = vec![0; lives.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for i in order {
        let life = lives[i];
        let mut busy: Vec<(u32, u32)> = placed
            .iter()
            .filter(|j| lives[**j].steps.1 >= life.steps.0 && life.steps.1 >= lives[**j].steps.0)
            .map(|j| (offsets[*j], offsets[*j] + size(lives[*j])))
            .collect();
        busy.sort_unstable();
        let mut at = 0;
        for (start, end) in busy {
            if at + size(life) <= start {
                break;
            }
            at = at.max(end);
        }
        offsets[i] = at;
        total = total.max(at + size(life));
        placed.push(i);
    }
    (offsets, total)
}

/// Bytes, rounded up to keep offsets aligned.
fn size(life: Life) -> u32 {
    life.bytes.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_that_meet_do_not_share_and_others_do() {
        let life = |bytes, first, last| Life { bytes, steps: (first, last) };
        let lives = [life(3, 0, 9), life(8, 1, 2), life(8, 2, 3), life(6, 3, 4), life(16, 5, 6)];
        let (offsets, total) = allocate(&lives);
        assert_eq!(offsets, [0, 4, 12, 4, 4]);
        assert_eq!(total, 20);
    }
}
