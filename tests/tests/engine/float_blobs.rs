//! Blobs with float weights match the model definition up to rounding.
//!
//! Integer blobs are compared with the format specification. This test compares the forward pass with the definition:
//! without quantization, a wrong tap, gate or state shows directly.

use pixelrnn::blob::{NumberFormat, RECORD_BYTES, kind};
use pixelrnn::network::{Image, Output};
use pixelrnn::{FromImage, Model, StepError};
use pixelrnn_converter::{Blob, Reference};
use pixelrnn_tests::integer_model::bytes::{offset_at, u16_at};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, forward, models, mutate};

/// One step of an engine's logits in nats.
const UNIT: f64 = std::f64::consts::LN_2 / 65536.0;

/// Maximum distance between the logits of `blob` and the expected ones, in nats. Softmax logits are compared relative
/// to the largest logit of the value.
fn worst(blob: &Blob, image: &[u8], label: Option<usize>, expected: &[f64]) -> f64 {
    let model = blob.model().unwrap();
    let got: Vec<_> = forward::score(model, image, label).logits.iter().map(|logit| f64::from(*logit) * UNIT).collect();
    assert_eq!(got.len(), expected.len());
    let [got, expected] = [&got[..], expected].map(|logits| forward::relative(model, logits));
    got.iter().zip(&expected).map(|(got, expected)| (got - expected).abs()).fold(0.0, f64::max)
}

#[test]
fn every_logit_of_every_fixture() {
    // Weights that are not exact in f16 lose up to 2⁻¹¹ of their value.
    for (weights, tolerance) in [(NumberFormat::F32, 1e-4), (NumberFormat::F16, 0.05)] {
        for fixture in fixtures::all() {
            let Some(blob) = fixture.blob_of(weights) else { continue };
            let per_image = fixture.logits.1.len() / fixture.images.count;
            for n in 0..fixture.images.count {
                let logits = &fixture.logits.1[n * per_image..(n + 1) * per_image];
                let expected: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
                let worst = worst(&blob, fixture.images.image(n), fixture.label(n), &expected);
                assert!(worst < tolerance, "{} with {weights:?}: a logit is off by {worst}", fixture.name);
            }
        }
    }
}

#[test]
fn random_models() {
    for seed in 3000..3100 {
        let Some((trained, blob)) = models::random_blob_of(seed, NumberFormat::F32) else { continue };
        let description = trained.description();
        let mut random = Random::new(seed);
        let image = random.image(&description.image);
        let label = (description.classes > 0).then(|| random.below(description.classes));
        let expected = Reference::new(&trained).logits(&image, label).unwrap().data;
        let largest = expected.iter().fold(1.0, |max: f64, logit| max.max(logit.abs()));
        // Engine logits saturate at 2¹⁵ octaves.
        if largest < 20_000.0 {
            let worst = worst(&blob, &image, label, &expected);
            assert!(worst < 1e-4 * largest, "random model {seed}: a logit of up to {largest} is off by {worst}");
        }
    }
}

/// True if `model` stops with a non-finite sum on an image, with both plans.
fn stops(model: Model<'_>, image: &[u8], label: Option<usize>) -> bool {
    let results = forward::PLANS.map(|plan| {
        let mut state = vec![0; model.state_words_for(plan)];
        let mut out = vec![0; image.len()];
        let mut given = FromImage::new(image, model.image());
        forward::engine(model, &mut state, plan).run(label, &mut given, &mut out)
    });
    assert_eq!(results[0], results[1]);
    match &results[0] {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(*error, StepError::NotFinite);
            true
        }
    }
}

/// Offsets of floats used by every image: the input table; for each op its first bias (or class bias) and the first
/// weight of single-tap convolutions; all initial states of LSTMs.
fn floats(blob: &[u8], model: Model<'_>) -> Vec<(String, Vec<usize>)> {
    let entries = |at: usize, count: usize| (0..count).map(|n| at + 4 * n).collect::<Vec<_>>();
    let mut offsets = vec![("input_table".to_string(), entries(offset_at(blob, 40), model.image().levels))];
    for op in 0..model.instructions().len() {
        let at = offset_at(blob, 44) + RECORD_BYTES * op;
        let mut add = |name: &str, field: usize, count: usize| {
            let offset = offset_at(blob, at + field);
            if offset != 0 {
                offsets.push((format!("{name} of op {op}"), entries(offset, count)));
            }
        };
        match blob[at] {
            kind::MASKED_CONV => {
                add("bias", 28, 1);
                add("class_bias", 36, 1);
                if op > 0 && blob[at + 4..at + 6] == [1, 1] {
                    add("weights", 24, 1);
                }
            }
            kind::ROW_LSTM | kind::DIAGONAL_LEFT | kind::DIAGONAL_RIGHT => {
                add("bias", 32, 1);
                add("class_bias", 48, 1);
                let rows = if blob[at] == kind::ROW_LSTM { 1 } else { model.image().height };
                add("initial", 52, rows * 2 * usize::from(u16_at(blob, at + 18)));
            }
            _ => {}
        }
    }
    offsets
}

