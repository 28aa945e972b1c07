//! `convert`, `verify` and `score`, from the view of a user who checks the cost of quantization.

use pixelrnn_converter::Description;
use pixelrnn_converter::trained::{Tensor, TrainedModel};
use pixelrnn_tests::program::Folder;
use std::collections::BTreeMap;

const CLASSES: &str = "pixel_cnn_depth_gate_classes";

/// Writes `model.safetensors`: a 1x2 and a 1x1 convolution with one feature each and two levels.
fn small_model(folder: &Folder, [first, first_bias]: [f32; 2], [last, last_bias]: [f32; 2]) {
    let description = r#"{"image": {"height": 4, "width": 4, "channels": 1, "levels": 2}, "output": "bernoulli", "ops": [
        {"op": "masked_conv", "name": "a", "mask": "A", "kernel": [1, 2], "out": 1},
        {"op": "masked_conv", "name": "o", "mask": "B", "kernel": [1, 1], "out": 1}]}"#;
    let one = |shape: &[usize], data: &[f32]| Tensor { shape: shape.to_vec(), data: data.to_vec() };
    let tensors = BTreeMap::from([
        ("a.weight".to_string(), one(&[1, 1, 1, 2], &[first, 0.0])),
        ("a.bias".to_string(), one(&[1], &[first_bias])),
        ("o.weight".to_string(), one(&[1, 1, 1, 1], &[last])),
        ("o.bias".to_string(), one(&[1], &[last_bias])),
    ]);
    let model = TrainedModel::new(Description::from_json(description).unwrap(), tensors).unwrap();
    model.write(&folder.path("model.safetensors")).unwrap();
}

/// Writes `images.npy` for this model.
fn small_images(folder: &Folder, count: usize, value: impl Fn(usize) -> u8) {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, 4, 4), }}");
    let values: Vec<u8> = (0..16 * count).map(value).collect();
    folder
        .write("images.npy", &[b"\x93NUMPY\x01\x00\x76\x00", format!("{header:<117}\n").as_bytes(), &values].concat());
}

#[test]
fn a_loss_beyond_max_loss_is_an_error_that_writes_nothing() {
    let folder = Folder::new();
    folder.fixture(CLASSES);
    let run =
        folder.run("convert model.safetensors --calibrate images.npy --labels labels.npy --max-loss 0% -o out.prnn");
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("expected at most 0 %: nothing was written"), "{}", run.stderr);
    assert!(!folder.names().contains(&"out.prnn".to_string()));
    folder
        .run("convert model.safetensors --calibrate images.npy --labels labels.npy --max-loss 90% -o out.prnn")
        .good();
    let usage = folder.run("convert model.safetensors --max-loss 200% -o out.prnn");
    assert_eq!(usage.status, Some(2), "{}", usage.stderr);
}

#[test]
fn classes_that_calibration_does_not_have_are_told() {
    let folder = Folder::new();
    folder.fixture(CLASSES);
    let run = folder.run("sample -m model.prnn --label 0 -n 4 -o one-class.npy").good();
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    let header = format!("{:<117}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }");
    folder.write("one-class.labels.npy", &[b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), &[0; 4]].concat());
    let line = "convert model.safetensors --calibrate one-class.npy --labels one-class.labels.npy -o out.prnn";
    let run = folder.run(line).good();
    assert!(run.stderr.contains("classes, such as class 1, are missing in the 4 calibration images"), "{}", run.stderr);
    let notes = folder.run(&format!("{line} --json")).good().json()["notes"].clone();
    assert_eq!(notes.as_array().map(Vec::len), Some(1), "{notes}");
}

#[test]
fn ops_that_make_one_number_everywhere_are_told() {
    let folder = Folder::new();
    small_model(&folder, [1.0, -0.5], [2.0, 0.0]);
    small_images(&folder, 2, |_| 0);
    let run = folder.run("convert model.safetensors --calibrate images.npy -o out.prnn").good();
    assert!(run.stderr.contains("are constant on all calibration images"), "{}", run.stderr);
    small_images(&folder, 2, |n| (n % 3 == 0).into());
    let run = folder.run("convert model.safetensors --calibrate images.npy -o out.prnn").good();
    assert_eq!(run.stderr, "");
}

