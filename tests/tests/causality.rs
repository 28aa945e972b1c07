//! What the engine predicts for a value depends on the values before it and on nothing else, down to the colour.
//!
//! The engine asks for a value when it has predicted it, so it could see a later one only in memory that another image left
//! behind. One engine therefore takes all images of a test, one after the other, in one buffer.

use pixelrnn::{Engine, FromImage, Model};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, models, walk};

/// Index in `[C, H, W]` of the value that is number `n` in the order in which values are predicted.
fn place(model: &Model<'_>, n: usize) -> usize {
    let shape = model.image();
    let (pixel, channel) = (n / shape.channels, n % shape.channels);
    channel * shape.height * shape.width + pixel
}

/// The logits in the order in which values are predicted, `[value][L or 1]`.
fn in_order(model: &Model<'_>, logits: &[i32]) -> Vec<Vec<i32>> {
    let shape = model.image();
    let pixels = shape.height * shape.width;
    let each = logits.len() / shape.values();
    let of = |n: usize| {
        let (pixel, channel) = (n / shape.channels, n % shape.channels);
        (0..each).map(|logit| logits[(channel * each + logit) * pixels + pixel]).collect()
    };
    (0..shape.values()).map(of).collect()
}

/// Changes each value of `image` in turn, and gives the share of changes that any later logits noticed.
fn perturb(name: &str, model: Model<'_>, image: &[u8], label: Option<usize>, random: &mut Random) -> f64 {
    let shape = model.image();
    let mut state = vec![0x0bad_cafe; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let mut logits =
        |image: &[u8]| in_order(&model, &walk::walk(&mut engine, label, FromImage::new(image, shape)).logits);
    let before = logits(image);
    let mut noticed = 0;
    for n in 0..shape.values() {
        let mut changed = image.to_vec();
        let value = &mut changed[place(&model, n)];
        *value = ((usize::from(*value) + random.between(1, shape.levels - 1)) % shape.levels) as u8;
        let after = logits(&changed);
        assert_eq!(before[..=n], after[..=n], "{name}: a change of value {n} shows at or before it");
        noticed += usize::from(before[n + 1..] != after[n + 1..]);
    }
    noticed as f64 / (shape.values() - 1).max(1) as f64
}

#[test]
fn no_fixture_sees_a_value_at_or_after_the_one_it_predicts() {
    let mut random = Random::new(1);
    let mut shares = Vec::new();
    for (fixture, blob) in fixtures::converted() {
        let model = blob.model().unwrap();
        let share = perturb(&fixture.name, model, fixture.images.image(0), fixture.label(0), &mut random);
        if model.image().values() > 1 {
            assert!(share > 0.0, "{}: no change of any value shows anywhere", fixture.name);
            shares.push(share);
        }
    }
    // Else the equalities above would prove little.
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(mean > 0.9, "only {mean} of the changes show in later logits: {shares:?}");
}

#[test]
fn no_random_model_sees_a_value_at_or_after_the_one_it_predicts() {
    let mut shares = Vec::new();
    for seed in 1000..1060 {
        let Some((_, blob)) = models::random_blob(seed) else { continue };
        let model = blob.model().unwrap();
        let mut random = Random::new(seed);
        let image = random.image(&model.image());
        let label = (model.classes() > 0).then(|| random.below(model.classes()));
        let share = perturb(&format!("random model {seed}"), model, &image, label, &mut random);
        if model.image().values() > 1 {
            shares.push(share);
        }
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(mean > 0.5, "only {mean} of the changes show in later logits: {shares:?}");
}
