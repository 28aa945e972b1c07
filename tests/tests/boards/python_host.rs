//! The Python host of `docs/device-protocol.md`, run unmodified against an emulated board and over a lossy line.
//!
//! Skipped with a message if Python or QEMU is missing.
#![cfg(target_os = "linux")]

use pixelrnn::FromImage;
use pixelrnn_converter::ImageSet;
use pixelrnn_converter::compress::compress;
use pixelrnn_converter::images::Range;
use pixelrnn_tests::device::{Device, Served, draw};
use pixelrnn_tests::lossy::Line;
use pixelrnn_tests::program::Folder;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output};

/// The program from the documentation, for the device at `socket`.
fn program(socket: &Path) -> String {
    let page = include_str!("../../../docs/device-protocol.md");
    let (_, rest) = page.split_once("```python\n").expect("a program in Python");
    let (program, _) = rest.split_once("```").expect("its end");
    let parts: Vec<&str> = program.split("/tmp/device").collect();
    assert_eq!(parts.len(), 2, "the page names the socket once");
    parts.join(&socket.display().to_string())
}

fn there_is_python() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|out| out.status.success());
    if !there {
        println!("skipped: python3 not found");
    }
    there
}

fn run(program: &str) -> Output {
    Command::new("python3").args(["-c", program]).output().expect("python3 is there")
}

/// Expected output of the program.
fn expected(model: &Served) -> String {
    let parsed = model.blob.model().unwrap();
    let shape = parsed.image();
    let (image, cost) = model.run(draw(7, 1000));
    assert_eq!(model.run(FromImage::new(&image, shape)).1, cost);
    let rows = image.chunks(shape.width).map(|row| row.iter().map(|value| [' ', '#'][usize::from(*value)]));
    let rows: String = rows.flat_map(|row| row.chain(['\n'])).collect();
    let set = ImageSet::new([1, shape.height, shape.width], image, Range::Levels).unwrap();
    let bytes = compress(parsed, &set, None, || ()).unwrap().bytes.len();
    let done = &model.due("score", None, &(set.image(0).to_vec(), cost))[0];
    format!("{rows}{} nats, {bytes} bytes, restored\n", done["nats"])
}

fn check(output: &Output, model: &Served) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected(model));
}

#[test]
fn the_host_of_the_page_talks_to_an_emulated_board() {
    let build = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let model = Served::built_in();
    if !there_is_python() {
        return;
    }
    for board in ["mps2-an386", "microbit"] {
        let Some(device) = Device::start(board, std::slice::from_ref(&model.path), &build) else { return };
        check(&device.hand_over(|socket| run(&program(socket))), &model);
    }
}

/// Runs the program over `line` and returns both the output and the line.
fn run_over(mut line: Line) -> (Output, Line) {
    let folder = Folder::new();
    let socket = folder.path("device");
    let listener = UnixListener::bind(&socket).unwrap();
    // A timeout shorter than the device's response time, to provoke repeated requests.
    let program = program(&socket).replace("settimeout(5)", "settimeout(0.05)");
    std::thread::scope(|scope| {
        let python = scope.spawn(|| {
            let output = run(&program);
            // Unblocks the accept loop if the program exited without connecting.
            let _ = UnixStream::connect(&socket);
            output
        });
        let (mut port, _) = listener.accept().unwrap();
        let mut bytes = [0; 4096];
        loop {
            match line.read(&mut bytes) {
                Ok(count) if port.write_all(&bytes[..count]).is_ok() => {}
                Ok(_) => break,
                // The device waits for input.
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    match port.read(&mut bytes) {
                        Ok(0) | Err(_) => break,
                        Ok(count) => line.write_all(&bytes[..count]).unwrap(),
                    }
                }
            }
        }
        (python.join().unwrap(), line)
    })
}

#[test]
fn the_host_of_the_page_gets_its_replies_over_a_line_that_loses_bytes() {
    let model = Served::built_in();
    if !there_is_python() {
        return;
    }
    let (output, line) = run_over(Line::to_built_in_model());
    check(&output, &model);
    let all = line.carried();
    assert!(all > 900, "only {all} bytes were sent");
    for first in (0..all).step_by(53) {
        let (output, _) = run_over(Line::to_built_in_model().losing(first..first + 3));
        check(&output, &model);
    }
}
