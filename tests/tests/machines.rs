//! Firmware on all machines: blobs give the checksums of `golden.json` on every processor.
//!
//! Prints one line per machine and model and per blob that must be rejected, and one about the engine's code: it
//! contains no reachable panic, and no floating-point arithmetic on cores without an FPU. Missing emulators and targets
//! are reported; `firmware-example/set-up` installs them.

use object::{Object, ObjectSection, ObjectSymbol};
use pixelrnn::BlobError;
use pixelrnn::blob::{HEADER_BYTES, VERSION};
use pixelrnn::kernels::Portable;
use pixelrnn_converter::Blob;
use pixelrnn_firmware::kernels::{Size, check};
use pixelrnn_tests::golden::{self, Golden};
use pixelrnn_tests::machines::{Emulator, MACHINES, Machine};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A model as a file for the machine.
struct Subject {
    name: String,
    blob: Blob,
    expected: golden::Report,
}

fn main() -> ExitCode {
    // Test runners request a list in the format of the default harness.
    if std::env::args().any(|argument| argument == "--list") {
        println!("machines: test");
        return ExitCode::SUCCESS;
    }
    let text = std::fs::read_to_string(golden::file()).expect("golden.json can be read");
    let golden: Golden = serde_json::from_str(&text).expect("golden.json is whole");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for machine in MACHINES {
        match run(&machine, &golden) {
            Err(missing) => {
                println!("{} {}: skipped, {missing}", machine.target, machine.name);
                skipped += 1;
            }
            Ok(results) => {
                let right = results.iter().filter(|right| **right).count();
                passed += right;
                failed += results.len() - right;
            }
        }
    }
    println!("machines: {passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Builds and runs the programs of a machine. One result per model.
fn run(machine: &Machine, golden: &Golden) -> Result<Vec<bool>, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let models = folder.join("models").join(machine.name);
    std::fs::create_dir_all(&models).expect("a folder for models");
    let mut results = Vec::new();
    for (number, subjects) in programs(machine, golden).iter().enumerate() {
        let write = |subject: &Subject| {
            let path = models.join(format!("{}.prnn", subject.name));
            std::fs::write(&path, subject.blob.bytes()).expect("a model can be written");
            path
        };
        let paths: Vec<PathBuf> = subjects.iter().map(write).collect();
        let program = machine.build("draw", &paths, &folder)?;
        let text = machine.run(&program, false);
        results.extend(models_drawn(machine, subjects, &text));
        if number == 0 {
            results.extend(others_said(machine, &text));
            // Links only if the engine cannot panic.
            if machine.emulator != Emulator::Node {
                results.push(proved(machine, &machine.build("proof", &paths, &folder)?));
            }
        }
    }
    Ok(results)
}

/// Checks the report of each model.
fn models_drawn(machine: &Machine, subjects: &[Subject], text: &str) -> Vec<bool> {
    let lines = subjects.iter().map(|subject| {
        let golden::Report { crc32, cost } = &subject.expected;
        (format!("{} crc=", subject.name), format!("{} crc={crc32} cost={cost}", subject.name))
    });
    lines.map(|(beginning, expected)| said(machine, text, &beginning, &expected)).collect()
}

/// Checks the results for blobs to reject and for the kernel.
fn others_said(machine: &Machine, text: &str) -> Vec<bool> {
    let size = match machine.emulator {
        Emulator::Arm | Emulator::Riscv => Size::BOARD,
        Emulator::Aarch64 | Emulator::Node => Size::VECTORS,
    };
    let cases = check(Portable, size).expect("portable Rust is right");
    let kernels = ("kernels".to_string(), format!("kernels {cases} cases right"));
    let lines = blobs().into_iter().chain([kernels]);
    lines.map(|(beginning, expected)| said(machine, text, &beginning, &expected)).collect()
}

/// Checks and prints the line of `text` that starts with `beginning`.
fn said(machine: &Machine, text: &str, beginning: &str, expected: &str) -> bool {
    let said = text.lines().find(|line| line.starts_with(beginning));
    let right = said == Some(expected);
    let shown = said.map_or_else(|| format!("{beginning} nothing said"), str::to_string);
    let verdict = if right { "ok".to_string() } else { format!("WRONG, expected {expected}") };
    println!("{} {} {shown} {verdict}", machine.target, machine.name);
    right
}

/// Checks that the panic-free program contains no soft-float functions, and prints the result.
fn proved(machine: &Machine, proof: &Path) -> bool {
    let floats = soft_floats(proof);
    let verdict = if floats.is_empty() {
        "no float ok".to_string()
    } else {
        format!("WRONG, floats are computed by {}", floats.join(", "))
    };
    println!("{} {} engine: no panic is reachable, {verdict}", machine.target, machine.name);
    floats.is_empty()
}

/// Expected lines for the blobs to reject: prefix and full text.
fn blobs() -> [(String, String); 12] {
    let read = |name: &str| Blob::read(&golden::folder().join(name)).unwrap_or_else(|e| panic!("{e}"));
    let (gray, lstm) = (read("pixel_cnn_gray.prnn"), read("row_lstm_rgb_classes.prnn"));
    let bytes = gray.bytes().len();
    let kinds = |blob: &Blob| -> Vec<_> {
        blob.model().expect("a sound blob").instructions().flatten().map(pixelrnn::blob::Instruction::kind).collect()
    };
    let last = kinds(&gray).len() - 1;
    let lstm = kinds(&lstm).iter().position(|kind| *kind == "row_lstm").expect("a Row LSTM");
    [
        ("sound", None),
        ("flipped bit", Some(BlobError::Checksum)),
        ("later version", Some(BlobError::Version { got: VERSION + 1 })),
        ("wrong alignment", Some(BlobError::Misaligned)),
        ("cut short", Some(BlobError::Length { declared: bytes as u32, got: bytes - 1 })),
        ("half a header", Some(BlobError::TooShort { got: HEADER_BYTES / 2 })),
        ("weights outside", Some(BlobError::Op { op: 0, field: "weights" })),
        ("logits shifted far", Some(BlobError::Op { op: last, field: "logit_shift" })),
        ("sound LSTM", None),
        ("wide cell", Some(BlobError::Op { op: lstm, field: "cell_bits" })),
        ("cells outside", Some(BlobError::Op { op: lstm, field: "cell_bits" })),
        ("initial states", Some(BlobError::Op { op: lstm, field: "rescale" })),
    ]
    .map(|(name, error)| {
        let said = error.map_or_else(|| "accepted".to_string(), |error| format!("refused, {error:?}"));
        (format!("blob {name}:"), format!("blob {name}: {said}"))
    })
}

/// Soft-float functions in a program. A program without them computes no floats on a core without an FPU.
fn soft_floats(program: &Path) -> Vec<String> {
    let bytes = std::fs::read(program).expect("the program was built");
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    // A tiny program means that the compiler optimized the engine away, so it proves nothing.
    let code = elf.section_by_name(".text").map_or(0, |section| section.size());
    assert!(code > 16 << 10, "the engine has {code} bytes of code, expected more than 16 KiB");
    let is_float = |name: &&str| {
        ["__aeabi_f", "__aeabi_d", "__aeabi_i2f", "__aeabi_i2d", "__aeabi_ui2f", "__aeabi_ui2d"]
            .iter()
            .any(|beginning| name.starts_with(beginning))
            || ["sf3", "df3", "sf2", "df2", "sfsi", "dfsi", "sidf", "sisf"].iter().any(|ending| name.ends_with(ending))
    };
    elf.symbols().filter_map(|symbol| symbol.name().ok()).filter(is_float).map(String::from).collect()
}

/// Models that fit the machine, distributed over programs. The firmware's build script picks the layout.
fn programs(machine: &Machine, golden: &Golden) -> Vec<Vec<Subject>> {
    let read = |entry: &'_ golden::Entry| {
        Blob::read(&golden::file().with_file_name(&entry.blob)).unwrap_or_else(|e| panic!("{e}"))
    };
    let mut entries: Vec<_> = golden.models.iter().map(|entry| (entry, read(entry))).collect();
    // First-fit by ascending size.
    entries.sort_by_key(|(_, blob)| blob.bytes().len());
    let mut taken = 0;
    let mut programs: Vec<Vec<Subject>> = Vec::new();
    for (entry, blob) in entries {
        let fits = |beside| machine.fits(&blob, beside).unwrap_or_else(|e| panic!("{}: {e}", entry.blob));
        let beside = fits(taken).filter(|_| !programs.is_empty());
        let alone = beside.is_none();
        let Some(bytes) = beside.or_else(|| fits(0)) else { continue };
        if alone {
            programs.push(Vec::new());
            taken = 0;
        }
        taken += bytes;
        let subject = Subject { name: entry.name(), blob, expected: entry.report.clone() };
        programs.last_mut().expect("one was begun").push(subject);
    }
    programs
}
