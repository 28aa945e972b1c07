//! Networks as graphs: the engine against the float reference, and all plans and executors against each other.

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::blob::NumberFormat;
use pixelrnn::network::{Architecture, ColourGroups, Image, Output, Preset};
use pixelrnn::{Cost, FromImage, Sample, Temperature};
use pixelrnn_converter::{Blob, Description, Reference, TrainedModel};
use pixelrnn_tests::forward::{self, PLANS};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{graphs, models};

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

/// Presets of the gated PixelCNN: gray and colour, kernels, classes, skips.
fn presets() -> impl Iterator<Item = TrainedModel> {
    (0..24).map(|seed| {
        let mut random = Random::new(seed);
        let channels = if seed % 3 == 0 { 3 } else { 1 };
        let levels = random.choose(&[2, 4]);
        let preset = Preset {
            architecture: Architecture::GatedPixelCnn,
            image: Image { height: random.between(1, 7), width: random.between(1, 9), channels, levels },
            hidden: random.between(1, 7),
            layers: random.between(0, 4),
            input_kernel: random.choose(&[3, 5, 7]),
            kernel: random.choose(&[1, 3, 5]),
            head: random.between(1, 6),
            output: if levels == 2 { Output::Bernoulli } else { Output::Softmax },
            residual: !random.once_in(3),
            skip: false,
            depth_gate: false,
            initial_state: false,
            classes: random.choose(&[0, 3]),
            colour_groups: if random.once_in(4) { ColourGroups::None } else { ColourGroups::Cyclic },
        };
        let preset = Preset { skip: preset.layers > 0 && random.once_in(2), ..preset };
        models::of(&Description::from(preset), seed)
    })
}

/// Random graphs and presets, with their blobs.
fn blobs(weights: NumberFormat) -> impl Iterator<Item = (u64, TrainedModel, Blob)> {
    let random = (0..400).filter_map(move |seed| {
        let (trained, blob) = graphs::random_blob(seed, weights)?;
        Some((seed, trained, blob))
    });
    let presets = presets().zip(1000..).filter_map(move |(trained, seed)| {
        let (trained, blob) = models::converted(trained, seed, weights)?;
        Some((seed, trained, blob))
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
    for (seed, trained, blob) in blobs(NumberFormat::I8).filter(|(seed, ..)| *seed >= 1000) {
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
