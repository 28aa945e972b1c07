//! `pixelrnn inspect --describe` lists the tensors that a description asks for: those of the fixtures, and those that the models of
//! `docs/pytorch/` have. With them stand the classes of all values, as for a trained model.
//!
//! The Python programs run on `src/torch_stub.py`, which stands in for PyTorch. Without Python their test says so and passes.

use pixelrnn_tests::fixtures::{self, Fixture};
use pixelrnn_tests::program::{Folder, Run};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// Shapes by the tensors' names.
type Shapes = BTreeMap<String, Vec<usize>>;

/// Runs `inspect --describe` on `description`.
fn inspect(description: &str) -> Run {
    Folder::new().run_with(["inspect", "--describe", "-", "--json"], description.as_bytes())
}

/// The tensors in `listed`: all of them, or the required ones alone.
fn shapes(listed: &Value, required_alone: bool) -> Shapes {
    let tensors = listed["tensors"].as_array().expect("a list of tensors");
    let chosen = tensors.iter().filter(|tensor| !required_alone || tensor["required"] == true);
    chosen
        .map(|tensor| {
            let shape = serde_json::from_value(tensor["shape"].clone()).expect("a shape");
            (tensor["name"].as_str().expect("a name").to_string(), shape)
        })
        .collect()
}

fn numbers(shapes: &Shapes) -> u64 {
    shapes.values().map(|shape| shape.iter().product::<usize>() as u64).sum()
}

#[test]
fn the_tensors_of_every_fixture_are_listed_with_their_shapes() {
    let mut optional = 0;
    for Fixture { name, trained, .. } in fixtures::all() {
        let own: Shapes = trained.tensors().iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
        let listed = inspect(&trained.description().to_json()).json();
        let (required, all) = (shapes(&listed, true), shapes(&listed, false));
        assert!(own.iter().all(|(tensor, shape)| all.get(tensor) == Some(shape)), "{name}: {listed}");
        assert!(required.keys().all(|tensor| own.contains_key(tensor)), "{name}: {listed}");
        assert_eq!(listed["required_parameters"], numbers(&required), "{name}");
        assert_eq!(listed["optional_parameters"], numbers(&all) - numbers(&required), "{name}");
        optional += all.len() - required.len();
    }
    assert!(optional > 0, "no fixture has an optional tensor");
}

#[test]
fn a_table_names_each_tensor_its_shape_and_its_presence() {
    let folder = Folder::new();
    let conv = |name: &str, mask: &str, out: usize| json!({"op": "masked_conv", "name": name, "mask": mask, "kernel": [3, 3], "out": out});
    let network = json!({"image": {"height": 5, "width": 6, "channels": 1, "levels": 2}, "output": "bernoulli",
                         "ops": [conv("first", "A", 4), {"op": "relu"}, {"op": "batch_norm", "name": "norm"}, conv("last", "B", 1)]});
    folder.write("network.json", network.to_string().as_bytes());
    let table = String::from_utf8(folder.run("inspect --describe network.json").good().stdout).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        ["first.weight", "[4,", "1,", "3,", "3]", "36", "required"].as_slice(),
        &["first.bias", "[4]", "4", "optional"],
        &["norm.running_var", "[4]", "4", "required"],
        &["last.bias", "[1]", "1", "optional"],
        &["required", "parameters", "88"],
        &["optional", "parameters", "5"],
        &["value", "op", "features", "class"],
        &["first", "masked_conv", "3x3", "A", "4", "past"],
        &["relu", "4", "past"],
    ] {
        assert!(rows.iter().any(|line| line == row), "{row:?} is not in: {table}");
    }
}

/// A graph with a value of each class but `row`, and one that knows its row and is shifted down.
const GRAPH: &str = r#"{"image": {"height": 5, "width": 6, "channels": 1, "levels": 2}, "output": "bernoulli",
    "ops": [{"op": "ones", "as": "one"}, {"op": "concat", "in": ["image", "one"], "as": "both"},
            {"op": "conv", "name": "vertical", "kernel": [2, 3], "out": 4}, {"op": "shift", "rows": 1, "as": "above"},
            {"op": "conv", "name": "left", "kernel": [1, 2], "anchor": [0, 2], "dilation": 2, "out": 4, "in": "both", "as": "left"},
            {"op": "add", "in": ["above", "left"]}, {"op": "gate"},
            {"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": 1}]}"#;

#[test]
fn each_value_of_a_graph_is_listed_with_its_class() {
    let listed = inspect(GRAPH).json();
    let values = listed["values"].as_array().expect("a list of values");
    let column = |key: &str| values.iter().map(|value| value[key].as_str().expect(key)).collect::<Vec<_>>();
    assert_eq!(column("class"), ["given", "self", "row", "above", "past", "past", "past", "past"]);
    assert_eq!(column("name"), ["one", "both", "vertical", "above", "left", "", "", "out"]);
    let ops = ["ones", "concat", "conv 2x3", "shift", "conv 1x2 at 0,2 d2", "add", "gate", "masked_conv 1x1 B"];
    assert_eq!(column("op"), ops);
    let features: Vec<_> = values.iter().map(|value| value["features"].as_u64().unwrap()).collect();
    assert_eq!(features, [1, 2, 4, 4, 4, 4, 2, 1]);
}

