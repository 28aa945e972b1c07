//! Graphs made by `tests/fixtures/onnx/make_onnx.py`, against ONNX Runtime's logits.

mod small;

use super::{Options, from_bytes, read};
use crate::convert::{Calibration, convert};
use crate::images::Range;
use crate::quantize::Method;
use crate::{ImageSet, Reference, TrainedModel};
use pixelrnn::blob::NumberFormat;
use std::path::{Path, PathBuf};

/// Networks that are read, and whether they have labels.
const NETWORKS: [&str; 13] = [
    "plain_folded",
    "plain_masked",
    "norms",
    "dilated",
    "dense",
    "gated",
    "gated_classes",
    "gated_square",
    "colours_cyclic",
    "colours_contiguous",
    "colours_at_once",
    "shifts",
    "embedded",
];

/// Exporters of PyTorch.
const EXPORTERS: [&str; 2] = ["script", "dynamo"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/onnx").join(name)
}

/// Elements of a stored array of `f32`, or of bytes.
fn array(name: &str) -> (Vec<u8>, bool) {
    let bytes = std::fs::read(fixture(name)).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let floats = bytes[..header].windows(3).any(|pair| pair == b"<f4");
    (bytes[header..].to_vec(), floats)
}

fn logits(name: &str) -> Vec<f32> {
    let (bytes, floats) = array(name);
    assert!(floats, "{name}");
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn compare(model: &TrainedModel, name: &str, context: &str) {
    let (images, _) = array(&format!("{name}.images.npy"));
    let expected = logits(&format!("{name}.logits.npy"));
    let labels = fixture(&format!("{name}.labels.npy")).exists().then(|| array(&format!("{name}.labels.npy")).0);
    let image = model.description().image;
    let per_image = model.description().logits() * image.height * image.width;
    assert_eq!(expected.len() / per_image, images.len() / image.values(), "{context}");
    // These graphs end in probabilities, or in their logarithms.
    let ends_in_sigmoid = name == "dilated";
    let ends_in_log_softmax = name == "norms";
    for (n, (image, expected)) in images.chunks(image.values()).zip(expected.chunks(per_image)).enumerate() {
        let label = labels.as_ref().map(|labels| usize::from(labels[n]));
        let mut got = Reference::new(model).logits(image, label).unwrap();
        if ends_in_sigmoid {
            got.data.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
        }
        if ends_in_log_softmax {
            let pixels = got.data.len() / 8;
            for pixel in 0..pixels {
                let sum: f64 = (0..8).map(|l| got.data[l * pixels + pixel].exp()).sum();
                (0..8).for_each(|l| got.data[l * pixels + pixel] -= sum.ln());
            }
        }
        for (at, (got, expected)) in got.data.iter().zip(expected).enumerate() {
            assert!(
                (*got as f32 - expected).abs() < 1e-4,
                "{context}: image {n}, logit {at}: {got}, expected {expected}"
            );
        }
    }
}

#[test]
fn graphs_of_both_exporters_have_onnx_runtimes_logits() {
    let mut failed = Vec::new();
    for name in NETWORKS {
        let unfolded = ["script_unfolded", "dynamo_unfolded", "dynamo_beside"];
        for exporter in EXPORTERS.into_iter().chain(unfolded) {
            let context = format!("{name}.{exporter}");
            if unfolded.contains(&exporter) && name != "plain_masked" {
                continue;
            }
            match read(&fixture(&format!("{context}.onnx"))) {
                Err(e) => failed.push(format!("{e}")),
                Ok(model) => {
                    if let Err(e) = std::panic::catch_unwind(|| compare(&model, name, &context)) {
                        failed.push(e.downcast_ref::<String>().cloned().unwrap_or(context));
                    }
                }
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn leaks_are_refused_by_the_name_of_their_node() {
    // The node by each exporter, and what it knows.
    let leaks = [
        ("first_b", ["`/first/Conv` (Conv)", "`node_conv2d` (Conv)"], "the value at its own pixel"),
        ("unmasked", ["`/second/Conv` (Conv)", "`node_conv2d_1` (Conv)"], "rows below its pixel"),
        ("residual", ["`/Add` (Add)", "`node_add` (Add)"], "the value at its own pixel"),
        ("vertical", ["`/v/Conv` (Conv)", "`node_conv2d` (Conv)"], "rows below its pixel"),
        ("colours", ["`/second/Conv` (Conv)", "`node_conv2d_1` (Conv)"], "later colours of its own pixel"),
        ("up", ["`/Slice` (Slice)", "`node_slice_1` (Slice)"], "rows below its pixel"),
        ("mean", ["`/GlobalAveragePool` (GlobalAveragePool)", "`node_mean` (ReduceMean)"], "all pixels"),
    ];
    for (name, nodes, knows) in leaks {
        for (exporter, node) in EXPORTERS.iter().zip(nodes) {
            let path = fixture(&format!("leak_{name}.{exporter}.onnx"));
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains(&format!("the network leaks: node {node} knows {knows}")), "{message}");
        }
    }
}

#[test]
fn imports_make_the_blob_of_the_file_written_by_hand() {
    for name in ["plain_folded", "plain_masked", "gated"] {
        let by_hand = TrainedModel::read(&fixture(&format!("{name}.safetensors"))).unwrap();
        for exporter in EXPORTERS.into_iter().chain((name == "plain_masked").then_some("script_unfolded")) {
            let imported = read(&fixture(&format!("{name}.{exporter}.onnx"))).unwrap();
            assert_eq!(blob(&imported), blob(&by_hand), "{name}.{exporter}");
        }
    }
}

#[test]
fn damaged_graphs_are_refused_or_read() {
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    for name in ["shifts.script", "gated_classes.dynamo", "colours_contiguous.dynamo", "embedded.script"] {
        let whole = std::fs::read(fixture(&format!("{name}.onnx"))).unwrap();
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] ^= 1 << random(8),
                    1 => bytes[at] = [0, 1, 2, 3, 0x7f, 0x80, 0xff][random(7)],
                    2 => drop(bytes.drain(at..(at + random(8)).min(whole.len()).min(bytes.len()))),
                    _ => bytes.insert(at, random(256) as u8),
                }
            }
            if let Ok(imported) = from_bytes(&bytes, None, &Options::default()) {
                let file = imported.model.to_bytes().unwrap();
                assert_eq!(TrainedModel::from_bytes(&file).unwrap(), imported.model);
            }
        }
    }
}

/// The blob of a model, calibrated on a fixed image.
fn blob(model: &TrainedModel) -> Vec<u8> {
    let image = model.description().image;
    let data = (0..2 * image.values()).map(|n| (n * n % 7 % image.levels) as u8).collect();
    let set = ImageSet::new([image.channels, image.height, image.width], data, Range::Levels).unwrap();
    let calibration = Calibration::Images { set, labels: None, count: 2 };
    convert(model, &calibration, NumberFormat::I8, Method::MinMax, || ()).unwrap().blob.bytes().to_vec()
}
