//! Failures of the command-line program: exit status 2 for usage errors, otherwise 1 with a one-sentence message that
//! names the file. Existing files stay unchanged.
#![cfg(unix)]

use pixelrnn_tests::bad_files::{self, Kind};
use pixelrnn_tests::cargo;
use pixelrnn_tests::program::{Folder, Run, SAME_THREADS, run};
use std::path::Path;

/// Commands with the file type of each input, marked by `BAD`.
const READS: [(&str, Kind); 28] = [
    ("sample --model BAD --label 0 -n 1 --output out", Kind::Blob),
    ("score images.npy --model BAD --labels labels.npy --nats out", Kind::Blob),
    ("score images.npy --model BAD --labels labels.npy --nats out", Kind::Trained),
    ("score BAD --model model.prnn --labels labels.npy --nats out", Kind::Images),
    ("score images.npy --model model.prnn --labels BAD --logits out", Kind::Labels),
    (
        "score images.npy -m model.prnn --labels labels.npy --against BAD --against-labels labels.npy --plot out",
        Kind::Images,
    ),
    (
        "score images.npy -m model.prnn --labels labels.npy --against images.npy --against-labels BAD --plot out",
        Kind::Labels,
    ),
    ("complete BAD --model model.prnn --labels labels.npy --output out", Kind::Images),
    ("complete images.npy --model BAD --label 0 --output out", Kind::Blob),
    ("complete images.npy --model model.prnn --labels BAD --output out", Kind::Labels),
    ("context BAD --label 0 -n 1 --row 1 --output out", Kind::Blob),
    ("context BAD --label 0 -n 1 --row 1 --output out", Kind::Trained),
    ("context model.prnn --label 0 -n 1 --row 1 --images BAD --output out", Kind::Images),
    ("context BAD --masks input --output out", Kind::Blob),
    ("convert BAD --calibrate images.npy --labels labels.npy --output out", Kind::Trained),
    ("convert model.safetensors --calibrate BAD --labels labels.npy --output out", Kind::Images),
    ("convert model.safetensors --calibrate images.npy --labels BAD --output out", Kind::Labels),
    ("verify BAD model.prnn images.npy --labels labels.npy", Kind::Trained),
    ("verify model.safetensors BAD images.npy --labels labels.npy", Kind::Blob),
    ("verify model.safetensors model.prnn BAD --labels labels.npy", Kind::Images),
    ("compress BAD -m model.prnn --labels labels.npy -o out", Kind::Images),
    ("compress images.npy -m BAD --labels labels.npy -o out", Kind::Blob),
    ("compress images.npy -m model.prnn --labels BAD -o out", Kind::Labels),
    ("decompress BAD -m model.prnn -o out.npy --labels out-labels.npy", Kind::Compressed),
    ("decompress images.prnz -m BAD -o out.npy", Kind::Blob),
    ("inspect BAD", Kind::Blob),
    ("inspect BAD", Kind::Trained),
    ("import BAD --output out.safetensors", Kind::Trained),
];

const MODEL: &str = "pixel_cnn_depth_gate_classes";

/// A folder with a valid file of each type.
fn good_files() -> Folder {
    let folder = Folder::new();
    folder.fixture(MODEL);
    folder.run("compress images.npy -m model.prnn --labels labels.npy -o images.prnz").good();
    folder
}

/// Asserts that the run failed with a one-sentence message that names the file `named`.
fn check_failure(what: &str, run: &Run, named: &str) {
    assert_eq!(run.status, Some(1), "{what}: {}", run.stderr);
    assert_eq!(String::from_utf8_lossy(&run.stdout), "", "{what}");
    assert!(run.stderr.contains(named), "{what}: the message does not name the file: {}", run.stderr);
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "{what}: more than one line: {}", run.stderr);
    assert!(run.stderr.starts_with("pixelrnn: "), "{what}: {}", run.stderr);
}

/// Like [`Folder::run`], limited to a GiB of address space, so that sizes declared by a file are not allocated.
///
/// `AddressSanitizer` reserves terabytes of address space. Under it, set a memory limit in its options instead.
fn run_in_a_gibibyte(folder: &Folder, line: &str) -> Run {
    let limited = if std::env::var_os("ASAN_OPTIONS").is_none() { "ulimit -v 1048576" } else { "true" };
    folder.run_after(&format!("{SAME_THREADS} && {limited}"), line)
}

#[test]
fn no_command_is_left_out_of_this_test() {
    let help = String::from_utf8(Folder::new().run("--help").good().stdout).unwrap();
    let commands = help.split_once("Commands:").unwrap().1.split_once("Options:").unwrap().0;
    for command in commands.lines().filter_map(|line| line.split_whitespace().next()) {
        let here = command == "help" || READS.iter().any(|(line, _)| line.starts_with(command));
        assert!(here, "`{command}` has no line in READS");
    }
}

