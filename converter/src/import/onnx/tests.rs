//! Graphs made by `tests/fixtures/onnx/make_onnx.py`, against ONNX Runtime's logits.

use super::read;
use crate::{Reference, TrainedModel};
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
    for (n, (image, expected)) in images.chunks(image.values()).zip(expected.chunks(per_image)).enumerate() {
        let label = labels.as_ref().map(|labels| usize::from(labels[n]));
        let got = Reference::new(model).logits(image, label).unwrap();
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
        for exporter in EXPORTERS {
            let context = format!("{name}.{exporter}");
            match read(&fixture(&format!("{context}.onnx"))) {
                Err(e) => failed.push(format!("{e}")),
                Ok(model) => {
                    println!("{context}: {}", model.description().to_json());
                    if let Err(e) = std::panic::catch_unwind(|| compare(&model, name, &context)) {
                        failed.push(e.downcast_ref::<String>().cloned().unwrap_or(context));
                    }
                }
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