#[test]
fn the_classes_of_a_trained_model_are_listed() {
    let folder = Folder::new();
    for Fixture { name, trained, .. } in fixtures::all() {
        let path = fixtures::folder().join(format!("{name}.safetensors"));
        folder.write("model.safetensors", &std::fs::read(path).unwrap());
        let listed = folder.run("inspect model.safetensors --json").good().json();
        let ops = listed["ops"].as_array().expect("a list of ops");
        let classes: Vec<&str> = ops.iter().map(|op| op["class"].as_str().expect("a class")).collect();
        let expected: Vec<&str> = trained.nodes().iter().map(|node| node.class.name()).collect();
        assert_eq!(classes, expected, "{name}");
    }
    let table = String::from_utf8(folder.run("inspect model.safetensors").good().stdout).unwrap();
    assert!(
        table.lines().any(|line| line.split_whitespace().eq([
            "name",
            "op",
            "shape",
            "class",
            "flash",
            "RAM",
            "mul-adds/pixel"
        ])),
        "{table}"
    );
}

#[test]
fn a_leak_is_an_error_that_names_the_op() {
    let leaks = GRAPH.replace(r#"{"op": "shift", "rows": 1, "as": "above"}"#, r#"{"op": "relu", "as": "above"}"#);
    let run = inspect(&leaks);
    assert_eq!(run.status, Some(1));
    assert!(run.stderr.contains("`both` knows the value at its own pixel"), "{}", run.stderr);
    let leaks = leaks.replace(
        r#"{"op": "concat", "in": ["image", "one"], "as": "both"}"#,
        r#"{"op": "masked_conv", "name": "first", "mask": "A", "kernel": [3, 3], "out": 2, "as": "both"}"#,
    );
    let leaks = leaks.replace(r#"{"op": "ones", "as": "one"}, "#, "");
    let run = inspect(&leaks);
    assert!(run.stderr.contains("`vertical` knows its own row; shift it down by one"), "{}", run.stderr);
}

#[test]
fn a_wrong_description_is_an_error_that_names_the_file_and_the_key() {
    let folder = Folder::new();
    let good = json!({"architecture": "row_lstm", "image": {"height": 28, "width": 28, "channels": 1, "levels": 2},
                      "hidden": 16, "layers": 7, "input_kernel": 7, "kernel": 3, "head": 32, "output": "bernoulli"});
    let with = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        changed.to_string().into_bytes()
    };
    for (bytes, key) in [
        (with("hiden", json!(8)), "hiden"),
        (with("hidden", json!("many")), "hidden"),
        (with("hidden", json!(0)), "hidden"),
        (with("image", json!({"height": 28, "width": 0, "channels": 1, "levels": 2})), "width"),
        (with("image", json!({"height": 28, "width": 28, "channels": 1})), "levels"),
        (with("architecture", json!("transformer")), "architecture"),
        (with("architecture", Value::Null), "ops"),
        (b"\xff".to_vec(), "utf-8"),
        (b"".to_vec(), "not valid"),
    ] {
        folder.write("network.json", &bytes);
        let run = folder.run("inspect --describe network.json");
        assert_eq!(run.status, Some(1), "{key}: {}", run.stderr);
        assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains("network.json") && run.stderr.contains(key), "{key}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{key}");
    }
    assert_eq!(folder.run("inspect --describe missing.json").status, Some(1));
    folder.write("network.json", good.to_string().as_bytes());
    folder.fixture("pixel_cnn_depth_gate_classes");
    let run = folder.run("inspect model.prnn --describe network.json");
    assert_eq!(run.status, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("model.prnn") && run.stderr.contains("this is a blob"), "{}", run.stderr);
    assert_eq!(folder.run("inspect --describe").status, Some(2));
}

/// Runs a program of `docs/pytorch/` on the stub.
fn python(program: &str, option: &str) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.arg("-B").arg(root.join("src/torch_stub.py")).arg(root.join("../docs/pytorch").join(program)).arg(option);
    command.output().expect("python3 is there")
}

#[test]
fn the_models_in_pytorch_have_the_tensors_that_their_descriptions_ask_for() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|out| out.status.success()) {
        println!("skipped: there is no python3 here");
        return;
    }
    for program in ["pixel_cnn.py", "gated_pixel_cnn.py", "row_lstm.py", "diagonal_bilstm.py"] {
        let text = |option: &str| {
            let output = python(program, option);
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let description = text("--describe");
        let own: Shapes = serde_json::from_str(&text("--tensors")).unwrap();
        assert_eq!(own, shapes(&inspect(&description).json(), false), "{program}");
        // The description is of the model that the file's name says, and its numbers are those that the model is built with.
        let described: Value = serde_json::from_str(&description).unwrap();
        assert_eq!(described["architecture"].as_str(), program.strip_suffix(".py"));
    }
}
