//! The program: messages and exit statuses.

#![cfg(feature = "flex")]

use pixelrnn_converter::images::Range;
use pixelrnn_converter::{ImageSet, Picture};
use std::path::Path;
use std::process::{Command, Output};

fn train(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pixelrnn-train")).args(arguments).current_dir(folder).output().unwrap()
}

/// A folder with images `gray.npy`, 0 to 255.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = (0..8 * 25).map(|i| (i * 37 % 256) as u8).collect();
    let set = ImageSet::new([1, 5, 5], data, Range::Unstated).unwrap();
    set.write_npy(&folder.path().join("gray.npy")).unwrap();
    folder
}

const RECIPE: &str = r#"
[data]
train = "gray.npy"
valid = "gray.npy"

[model]
architecture = "row_lstm"
image = { levels = 4 }
hidden = 3
layers = 1
input_kernel = 3
head = 4

[training]
epochs = 2
batch = 4
optimizer = "rms_prop"
"#;

#[test]
fn a_recipe_and_flags_make_a_model() {
    let folder = folder();
    std::fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    let output = train(folder.path(), &["recipe.toml", "-o", "out", "--hidden", "5", "--samples", "2"]);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{err}");
    assert!(out.contains("epoch 2: ") && out.contains("best validation likelihood"), "{out}");
    let model = pixelrnn_converter::TrainedModel::read(&folder.path().join("out/model.safetensors")).unwrap();
    assert_eq!(model.tensors()["blocks.0.state_to_state.weight"].shape, [20, 5, 1, 3]);
    assert!(folder.path().join("out/samples/epoch-0002.png").exists());
}

#[test]
fn training_says_when_it_quantizes() {
    let folder = folder();
    std::fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    std::fs::copy(folder.path().join("gray.npy"), folder.path().join("others.npy")).unwrap();
    let run = ["recipe.toml", "-o", "out", "--epochs", "1", "--samples", "0", "--valid", "others.npy"];
    let output = train(folder.path(), &run);
    let err = String::from_utf8(output.stderr).unwrap();
    for file in ["gray.npy", "others.npy"] {
        let said = |line: &str| line.starts_with(file) && line.contains("quantized to the model's 4 levels");
        assert!(output.status.success() && err.lines().any(said), "{file}: {err}");
    }
}

/// Output of a run with these flags, which must exit with `status`: standard output, or standard error on failure.
fn says(folder: &Path, status: i32, more: &[&str]) -> String {
    let small = ["--hidden", "2", "--layers", "1", "--input-kernel", "3", "--head", "2", "--samples", "0"];
    let output = train(folder, &[&small[..], more].concat());
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(status), "{more:?}: {out}{err}");
    if status == 0 { out } else { err }
}

#[test]
fn a_second_run_into_a_folder_is_refused_before_any_work_unless_it_overwrites() {
    let folder = folder();
    let images = ["--train", "gray.npy", "--hold-out", "2", "-o", "run"];
    says(folder.path(), 0, &[&images[..], &["--epochs", "2"]].concat());
    let files = ["model.safetensors", "checkpoint.safetensors", "metrics.jsonl", "metrics.png"];
    let read = || files.map(|file| std::fs::read(folder.path().join("run").join(file)).unwrap());
    let first = read();

    let err = says(folder.path(), 2, &[&images[..], &["--epochs", "1"]].concat());
    let words = ["run holds a run of 2 epochs", "nats", "--resume", "--overwrite", "--output"];
    assert!(err.lines().count() == 1 && words.iter().all(|word| err.contains(word)), "{err}");
    // The error precedes reading of the images, which do not exist.
    let missing = ["--train", "missing.npy", "--hold-out", "2", "-o", "run"];
    assert_eq!(says(folder.path(), 2, &missing), err);
    assert!(first == read());
    assert!(says(folder.path(), 1, &[&missing[..], &["--overwrite"]].concat()).contains("missing.npy"));
    assert!(first == read(), "what cannot be trained deletes nothing");
    says(folder.path(), 2, &[&images[..], &["--resume", "--overwrite"]].concat());

    std::fs::create_dir(folder.path().join("run/samples")).unwrap();
    std::fs::write(folder.path().join("run/samples/epoch-0002.png"), "of the first run").unwrap();
    says(folder.path(), 0, &[&images[..], &["--epochs", "1", "--overwrite"]].concat());
    let metrics = String::from_utf8(read()[2].clone()).unwrap();
    assert_eq!(metrics.lines().count(), 1);
    assert!(!folder.path().join("run/samples/epoch-0002.png").exists());
    // A run without a checkpoint cannot resume.
    std::fs::remove_file(folder.path().join("run/checkpoint.safetensors")).unwrap();
    let err = says(folder.path(), 2, &[&images[..], &["--resume"]].concat());
    assert!(err.contains("run holds model.safetensors but no checkpoint.safetensors"), "{err}");
}

