//! Compile errors of `include_model!`, with their messages.

use pixelrnn_tests::golden;
use pixelrnn_tests::project::{Project, errors, printed, root};
use std::path::Path;

fn project(name: &str, features: &str, source: &str) -> Project {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("include_model");
    let project = Project::new(&folder, name, &root().join("Cargo.lock"));
    project.write(
        "Cargo.toml",
        format!(
            "[workspace]\n[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n\
             pixelrnn = {{ path = \"{}\", default-features = false, features = [{features}] }}\n",
            root().join("runtime").display()
        ),
    );
    project.write("src/lib.rs", source);
    project
}

/// A model for each optional feature, with the expected message if the feature is disabled.
const MODELS: [(&str, &str, &str); 5] = [
    ("row", "row_lstm_rgb_classes.prnn", "the model has LSTMs: add \"lstm\" to the features of `pixelrnn`"),
    ("diagonal", "diagonal_bilstm_gray.prnn", "the model has LSTMs: add \"lstm\" to the features of `pixelrnn`"),
    (
        "wide",
        "v1/pixel_cnn_even_kernels-a16.prnn",
        "the model has 16-bit activations: add \"a16\" to the features of `pixelrnn`",
    ),
    (
        "half",
        "v1/pixel_cnn_even_kernels-f16.prnn",
        "the model has float weights: convert it with `--weights i8`, or add \"float\" to the features of `pixelrnn`",
    ),
    (
        "single",
        "v1/pixel_cnn_even_kernels-f32.prnn",
        "the model has float weights: convert it with `--weights i8`, or add \"float\" to the features of `pixelrnn`",
    ),
];

fn includes(models: &[(&str, &str, &str)]) -> String {
    let include = |(name, file, _): &(&str, &str, &str)| {
        format!("pixelrnn::include_model!(pub mod {name} = \"{}/{file}\");\n", golden::folder().display())
    };
    models.iter().map(include).collect()
}

#[test]
fn a_blob_whose_feature_is_left_out_does_not_compile_and_the_error_names_the_feature() {
    for model in MODELS {
        let (name, _, expected) = model;
        let output = project(&format!("without-{name}"), "", &includes(&[model])).run(&["check", "--quiet"]);
        let said = errors(&output);
        assert!(!output.status.success(), "{name} compiled");
        // rustc does not break lines within a panic message.
        assert_eq!(said.matches(expected).count(), 1, "{name}: {said}");
    }
}

#[test]
fn the_same_blobs_compile_without_a_warning_where_their_features_are_there() {
    let output = project("with-features", "\"lstm\", \"a16\", \"float\"", &includes(&MODELS)).run(&["check"]);
    printed(&output);
    assert!(!errors(&output).contains("warning"), "{}", errors(&output));
}

#[test]
fn a_model_without_a_path_and_without_a_build_script_is_an_error_that_says_what_to_write() {
    let said =
        errors(&project("without-script", "", "pixelrnn::include_model!(mod digits);").run(&["check", "--quiet"]));
    for part in ["build.rs made with `pixelrnn_build::model`", "include_model!(mod NAME = \"PATH\")"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}
