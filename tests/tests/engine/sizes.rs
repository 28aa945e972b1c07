//! Models for images of other sizes than their own.

use super::batched;
use pixelrnn::network::{Architecture, ColourGroups, Image, Op, Output, Preset};
use pixelrnn::{Model, SizeError};
use pixelrnn_converter::quantize::{Activations, Method, Numbers, observe, quantize};
use pixelrnn_converter::{Blob, Description, Error, Reference, TrainedModel};
use pixelrnn_tests::forward::{self, PLANS};
use pixelrnn_tests::models;
use pixelrnn_tests::random::Random;

/// Sizes: a pixel, a row, a column, smaller than most kernels, larger than the model's.
const SIZES: [[usize; 2]; 6] = [[1, 1], [1, 9], [8, 1], [2, 3], [5, 17], [13, 4]];

/// True if the blob takes images of `size`.
fn takes(model: &Model<'_>, size: [usize; 2]) -> bool {
    match model.with_size(size[0], size[1]) {
        Ok(_) => true,
        Err(SizeError::InitialStates { rows }) => {
            assert_ne!(rows, size[0]);
            false
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn all_executors_agree_on_images_of_any_size() {
    let mut taken = 0;
    for seed in 9000..9016 {
        let Some((_, blob)) = models::random_blob(seed) else { continue };
        let model = blob.model().unwrap();
        for size in SIZES.into_iter().filter(|size| takes(&model, *size)) {
            let name = format!("model {seed}, {size:?}");
            batched::check(&name, model.with_size(size[0], size[1]).unwrap(), seed);
            taken += 1;
        }
    }
    assert!(taken >= 60, "{taken}");
}

/// `trained` for images of `size`.
fn resized(trained: &TrainedModel, [height, width]: [usize; 2]) -> Option<TrainedModel> {
    let (description, _, tensors) = trained.clone().into_parts();
    let image = Image { height, width, ..description.image };
    // Initial states by row have another shape then.
    TrainedModel::new(Description { image, ..description }, tensors).ok()
}

/// Blobs of `trained` and of the same weights for images of another size, with one calibration.
fn blobs(trained: &TrainedModel, other: &TrainedModel, seed: u64) -> Option<[Blob; 2]> {
    let image = trained.description().image;
    let mut random = Random::new(seed);
    let images: Vec<_> = (0..2).map(|_| random.image(&image)).collect();
    let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    let labels = (trained.description().classes > 0).then(|| vec![0; 2]);
    let seen = observe(trained, &Reference::new(trained), &images, labels.as_deref(), || ()).unwrap();
    let numbers = Numbers::Int8 { seen: &seen, method: Method::MinMax, activations: Activations::Bits8 };
    let made = [trained, other].map(|trained| match quantize(trained, numbers) {
        Ok(blob) => Some(blob),
        Err(Error::OutOfScale { .. }) => None,
        Err(error) => panic!("{error}"),
    });
    let [Some(a), Some(b)] = made else { return None };
    Some([a, b])
}

#[test]
fn a_resized_blob_gives_the_bytes_of_one_converted_at_that_size() {
    let mut compared = 0;
    for seed in 9100..9140 {
        let trained = models::random(seed);
        if trained.nodes().iter().any(|node| matches!(node.op, Op::BatchNorm { .. })) {
            continue; // folded by `convert` alone
        }
        let size = SIZES[seed as usize % SIZES.len()];
        let Some(other) = resized(&trained, size) else { continue };
        let Some([own, converted]) = blobs(&trained, &other, seed) else { continue };
        let model = own.model().unwrap().with_size(size[0], size[1]).unwrap();
        let expected = converted.model().unwrap();
        let label = (expected.classes() > 0).then_some(0);
        let image = Random::new(seed).image(&expected.image());
        for plan in PLANS {
            assert_eq!(model.state_words_for(plan), expected.state_words_for(plan), "model {seed}, {plan:?}");
        }
        assert_eq!(model.state_words(), expected.state_words(), "model {seed}");
        let [got, expected] = [model, expected].map(|model| forward::score(model, &image, label));
        assert_eq!(got, expected, "model {seed}, {size:?}");
        compared += 1;
    }
    assert!(compared >= 15, "{compared}");
}

fn preset(architecture: Architecture) -> Preset {
    Preset {
        architecture,
        image: Image { height: 5, width: 6, channels: 1, levels: 4 },
        hidden: 4,
        layers: 1,
        input_kernel: 3,
        kernel: 3,
        head: 4,
        output: Output::Softmax,
        residual: true,
        skip: false,
        depth_gate: false,
        initial_state: false,
        classes: 0,
        colour_groups: ColourGroups::Cyclic,
    }
}

#[test]
fn sizes_that_a_model_cannot_take_are_refused() {
    let blob =
        |preset| models::converted(models::of(&Description::from(preset), 1), 1, pixelrnn::blob::NumberFormat::I8);
    let (_, plain) = blob(preset(Architecture::PixelCnn)).unwrap();
    let plain = plain.model().unwrap();
    for (height, width) in [(0, 4), (4, 0), (4097, 4), (4, 70_000)] {
        assert_eq!(plain.with_size(height, width).unwrap_err(), SizeError::Range { height, width });
    }
    assert_eq!(plain.with_size(4096, 3).unwrap().image().height, 4096);
    let by_row = Preset { initial_state: true, ..preset(Architecture::DiagonalBilstm) };
    let (trained, blob_by_row) = blob(by_row).unwrap();
    let model = blob_by_row.model().unwrap();
    assert_eq!(model.with_size(6, 6).unwrap_err(), SizeError::InitialStates { rows: 5 });
    assert_eq!(model.with_size(5, 9).unwrap().image().width, 9);
    let reference = Reference::new(&trained);
    assert!(matches!(
        reference.with_size(6, 6),
        Err(Error::Resize { source: SizeError::InitialStates { rows: 5 }, .. })
    ));
    assert_eq!(reference.with_size(5, 9).unwrap().image().width, 9);
    let (_, gated) = blob(preset(Architecture::GatedPixelCnn)).unwrap();
    assert_eq!(gated.model().unwrap().with_size(6, 6).unwrap_err(), SizeError::Graph);
}

#[test]
fn the_reference_of_another_size_is_that_of_a_model_described_with_it() {
    for seed in 9200..9220 {
        let trained = models::random(seed);
        let size @ [height, width] = SIZES[seed as usize % SIZES.len()];
        let Some(other) = resized(&trained, size) else { continue };
        let image = Random::new(seed).image(&other.description().image);
        let label = (other.description().classes > 0).then_some(0);
        let got = Reference::new(&trained).with_size(height, width).unwrap().nats(&image, label).unwrap();
        assert_eq!(got.to_bits(), Reference::new(&other).nats(&image, label).unwrap().to_bits(), "model {seed}");
    }
}
