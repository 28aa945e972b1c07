//! Causality by perturbation of the float reference: every network that a description can say is causal, also those that the
//! engine does not run. A change of a value changes no prediction up to its own, bit for bit.
//!
//! The networks are all fixtures, and the published layouts of `docs/graphs/`, with random weights.

use pixelrnn::network::{ColourGroups, Image};
use pixelrnn_converter::reference::{Map, likelihood};
use pixelrnn_converter::{Description, Reference, TrainedModel};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, models, project};

/// Logits of each value in order, `[value][L or 1]`.
fn in_order(reference: &Reference, logits: &Map) -> Vec<Vec<f64>> {
    let image = *reference.image();
    let place = |n: usize| {
        let (pixel, channel) = (n / image.channels, n % image.channels);
        likelihood::value_logits(
            logits,
            &image,
            reference.output(),
            [channel, pixel / image.width, pixel % image.width],
        )
    };
    (0..image.values()).map(place).collect()
}

/// Index in `[C, H, W]` of the `n`th value in order.
fn value_index(image: &Image, n: usize) -> usize {
    n % image.channels * image.height * image.width + n / image.channels
}

/// Perturbs each value of `image` in turn. Returns the share of perturbations, of values with others after them, that changed
/// later logits.
fn perturb(name: &str, trained: &TrainedModel, image: &[u8], label: Option<usize>, random: &mut Random) -> f64 {
    let description = trained.description();
    let shape = description.image;
    // Values predicted at once: one, or those of a pixel without colour groups.
    let at_once = if description.colour_groups == ColourGroups::None { shape.channels } else { 1 };
    let reference = Reference::new(trained);
    let logits = |image: &[u8]| in_order(&reference, &reference.logits(image, label).unwrap());
    let before = logits(image);
    let (mut noticed, mut all) = (0, 0);
    for n in 0..shape.values() {
        let mut changed = image.to_vec();
        let value = &mut changed[value_index(&shape, n)];
        *value = ((usize::from(*value) + random.between(1, shape.levels - 1)) % shape.levels) as u8;
        let after = logits(&changed);
        let later = n / at_once * at_once + at_once;
        assert_eq!(before[..later], after[..later], "{name}: a change of value {n} shows at or before it");
        all += usize::from(later < before.len());
        noticed += usize::from(before[later..] != after[later..]);
    }
    noticed as f64 / all.max(1) as f64
}

#[test]
fn no_fixture_sees_a_value_at_or_after_the_one_it_predicts() {
    let mut random = Random::new(2);
    for fixture in fixtures::all() {
        let (name, trained) = (&fixture.name, &fixture.trained);
        let share = perturb(name, trained, fixture.images.image(0), fixture.label(0), &mut random);
        // Without a visible effect of most perturbations, the equalities above would prove little.
        let small = trained.description().image.values() < 12;
        assert!(small || share > 0.6, "{name}: only {share} of the changes show in later logits");
    }
}

#[test]
fn no_published_layout_sees_a_value_at_or_after_the_one_it_predicts() {
    let mut layouts = 0;
    for entry in std::fs::read_dir(project::root().join("docs/graphs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let json = std::fs::read_to_string(&path).unwrap();
        let mut description = Description::from_json(&json).unwrap_or_else(|e| panic!("{name}: {e}"));
        // The layout is that of the file. A smaller image, which its kernels still span, is quicker.
        description.image = Image { height: 6, width: 6, ..description.image };
        let trained = models::with_usual_weights(&description, 7);
        let mut random = Random::new(3);
        let image = random.image(&description.image);
        let label = (description.classes > 0).then(|| description.classes - 1);
        let share = perturb(&name, &trained, &image, label, &mut random);
        assert!(share > 0.8, "{name}: only {share} of the changes show in later logits");
        layouts += 1;
    }
    assert!(layouts >= 10, "{layouts} layouts");
}

/// The layout in `docs/graphs/NAME.json`.
fn layout(name: &str) -> String {
    std::fs::read_to_string(project::root().join(format!("docs/graphs/{name}.json"))).unwrap()
}

/// `text` with `from` replaced, which must stand there.
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in: {text}");
    text.replace(from, to)
}

#[test]
fn the_page_of_graphs_has_the_errors_of_layouts_that_leak() {
    // A residual around the first layer.
    let rithesh = layout("ritheshkumar95-pytorch-vqvae");
    let residual = with(&rithesh, r#""as": "h0"}"#, r#""as": "o0"}, {"op": "add", "in": ["o0", "e"], "as": "h0"}"#);
    // The link reads the vertical convolution without the shift.
    let anorder = layout("anordertoreclaim-PixelCNN");
    let shift = r#"{"op": "shift", "rows": 1, "as": "S0"},"#;
    let unshifted = with(&with(&anorder, shift, ""), r#""in": "S0""#, r#""in": "V0""#);
    // Eight features in each half instead of six, which are two of each colour.
    let narrow = |line: &str| line.replace("\"out\": 12", "\"out\": 16").replace("\"out\": 6", "\"out\": 8");
    let is_block = |line: &str| line.contains("causal_conv.") || line.contains("hidden_conv.");
    let lines = anorder.lines().map(|line| if is_block(line) { narrow(line) } else { line.to_string() });
    let uneven = lines.collect::<Vec<_>>().join("\n");
    // In parts, the same network builds.
    let parts = with(&uneven, "\"out\": 16", "\"out\": 16, \"parts\": 2");
    assert!(Description::from_json(&parts).is_ok());
    let rampage = with(&layout("rampage644-wavenet"), r#""colour_groups": "none""#, r#""colour_groups": "cyclic""#);
    let rampage = with(&rampage, "\"out\": 16", "\"out\": 16, \"parts\": 2");
    let bolts = r#"{"image": {"height": 6, "width": 6, "channels": 1, "levels": 2}, "output": "bernoulli",
        "ops": [{"op": "residual", "ops": [{"op": "conv", "name": "blocks.0.c1", "kernel": [1, 1], "out": 8}, {"op": "relu"},
                    {"op": "conv", "name": "blocks.0.c2", "kernel": [1, 3], "out": 8},
                    {"op": "conv", "name": "blocks.0.c3", "kernel": [2, 1], "out": 8}, {"op": "relu"},
                    {"op": "conv", "name": "blocks.0.c4", "kernel": [1, 1], "out": 1}]}, {"op": "relu"}]}"#;
    let page = std::fs::read_to_string(project::root().join("docs/graphs.md")).unwrap();
    for leaking in [&residual, &unshifted, &uneven, &rampage, bolts] {
        let error = Description::from_json(leaking).expect_err("a leak").to_string();
        assert!(page.contains(&error), "docs/graphs.md lacks: {error}");
    }
}
