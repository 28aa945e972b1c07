//! Steps of a softmax, compared with [`Portable`], at low to high temperatures.

use super::{Random, Size, Wrong};
use pixelrnn::kernels::{Kernel, Portable};

/// Levels per element of the other operations.
const PER_ELEMENT: usize = 2;
const LEVELS: usize = PER_ELEMENT * Size::TARGET.elements;

/// Kinds of logits: 0 to 3 are extreme values, 4 is random.
const KINDS: usize = 5;

pub(super) fn check<K: Kernel>(kernel: K, size: Size) -> Result<u32, Wrong> {
    let mut random = Random(0x1234_5678);
    let mut cases = 0;
    for levels in 0..=PER_ELEMENT * size.elements {
        for values in 0..KINDS {
            let logits: [i32; LEVELS] = core::array::from_fn(|_| {
                let any = random.bits();
                [-1 << 30, 1 << 30, 0, -1].get(values).copied().unwrap_or((any as i32) >> (any >> 27).max(1))
            });
            if !agrees(kernel, &logits[..levels]) {
                return Err(Wrong { operation: "softmax", inputs: 0, outputs: levels, values });
            }
            cases += 1;
        }
    }
    Ok(cases)
}

#[inline(never)]
fn agrees<K: Kernel>(kernel: K, logits: &[i32]) -> bool {
    [1 << 16, 655, 6_553_600, 40_000].into_iter().all(|inverse| {
        // Logits close together and far apart.
        [0, 8, 15].into_iter().all(|shift| {
            let mut memory = [[0x5a5a_5a5a; LEVELS + 1]; 2];
            let [mine, portable] = memory.each_mut().map(|memory| {
                for (to, logit) in memory.iter_mut().zip(logits) {
                    *to = (*logit >> shift) as u32;
                }
                memory
            });
            steps(kernel, &mut mine[..logits.len()], inverse) == steps(Portable, &mut portable[..logits.len()], inverse)
                && mine == portable
        })
    })
}

/// Maximum of the logits, its index, and the sums of weights and frequencies, both written in place of the logits.
fn steps<K: Kernel>(kernel: K, logits: &mut [u32], inverse: u32) -> (i32, usize, u64, u32) {
    let (largest, at) = kernel.largest(logits);
    let sum = kernel.weights(logits, largest, inverse);
    (largest, at, sum, kernel.frequencies(logits, 0x1234_5678))
}
