//! Blobs of float weights give what the definition of a model gives, but for rounding.
//!
//! Where the integer engine is compared with itself and its page, this compares the engine's walk with the definition: no
//! quantization stands between a wrong tap, gate or state and a difference that shows.

use pixelrnn::blob::Weights;
use pixelrnn_converter::{Blob, Reference};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, models, walk};

/// Nats that one step of an engine's logits is worth.
const UNIT: f64 = std::f64::consts::LN_2 / 65536.0;

/// The greatest distance between logits of `blob` and `expected` ones, in nats.
fn worst(blob: &Blob, image: &[u8], label: Option<usize>, expected: &[f64]) -> f64 {
    let got = walk::score(blob.model().unwrap(), image, label).logits;
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(got, expected)| (f64::from(*got) * UNIT - expected).abs()).fold(0.0, f64::max)
}

#[test]
fn every_logit_of_every_fixture() {
    // The second: weights that are no f16 lose up to 2⁻¹¹ of themselves.
    for (weights, tolerance) in [(Weights::F32, 1e-4), (Weights::F16, 0.05)] {
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
        let Some((trained, blob)) = models::random_blob_of(seed, Weights::F32) else { continue };
        let description = trained.description();
        let mut random = Random::new(seed);
        let image = random.image(&description.image);
        let label = (description.classes > 0).then(|| random.below(description.classes));
        let expected = Reference::new(&trained).logits(&image, label).unwrap().data;
        let largest = expected.iter().fold(1.0, |most: f64, logit| most.max(logit.abs()));
        // An engine's logits end at 2¹⁵ octaves.
        if largest < 20_000.0 {
            let worst = worst(&blob, &image, label, &expected);
            assert!(worst < 1e-4 * largest, "random model {seed}: a logit of up to {largest} is off by {worst}");
        }
    }
}
