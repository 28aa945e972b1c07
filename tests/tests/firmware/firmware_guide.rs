//! Follows `docs/firmware.md`: extracts its program into a separate folder, builds it for a Cortex-M4 and runs it.
//!
//! Skipped with a message if the target or the emulator is missing; `firmware-example/set-up` installs both.

use pixelrnn::blob::Layout;
use pixelrnn_converter::Blob;
use pixelrnn_tests::machines::Machine;
use pixelrnn_tests::project::{Project, errors, printed, root};
use pixelrnn_tests::{forward, golden};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, MutexGuard, PoisonError};

const TARGET: &str = "thumbv7em-none-eabihf";

/// Beginning of the warning about a layout that is slow on this core.
const HINT: &str = "the model's weights lie in rows, and this core has DSP instructions";

/// Serializes builds of programs with the same name in one folder.
static BUILDING: Mutex<()> = Mutex::new(());

/// Machine of the guide, a compiler for it, and the build lock.
fn machine() -> Option<(Machine, OsString, MutexGuard<'static, ()>)> {
    let turn = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let machine = Machine::named("netduinoplus2")?;
    match machine.compiler().and_then(|compiler| machine.ready().map(|()| compiler)) {
        Ok(compiler) => Some((machine, compiler, turn)),
        Err(missing) => {
            println!("skipped: {missing}");
            None
        }
    }
}

/// Code block in the guide below the line that starts with a file name and ends with a colon.
fn below(guide: &str, file: &str) -> String {
    let begins = |line: &&str| line.starts_with(&format!("`{file}`")) && line.ends_with(':');
    let line = guide.lines().find(begins).unwrap_or_else(|| panic!("the guide has no {file}"));
    let (_, rest) = guide.split_once(&format!("\n{line}\n")).expect("the line that was found");
    let (_, code) = rest.split_once("```").expect("code");
    let (code, _) = code.split_once("\n```").expect("an end of the code");
    code.split_once('\n').expect("the language's name").1.to_owned() + "\n"
}

/// Folder created by following the guide, for the model `blob`.
fn follow(name: &str, blob: &[u8]) -> Project {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware_guide");
    let project = Project::new(&folder, name, &root().join("firmware-example/Cargo.lock"));
    let guide = std::fs::read_to_string(root().join("docs/firmware.md")).unwrap();
    // `…` stands for the repository path.
    for file in ["Cargo.toml", "build.rs", "memory.x", ".cargo/config.toml", "src/main.rs"] {
        let code = below(&guide, file);
        let code = code.replace("…/pixelrnn", &root().display().to_string());
        assert!(!code.contains('…'), "{file}: {code}");
        project.write(file, code);
    }
    project.write("model.prnn", blob);
    project
}

fn build(project: &Project, compiler: &OsString) -> Output {
    project.cargo(&["build", "--release"]).env("RUSTC", compiler).output().unwrap()
}

fn program(project: &Project) -> PathBuf {
    project.target().join(TARGET).join("release/my-board")
}

/// Expected output: the image and its cost.
fn expected(blob: &Blob) -> String {
    let model = blob.model().unwrap();
    let drawn = forward::sample(model, 7, 1000, None);
    let rows = drawn.image[..model.image().height * model.image().width].chunks(model.image().width);
    let row = |row: &[u8]| row.iter().map(|value| if *value == 0 { "  " } else { "##" }).collect::<String>() + "\n";
    rows.map(row).collect::<String>() + &format!("{} bits\n", drawn.cost.0 >> 24)
}

fn read(path: &str) -> Blob {
    Blob::read(&root().join(path)).unwrap()
}

#[test]
fn the_guides_program_draws_what_the_host_draws_from_weights_in_blocks() {
    let Some((machine, compiler, _turn)) = machine() else { return };
    let blob = read("models/mnist-pixelcnn/model.prnn");
    assert_eq!(blob.model().unwrap().layout(), Layout::RowMajor);
    let project = follow("guide", blob.bytes());
    let output = build(&project, &compiler);
    printed(&output);
    assert!(!errors(&output).contains("warning"), "{}", errors(&output));
    let text = machine.run(&program(&project), false);
    assert_eq!(text, expected(&blob));
    assert!(text.ends_with("\n116 bits\n"), "{text}");
    // Flash holds the tiled weights and not the row-major ones.
    let elf = std::fs::read(program(&project)).unwrap();
    let holds = |bytes: &[u8]| elf.windows(bytes.len()).any(|window| window == bytes);
    let laid_out = |target| pixelrnn_build::laid_out(&project.path("model.prnn"), target, "").unwrap();
    assert!(holds(&laid_out(TARGET)) && !holds(&laid_out("thumbv7m-none-eabi")));
}

#[test]
fn the_guides_program_prints_images_of_any_width_and_says_why_it_draws_none() {
    let Some((machine, compiler, _turn)) = machine() else { return };
    let narrow = Blob::read(&golden::folder().join("pixel_cnn_gray.prnn")).unwrap();
    let project = follow("other-models", narrow.bytes());
    printed(&build(&project, &compiler));
    assert_eq!(machine.run(&program(&project), false), expected(&narrow));

    // A class-conditional model. The program passes no label.
    project.write("model.prnn", read("models/mnist-class-pixelcnn/model.prnn").bytes());
    printed(&build(&project, &compiler));
    let output = machine.command(&program(&project), false).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "the model needs a label from 0 to 9\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_blob_in_rows_that_is_included_as_it_is_makes_a_warning_on_a_core_with_dsp_instructions() {
    let Some((_, compiler, _turn)) = machine() else { return };
    let narrow = Blob::read(&golden::folder().join("pixel_cnn_gray.prnn")).unwrap();
    let project = follow("as-it-is", narrow.bytes());
    let source = std::fs::read_to_string(project.path("src/main.rs")).unwrap();
    let as_it_is =
        |attribute: &str| source.replace("(mod digits)", &format!("({attribute}mod digits = \"../model.prnn\")"));
    for (attribute, hints) in [("", 1), ("#[allow(deprecated)] ", 0)] {
        project.write("src/main.rs", as_it_is(attribute));
        let output = build(&project, &compiler);
        printed(&output);
        assert_eq!(errors(&output).matches(HINT).count(), hints, "{}", errors(&output));
    }
    // Like `pixelrnn convert --target dsp`.
    project.write("model.prnn", pixelrnn_build::laid_out(&project.path("model.prnn"), TARGET, "").unwrap());
    project.write("src/main.rs", as_it_is(""));
    let output = build(&project, &compiler);
    printed(&output);
    assert!(!errors(&output).contains(HINT), "{}", errors(&output));
}
