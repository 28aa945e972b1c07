//! Trained models, as a file or a bare description. Accepted input can be written, and converts or is rejected cleanly.

use pixelrnn::blob::NumberFormat;
use pixelrnn_converter::convert::{Calibration, convert};
use pixelrnn_converter::images::Range;
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::{Description, ImageSet, Tensor, TrainedModel};

/// Limits for conversion, for speed: weights, pixels and multiply-adds per image.
const WEIGHTS: usize = 1 << 12;
const PIXELS: usize = 64;
const WORK: usize = 1 << 18;

pub fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        describes(text);
    }
    reads(bytes);
    // Repairs the header length, which follows from the end of the header.
    if let Some(end) = bytes.windows(2).rposition(|pair| pair == b"}}").filter(|_| bytes.len() > 10) {
        let mut sealed = bytes.to_vec();
        sealed[..8].copy_from_slice(&(end as u64 + 2).saturating_sub(8).to_le_bytes());
        reads(&sealed);
    }
}

fn describes(text: &str) {
    let Ok(description) = Description::from_json(text) else { return };
    let json = description.to_json();
    assert_eq!(Description::from_json(&json).expect("what was just written").to_json(), json);
    let Ok(nodes) = description.nodes() else { return };
    let mut sizes = Vec::new();
    for node in &nodes {
        node.tensors(description.classes, |spec| {
            sizes.push((spec.name.to_string(), spec.shape.to_vec()));
        });
    }
    let count = |shape: &[usize]| shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side));
    let weights = sizes.iter().try_fold(0usize, |sum, (_, shape)| sum.checked_add(count(shape)?));
    if weights.is_none_or(|weights| weights > WEIGHTS) {
        return;
    }
    // Distinct numbers between -1 and 1 for all tensors.
    let mut number = 0u32;
    let tensors = sizes.into_iter().map(|(name, shape)| {
        let mut next = || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x = (number >> 8) as f32 / 8_388_608.0 - 1.0;
            if name.ends_with("running_var") { x.abs() + 0.1 } else { x }
        };
        let data = (0..shape.iter().product()).map(|_| next()).collect();
        (name.clone(), Tensor { shape, data })
    });
    if let Ok(trained) = TrainedModel::new(description, tensors.collect()) {
        round_trip(&trained);
        converts(&trained);
    }
}

fn reads(bytes: &[u8]) {
    let Ok(trained) = TrainedModel::from_bytes(bytes) else { return };
    round_trip(&trained);
    converts(&trained);
}

fn round_trip(trained: &TrainedModel) {
    let bytes = trained.to_bytes().expect("what was read can be written");
    assert_eq!(TrainedModel::from_bytes(&bytes).expect("what was just written"), *trained);
}

fn converts(trained: &TrainedModel) {
    let description = trained.description();
    let image = description.image;
    let weights: usize = trained.tensors().values().map(|tensor| tensor.data.len()).sum();
    let pixels = image.height.saturating_mul(image.width);
    if weights > WEIGHTS || pixels > PIXELS || weights * pixels > WORK {
        return;
    }
    let data = (0..image.values()).map(|n| (n % image.levels) as u8).collect();
    let set = ImageSet::new([image.channels, image.height, image.width], data, Range::Levels).expect("an image");
    let labels = (description.classes > 0).then(|| vec![0]);
    let calibration = Calibration::Images { set, labels, count: 1 };
    for weights in [NumberFormat::I8, NumberFormat::I8A16, NumberFormat::F32] {
        // Rejected models have unsupported ops or scales out of range.
        if let Ok(converted) = convert(trained, &calibration, weights, Method::MinMax, || ()) {
            converted.blob.model().expect("the engine reads what was converted");
        }
    }
}