#[test]
fn resume_with_another_recipe_names_the_key_that_differs_and_how_to_train_longer() {
    let folder = folder();
    let run = ["--train", "gray.npy", "--hold-out", "2", "-o", "run"];
    let with = |more: &[&'static str]| [&run[..], more].concat();
    let out = says(folder.path(), 0, &with(&["--epochs", "1", "--resume"]));
    assert!(out.contains("run holds no run yet: begins at the first epoch"), "{out}");
    let err = says(folder.path(), 2, &with(&["--epochs", "1", "--resume", "--rate", "0.5"]));
    let words = ["run/checkpoint.safetensors", "`training.rate` is 0.002 there and 0.5 here", "`epochs`", "`patience`"];
    assert!(err.lines().count() == 1 && words.iter().all(|word| err.contains(word)), "{err}");
    let out = says(folder.path(), 0, &with(&["--epochs", "3", "--resume"]));
    assert!(out.contains("goes on after epoch 1 of 3") && out.contains("epoch 3: "), "{out}");
    let out = says(folder.path(), 0, &with(&["--epochs", "3", "--resume"]));
    assert!(out.contains("a higher --epochs trains longer"), "{out}");
}

#[test]
fn black_and_white_pngs_train_two_levels_and_the_levels_are_always_said() {
    let folder = folder();
    let png = |name: &str, values: [u8; 2]| {
        let picture = Picture { width: 5, height: 5, channels: 1, data: (0..25).map(|i| values[i % 2]).collect() };
        picture.write_png(&folder.path().join(name)).unwrap();
    };
    let pngs = ["black-and-white/a.png", "black-and-white/b.png", "dark/a.png", "dark/b.png"];
    for name in pngs {
        std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        png(name, if name.starts_with("dark") { [3, 9] } else { [0, 255] });
    }
    for (number, (arguments, words)) in [
        (
            &["--train", "black-and-white"][..],
            "images of 5x5, gray, 2 levels: the training images hold 0 and 255 alone",
        ),
        (&["--train", "black-and-white", "--levels", "4"], "images of 5x5, gray, 4 levels\n"),
        (
            &["--train", "dark"],
            "256 levels: the training images hold 3 and 9 alone, which 2 levels, cut at the middle gray",
        ),
        (&["--train", "gray.npy"], "256 levels: the training images hold "),
        (&["--train", "gray.npy", "--binarize", "random"], "2 levels: drawn with the gray values as chances"),
    ]
    .into_iter()
    .enumerate()
    {
        let output = number.to_string();
        let run = [arguments, &["--hold-out", "1", "--epochs", "1", "-o", &output]].concat();
        let out = says(folder.path(), 0, &run);
        assert!(out.contains(words), "{arguments:?}: {out}");
        let model = folder.path().join(&output).join("model.safetensors");
        let levels = pixelrnn_converter::TrainedModel::read(&model).unwrap().description().image.levels;
        assert!(out.contains(&format!(", {levels} levels")), "{levels}: {out}");
    }
}

#[test]
fn the_time_left_of_the_run_is_said_after_each_epoch_but_the_last() {
    let folder = folder();
    let out = says(folder.path(), 0, &["--train", "gray.npy", "--hold-out", "2", "--epochs", "3", "-o", "run"]);
    let left =
        |n: usize| out.lines().find(|line| line.starts_with(&format!("epoch {n}: "))).unwrap().ends_with(" left");
    assert_eq!([1, 2, 3].map(left), [true, true, false], "{out}");
}

#[test]
fn a_run_goes_on_from_a_trained_model() {
    let folder = folder();
    std::fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    assert!(train(folder.path(), &["recipe.toml", "-o", "out", "--samples", "0"]).status.success());
    let images = ["--train", "gray.npy", "--hold-out", "3", "--epochs", "1", "--samples", "0"];
    let from = [&images[..], &["--from", "out/model.safetensors", "-o", "more"]].concat();
    let output = train(folder.path(), &from);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let description = |folder_name: &str| {
        let path = folder.path().join(folder_name).join("model.safetensors");
        pixelrnn_converter::TrainedModel::read(&path).unwrap().description().to_json()
    };
    assert_eq!(description("out"), description("more"));
    for (more, words) in [(["--hidden", "5"], ["`from`", "hidden"]), (["--levels", "8"], ["`from`", "image"])] {
        let output = train(folder.path(), &[&from[..], &more, &["--overwrite"]].concat());
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && words.iter().all(|word| err.contains(word)), "{err}");
    }
}

