//! Scalar functions match `docs/blob-format.md`, exhaustively or nearly.

use pixelrnn::Temperature;
use pixelrnn::arithmetic::{Arithmetic, Int8};
use pixelrnn::fixed::{Rescale, cost_bits, depth_gate, exp2_neg, lstm, requantize};
use pixelrnn_tests::integer_model::{distribution, gates, numbers};
use pixelrnn_tests::random::Random;

#[test]
fn tanh_and_sigmoid_of_every_number() {
    for z in i16::MIN..=i16::MAX {
        assert_eq!(i64::from(lstm::tanh(z)), gates::tanh(z, 7), "tanh({z})");
        for e in 7..=14 {
            assert_eq!(i64::from(lstm::tanh_of(z, e)), gates::tanh(z, e), "tanh({z}, {e})");
        }
        assert_eq!(i64::from(lstm::sigmoid(z)), gates::sigmoid(z), "sigmoid({z})");
    }
}

#[test]
fn the_cost_of_every_third_frequency_and_of_the_least_and_greatest() {
    let ends = (1..5000).chain((1 << 24) - 5000..=1 << 24);
    for frequency in ends.chain((1..1 << 24).step_by(3)) {
        assert_eq!(u64::from(cost_bits(frequency)), distribution::cost(u64::from(frequency)), "frequency {frequency}");
    }
}

#[test]
fn powers_of_two() {
    let far = [u32::MAX, u32::MAX - 1, 1 << 31, 1 << 30];
    for d in (0..33 << 16).chain(far) {
        assert_eq!(i64::from(exp2_neg(d)), numbers::exp2_neg(d.into()), "2^-{d}");
    }
}

#[test]
fn every_temperature() {
    for milli in 10..=100_000 {
        let inverse = Temperature::from_milli(milli).unwrap().inverse();
        assert_eq!(i64::from(inverse), distribution::inverse_temperature(milli), "{milli} thousandths");
    }
}

/// Random i32, often an extreme one.
fn extreme(random: &mut Random) -> i32 {
    let any = random.bits() as i32;
    random.choose(&[any, any >> 16, i32::MIN, i32::MAX, 0, -1])
}

/// Random i16, often an extreme one.
fn extreme16(random: &mut Random) -> i16 {
    let any = random.bits() as i16;
    random.choose(&[any, any, any, any >> 8, i16::MIN, i16::MAX])
}

#[test]
fn requantization() {
    let mut random = Random::new(0);
    for _ in 0..200_000 {
        let (sum, multiplier, left_shift) = (extreme(&mut random), extreme(&mut random), random.below(32) as u8);
        let expected = numbers::requantize(sum, left_shift, multiplier);
        assert_eq!(requantize(sum, left_shift.into(), multiplier), expected, "{sum}, {left_shift}, {multiplier}");
    }
}

#[test]
fn the_sum_of_a_gate() {
    let mut random = Random::new(1);
    // Maximum result of a requantization.
    let top = 1 << 30;
    for _ in 0..200_000 {
        let [x, h] = [0, 1].map(|_| extreme(&mut random).clamp(-top, top));
        assert_eq!(Int8::gate(x, h), gates::pre_activation(x, h), "{x} and {h}");
    }
}

/// Enough cases that wrongly rounded halves, one in 2¹⁵, cannot stay hidden.
#[test]
fn steps_of_an_lstm_unit() {
    let mut random = Random::new(2);
    for _ in 0..500_000 {
        let z = [0; 4].map(|_: i16| extreme16(&mut random));
        let (before, bits) = (extreme16(&mut random), random.between(0x70, 0xef) as u32);
        assert_eq!(
            lstm::cell(z, before, bits),
            gates::cell(z, before, bits),
            "gates {z:?}, cell {before}, bits {bits}"
        );
    }
}

#[test]
fn gates_over_depth() {
    let mut random = Random::new(3);
    for _ in 0..500_000 {
        let values = [0; 3].map(|_: i16| extreme16(&mut random));
        // Half of the factors are 1, as others rarely give results between 0 and saturation.
        let any = |random: &mut Random| (random.below(1 << 15) as i16, random.between(1, 30) as u16);
        let factors = [0; 3].map(|_| if random.once_in(2) { (1 << 14, 14) } else { any(&mut random) });
        let expected = gates::depth_gate(values, factors.map(|(m, n)| numbers::Rescale::new(m, n)));
        let got = depth_gate(values, factors.map(|(multiplier, shift)| Rescale { multiplier, shift }));
        assert_eq!(Int8::residual(got), expected, "{values:?}, {factors:?}");
    }
}
