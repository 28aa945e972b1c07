//! Killed programs and full disks leave every file whole, either the old or the new version.
#![cfg(target_os = "linux")]

use pixelrnn_tests::cargo;
use pixelrnn_tests::program::{Folder, Run};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Commands that overwrite an existing file, with `OUT` as its placeholder.
const WRITES: [&str; 6] = [
    "compress images.npy -m model.prnn --labels labels.npy -o OUT",
    "convert model.safetensors --calibrate images.npy --labels labels.npy -o OUT",
    "decompress images.prnz -m model.prnn -o OUT.npy",
    "sample -m model.prnn --label 0 -n 9 -o OUT",
    "complete images.npy -m model.prnn --label 0 -o OUT",
    "score images.npy -m model.prnn --labels labels.npy --logits OUT",
];

/// Unit of `ulimit -f` in a POSIX shell, in bytes.
const BLOCK: usize = 512;

const OLD: &[u8] = b"an old file that somebody needs";

/// A folder with input files for [`WRITES`], with enough images that results are written in several pieces.
fn files() -> Folder {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_depth_gate_classes");
    folder.run("sample -m model.prnn --label 0 -n 300 -o images.npy").good();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (300,), }";
    let labels = [b"\x93NUMPY\x01\x00\x76\x00", format!("{header:<117}\n").as_bytes(), &[0; 300]].concat();
    folder.write("labels.npy", &labels);
    folder.run("compress images.npy -m model.prnn --labels labels.npy -o images.prnz").good();
    folder
}

fn out(line: &str) -> (String, &'static str) {
    let name = if line.ends_with("OUT.npy") { "out.npy" } else { "out" };
    (line.replace("OUT", "out"), name)
}

/// Result of the command in an undisturbed run.
fn whole(folder: &Folder, line: &str, name: &str) -> Vec<u8> {
    folder.run(line).good();
    folder.read(name)
}

/// Temporary files left behind by a killed program.
fn parts(folder: &Folder) -> Vec<String> {
    folder.names().into_iter().filter(|name| name.starts_with(".pixelrnn-")).collect()
}

fn remove_parts(folder: &Folder) {
    for part in parts(folder) {
        std::fs::remove_file(folder.path(&part)).unwrap();
    }
}

/// Runs each of [`WRITES`] with the file size limited to zero, one, two and three blocks, where that is less than the
/// result. `before` sets the shell's behaviour at the limit. Returns the number of runs.
fn at_each_limit(before: &str, check: impl Fn(&str, &Folder, &Run, &str)) -> usize {
    let folder = files();
    let mut runs = 0;
    for line in WRITES {
        let (line, name) = out(line);
        let new = whole(&folder, &line, name);
        for blocks in 0..new.len().div_ceil(BLOCK).min(4) {
            runs += 1;
            folder.write(name, OLD);
            let run = folder.run_after(&format!("{before} && ulimit -f {blocks}"), &line);
            check(&format!("{line}, {blocks} blocks"), &folder, &run, name);
            remove_parts(&folder);
        }
        // Leftover temporary files must not disturb the next run.
        folder.write(".pixelrnn-left.part", b"half of");
        assert_eq!(whole(&folder, &line, name), new, "{line}: again");
        remove_parts(&folder);
        std::fs::remove_file(folder.path(name)).unwrap();
    }
    runs
}

/// SIGXFSZ kills the program at an exact byte, independent of timing.
#[test]
fn a_program_that_is_killed_in_mid_write_leaves_the_old_file() {
    let kills = at_each_limit("ulimit -c 0", |what, folder, run, name| {
        assert_eq!(run.status, None, "{what}: ended by itself: {}", run.stderr);
        assert_eq!(folder.read(name), OLD, "{what}: the old file");
        assert_eq!(parts(folder).len(), 1, "{what}: it was killed in mid-write");
    });
    println!("{kills} programs killed in mid-write");
}

/// A kill at any time leaves the old or the new file.
#[test]
fn a_program_that_is_killed_at_any_time_leaves_a_whole_file() {
    let folder = files();
    let (mut kills, mut in_mid_write) = (0, 0);
    for line in &WRITES[..2] {
        let (line, name) = out(line);
        let begun = Instant::now();
        let new = whole(&folder, &line, name);
        let takes = begun.elapsed();
        for round in 0..24 {
            folder.write(name, OLD);
            let mut command = folder.command(cargo::pixelrnn());
            command.args(line.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            // Half of the rounds kill the program once a temporary file exists, the others at any time.
            let until = begun + (begun.elapsed() + takes * round / 24);
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                if round % 2 == 0 && !parts(&folder).is_empty() {
                    break;
                }
                std::thread::sleep(Duration::from_micros(50));
            }
            let _ = child.kill();
            kills += usize::from(child.wait().unwrap().code().is_none());
            in_mid_write += parts(&folder).len();
            let left = folder.read(name);
            assert!(left == OLD || left == new, "{line}: {} bytes are neither file, round {round}", left.len());
            remove_parts(&folder);
        }
    }
    println!("{kills} programs killed, {in_mid_write} of them in mid-write");
}

/// With SIGXFSZ ignored, the limit acts like a full disk: a write fails in the middle of a file.
#[test]
fn a_write_that_fails_in_the_midst_leaves_the_old_file_and_nothing_else() {
    let failures = at_each_limit("trap '' XFSZ", |what, folder, run, name| {
        assert_eq!(run.status, Some(1), "{what}: {}", run.stderr);
        assert!(run.stderr.starts_with(&format!("pixelrnn: cannot write {name}: ")), "{what}: {}", run.stderr);
        assert_eq!(run.stderr.trim_end().lines().count(), 1, "{what}: {}", run.stderr);
        assert_eq!(folder.read(name), OLD, "{what}: the old file");
        assert_eq!(parts(folder), Vec::<String>::new(), "{what}: left behind");
    });
    println!("{failures} failed writes");
}

/// A tmpfs of 12 KiB that is really full. Skipped if Linux does not permit mounting it.
#[test]
fn a_disk_that_is_full_leaves_the_old_file() {
    let folder = files();
    std::fs::create_dir(folder.path("disk")).unwrap();
    let script = r#"mount -t tmpfs -o size=12k none disk && printf old > disk/out || exit 99
        for line in 'sample -m model.prnn --label 0 -n 300 -o disk/out.npy' \
                'score images.npy -m model.prnn --labels labels.npy --logits disk/out'; do
            "$0" $line; echo "status $?"
        done
        ls -A disk; cat disk/out"#;
    let mut command = folder.command(Path::new("unshare"));
    command.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", script]).arg(cargo::pixelrnn());
    let Ok(output) = command.output() else {
        println!("skipped: no program `unshare`");
        return;
    };
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(99) || !said.contains("status") {
        println!("skipped: cannot mount a tmpfs: {errors}");
        return;
    }
    assert_eq!(said, "status 1\nstatus 1\nout\nold", "{errors}");
    let refused = |name: &str| errors.contains(&format!("cannot write {name}: No space left on device"));
    assert!(refused("disk/out.npy") && refused("disk/out"), "{errors}");
}
