//! Instructions per image on emulated microcontrollers, stack use, and code size.
//!
//! Instructions are not cycles: a real core takes one or more cycles for each, plus flash wait states. The counts are
//! reproducible and independent of the host.

use object::{Object, ObjectSection};
use pixelrnn::network::Architecture;
use pixelrnn_benches::Subject;
use pixelrnn_tests::machines::{Emulator, MACHINES, Machine, firmware};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let mut subjects = Subject::shipped().expect("shipped models are readable");
    for (name, architecture, hidden) in [
        ("random-pixelcnn-h64", Architecture::PixelCnn, 64),
        ("random-row-lstm-h64", Architecture::RowLstm, 64),
        ("random-diagonal-bilstm-h32", Architecture::DiagonalBilstm, 32),
        ("random-gated-h16", Architecture::GatedPixelCnn, 16),
        ("random-gated-h32", Architecture::GatedPixelCnn, 32),
    ] {
        subjects.push(Subject::random(name, architecture, hidden).expect("a preset converts"));
    }
    println!("an image of each model, sampled; instructions counted by QEMU\n");
    println!(
        "{:14} {:20} {:24} {:>16} {:>14} {:>12} {:>6}",
        "machine", "core", "model", "M instructions", "M mult.-adds", "ratio", "stack"
    );
    for machine in MACHINES.into_iter().filter(|machine| machine.emulator == Emulator::Arm) {
        if let Err(missing) = count(&machine, &subjects, &folder) {
            println!("{:14} skipped: {missing}", machine.name);
        }
    }
    println!("\ncode of the runtime: checks a blob and draws; thumbv7em-none-eabihf, without weights\n");
    println!("{:12} {:24} {:>12} {:>14}", "opt-level", "architectures", "code bytes", "table bytes");
    for level in ["3", "s"] {
        for (features, what) in [("lstm,graph", "all"), ("lstm", "PixelCNN and LSTMs"), ("", "PixelCNN alone")] {
            match size(level, features, &folder) {
                Some([code, tables]) => println!("{level:12} {what:24} {code:>12} {tables:>14}"),
                None => println!("{level:12} {what:24} does not build here: is there a target thumbv7em-none-eabihf?"),
            }
        }
    }
    ExitCode::SUCCESS
}

/// Prints a line for each model that fits the machine.
fn count(machine: &Machine, subjects: &[Subject], folder: &Path) -> Result<(), String> {
    let models = folder.join("counted").join(machine.name);
    std::fs::create_dir_all(&models).map_err(|e| e.to_string())?;
    for subject in subjects {
        if machine.fits(&subject.blob, 0).map_err(|e| e.to_string())?.is_none() {
            continue;
        }
        let path = models.join(format!("{}.prnn", subject.name));
        std::fs::write(&path, subject.blob.bytes()).map_err(|e| e.to_string())?;
        let program = machine.build("count", &[path], folder)?;
        for line in machine.run(&program, true).lines() {
            let counted: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
            let number = |key: &str| counted[key].as_f64().unwrap_or(f64::NAN);
            println!(
                "{:14} {:20} {:24} {:>16.1} {:>14.1} {:>12.2} {:>6}",
                machine.name,
                machine.core,
                counted["model"].as_str().unwrap_or("?"),
                number("sample") / 1e6,
                number("multiply_adds") / 1e6,
                number("sample") / number("multiply_adds"),
                number("stack"),
            );
        }
    }
    Ok(())
}

/// Sizes of `.text` and `.rodata` of a program that contains only the engine.
fn size(level: &str, features: &str, folder: &Path) -> Option<[u64; 2]> {
    let machine = Machine::named("mps2-an386")?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args(["build", "--quiet", "--release", "--bin", "proof", "--target", machine.target, "--target-dir"])
        .arg(folder)
        .current_dir(firmware())
        .env("PIXELRNN_BOARD", machine.name)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level);
    build.args(["--no-default-features", "--features", features]);
    if !build.status().is_ok_and(|status| status.success()) {
        return None;
    }
    let program: PathBuf = folder.join(machine.target).join("release/proof");
    let bytes = std::fs::read(program).ok()?;
    let elf = object::File::parse(&*bytes).ok()?;
    let section = |name| elf.section_by_name(name).map_or(0, |section| section.size());
    Some([section(".text"), section(".rodata")])
}
