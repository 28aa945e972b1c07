//! Causality by perturbation: a prediction depends only on earlier values, down to the colour.
//!
//! The engine requests a value after predicting it, so later values could leak only through memory left by a previous
//! image. A single engine therefore processes all images of a test in one buffer.

use pixelrnn::{Engine, FromImage, Model};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, forward, models};

/// Index in `[C, H, W]` of the `n`th value in prediction order.
fn value_index(model: &Model<'_>, n: usize) -> usize {
    let shape = model.image();
    let (pixel, channel) = (n / shape.channels, n % shape.channels);
    channel * shape.height * shape.width + pixel
}

/// Logits in prediction order, `[value][L or 1]`.
fn in_order(model: &Model<'_>, logits: &[i32]) -> Vec<Vec<i32>> {
    let shape = model.image();
    let pixels = shape.height * shape.width;
    let logits_per_value = logits.len() / shape.values();
    let of = |n: usize| {
        let (pixel, channel) = (n / shape.channels, n % shape.channels);
        (0..logits_per_value).map(|logit| logits[(channel * logits_per_value + logit) * pixels + pixel]).collect()
    };
    (0..shape.values()).map(of).collect()
}

/// Perturbs each value of `image` in turn. Returns the share of perturbations that changed later logits.
fn perturb(name: &str, model: Model<'_>, image: &[u8], label: Option<usize>, random: &mut Random) -> f64 {
    let shape = model.image();
    let mut state = vec![0x0bad_cafe; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let mut logits =
        |image: &[u8]| in_order(&model, &forward::run(&mut engine, label, FromImage::new(image, shape)).logits);
    let before = logits(image);
    let mut noticed = 0;
    for n in 0..shape.values() {
        let mut changed = image.to_vec();
        let value = &mut changed[value_index(&model, n)];
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
    // Without a visible effect of most perturbations, the equalities above would prove little.
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