#[test]
fn bad_files_are_refused_by_name() {
    let folder = good_files();
    let mut files = 0;
    for (line, kind) in READS {
        let good = folder.read(match kind {
            Kind::Trained => "model.safetensors",
            Kind::Blob => "model.prnn",
            Kind::Images => "images.npy",
            Kind::Labels => "labels.npy",
            Kind::Compressed => "images.prnz",
        });
        // The command must succeed with the good file; otherwise its failure would prove nothing.
        folder.write("bad-file", &good);
        run_in_a_gibibyte(&folder, &line.replace("BAD", "bad-file")).good();
        let out = ["out.npy", "out.safetensors"].into_iter().find(|out| line.contains(out)).unwrap_or("out");
        for old in [None, Some(b"precious")] {
            for (what, bytes) in bad_files::of(kind, &good) {
                let _ = std::fs::remove_file(folder.path(out));
                if let Some(old) = old {
                    folder.write(out, old);
                }
                folder.write("bad-file", &bytes);
                let before = folder.names();
                let what = format!("{line} with {what}");
                check_failure(&what, &run_in_a_gibibyte(&folder, &line.replace("BAD", "bad-file")), "bad-file");
                files += 1;
                assert_eq!(folder.names(), before, "{what}: files left behind");
                if let Some(old) = old {
                    assert_eq!(folder.read(out), old, "{what}: the old output");
                }
            }
        }
    }
    println!("{files} bad files");
}

#[test]
fn missing_files_and_folders_are_refused_by_name() {
    let folder = good_files();
    std::fs::create_dir(folder.path("a-folder")).unwrap();
    let before = folder.names();
    for (line, _) in READS {
        for name in ["not-there", "a-folder"] {
            let line = line.replace("BAD", name);
            check_failure(&line, &folder.run(&line), name);
            assert_eq!(folder.names(), before, "{line}: files left behind");
        }
    }
}

