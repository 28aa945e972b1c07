//! GPU and CPU agree: for each architecture, a few training steps give the same likelihoods, and nearly the same in 16
//! bits.
//!
//! `cargo test -p pixelrnn-trainer --features wgpu --test gpu -- --nocapture`, on a machine with Vulkan, Metal or
//! DirectX 12. A software Vulkan such as Mesa's is sufficient. Without the feature there is nothing to test.

#![cfg(all(feature = "flex", feature = "wgpu"))]

use pixelrnn_converter::images::Range;
use pixelrnn_converter::{Description, ImageSet};
use pixelrnn_trainer::back_end::{BackEnd, Precision};
use pixelrnn_trainer::data::Set;
use pixelrnn_trainer::recipe::Training;
use pixelrnn_trainer::run::{Epoch, Existing, Observer, Run};
use std::process::Command;
use std::sync::Mutex;

/// Steps of 16 images per epoch.
const STEPS: usize = 3;

/// Image height and width.
const SIDE: usize = 8;

/// Images of a diagonal edge with cycling positions.
fn edges(count: usize) -> Vec<u8> {
    let places = (0..SIDE).flat_map(|i| (0..SIDE).map(move |j| (i, j)));
    (0..count).flat_map(|n| places.clone().map(move |(i, j)| u8::from((i + n) % SIDE < j))).collect()
}

/// The same images with cycling classes.
fn set(description: &Description, count: usize) -> Set {
    let labels = (0..count).map(|n| (n % 2) as u16).collect();
    Set::new(description.image, edges(count), Some(labels), 2).expect("the images fit")
}

#[derive(Default)]
struct Epochs(Mutex<Vec<Epoch>>);

impl Observer for Epochs {
    fn ends(&self, epoch: &Epoch) {
        self.0.lock().expect("no epoch failed").push(epoch.clone());
    }
}

/// Training and validation likelihoods of two epochs.
fn likelihoods(architecture: &str, device: &str) -> Vec<f64> {
    let json = format!(
        r#"{{"architecture": "{architecture}", "image": {{"height": {SIDE}, "width": {SIDE}, "channels": 1, "levels": 2}},
            "hidden": 8, "layers": 2, "input_kernel": 5, "kernel": 3, "head": 8, "output": "bernoulli", "classes": 2}}"#
    );
    let description = Description::from_json(&json).expect("a preset");
    let settings =
        Training { epochs: Some(2), batch: Some(16), rate: Some(0.003), warmup: Some(2), ..Training::default() };
    let folder = tempfile::tempdir().expect("a folder");
    let epochs = Epochs::default();
    let run = Run {
        train: set(&description, 16 * STEPS),
        valid: set(&description, 16),
        settings: settings.settings().expect("settings"),
        back_end: BackEnd::new(&[device.parse().expect("a name")], Precision::F32).expect("the device is there"),
        folder: folder.path().to_path_buf(),
        samples: 0,
        existing: Existing::Keep,
        start: None,
        description,
    };
    run.train(&epochs).expect("training").expect("an epoch");
    let epochs = epochs.0.into_inner().expect("no epoch failed");
    epochs.iter().flat_map(|epoch| [epoch.train_nats, epoch.valid_nats]).collect()
}

#[test]
fn a_gpu_trains_as_the_processor_does() {
    for (name, what) in BackEnd::all() {
        println!("{name}: {what}");
    }
    for architecture in ["pixel_cnn", "gated_pixel_cnn", "row_lstm", "diagonal_bilstm"] {
        let (cpu, gpu) = (likelihoods(architecture, "cpu"), likelihoods(architecture, "wgpu"));
        println!("{architecture}: processor {cpu:?}, GPU {gpu:?}");
        assert_eq!(cpu.len(), 4);
        assert!(cpu[3] < cpu[0], "{architecture} learned nothing: {cpu:?}");
        for (cpu, gpu) in cpu.iter().zip(&gpu) {
            assert!((cpu - gpu).abs() <= 1e-3, "{architecture}: {gpu} nats, expected {cpu}");
        }
    }
}

/// Final training likelihood of a program run in `precision`, or the error.
fn nats_in(precision: &str, architecture: &str) -> Result<f64, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let images = ImageSet::new([1, SIDE, SIDE], edges(16 * STEPS), Range::Unstated).expect("the images fit");
    images.write_npy(&folder.path().join("edges.npy")).expect("a file");
    let arguments = "--train edges.npy --valid edges.npy --hidden 8 --layers 2 --input-kernel 5 --kernel 3 --head 8 --batch 16 --epochs 2 \
                     --samples 0 --device wgpu -o out";
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixelrnn-train"));
    command.args(arguments.split_whitespace()).args(["--architecture", architecture, "--precision", precision]);
    let output = command.current_dir(folder.path()).output().expect("the program runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metrics = std::fs::read_to_string(folder.path().join("out/metrics.jsonl")).expect("metrics");
    let last: Epoch = serde_json::from_str(metrics.lines().last().expect("an epoch")).expect("an epoch's metrics");
    Ok(last.train_nats)
}

#[test]
fn sixteen_bits_train_nearly_as_thirty_two_do() {
    for architecture in ["pixel_cnn", "gated_pixel_cnn", "row_lstm", "diagonal_bilstm"] {
        let expected = nats_in("f32", architecture).expect("32 bits");
        for (precision, tolerance) in [("f16", 2e-3), ("bf16", 2e-2)] {
            match nats_in(precision, architecture) {
                Ok(got) => {
                    println!("{architecture}: {precision} {got} nats, f32 {expected}");
                    assert!(
                        (got / expected - 1.0).abs() < tolerance,
                        "{architecture}: {got} nats, expected {expected}"
                    );
                    assert_ne!(got.to_bits(), expected.to_bits(), "{architecture}: {precision} is no f32");
                }
                Err(why) => {
                    println!("{architecture}: {why}");
                    assert!(why.contains("cannot compute in"), "{architecture}: {why}");
                }
            }
        }
    }
}
