//! Mask A at later positions of a network: no prediction sees its own value. Reference, blobs, specification and
//! context agree on the receptive field.

use pixelrnn::blob::NumberFormat;
use pixelrnn::network::Mask;
use pixelrnn::{Model, Position};
use pixelrnn_converter::context::reach;
use pixelrnn_converter::convert::{Calibration, convert};
use pixelrnn_converter::images::Range;
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::run::Scorer;
use pixelrnn_converter::{Blob, Error, ImageSet, NetworkSpec, OpKind, OpSpec, Reference, TrainedModel};
use pixelrnn_tests::integer_model::IntegerModel;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{forward, models};

/// Changes half of the later `masked_conv` ops to mask A.
fn narrow(ops: &mut [OpSpec], random: &mut Random) -> usize {
    let mut narrowed = 0;
    for op in ops {
        match &mut op.kind {
            OpKind::MaskedConv { mask: mask @ Mask::B, .. } if random.once_in(2) => {
                *mask = Mask::A;
                narrowed += 1;
            }
            OpKind::Residual { ops, .. } => narrowed += narrow(ops, random),
            _ => {}
        }
    }
    narrowed
}

/// Random op lists, with mask A also at later positions.
fn models_with_later_masks() -> impl Iterator<Item = (u64, TrainedModel)> {
    (5000..5120).filter_map(|seed| {
        let (mut description, _, tensors) = models::random(seed).into_parts();
        let NetworkSpec::Ops(ops) = &mut description.network else { return None };
        let narrowed = narrow(ops, &mut Random::new(seed));
        (narrowed > 0).then(|| (seed, TrainedModel::new(description, tensors).unwrap()))
    })
}

fn label(trained: &TrainedModel) -> Option<usize> {
    let classes = trained.description().classes;
    (classes > 0).then(|| classes - 1)
}

/// Blob calibrated on two images. `None` if a scale is out of range.
fn blob(trained: &TrainedModel, weights: NumberFormat) -> Option<Blob> {
    let image = trained.description().image;
    let mut random = Random::new(1);
    let data = (0..2).flat_map(|_| random.image(&image)).collect();
    let set = ImageSet::new([image.channels, image.height, image.width], data, Range::Levels).unwrap();
    let labels = label(trained).map(|label| vec![label as u16; 2]);
    match convert(trained, &Calibration::Images { set, labels, count: 2 }, weights, Method::MinMax, || ()) {
        Ok(converted) => Some(converted.blob),
        Err(Error::OutOfScale { .. }) => None,
        Err(error) => panic!("{error}\n{}", trained.description().to_json()),
    }
}

/// Indices into `[C, H, W]` in prediction order.
fn order(model: &Model<'_>) -> Vec<usize> {
    let shape = model.image();
    let pixels = shape.height * shape.width;
    (0..pixels).flat_map(|pixel| (0..shape.channels).map(move |channel| channel * pixels + pixel)).collect()
}

#[test]
fn no_prediction_sees_its_own_value_or_a_later_one() {
    let (mut models, mut noticed) = (0, 0);
    for (seed, trained) in models_with_later_masks() {
        let image = trained.description().image;
        let reference = Reference::new(&trained);
        let float = blob(&trained, NumberFormat::F32).unwrap();
        let model = float.model().unwrap();
        let order = order(&model);
        let (plane, logits_per_channel) = (image.height * image.width, model.output().logits_per_channel(image.levels));
        let mut random = Random::new(seed);
        let values = random.image(&image);
        let by_reference = |values: &[u8]| reference.logits(values, label(&trained)).unwrap().data;
        let by_engine = |values: &[u8]| forward::score(model, values, label(&trained)).logits;
        let (before, engine_before) = (by_reference(&values), by_engine(&values));
        for (n, &at) in order.iter().enumerate() {
            let mut changed = values.clone();
            changed[at] = ((usize::from(changed[at]) + random.between(1, image.levels - 1)) % image.levels) as u8;
            let (after, engine_after) = (by_reference(&changed), by_engine(&changed));
            for (m, &place) in order.iter().enumerate() {
                let (channel, pixel) = (place / plane, place % plane);
                let target = Position { row: pixel / image.width, column: pixel % image.width, channel };
                let logits =
                    || (0..logits_per_channel).map(|logit| (channel * logits_per_channel + logit) * plane + pixel);
                let differ = logits().any(|l| before[l].to_bits() != after[l].to_bits());
                noticed += usize::from(differ);
                assert!(!differ || m > n, "model {seed}: the reference's prediction {m} sees value {n}");
                let engine_differs = logits().any(|l| engine_before[l] != engine_after[l]);
                assert!(!engine_differs || m > n, "model {seed}: the engine's prediction {m} sees value {n}");
                let allowed = reach(trained.nodes(), &image, target);
                assert!(!differ || allowed[at], "model {seed}: the masks allow prediction {m} no look at value {n}");
            }
        }
        models += 1;
        if models == 25 {
            break;
        }
    }
    assert!(models > 20 && noticed > 1000, "{models} models, in which {noticed} changes show");
}

#[test]
fn float_blobs_give_what_the_reference_gives() {
    for (seed, trained) in models_with_later_masks() {
        let Some(blob) = blob(&trained, NumberFormat::F32) else { continue };
        let image = Random::new(seed).image(&trained.description().image);
        let expected = Reference::new(&trained).logits(&image, label(&trained)).unwrap().data;
        let largest = expected.iter().fold(1.0, |max: f64, logit| max.max(logit.abs()));
        // Engine logits saturate.
        if largest < 10_000.0 {
            let score = Scorer::Engine(blob.model().unwrap()).score(&image, label(&trained), true).unwrap();
            let got: Vec<f64> = score.logits.iter().map(|logit| f64::from(*logit)).collect();
            let model = blob.model().unwrap();
            let [got, expected] = [got, expected].map(|logits| forward::relative(model, &logits));
            let distance = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(distance < 1e-3 * largest, "model {seed}: a logit of up to {largest} is off by {distance}");
        }
    }
}

#[test]
fn integer_blobs_give_what_the_page_says() {
    let mut models = 0;
    for (seed, trained) in models_with_later_masks() {
        for weights in [NumberFormat::I8, NumberFormat::I8A16] {
            let Some(blob) = blob(&trained, weights) else { continue };
            let model = blob.model().unwrap();
            let image = Random::new(seed).image(&model.image());
            let page = IntegerModel::parse(blob.bytes()).unwrap_or_else(|e| panic!("model {seed}: {e}"));
            let engine = forward::score(model, &image, label(&trained));
            assert_eq!(engine.logits, page.logits(&image, label(&trained)), "model {seed}");
            // Row-wise scoring with all kernels of this machine.
            let shape = [model.image().channels, model.image().height, model.image().width];
            let set = ImageSet::new(shape, image, Range::Levels).unwrap();
            let labels = label(&trained).map(|label| vec![label as u16]);
            let rows = Scorer::Engine(model).score_all(&set, labels.as_deref(), false, || ()).unwrap();
            assert!((rows[0].nats - engine.cost.nats()).abs() < 1e-9, "model {seed}");
            models += 1;
        }
    }
    assert!(models > 20, "{models} models");
}
