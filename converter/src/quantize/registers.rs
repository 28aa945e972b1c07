//! Where in the engine's small memory each value lies, and for how long.

/// A value's place, from the step that first writes it to the step that last reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// Bytes.
    pub bytes: u32,
    /// First and last step.
    pub steps: (usize, usize),
}

/// An offset for each life, such that no two that overlap in time overlap in memory; and the bytes needed in all.
///
/// Places are given out in order of birth, the earlier in the list first, each at the lowest offset that is free.
pub(super) fn allocate(lives: &[Life]) -> (Vec<u32>, u32) {
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

/// Bytes, rounded up so that every place is aligned.
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
