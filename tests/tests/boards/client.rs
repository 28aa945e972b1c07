//! The client in `client/` receives its replies over a line that loses any bytes.

use pixelrnn::{Engine, Sample, Temperature};
use pixelrnn_client::{Client, Error, MAX_FILE_PIECE, file};
use pixelrnn_tests::lossy::Line;
use serde_json::{Value, json};
use std::io::Write;

/// Client of a device that was started earlier.
fn client(line: Line) -> Client<Line> {
    // More attempts than lost bytes, as every lost byte may cause a timeout.
    let mut client = Client::new(line).with_patience(300);
    client.synchronize().unwrap();
    client
}

/// Sends requests of all kinds and returns the replies.
fn converse(line: Line) -> (Vec<Value>, Line) {
    let mut device = client(line);
    let image = "0123456789abcdef0123456789ab";
    let mut all = device.ask(r#"{"cmd":"info"}"#).unwrap();
    all.extend(device.ask(r#"{"cmd":"temperature","value":0.8}"#).unwrap());
    all.extend(device.ask(r#"{"cmd":"sample","model":"colour","label":3,"seed":7}"#).unwrap());
    all.extend(device.ask(format!(r#"{{"cmd":"score","image":"{image}"}}"#)).unwrap());
    // A line of maximum length, padded with blanks.
    let long = format!(r#"{{"cmd":"complete","image":"{image}",{}"rows":2,"seed":7}}"#, " ".repeat(440));
    all.extend(device.ask(long).unwrap());
    let compressed = device.ask(format!(r#"{{"cmd":"compress","image":"{image}"}}"#)).unwrap();
    let bytes = file(&compressed).unwrap();
    all.extend(compressed);
    all.extend(device.ask_with_file(r#"{"cmd":"decompress"}"#, bytes.chunks(20)).unwrap());
    // Invalid saved image. It is rejected once enough bytes have arrived.
    all.extend(device.ask_with_file(r#"{"cmd":"resume"}"#, [0x50; 600].chunks(MAX_FILE_PIECE)).unwrap());
    assert!(matches!(device.ask("}").unwrap()[..], [ref reply] if reply["error"] == "not_json"));
    (all, std::mem::replace(device.port_mut(), Line::to_small_models()))
}

#[test]
fn whichever_bytes_are_lost_every_request_is_answered() {
    let (expected, line) = converse(Line::to_small_models());
    assert!(!expected.iter().any(|reply| reply["error"] == "lost"));
    let all = line.carried();
    assert!(all > 1000, "only {all} bytes were sent");
    for run in [1, 2, 250] {
        // Every single byte; then runs of several bytes, starting at every fifth.
        for first in (0..all).step_by(if run == 1 { 1 } else { 5 }) {
            let (replies, _) = converse(Line::to_small_models().losing(first..first + run));
            assert!(replies == expected, "bytes {first} to {} were lost: {replies:?}", first + run - 1);
        }
    }
}

/// Timeouts too short for the device cause extra line ends and repeated enquiries.
#[test]
fn timeouts_while_the_device_is_merely_slow_change_nothing() {
    let (expected, _) = converse(Line::to_small_models());
    let (replies, _) = converse(Line::to_small_models().hesitant());
    assert_eq!(replies, expected);
}

/// A request for an image of 28x28 pixels exceeds the device's queue.
#[test]
fn a_line_longer_than_the_queue_comes_through_at_once() {
    let mut image = vec![0; 784];
    let model = (pixelrnn_firmware::MODELS[0].model)().unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let cost = engine.run(None, &mut Sample::seeded(7, Temperature::ONE), &mut image).unwrap();
    let digits: String = image.iter().map(ToString::to_string).collect();
    let line = format!(r#"{{"cmd":"score","image":"{digits}"}}"#);

    let mut device = client(Line::to_built_in_model());
    let before = device.port_mut().carried();
    let replies = device.ask(&line).unwrap();
    assert_eq!((replies.len(), &replies[0]["cost"]), (1, &json!(cost.0)));
    let sent = device.port_mut().carried() - before;
    assert_eq!(sent, line.len() + 1 + line.len() / 240, "it was sent once, and with a question behind each piece");

    // Sent in one piece, it overflows the queue.
    device.port_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    assert_eq!(device.reply().unwrap()["error"], "lost");
    device.synchronize().unwrap();
    assert_eq!(device.ask(&line).unwrap(), replies);
}

#[test]
fn a_line_that_is_always_lost_is_given_up_and_the_next_one_is_not() {
    let mut device = client(Line::to_small_models()).with_patience(3);
    device.port_mut().lose(usize::MAX);
    assert!(matches!(device.ask(r#"{"cmd":"info"}"#), Err(Error::Silent { timeouts: 3 })));
    device.port_mut().lose(0);
    device.synchronize().unwrap();
    assert!(device.ask(r#"{"cmd":"info"}"#).unwrap()[0]["models"].is_array());

    // Looks like a loss to the device, every time.
    device.port_mut().write_all(b"\x1a\n").unwrap();
    assert_eq!(device.reply().unwrap()["error"], "lost");
    assert!(matches!(device.ask("\u{1a}"), Err(Error::Control { byte: 0x1a })));
}