#[test]
fn files_of_the_wrong_type_are_refused_by_name() {
    let folder = good_files();
    for (line, kind) in READS {
        for (file, is) in [
            ("model.safetensors", Kind::Trained),
            ("model.prnn", Kind::Blob),
            ("images.npy", Kind::Images),
            ("labels.npy", Kind::Labels),
            ("images.prnz", Kind::Compressed),
        ] {
            // `score`, `inspect` and `context` accept both kinds of model.
            let either = ["score images.npy --model BAD", "inspect", "context BAD"].iter().any(|l| line.starts_with(l));
            if is != kind && !(either && matches!(is, Kind::Trained | Kind::Blob)) {
                folder.write("bad-file", &folder.read(file));
                let what = format!("{line} with {file}");
                check_failure(&what, &folder.run(&line.replace("BAD", "bad-file")), "bad-file");
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let folder = good_files();
    let with_label = "sample -m model.prnn --label 0";
    let mut lines: Vec<String> = [
        "",
        "no-such-command",
        "sample --no-such-option",
        "sample -m model.prnn",
        "sample -m model.prnn --label 4294967296",
        "sample -m model.prnn --label -1",
        "sample -m model.prnn --label one",
        "score",
        "score images.npy -m model.prnn -n 0",
        "score images.npy -m model.prnn --labels labels.npy --plot out",
        "score images.npy -m model.prnn --labels labels.npy --against-labels labels.npy",
        "complete",
        "complete images.npy -m model.prnn --label 0",
        "complete images.npy -m model.prnn --label 0 --rows 29 -o out",
        "complete images.npy -m model.prnn --label 0 --rows -1 -o out",
        "complete images.npy -m model.prnn --label 0 -n 0 -o out",
        "complete images.npy -m model.prnn --label 0 --count 0 -o out",
        "complete images.npy -m model.prnn --label 300 -o out",
        "complete images.npy -m model.prnn --label 0 --labels labels.npy -o out",
        "context model.prnn -o out",
        "context model.prnn --label 300 -o out",
        "context model.prnn --label 0 --row 1000 -o out",
        "context model.prnn --label 0 --column 1000 -o out",
        "context model.prnn --label 0 --channel g -o out",
        "context model.prnn --label 0 --channel x -o out",
        "context model.prnn --label 0 -n 0 -o out",
        "context model.prnn --masks no-such-layer -o out",
        "context model.prnn model.safetensors --masks input -o out",
        "context model.prnn --masks input --row 1 -o out",
        "convert",
        "convert model.safetensors --labels labels.npy -o out",
        "convert model.safetensors --calibrate-count 0 -o out",
        "convert model.safetensors --percentile 10 -o out",
        "convert model.safetensors --percentile nan -o out",
        "convert model.safetensors --weights i3 -o out",
        "verify model.safetensors",
        "inspect one two",
        "compress images.npy -m model.prnn --labels labels.npy",
        "decompress",
        "decompress images.prnz -m model.prnn",
        "decompress images.prnz --labels out.npy -o out.npy",
    ]
    .map(String::from)
    .to_vec();
    for options in [
        "-n 0",
        "-n -1",
        "-n many",
        "-n 1e9",
        "-n 18446744073709551616",
        "--temperature 0",
        "--temperature -1",
        "--temperature=-1",
        "--temperature nan",
        "--temperature inf",
        "--temperature 0.001",
        "--temperature 1000",
        "--temperature warm",
        "--seed -1",
        "--seed 18446744073709551616",
        "--seed x",
    ] {
        lines.push(format!("{with_label} {options} -o out"));
    }
    let before = folder.names();
    for line in lines {
        let run = folder.run(&line);
        assert_eq!(run.status, Some(2), "`{line}`: {}", run.stderr);
        assert!(!run.stderr.trim().is_empty(), "`{line}` says why");
        assert_eq!(String::from_utf8_lossy(&run.stdout), "", "`{line}`");
        assert_eq!(folder.names(), before, "`{line}`: files left behind");
    }
}

#[test]
fn a_label_for_a_model_without_classes_is_a_usage_error() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_gray_bernoulli");
    let run = folder.run("sample -m model.prnn --label 0 -o out");
    assert_eq!(run.status, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("--label"), "{}", run.stderr);
}

#[test]
fn outputs_that_cannot_be_written_are_named() {
    let folder = good_files();
    std::fs::create_dir(folder.path("a-folder")).unwrap();
    let before = folder.names();
    for line in [
        "sample -m model.prnn --label 0 -n 1 -o OUT",
        "sample -m model.prnn --label 0 -n 1 -o OUT.npy",
        "score images.npy -m model.prnn --labels labels.npy --nats OUT",
        "score images.npy -m model.prnn --labels labels.npy --logits OUT",
        "score images.npy -m model.prnn --labels labels.npy --against images.npy --against-labels labels.npy --plot OUT",
        "complete images.npy -m model.prnn --label 0 -o OUT",
        "context model.prnn --label 0 -n 1 --row 1 -o OUT",
        "context model.prnn --masks input -o OUT",
        "convert model.safetensors --calibrate images.npy --labels labels.npy -o OUT",
        "compress images.npy -m model.prnn --labels labels.npy -o OUT",
        "decompress images.prnz -m model.prnn -o OUT.npy",
    ] {
        for place in ["no-such-folder/out", "model.prnn/out", "a-folder"] {
            // A folder cannot be overwritten by a file, whatever its extension.
            if place == "a-folder" && line.ends_with("OUT.npy") {
                continue;
            }
            let line = line.replace("OUT", place);
            check_failure(&line, &folder.run(&line), place);
            assert_eq!(folder.names(), before, "{line}: files left behind");
        }
    }
}

#[test]
fn images_and_models_that_do_not_fit_each_other_are_refused_by_name() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_rgb_cyclic");
    for file in ["images.npy", "model.prnn"] {
        folder.write(&format!("rgb-{file}"), &folder.read(file));
    }
    folder.run("compress rgb-images.npy -m rgb-model.prnn -o rgb-images.prnz").good();
    folder.fixture(MODEL);
    for (line, named) in [
        ("score rgb-images.npy -m model.prnn --labels labels.npy", "rgb-images.npy"),
        (
            "score images.npy -m model.prnn --labels labels.npy --against rgb-images.npy --against-labels labels.npy",
            "rgb-images.npy",
        ),
        ("complete rgb-images.npy -m model.prnn --label 0 -o out", "rgb-images.npy"),
        ("context model.prnn --label 0 --images rgb-images.npy -o out", "rgb-images.npy"),
        ("convert model.safetensors --calibrate rgb-images.npy --labels labels.npy -o out", "rgb-images.npy"),
        ("verify model.safetensors model.prnn rgb-images.npy --labels labels.npy", "rgb-images.npy"),
        ("verify model.safetensors rgb-model.prnn images.npy --labels labels.npy", "rgb-model.prnn"),
        ("compress rgb-images.npy -m model.prnn --labels labels.npy -o out", "rgb-images.npy"),
        ("decompress rgb-images.prnz -m model.prnn -o out.npy", "rgb-images.prnz"),
    ] {
        check_failure(line, &folder.run(line), named);
    }
}

/// A full disk and a closed pipe.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_none() {
    let folder = Folder::new();
    folder.fixture(MODEL);
    for line in ["inspect model.prnn", "sample -m model.prnn --label 0 -n 1 -o -", "inspect model.prnn --json"] {
        let program = cargo::pixelrnn().display();
        let mut full = folder.command(Path::new("/bin/sh"));
        let run_full = run(full.args(["-c", &format!("{program} {line} > /dev/full")]), &[]);
        check_failure(line, &run_full, "standard output");
        let mut closed = folder.command(Path::new("/bin/sh"));
        let run_closed = run(closed.args(["-c", &format!("{program} {line} | true")]), &[]);
        assert_eq!(run_closed.stderr, "", "{line}");
    }
    let line = "sample -m model.prnn --label 0 -n 1 -o /dev/full";
    check_failure(line, &folder.run(line), "/dev/full");
}
