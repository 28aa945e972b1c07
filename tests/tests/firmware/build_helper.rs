//! Build scripts with `pixelrnn-build`: the program includes and runs the generated model.

use pixelrnn::blob::Layout;
use pixelrnn_converter::Blob;
use pixelrnn_converter::layout::arrange;
use pixelrnn_tests::machines::Machine;
use pixelrnn_tests::project::{Project, errors, printed, root};
use pixelrnn_tests::{forward, golden};
use std::path::Path;

/// Program that prints the weight layout of its model and the cost of an image.
const MAIN: &str = r#"
use pixelrnn::{Engine, Sample, Temperature};

pixelrnn::include_model!(mod digits);

static STATE: std::sync::Mutex<digits::State> = std::sync::Mutex::new([0; digits::STATE_WORDS]);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = digits::model()?;
    let state = &mut *STATE.lock()?;
    let mut image = [0; digits::VALUES];
    let cost = Engine::new(model, state)?.run(None, &mut Sample::seeded(3, Temperature::ONE), &mut image)?;
    println!("{:?} {} {image:?}", model.layout(), cost.0);
    Ok(())
}
"#;

/// Crate `name` with the program and with `model` as `models/digits.prnn`.
fn project(name: &str, model: &[u8]) -> Project {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_helper");
    let project = Project::new(&folder, name, &root().join("Cargo.lock"));
    let [runtime, build] = ["runtime", "build"].map(|folder| root().join(folder).display().to_string());
    project
        .write(
            "Cargo.toml",
            format!(
                "[workspace]\n[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n\
                 pixelrnn = {{ path = \"{runtime}\", default-features = false, features = [\"lstm\"] }}\n\
                 [build-dependencies]\npixelrnn-build = {{ path = \"{build}\" }}\n"
            ),
        )
        .write(
            "build.rs",
            "fn main() -> Result<(), pixelrnn_build::Error> {\n    \
             pixelrnn_build::model(\"digits\", \"models/digits.prnn\")\n}\n",
        )
        .write("src/main.rs", MAIN)
        .write("models/digits.prnn", model);
    project
}

fn blob(name: &str) -> Blob {
    Blob::read(&golden::folder().join(name)).unwrap()
}

/// Expected output for a model.
fn expected(blob: &Blob) -> String {
    let forward::Pass { cost, image, .. } = forward::sample(blob.model().unwrap(), 3, 1000, None);
    format!("RowMajor {} {image:?}\n", cost.0)
}

#[test]
fn the_program_draws_the_same_bytes_whatever_the_layout_of_the_file() {
    let rows = blob("pixel_cnn_gray.prnn");
    let blocks = arrange(&rows, Layout::Tiled).unwrap();
    let project = project("draws-the-same", blocks.bytes());
    let output = project.run(&["run"]);
    assert_eq!(printed(&output), expected(&rows));
    assert!(!errors(&output).contains("warning"), "{}", errors(&output));
    project.write("models/digits.prnn", rows.bytes());
    assert_eq!(printed(&project.run(&["run"])), expected(&rows));
}

#[test]
fn another_file_of_the_same_name_is_another_model_in_the_next_build() {
    let project = project("another-file", blob("pixel_cnn_gray.prnn").bytes());
    assert_eq!(printed(&project.run(&["run"])), expected(&blob("pixel_cnn_gray.prnn")));
    let other = blob("diagonal_bilstm_gray.prnn");
    project.write("models/digits.prnn", other.bytes());
    assert_eq!(printed(&project.run(&["run"])), expected(&other));
}

#[test]
fn a_build_with_a_file_that_is_no_blob_fails_with_a_sentence_that_names_the_file() {
    let said = errors(
        &project("no-blob", b"no blob, but of 64 bytes, which is as long as a header is, and more").run(&["build"]),
    );
    assert!(said.contains("Error: models/digits.prnn: not a model blob: it does not begin with `PRNN`"), "{said}");
}

/// Same source for a Cortex-M33 with and without DSP instructions. Compiler flags alone decide.
#[test]
fn flags_that_name_another_core_lay_the_model_out_anew() {
    let machine = Machine::named("mps2-an505").unwrap();
    let Ok(compiler) = machine.compiler() else {
        println!("skipped: {}", machine.compiler().unwrap_err());
        return;
    };
    let rows = blob("pixel_cnn_gray.prnn");
    let project = project("flags", rows.bytes());
    project.write("src/main.rs", "").write("src/lib.rs", "#![no_std]\npixelrnn::include_model!(pub mod digits);\n");
    std::fs::remove_file(project.path("src/main.rs")).unwrap();
    for (flags, layout) in [("", Layout::RowMajor), ("-Ctarget-cpu=cortex-m33", Layout::Tiled), ("", Layout::RowMajor)]
    {
        let mut build = project.cargo(&["build", "--target", machine.target, "--message-format", "json"]);
        let output = build.env("RUSTC", &compiler).env("RUSTFLAGS", flags).output().unwrap();
        let folder = out_dir(&printed(&output));
        let made = Blob::read(&Path::new(&folder).join("digits.prnn")).unwrap();
        assert_eq!(made.model().unwrap().layout(), layout, "{flags}");
    }
}

/// Last `OUT_DIR` of the crate in Cargo's messages.
fn out_dir(messages: &str) -> String {
    let message = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    let of_crate = |message: &serde_json::Value| message["package_id"].as_str().is_some_and(|id| id.contains("flags"));
    let all = messages.lines().filter_map(message).filter(of_crate);
    all.filter_map(|message| message["out_dir"].as_str().map(String::from)).next_back().expect("a build script ran")
}
