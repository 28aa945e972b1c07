//! Networks and numbers that the tests share.

use pixelrnn::model::{ColourGroups, Features, Mask, MaskedConv, Presence};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// `count` numbers from -1 to 1.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..count).map(|_| (rng.next_u32() >> 8) as f32 / (1_u32 << 23) as f32 - 1.0).collect()
}

/// Fails unless `a` is `b`, up to `tolerance` of the largest number.
pub(crate) fn close(a: &[f32], b: &[f32], tolerance: f32, what: &impl std::fmt::Debug) {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0_f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "element {i} is {a}, expected {b}: {what:?}");
    }
}

/// Convolutions of all kinds: both masks, gray and colour, both orders, odd channel counts, even and wide kernels,
/// dilation.
pub(crate) fn conv_cases() -> Vec<MaskedConv> {
    let mut cases = Vec::new();
    for (groups, order) in [(1, ColourGroups::Cyclic), (3, ColourGroups::Cyclic), (3, ColourGroups::Contiguous)] {
        for (mask, kernel, inputs, outputs, parts, dilation) in [
            (Mask::A, [7, 7], 3, 32, 1, 1),
            (Mask::A, [3, 3], 3, 9, 1, 1),
            (Mask::B, [1, 1], 33, 18, 1, 1),
            (Mask::B, [3, 3], 18, 51, 1, 1),
            (Mask::B, [3, 3], 6, 6, 1, 2),
            (Mask::B, [4, 2], 6, 3, 1, 1),
            (Mask::B, [1, 3], 6, 24, 4, 1),
            (Mask::B, [2, 5], 3, 48, 1, 3),
        ] {
            let inputs = Features { count: if groups == 1 { inputs - 2 } else { inputs }, groups, parts: 1, order };
            let outputs = Features { count: outputs, groups, parts, order };
            let (bias, class) = (Presence::Required, Presence::Absent);
            let conv = MaskedConv { mask, kernel, dilation, inputs, outputs, bias, class };
            if inputs.divides() && outputs.divides() {
                cases.push(conv);
            }
        }
    }
    cases
}
