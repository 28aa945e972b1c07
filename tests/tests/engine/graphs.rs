//! Networks as graphs: the engine against the float reference, and all plans and executors against each other.

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::blob::NumberFormat;
use pixelrnn::network::Image;
use pixelrnn::{Cost, FromImage, Sample, Temperature};
use pixelrnn_converter::{Blob, Reference, TrainedModel};
use pixelrnn_tests::forward::{self, PLANS};
use pixelrnn_tests::graphs;
use pixelrnn_tests::random::Random;

/// One step of an engine's logits in nats.
const UNIT: f64 = std::f64::consts::LN_2 / 65536.0;

fn case(trained: &TrainedModel, seed: u64) -> (Vec<u8>, Option<usize>, Image) {
    let description = trained.description();
    let mut random = Random::new(seed);
    let image = random.image(&description.image);
    let label = (description.classes > 0).then(|| random.below(description.classes));
    (image, label, description.image)
}

fn worst(trained: &TrainedModel, blob: &Blob, image: &[u8], label: Option<usize>) -> (f64, f64) {
    let model = blob.model().unwrap();
    let expected = Reference::new(trained).logits(image, label).unwrap().data;
    let largest = expected.iter().fold(1.0, |max: f64, logit| max.max(logit.abs()));
    let got: Vec<_> = forward::score(model, image, label).logits.iter().map(|l| f64::from(*l) * UNIT).collect();
    let [got, expected] = [&got[..], &expected].map(|logits| forward::relative(model, logits));
    (got.iter().zip(&expected).map(|(got, expected)| (got - expected).abs()).fold(0.0, f64::max), largest)
}

/// First number of the presets among the graphs.
const PRESETS: u64 = 1000;

/// Random graphs and presets of the gated PixelCNN, with their blobs.
fn blobs(weights: NumberFormat) -> impl Iterator<Item = (u64, TrainedModel, Blob)> {
    let random = (0..400).filter_map(move |seed| {
        let (trained, blob) = graphs::random_blob(seed, weights)?;
        Some((seed, trained, blob))
    });
    let presets = (0..24).filter_map(move |seed| {
        let (trained, blob) = graphs::gated_blob(seed, weights)?;
        Some((PRESETS + seed, trained, blob))
    });
    random.chain(presets)
}

#[test]
fn float_blobs_have_the_logits_of_the_reference() {
    let mut done = 0;
    for (seed, trained, blob) in blobs(NumberFormat::F32) {
        let (image, label, _) = case(&trained, seed);
        let (worst, largest) = worst(&trained, &blob, &image, label);
        // Engine logits saturate at 2¹⁵ octaves.
        if largest < 5_000.0 {
            assert!(worst < 2e-4 * largest, "graph {seed}: off by {worst}\n{}", trained.description().to_json());
            done += 1;
        }
    }
    assert!(done > 350, "{done} graphs");
}

#[test]
fn all_plans_give_the_same_bytes() {
    for weights in [NumberFormat::I8, NumberFormat::I8A16] {
        for (seed, trained, blob) in blobs(weights) {
            let (image, label, _) = case(&trained, seed);
            let model = blob.model().unwrap();
            let [by_pixel, by_row] = PLANS.map(|plan| forward::score_under(plan, model, &image, label));
            assert_eq!(by_pixel, by_row, "graph {seed}\n{}", trained.description().to_json());
        }
    }
}

#[test]
fn a_dirty_buffer_gives_the_same_bytes() {
    for (seed, trained, blob) in blobs(NumberFormat::I8) {
        let (image, label, _) = case(&trained, seed);
        let model = blob.model().unwrap();
        for plan in PLANS {
            let mut state = vec![0xdead_beef; model.state_words_for(plan)];
            let source = FromImage::new(&image, model.image());
            let dirty = forward::run(&mut forward::engine(model, &mut state, plan), label, source);
            assert_eq!(forward::score_under(plan, model, &image, label), dirty, "graph {seed}");
        }
    }
}

/// Likelihoods in 8 bits stay near those of floats: each preset on an image that it draws itself.
#[test]
fn presets_in_8_bits_are_near_their_floats() {
    let (mut exact, mut rounded) = (0.0, 0.0);
    for (seed, trained, blob) in blobs(NumberFormat::I8).filter(|(seed, ..)| *seed >= PRESETS) {
        let (_, label, _) = case(&trained, seed);
        let pass = forward::sample(blob.model().unwrap(), seed, 1000, label);
        exact += Reference::new(&trained).nats(&pass.image, label).unwrap();
        rounded += pass.cost.nats();
    }
    assert!((rounded / exact - 1.0).abs() < 0.01, "{rounded} nats for {exact}");
}

/// Predictions of the batched executor and of the row scorer are the engine's, bit for bit.
#[test]
fn batches_and_rows_give_the_bytes_of_the_engine() {
    for weights in [NumberFormat::I8, NumberFormat::I8A16] {
        for (seed, trained, blob) in blobs(weights) {
            let model = blob.model().unwrap();
            let Some(packed) = PackedModel::new(model) else { continue };
            let (image, label, shape) = case(&trained, seed);
            let json = || trained.description().to_json();
            let scored = forward::score(model, &image, label).cost;
            assert_eq!(Scorer::new(&packed).unwrap().score(label, &image).unwrap(), scored, "graph {seed}\n{}", json());
            for count in [1, 3] {
                let expected: Vec<_> = (0..count).map(|n| forward::sample(model, n as u64, 1000, label)).collect();
                let (mut images, mut costs) = (vec![0; count * shape.values()], vec![Cost::default(); count]);
                let mut batch = Batch::new(&packed, count).unwrap();
                // The second run finds what the first has left.
                for _ in 0..2 {
                    let mut sources: Vec<_> = (0..count).map(|n| Sample::seeded(n as u64, Temperature::ONE)).collect();
                    batch.run(label, &mut sources, &mut images, &mut costs).unwrap();
                }
                for ((image, cost), expected) in images.chunks(shape.values()).zip(&costs).zip(&expected) {
                    assert_eq!((image, *cost), (&expected.image[..], expected.cost), "graph {seed}\n{}", json());
                }
            }
        }
    }
}