/// ReLUs, gates and states propagate NaN, so that it reaches a sum.
#[test]
fn what_is_no_number_anywhere_in_a_blob_stops_the_engine() {
    let mut tried = 0;
    for fixture in fixtures::all() {
        let Some(blob) = fixture.blob_of(NumberFormat::F32) else { continue };
        let (image, label) = (fixture.images.image(0), fixture.label(0).map(|_| 0));
        let model = blob.model().unwrap();
        assert!(!stops(model, image, label), "{}", fixture.name);
        // Without an earlier pixel or row, some numbers are never read.
        if model.image().height == 1 || model.image().width == 1 {
            continue;
        }
        for (name, offsets) in floats(blob.bytes(), model) {
            // A gate at infinity saturates, and an infinite state has a finite tanh, so both yield finite results.
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut bytes = blob.bytes().to_vec();
                for at in &offsets {
                    mutate::word(&mut bytes, *at, value.to_bits());
                }
                let stopped = stops(Blob::new(&bytes).model().unwrap(), image, label);
                if value.is_nan() || !name.starts_with("initial") {
                    assert!(stopped, "{}: {value} as {name}", fixture.name);
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "only {tried} numbers were tried");
}

/// Replaces the logits of `blob` by constants at every value.
fn constant_logits(blob: &Blob, logits: &[f32]) -> Blob {
    let mut bytes = blob.bytes().to_vec();
    let model = blob.model().unwrap();
    let at = offset_at(&bytes, 44) + RECORD_BYTES * (model.logits_op());
    let outputs = usize::from(u16_at(&bytes, at + 18));
    let (weights, bias) = (offset_at(&bytes, at + 24), offset_at(&bytes, at + 28));
    let made = model.instructions().nth(model.logits_op()).flatten().unwrap();
    let count = made.weights(model.groups(), model.layout());
    bytes[weights..weights + 4 * count].fill(0);
    for n in 0..outputs {
        mutate::word(&mut bytes, bias + 4 * n, logits[n % logits.len()].to_bits());
    }
    Blob::new(&bytes)
}

fn bits_of(blob: &Blob, value: u8, label: Option<usize>) -> f64 {
    let model = blob.model().unwrap();
    let Image { height, width, channels, .. } = model.image();
    let values = height * width * channels;
    forward::score(model, &vec![value; values], label).cost.bits() / values as f64
}

/// 32 bits hold logits up to 2¹⁵ octaves. Float logits are unbounded, and only their differences matter.
#[test]
fn huge_logits_have_the_likelihoods_of_their_distances() {
    let mut tried = [0; 2];
    for fixture in fixtures::all() {
        let Some(blob) = fixture.blob_of(NumberFormat::F32) else { continue };
        let (model, label) = (blob.model().unwrap(), fixture.label(0));
        let at = offset_at(blob.bytes(), 44) + RECORD_BYTES * (model.logits_op());
        if offset_at(blob.bytes(), at + 28) == 0 {
            continue;
        }
        let bits = |logits: &[f32], value: u8| bits_of(&constant_logits(&blob, logits), value, label);
        if model.output() == Output::Bernoulli {
            tried[0] += 1;
            for huge in [1e5, 1e30, f32::MAX] {
                assert!(bits(&[huge], 1) < 1e-6 && bits(&[huge], 0) > 23.9, "{}: {huge}", fixture.name);
                assert!(bits(&[-huge], 0) < 1e-6 && bits(&[-huge], 1) > 23.9, "{}: -{huge}", fixture.name);
            }
        } else {
            tried[1] += 1;
            let mut near = vec![0.0; model.image().levels];
            near[1] = 1.5;
            for common in [-1e6, 1e6] {
                let far: Vec<f32> = near.iter().map(|logit| logit + common).collect();
                for value in [0, 1] {
                    assert!(
                        (bits(&far, value) - bits(&near, value)).abs() < f64::MIN_POSITIVE,
                        "{}: {common}",
                        fixture.name
                    );
                }
            }
            let mut ends = vec![-f32::MAX; model.image().levels];
            ends[0] = f32::MAX;
            assert!(bits(&ends, 0) < 1e-3 && bits(&ends, 1) > 23.9, "{}", fixture.name);
        }
    }
    assert!(tried[0] > 0 && tried[1] > 3, "{tried:?}");
}
