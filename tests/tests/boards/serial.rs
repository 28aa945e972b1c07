//! QEMU boards over their serial port, following `docs/device-protocol.md`: they draw the engine's images, and no input
//! disturbs them.
//!
//! Skipped with a message if QEMU or the Rust target is missing.
#![cfg(target_os = "linux")]

use pixelrnn::{Complete, FromImage};
use pixelrnn_tests::device::{Device, Served, draw};
use pixelrnn_tests::{fixtures, golden};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Target folder for firmware.
fn build() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware")
}

/// Every kind of request, for each model.
fn answers(device: &mut Device, models: &[Served]) {
    let info = device.ask(r#"{"cmd":"info"}"#).remove(0);
    assert_eq!(info["temperature"], 1.0);
    for (model, entry) in models.iter().zip(info["models"].as_array().unwrap()) {
        let parsed = model.blob.model().unwrap();
        let shape = parsed.image();
        let expected = json!({"name": model.name, "height": shape.height, "width": shape.width,
            "channels": shape.channels, "levels": shape.levels, "classes": parsed.classes(),
            "state_bytes": 4 * parsed.state_words()});
        assert_eq!(*entry, expected);

        let sampled = model.run(draw(7, 1000));
        let replies = device.ask(model.request(json!({"cmd": "sample", "seed": 7})));
        assert_eq!(replies, model.due("sample", Some(7), &sampled));
        let replies = device.ask(model.request(json!({"cmd": "sample", "seed": u64::MAX, "temperature": 0.8})));
        assert_eq!(replies, model.due("sample", Some(u64::MAX), &model.run(draw(u64::MAX, 800))));

        let image = &sampled.0;
        let replies = device.ask(model.request(json!({"cmd": "score", "image": model.text(image)})));
        assert_eq!(replies, model.due("score", None, &model.run(FromImage::new(image, shape))));
        let rows = shape.height / 2;
        let line = json!({"cmd": "complete", "image": model.text(image), "rows": rows, "seed": 9});
        let completed = model.run(Complete::new(image, shape, rows, draw(9, 1000)));
        assert_eq!(device.ask(model.request(line)), model.due("complete", Some(9), &completed));
    }

    let model = &models[0];
    assert_eq!(device.ask(r#"{"cmd":"temperature","value":0.65}"#), [json!({"temperature": 0.65})]);
    let replies = device.ask(r#"{"cmd":"sample","seed":11}"#);
    assert_eq!(replies, model.due("sample", Some(11), &model.run(draw(11, 650))));
    assert_eq!(device.ask(r#"{"cmd":"temperature","value":1}"#), [json!({"temperature": 1.0})]);
    // Without a seed, the successor of the last one is used.
    let replies = device.ask(r#"{"cmd":"sample"}"#);
    assert_eq!(replies, model.due("sample", Some(12), &model.run(draw(12, 1000))));
}

/// Invalid requests get an error and change nothing.
fn survives(device: &mut Device, model: &Served) {
    let zeros = "0".repeat(model.blob.model().unwrap().image().values());
    let image = |text: &str, more: &str| format!(r#"{{"cmd":"complete","image":"{text}"{more}}}"#).into_bytes();
    let nested = [br#"{"cmd":"sample","seed":"#.as_slice(), "[".repeat(800).as_bytes()].concat();
    let cases: [(&str, Vec<u8>); 21] = [
        ("not_json", b"hello".into()),
        ("not_json", b"\xff\xfe\x00\x01".into()),
        ("not_json", br#"{"cmd":"info","#.into()),
        ("not_json", "[".repeat(900).into()),
        ("not_json", br#"{"cmd":"info"}{"cmd":"info"}"#.into()),
        ("too_long", vec![b'x'; 20_000]),
        ("unknown_command", br#"{"cmd":"reboot"}"#.into()),
        ("field", b"{}".into()),
        ("field", nested),
        ("field", br#"{"cmd":"sample","seed":-1}"#.into()),
        ("field", br#"{"cmd":"sample","sead":1}"#.into()),
        ("field", br#"{"cmd":"score"}"#.into()),
        ("field", br#"{"cmd":"temperature","value":"warm"}"#.into()),
        ("unknown_model", br#"{"cmd":"sample","model":"cats"}"#.into()),
        ("label", br#"{"cmd":"sample","label":3}"#.into()),
        ("image", image("01", r#","rows":1"#)),
        ("image", image(&format!("2{}", &zeros[1..]), r#","rows":1"#)),
        ("rows", image(&zeros, r#","rows":29"#)),
        ("temperature", br#"{"cmd":"temperature","value":0}"#.into()),
        ("temperature", br#"{"cmd":"sample","temperature":1000000000000000}"#.into()),
        ("idle", br#"{"cmd":"stop"}"#.into()),
    ];
    for (kind, line) in cases {
        let [reply] = &device.ask(&line)[..] else { panic!("{}", String::from_utf8_lossy(&line)) };
        assert_eq!(reply["error"], kind, "{}: {reply}", String::from_utf8_lossy(&line));
        assert!(reply["message"].is_string());
    }
    // The loss marker, which a client never sends.
    device.send(b"{\"cmd\":\x1a\n");
    assert_eq!(device.reply()["error"], "lost");

    let expected = model.due("sample", Some(7), &model.run(draw(7, 1000)));
    for (kind, line) in [("busy", r#"{"cmd":"temperature","value":1}"#), ("not_json", "}"), ("", r#"{"cmd":"info"}"#)] {
        let other = while_it_draws(device, line, &expected, |reply| match kind {
            "" => reply["making"]["cmd"] == "sample",
            "not_json" => true,
            _ => reply.get("error").is_some(),
        });
        if !kind.is_empty() {
            assert_eq!(other["error"], kind);
        }
    }

    let (rows, stopped) = loop {
        device.send(b"{\"cmd\":\"sample\",\"seed\":7}\n");
        let mut replies = device.ask(r#"{"cmd":"stop"}"#);
        let last = replies.pop().unwrap();
        if last.get("stopped").is_some() {
            break (replies, last);
        }
        // The image finished before the line arrived.
        assert_eq!((last["error"].as_str(), replies), (Some("idle"), expected.clone()));
    };
    assert_eq!(stopped["stopped"], true, "{stopped}");
    let pixels = usize::try_from(stopped["pixels"].as_u64().unwrap()).unwrap();
    assert!(pixels < 28 * 28 && pixels / 28 == rows.len(), "{stopped} after {} rows", rows.len());
    assert_eq!(rows, &expected[..rows.len()]);

    assert_eq!(device.ask(r#"{"cmd":"sample","seed":7}"#), expected);
}

/// Sends a line during an image and returns its reply. The image must equal `expected`. Repeats if the image finished
/// before the line arrived, as determined by `in_time` from the reply.
fn while_it_draws(device: &mut Device, line: &str, expected: &[Value], in_time: impl Fn(&Value) -> bool) -> Value {
    loop {
        device.send(format!("{{\"cmd\":\"sample\",\"seed\":7}}\n{line}\n").as_bytes());
        let (mut image, mut others) = (Vec::new(), Vec::new());
        while image.len() < expected.len() || others.is_empty() {
            let reply = device.reply();
            let of_image = reply.get("row").is_some() || reply.get("done").is_some();
            if of_image { &mut image } else { &mut others }.push(reply);
        }
        assert_eq!(image, expected);
        assert_eq!(others.len(), 1);
        let other = others.remove(0);
        if in_time(&other) {
            return other;
        }
    }
}

#[test]
fn a_cortex_m4f_serves_several_models() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("colour-256.prnn");
    std::fs::write(&path, fixtures::named("pixel_cnn_rgb_256_f16").blob().unwrap().bytes()).unwrap();
    let classes = golden::folder().join("row_lstm_rgb_classes.prnn");
    let models = [
        Served::built_in(),
        Served::new("row_lstm_rgb_classes", classes, Some(3)),
        Served::new("colour-256", path, None),
    ];
    let paths = models.each_ref().map(|model| model.path.clone());
    let Some(mut device) = Device::start("mps2-an386", &paths, &build()) else { return };
    answers(&mut device, &models);
    survives(&mut device, &models[0]);
    notices_what_it_missed(&mut device);
}

#[test]
fn a_board_with_16_kib_of_ram_serves_the_built_in_model() {
    let model = Served::built_in();
    let Some(mut device) = Device::start("microbit", std::slice::from_ref(&model.path), &build()) else {
        return;
    };
    answers(&mut device, std::slice::from_ref(&model));
    survives(&mut device, &model);
    notices_what_it_missed(&mut device);
}

/// A burst of requests during the computation of a pixel is answered completely afterwards.
///
/// QEMU delivers a byte only after the previous one was taken. A device that polls between pixels takes one byte per
/// pixel, or the few that its UART buffers. It needs at least 76 pixels for this burst, at every attempt. An
/// interrupt-driven device takes only the time QEMU needs for delivery: few pixels on an idle host, more on a loaded
/// one.
fn listens_while_it_draws(device: &mut Device) {
    const FEW: u64 = 40;
    const TRIES: usize = 100;
    let (info, stop) = (r#"{"cmd":"info"}"#, r#"{"cmd":"stop"}"#);
    let garbage = "}".repeat(400);
    let mut took = Vec::new();
    while took.last().is_none_or(|pixels| *pixels >= FEW) {
        assert!(took.len() < TRIES, "the burst took so many pixels each time: {took:?}");
        device.send(b"{\"cmd\":\"sample\",\"seed\":7}\n");
        device.send(format!("{info}\n{garbage}\n{stop}\n{info}\n{stop}\n").as_bytes());
        let [job, garbage, stopped, resting, idle] = [(); 5].map(|()| {
            loop {
                let reply = device.reply();
                if reply.get("row").is_none() {
                    break reply;
                }
            }
        });
        assert_eq!(job["making"]["cmd"], "sample", "{job}");
        assert_eq!(garbage["error"], "not_json", "{garbage}");
        assert_eq!(resting["making"], Value::Null, "{resting}");
        assert_eq!(idle["error"], "idle", "{idle}");
        let [begun, ended] = [&job["making"], &stopped].map(|reply| reply["pixels"].as_u64().unwrap());
        took.push(ended - begun);
    }
}

/// Overflows the device's queue while the device waits for the host to read. The loss must be detected, without further
/// errors.
///
/// Without an interrupt handler on the device, QEMU would hold the bytes back.
fn notices_what_it_missed(device: &mut Device) {
    let lines = device.flood(b"{\"cmd\":\"info\"}\n");
    let mut answered = 0;
    let lost = loop {
        let reply = device.reply();
        if reply.get("models").is_none() {
            break reply;
        }
        answered += 1;
        assert!(answered < lines, "nothing was lost: the device does not listen while it sends");
    };
    assert_eq!(lost["error"], "lost", "{lost}, after {answered} replies");
    // Discards the remaining lines.
    device.synchronize();
    assert_eq!(device.ask(r#"{"cmd":"temperature","value":1}"#), [json!({"temperature": 1.0})]);
}

#[test]
fn boards_listen_while_they_draw() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let slow = models.join("mnist-row-lstm/model.prnn").canonicalize().unwrap();
    for board in ["microbit", "mps2-an385", "netduinoplus2", "mps2-an505", "mps3-an547"] {
        let Some(mut device) = Device::start_slow(board, std::slice::from_ref(&slow), &build()) else { continue };
        listens_while_it_draws(&mut device);
    }
}