/// Training nats of each epoch of a run on binarized images.
fn binarized(folder: &Path, how: &str, more: &[&str]) -> (String, Vec<f64>) {
    let images = ["--train", "gray.npy", "--hold-out", "2", "--binarize", how, "--hidden", "2", "--layers", "1"];
    let run = ["--input-kernel", "3", "--head", "2", "--warmup", "0", "--samples", "0", "--average", "0", "-o", how];
    let output = train(folder, &[&images[..], &run, more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metrics = std::fs::read_to_string(folder.join(how).join("metrics.jsonl")).unwrap();
    let nats = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["train_nats"].as_f64().unwrap();
    (String::from_utf8(output.stdout).unwrap(), metrics.lines().map(nats).collect())
}

#[test]
fn gray_images_are_binarized_once_or_anew_in_each_epoch() {
    let folder = folder();
    let (out, random) = binarized(folder.path(), "random", &["--epochs", "2", "--rate", "0.05"]);
    assert!(out.contains("6 images to train on, 2 to measure on"), "{out}");
    let (_, fixed) = binarized(folder.path(), "fixed", &["--epochs", "2", "--rate", "0.05"]);
    let differ = |epoch: usize| (random[epoch] - fixed[epoch]).abs() > 1e-6;
    assert!(!differ(0) && differ(1), "{random:?} {fixed:?}");
    assert!(std::fs::read(folder.path().join("random/metrics.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_run_that_gets_no_better_gives_up() {
    let folder = folder();
    // At this rate nothing is learned, so no epoch beats the first.
    let (out, nats) = binarized(folder.path(), "fixed", &["--epochs", "9", "--patience", "2", "--rate", "1e-30"]);
    assert!(nats.len() == 3 && out.contains("no better in the last 2"), "{out}");
}

#[test]
fn a_recipe_in_a_folder_of_its_own_has_a_folder_to_write_to() {
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("models/stripes")).unwrap();
    std::fs::write(folder.path().join("models/stripes/recipe.toml"), RECIPE).unwrap();
    let output = train(folder.path(), &["models/stripes/recipe.toml", "--epochs", "1", "--samples", "0"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.path().join("runs/stripes/model.safetensors").exists());
}

#[test]
fn devices_are_listed() {
    let folder = folder();
    let output = train(folder.path(), &["devices"]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && out.lines().any(|line| line.starts_with("cpu:0 ")), "{out}");
}

/// Final training and validation nats of a run of [`RECIPE`].
fn nats(folder: &Path, more: &[&str], kernel: &str) -> [f64; 2] {
    std::fs::write(folder.join("recipe.toml"), RECIPE).unwrap();
    let arguments = [&["recipe.toml", "-o", "out", "--overwrite", "--samples", "0"], more].concat();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixelrnn-train"));
    let output = command.args(arguments).current_dir(folder).env("PIXELRNN_TRAIN_KERNEL", kernel).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metrics = std::fs::read_to_string(folder.join("out/metrics.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    ["train_nats", "valid_nats"].map(|key| last[key].as_f64().unwrap())
}

#[test]
fn devices_kernels_and_precisions_agree() {
    let folder = folder();
    let expected = nats(folder.path(), &[], "");
    for (arguments, kernel, tolerance) in [
        (&[][..], "portable", 1e-4),
        (&["--device", "cpu-stock"], "", 1e-4),
        (&["--device", "cpu-stock,cpu-stock,cpu-stock"], "", 1e-4),
        (&["--device", "cpu-stock", "--precision", "bf16"], "", 2e-2),
        (&["--device", "cpu-stock,cpu-stock", "--precision", "f16"], "", 2e-3),
    ] {
        let got = nats(folder.path(), arguments, kernel);
        for (got, expected) in got.iter().zip(expected) {
            assert!(
                (got / expected - 1.0).abs() < tolerance,
                "{arguments:?} {kernel}: {got} nats, expected {expected}"
            );
        }
        // 16-bit results differ from 32-bit results.
        assert!(arguments.len() < 4 || got.map(f64::to_bits) != expected.map(f64::to_bits), "{arguments:?}");
    }
}

#[test]
fn errors_name_the_file_and_the_reason() {
    let folder = folder();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file("key.toml", "[training]\nepoch = 3\n");
    file("value.toml", "[training]\nbatch = 0\n");
    file("model.toml", "[model]\nhidden = 0\n");
    file("op.toml", "[model]\nhiden = 3\n");
    file("both.toml", "[data]\ntrain = 'gray.npy'\nvalid = 'gray.npy'\nhold_out = 3\n");
    file("bad.npy", "no images");
    let images = ["--train", "gray.npy", "--valid", "gray.npy", "-o", "out"];
    let cases: [(&[&str], i32, &[&str]); 15] = [
        (&["key.toml"], 2, &["key.toml", "epoch"]),
        (&["value.toml"], 2, &["batch"]),
        (&["model.toml"], 2, &["hidden"]),
        (&["op.toml"], 2, &["hiden"]),
        (&["--rate", "0"], 2, &["rate"]),
        (&["--average", "1"], 2, &["average"]),
        (&["--train-labels", "labels.npy"], 2, &["labels.npy", "classes"]),
        (&["--device", "tpu"], 2, &["tpu", "cpu"]),
        (&["--device", "cpu:7"], 2, &["cpu:7"]),
        (&["--device", "cpu-stock,cpu"], 2, &["cpu:0", "share"]),
        (&["--precision", "bf16"], 2, &["cpu:0", "32 bits"]),
        (&["--binarize", "random", "--levels", "16"], 2, &["binarize", "16"]),
        (&["missing.toml"], 1, &["missing.toml"]),
        (&["--train", "missing.npy"], 1, &["missing.npy"]),
        (&["--train", "bad.npy"], 1, &["bad.npy"]),
    ];
    for (arguments, status, words) in cases {
        let images = if arguments[0] == "--train" { &images[2..] } else { &images[..] };
        let output = train(folder.path(), &[arguments, images].concat());
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {err}");
        assert!(words.iter().all(|word| err.contains(word)), "{arguments:?}: {err}");
    }
    let output = train(folder.path(), &["both.toml", "-o", "out"]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && err.contains("hold_out") && err.contains("valid"), "{err}");
    let output = train(folder.path(), &["-o", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(train(folder.path(), &[]).status.code(), Some(2));
}
