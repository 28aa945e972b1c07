//! A trained network whose blocks compute `x ← 2x + net(x)`: residuals grow by 2¹⁵, and blobs stay close to the float reference.
//!
//! The shipped PixelCNN of digits is rewritten as such a network. Its own blocks are spread over 15, the others compute 0, and weights are
//! multiplied and divided by the power of two that the residual has grown by: the function stays the same.

use pixelrnn::blob::NumberFormat;
use pixelrnn_converter::convert::{Calibrated, Calibration};
use pixelrnn_converter::images::Range;
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::run::Scorer;
use pixelrnn_converter::trained::Tensor;
use pixelrnn_converter::{Blob, Description, ImageSet, Reference, TrainedModel};
use pixelrnn_tests::forward;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const BLOCKS: usize = 15;

fn scaled(tensor: &Tensor, factor: f32) -> Tensor {
    Tensor { shape: tensor.shape.clone(), data: tensor.data.iter().map(|x| x * factor).collect() }
}

/// `block` with its convolutions renamed from `blocks.N.PART` to `zero.AT.PART`, and zero tensors for them.
fn zero_block(block: &Value, at: usize, tensors: &mut BTreeMap<String, Tensor>) -> Value {
    let mut block = block.clone();
    for op in block["ops"].as_array_mut().unwrap() {
        if let Some(name) = op.get("name").and_then(Value::as_str).map(str::to_owned) {
            let zero = format!("zero.{at}.{}", name.rsplit('.').next().unwrap());
            for suffix in ["weight", "bias"] {
                let tensor = scaled(&tensors[&format!("{name}.{suffix}")], 0.0);
                tensors.insert(format!("{zero}.{suffix}"), tensor);
            }
            op["name"] = zero.into();
        }
    }
    block
}

fn doubled(model: &TrainedModel) -> TrainedModel {
    let mut description: Value = serde_json::from_str(&model.description().to_json()).unwrap();
    let mut tensors = model.tensors().clone();
    let ops = description["ops"].as_array().unwrap().clone();
    let (blocks, others): (Vec<_>, Vec<_>) = ops.into_iter().partition(|op| op["op"] == "residual");
    let mut network = vec![others[0].clone()];
    let mut trained = blocks.iter().enumerate();
    let mut next = trained.next();
    for at in 0..BLOCKS {
        let mut block = match next {
            Some((n, block)) if at == n * (BLOCKS - 1) / (blocks.len() - 1) => {
                let grown = 2f32.powi(at as i32);
                for (part, factor) in
                    [("reduce.weight", 1.0 / grown), ("expand.weight", 2.0 * grown), ("expand.bias", 2.0 * grown)]
                {
                    let tensor = tensors.get_mut(&format!("blocks.{n}.{part}")).unwrap();
                    *tensor = scaled(tensor, factor);
                }
                next = trained.next();
                block.clone()
            }
            _ => zero_block(&blocks[0], at, &mut tensors),
        };
        block["scale"] = json!(2.0);
        network.push(block);
    }
    assert!(next.is_none(), "every trained block has a place");
    network.extend_from_slice(&others[1..]);
    let head = tensors.get_mut("head.0.weight").unwrap();
    *head = scaled(head, 2f32.powi(-(BLOCKS as i32)));
    description["ops"] = network.into();
    TrainedModel::new(Description::from_json(&description.to_string()).unwrap(), tensors).unwrap()
}

#[test]
fn fifteen_blocks_that_double_their_residual_convert_as_accurately_as_the_network_that_they_equal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/mnist-pixelcnn");
    let original = TrainedModel::read(&folder.join("model.safetensors")).unwrap();
    let shipped = Blob::read(&folder.join("model.prnn")).unwrap();
    let draw = |seeds: std::ops::Range<u64>| {
        let images = seeds.flat_map(|seed| forward::sample(shipped.model().unwrap(), seed, 1000, None).image).collect();
        ImageSet::new([1, 28, 28], images, Range::Levels).unwrap()
    };
    let (calibrate, test) = (draw(0..40), draw(40..60));
    let nats = |scorer: Scorer<'_>| {
        let scores = scorer.score_all(&test, None, false, || ()).unwrap();
        scores.iter().map(|score| score.floored).collect::<Vec<_>>()
    };
    let doubled = doubled(&original);
    let right = nats(Scorer::Reference(&Reference::new(&original)));
    let reference = nats(Scorer::Reference(&Reference::new(&doubled)));
    let mean = right.iter().sum::<f64>() / right.len() as f64;
    let distance = |of: &[f64]| of.iter().zip(&right).map(|(a, b)| (a - b).abs()).sum::<f64>() / right.len() as f64;
    assert!(distance(&reference) < 1e-3 * mean, "the rewritten network is another function");
    let calibration = Calibration::Images { count: calibrate.count, set: calibrate, labels: None };
    let calibrated = Calibrated::new(&doubled, &calibration, Method::default(), || ()).unwrap();
    for (weights, limit) in [(NumberFormat::I8, 0.01), (NumberFormat::I8A16, 0.005)] {
        let blob = calibrated.convert(weights).unwrap().blob;
        let distance = distance(&nats(Scorer::Engine(blob.model().unwrap())));
        assert!(distance < limit * mean, "{weights:?}: {distance} nats an image, of {mean}");
    }
}
