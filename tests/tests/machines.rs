//! The firmware on all machines: the same blobs give the checksums of `golden.json`, whatever the processor.
//!
//! It prints a line for each machine and model, and one on the engine's code: no panic can be reached from it, and where there
//! is no FPU it computes no floats. Where an emulator or a target is missing it says so; `firmware-example/set-up`
//! installs them.

use object::{Object, ObjectSection, ObjectSymbol};
use pixelrnn::blob::Layout;
use pixelrnn_converter::Blob;
use pixelrnn_converter::layout::arrange;
use pixelrnn_tests::golden::{self, Golden};
use pixelrnn_tests::machines::{Emulator, MACHINES, Machine};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a program needs beside models and their states, in flash and in RAM.
const PROGRAM: [usize; 2] = [72 << 10, 3 << 10];

/// A model, as a file for the machine.
struct Subject {
    name: String,
    blob: Blob,
    expected: golden::Report,
}

fn main() -> ExitCode {
    // What the harness of other tests understands: a list is asked for by tools that run tests one by one.
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

/// Builds and runs one machine's program; a result for each model.
fn run(machine: &Machine, golden: &Golden) -> Result<Vec<bool>, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let models = folder.join("models").join(machine.name);
    std::fs::create_dir_all(&models).expect("a folder for models");
    let subjects = subjects(machine, golden);
    let paths: Vec<PathBuf> = subjects
        .iter()
        .map(|subject| {
            let path = models.join(format!("{}.prnn", subject.name));
            std::fs::write(&path, subject.blob.bytes()).expect("a model can be written");
            path
        })
        .collect();
    let program = machine.build("draw", &paths, &folder)?;
    let text = machine.run(&program, false);
    let results = subjects.iter().map(|subject| {
        let golden::Report { crc32, cost } = &subject.expected;
        let line = format!("{} crc={crc32} cost={cost}", subject.name);
        let right = text.lines().any(|printed| printed == line);
        let said = text.lines().find(|line| line.starts_with(&format!("{} crc=", subject.name)));
        println!(
            "{} {} {} {}",
            machine.target,
            machine.name,
            said.unwrap_or("said nothing"),
            if right { "ok".to_string() } else { format!("WRONG, expected {line}") }
        );
        right
    });
    let mut results: Vec<bool> = results.collect();
    let kernels = text.lines().find(|line| line.starts_with("kernels "));
    // Machines with vectors try more outputs.
    let large = matches!(machine.emulator, Emulator::Aarch64 | Emulator::Node);
    let right = kernels == Some(if large { "kernels 7980 cases right" } else { "kernels 1600 cases right" });
    println!(
        "{} {} {} {}",
        machine.target,
        machine.name,
        kernels.unwrap_or("kernels: nothing said"),
        if right { "ok" } else { "WRONG" }
    );
    results.push(right);
    if machine.emulator != Emulator::Node {
        // It links only where nothing that the engine does can panic.
        let proof = machine.build("proof", &paths, &folder)?;
        let floats = soft_floats(&proof);
        let right = floats.is_empty();
        println!(
            "{} {} engine: no panic is reachable, {}",
            machine.target,
            machine.name,
            if right {
                "no float ok".to_string()
            } else {
                format!("WRONG, floats are computed by {}", floats.join(", "))
            }
        );
        results.push(right);
    }
    Ok(results)
}

/// Functions that compute floats where there is no FPU; a program that has none of them computes none.
fn soft_floats(program: &Path) -> Vec<String> {
    let bytes = std::fs::read(program).expect("the program was built");
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    // Else the compiler has found out that the program does nothing, and it proves nothing.
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

/// The models that fit the machine, its weights as it likes them.
fn subjects(machine: &Machine, golden: &Golden) -> Vec<Subject> {
    let [flash, ram] = machine.memory;
    let mut room = flash - PROGRAM[0];
    let mut subjects = Vec::new();
    let read = |entry: &'_ golden::Entry| {
        Blob::read(&golden::file().with_file_name(&entry.blob)).unwrap_or_else(|e| panic!("{e}"))
    };
    let mut entries: Vec<_> = golden.models.iter().map(|entry| (entry, read(entry))).collect();
    // As many as fit: the smallest first.
    entries.sort_by_key(|(_, blob)| blob.bytes().len());
    for (entry, mut blob) in entries {
        if machine.dsp {
            blob = arrange(&blob, Layout::Blocks).unwrap_or_else(|e| panic!("{}: {e}", entry.blob));
        }
        let model = blob.model().unwrap_or_else(|e| panic!("{e}"));
        let memory = 4 * model.state_words() + model.image().values();
        if blob.bytes().len() > room || memory + PROGRAM[1] > ram {
            continue;
        }
        room -= blob.bytes().len();
        subjects.push(Subject { name: entry.name(), blob, expected: entry.report.clone() });
    }
    subjects
}
