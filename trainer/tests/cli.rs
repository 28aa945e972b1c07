//! The program itself: what it says, and with which status it ends.

#![cfg(feature = "flex")]

use pixelrnn_converter::ImageSet;
use pixelrnn_converter::images::Range;
use std::path::Path;
use std::process::{Command, Output};

fn train(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pixelrnn-train")).args(arguments).current_dir(folder).output().unwrap()
}

/// A folder with the images `gray.npy`, 0 to 255.
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
    assert!(err.contains("quantized to the model's 4 levels"), "{err}");
    let model = pixelrnn_converter::TrainedModel::read(&folder.path().join("out/model.safetensors")).unwrap();
    assert_eq!(model.tensors()["blocks.0.state_to_state.weight"].shape, [20, 5, 1, 3]);
    assert!(folder.path().join("out/samples/epoch-0002.png").exists());
}

#[test]
fn errors_name_the_file_and_the_reason() {
    let folder = folder();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file("key.toml", "[training]\nepoch = 3\n");
    file("value.toml", "[training]\nbatch = 0\n");
    file("model.toml", "[model]\nhidden = 0\n");
    file("op.toml", "[model]\nhiden = 3\n");
    file("bad.npy", "no images");
    let images = ["--train", "gray.npy", "--valid", "gray.npy", "-o", "out"];
    let cases: [(&[&str], i32, &[&str]); 10] = [
        (&["key.toml"], 2, &["key.toml", "epoch"]),
        (&["value.toml"], 2, &["batch"]),
        (&["model.toml"], 2, &["hidden"]),
        (&["op.toml"], 2, &["hiden"]),
        (&["--rate", "0"], 2, &["rate"]),
        (&["--average", "1"], 2, &["average"]),
        (&["--train-labels", "labels.npy"], 2, &["labels.npy", "classes"]),
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
    let output = train(folder.path(), &["-o", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(train(folder.path(), &[]).status.code(), Some(2));
}
