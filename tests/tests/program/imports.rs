//! `pixelrnn import`, and commands that take a checkpoint with its description.

use pixelrnn_converter::TrainedModel;
use pixelrnn_tests::program::{Folder, Run};
use std::path::Path;

/// A folder with files of `fixtures/import`.
fn folder(names: &[&str]) -> Folder {
    let folder = Folder::new();
    for name in names {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/import").join(name);
        folder.write(name, &std::fs::read(&from).unwrap_or_else(|e| panic!("{name}: {e}")));
    }
    folder
}

fn stdout(run: Run) -> String {
    String::from_utf8(run.good().stdout).unwrap()
}

#[test]
fn a_checkpoint_is_imported_and_converts_to_the_same_blob() {
    let folder = folder(&["chain.lightning.ckpt", "chain.json", "chain.safetensors", "chain.images.npy"]);
    let run = folder.run("import chain.lightning.ckpt --describe chain.json -o taken.safetensors").good();
    assert!(run.stderr.contains("the tensors are those below `state_dict.model`"), "{}", run.stderr);
    assert!(run.stderr.contains("elsewhere are not read, below `optimizer_states`"), "{}", run.stderr);
    assert!(stdout(run).starts_with("taken.safetensors: 9 tensors, 269 parameters"));
    let read = |name: &str| TrainedModel::read(&folder.path(name)).unwrap();
    assert_eq!(read("taken.safetensors"), read("chain.safetensors"));

    folder.run("convert chain.safetensors --calibrate chain.images.npy -o expected.prnn").good();
    folder.run("convert chain.lightning.ckpt --describe chain.json --calibrate chain.images.npy -o direct.prnn").good();
    assert_eq!(folder.read("direct.prnn"), folder.read("expected.prnn"));
    let score = |line: &str| stdout(folder.run(&format!("score chain.images.npy --json {line}")));
    assert_eq!(score("-m chain.lightning.ckpt --describe chain.json"), score("-m chain.safetensors"));
    let inspect = |line: &str| stdout(folder.run(&format!("inspect {line}")));
    assert_eq!(inspect("chain.lightning.ckpt --describe chain.json"), inspect("chain.safetensors"));
    folder.run("verify chain.lightning.ckpt expected.prnn chain.images.npy --describe chain.json").good();
}

#[test]
fn without_a_description_the_tensors_are_listed_and_one_suggested() {
    let folder = folder(&["chain.ema.pt", "chain.zip.pt", "gated.pt"]);
    let listed = stdout(folder.run("import chain.zip.pt"));
    for part in [
        "chain.zip.pt: a PyTorch checkpoint, 13 tensors",
        "[4, 1, 5, 5]  F32",
        "A description that fits names and shapes; the tensors do not tell:",
        "- the image's height and width, 28 and 28",
        r#"{"op":"masked_conv","name":"net.0","mask":"A","kernel":[5,5],"out":4}"#,
        "Edit it, then: pixelrnn import chain.zip.pt --describe network.json",
    ] {
        assert!(listed.contains(part), "{part:?} is not in: {listed}");
    }
    // The suggestion is a description that the same file fits.
    stdout(folder.run("import chain.ema.pt -o network.json"));
    let run = folder.run("import chain.ema.pt --describe network.json --key ema").good();
    assert!(folder.path("chain.ema.safetensors").exists(), "{}", run.stderr);
    let json = folder.run("import chain.ema.pt --json").json();
    assert_eq!(json["suggestion"]["key"], "ema");
    assert_eq!(json["suggestion"]["fits"], true);
    assert_eq!(folder.run("import gated.pt --json").json()["suggestion"]["fits"], false);
}

#[test]
fn mistakes_are_refused_with_what_would_help() {
    let folder = folder(&[
        "chain.ema.pt",
        "chain.json",
        "chain.safetensors",
        "chain.no-metadata.safetensors",
        "chain.images.npy",
    ]);
    for (line, status, part) in [
        ("import chain.ema.pt -o out.safetensors", 2, "give a description with --describe"),
        ("import chain.ema.pt --describe chain.json", 1, "choose one with `--key`"),
        ("import chain.ema.pt --describe chain.json --key ema -o out.pt", 2, "expected the ending .safetensors"),
        ("import chain.no-metadata.safetensors --describe chain.json", 2, "is the file itself"),
        ("import chain.safetensors --describe chain.json -o out.safetensors", 1, "is its own description"),
        ("import chain.images.npy --describe chain.json", 1, "a NumPy array"),
        ("convert chain.ema.pt", 1, "--describe network.json"),
        ("score chain.images.npy --describe chain.json", 2, "name the model"),
    ] {
        let run = folder.run(line);
        assert_eq!(run.status, Some(status), "{line}: {}", run.stderr);
        assert!(run.stderr.contains(part), "{line}: {}", run.stderr);
    }
    assert!(!folder.names().iter().any(|name| name.starts_with("out.")));
}
