//! Ten thousand requests, mixed with garbage, to one device without restart. Every line is answered and every image is
//! correct.

use heapless::Vec as Fixed;
use pixelrnn_firmware::protocol::{HELD_BYTES, Session, line_bytes};
use pixelrnn_tests::garbage::{Asked, CALM};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::targets::protocol::{MODELS, STATE_WORDS, VALUES};
use serde_json::Value;
use std::collections::BTreeMap;

/// Sends a line. During an image, calls `between` after each pixel with a flag for a waiting device, and sends its
/// result.
fn send(session: &mut Session<'_>, line: &[u8], mut between: impl FnMut(bool) -> Option<Vec<u8>>) -> Vec<Value> {
    let mut text = String::new();
    line.iter().chain(b"\n").for_each(|&byte| session.push(byte, &mut text).unwrap());
    while let Some(mut job) = session.start() {
        while job.step(&mut text).unwrap() {
            let next = between(job.waits());
            next.iter().flatten().for_each(|&byte| job.push(byte, &mut text).unwrap());
            if next.is_some() {
                job.push(b'\n', &mut text).unwrap();
            }
        }
    }
    let replies = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    replies.inspect(|reply: &Value| assert!(reply.is_object(), "{reply}")).collect()
}

/// Sample with a fixed seed, independent of earlier requests.
fn known(session: &mut Session<'_>, asked: &Asked) -> Vec<Value> {
    for line in CALM {
        send(session, line.as_bytes(), |_| None);
    }
    send(session, asked.sample(7).as_bytes(), |_| None)
}

fn converse(requests: usize, seed: u64) -> BTreeMap<String, usize> {
    let asked = [Asked::new(0, "pixel_cnn_gray.prnn", "gray"), Asked::new(1, "row_lstm_rgb_classes.prnn", "colour")];
    let (mut state, mut image) = (vec![0; STATE_WORDS], vec![0; VALUES]);
    let (mut line, mut held) = (Fixed::<u8, { line_bytes(MODELS) }>::new(), Fixed::<u8, HELD_BYTES>::new());
    let mut session = Session::new(MODELS, &mut state, &mut image, &mut line, &mut held);
    let expected = asked.each_ref().map(|asked| known(&mut session, asked));
    let mut random = Random::new(seed);
    let mut seen = BTreeMap::new();
    for number in 0..requests {
        let mut lines = asked[random.below(2)].request(&mut random).into_iter().map(String::into_bytes);
        let good = lines.next().unwrap();
        let first = if random.once_in(2) { asked[random.below(2)].garbage(&mut random) } else { good };
        let replies = send(&mut session, &first, |waits| match (waits, random.below(40)) {
            (true, 0..4) => Some(CALM[0].into()),
            (true, 4..8) => Some(br#"{"cmd":"more","bytes":""}"#.into()),
            (true, _) => Some(lines.next().unwrap_or_else(|| CALM[0].into())),
            (false, 0) => Some(asked[random.below(2)].garbage(&mut random)),
            (false, 1) => Some(br#"{"cmd":"save"}"#.into()),
            (false, _) => None,
        });
        assert!(!replies.is_empty(), "request {number}: {}", String::from_utf8_lossy(&first));
        for reply in replies {
            let kind = reply["done"].as_str().map(String::from);
            let kind = kind.or_else(|| reply["error"].as_str().map(|error| format!("error {error}")));
            *seen.entry(kind.unwrap_or_else(|| "other".into())).or_default() += 1;
        }
        if number % 100 == 99 || number + 1 == requests {
            for (asked, expected) in asked.iter().zip(&expected) {
                assert_eq!(known(&mut session, asked), *expected, "after request {number}");
            }
        }
    }
    seen
}

#[test]
fn a_device_keeps_its_state_through_ten_thousand_requests_and_nonsense() {
    let seen = converse(10_000, 1);
    println!("{seen:?}");
    for kind in ["sample", "score", "complete", "compress", "decompress"] {
        assert!(seen.get(kind).is_some_and(|count| *count > 100), "{kind}: {seen:?}");
    }
    let errors = seen.keys().filter(|kind| kind.starts_with("error")).count();
    assert!(errors >= 10, "{errors} kinds of errors: {seen:?}");
}

/// The same in QEMU over the serial port. Takes minutes.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "minutes; tests/long runs it"]
fn a_board_keeps_its_state_through_ten_thousand_requests_and_nonsense() {
    use pixelrnn_tests::device::Device;
    use pixelrnn_tests::golden;
    let names = ["pixel_cnn_gray", "row_lstm_rgb_classes"];
    let paths = names.map(|name| golden::folder().join(format!("{name}.prnn")));
    let build = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let Some(mut device) = Device::start("mps2-an386", &paths, &build) else { return };
    let asked = [0, 1].map(|number| Asked::new(number, &format!("{}.prnn", names[number]), names[number]));
    // Bytes with a special meaning on the line would be sent differently by a client. As garbage they get a single
    // reply.
    let ask = |device: &mut Device, line: &[u8]| {
        let line: Vec<u8> = line.iter().copied().filter(|byte| !matches!(byte, 0x05 | 0x1a)).collect();
        device.ask(line)
    };
    let known = |device: &mut Device, asked: &Asked| {
        for line in CALM {
            ask(device, line.as_bytes());
        }
        ask(device, asked.sample(7).as_bytes())
    };
    let expected = asked.each_ref().map(|asked| known(&mut device, asked));
    let mut random = Random::new(2);
    for number in 0..10_000 {
        let mut lines = asked[random.below(2)].request(&mut random).into_iter().map(String::into_bytes);
        let good = lines.next().unwrap();
        let first = if random.once_in(2) { asked[random.below(2)].garbage(&mut random) } else { good };
        let mut replies = ask(&mut device, &first);
        while replies.last().unwrap().get("more").is_some() {
            replies = ask(&mut device, &lines.next().unwrap_or_else(|| CALM[0].into()));
        }
        if number % 100 == 99 {
            for (asked, expected) in asked.iter().zip(&expected) {
                assert_eq!(known(&mut device, asked), *expected, "after request {number}");
            }
        }
    }
}