#[test]
fn a_share_of_next_to_nothing_is_not_printed() {
    let folder = Folder::new();
    small_model(&folder, [0.0, 0.0], [0.0, -20.0]);
    small_images(&folder, 2, |_| 0);
    let run = folder.run("convert model.safetensors --calibrate images.npy -o out.prnn").good();
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(text.contains("nats an image, ") && text.contains("bits/dim") && !text.contains('%'), "{text}");
    let run = folder.run("verify model.safetensors out.prnn images.npy").good();
    let text = String::from_utf8(run.stdout).unwrap();
    let difference = text.lines().find(|line| line.contains("difference")).unwrap();
    assert!(!difference.contains('%'), "{text}");
}

#[test]
fn numbers_that_are_not_finite_are_an_error_wherever_they_show() {
    let folder = Folder::new();
    small_model(&folder, [3e38, 3e38], [3e38, 0.0]);
    small_images(&folder, 2, |n| (n % 3 == 0).into());
    // The reference computes in f64, where 10⁷⁶ nats is finite. It overflows f32.
    let run = folder.run("convert model.safetensors --calibrate images.npy --weights f32 -o out.prnn");
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("not a finite number"), "{}", run.stderr);
    assert_eq!(folder.names(), ["images.npy", "model.safetensors"]);
}

#[test]
fn float_blobs_are_run_by_a_float_engine_and_compressing_with_one_is_a_warning() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_gray_softmax_full_description");
    folder.run("convert model.safetensors --calibrate images.npy --weights f32 -o float.prnn").good();
    let said = |line: &str| String::from_utf8(folder.run(line).good().stdout).unwrap();
    assert!(said("score images.npy -m float.prnn").contains("(float engine)"));
    assert!(said("verify model.safetensors float.prnn images.npy").contains("float engine"));
    let run = folder.run("compress images.npy -m float.prnn -o images.prnz").good();
    assert!(run.stderr.contains("another machine may not decompress the file"), "{}", run.stderr);
}

#[test]
fn what_verify_does_not_measure_is_no_number() {
    let folder = Folder::new();
    folder.fixture("ops_diagonal_bilstm_2_layers");
    let line = "verify model.safetensors model.prnn images.npy";
    let text = String::from_utf8(folder.run(line).good().stdout).unwrap();
    let left = text.lines().find(|line| line.contains(".left")).unwrap();
    assert!(left.contains('–') && !left.contains("0.000 %"), "{text}");
    let layers = folder.run(&format!("{line} --json")).good().json()["layers"].clone();
    let layer = |what: &str| {
        let name = |layer: &&serde_json::Value| layer["name"].as_str().is_some_and(|name| name.ends_with(what));
        layers.as_array().unwrap().iter().find(name).unwrap().clone()
    };
    assert!(layer(".left")["relative_error"].is_null() && layer(".left")["states"]["units"].as_u64() > Some(0));
    assert!(layer(".right")["relative_error"].is_number());
}

#[test]
fn score_counts_the_values_that_a_blob_finds_as_unlikely_as_can_be() {
    let folder = Folder::new();
    small_model(&folder, [0.0, 0.0], [0.0, -40.0]);
    small_images(&folder, 2, |n| (n == 3).into());
    folder.run("convert model.safetensors --calibrate images.npy --activations 8 -o out.prnn").good();
    for (model, nats) in [("model.safetensors", 20.0), ("out.prnn", 16.6355 / 2.0)] {
        let score = folder.run(&format!("score images.npy -m {model} --json")).good().json();
        assert_eq!(score["values_at_floor"], 1, "{score}");
        assert!((score["nats"].as_f64().unwrap() - nats).abs() < 1e-3, "{score}");
    }
    let text = String::from_utf8(folder.run("score images.npy -m out.prnn").good().stdout).unwrap();
    assert!(text.contains("1 of 32 values have the least probability of a blob, 2^-24"), "{text}");
}
