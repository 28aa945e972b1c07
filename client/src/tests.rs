//! Tests with scripted ports. `tests/tests/boards/client.rs` in the repository tests against a device.

use super::*;
use std::io;

/// Port that returns one text after each write. An empty text means a timeout.
struct Script {
    says: VecDeque<&'static [u8]>,
    sent: Vec<u8>,
    waits: bool,
}

fn script(says: &[&'static str]) -> Client<Script> {
    let says = says.iter().map(|text| text.as_bytes()).collect();
    Client::new(Script { says, sent: Vec::new(), waits: true }).with_patience(4)
}

impl Read for Script {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.waits, true) {
            return Err(ErrorKind::TimedOut.into());
        }
        match self.says.pop_front() {
            Some(mut text) => {
                text.read(bytes).and_then(|n| if n > 0 { Ok(n) } else { Err(ErrorKind::WouldBlock.into()) })
            }
            None => Ok(0),
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.extend(bytes);
        self.waits = false;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const INFO: &str = r#"{"cmd":"info"}"#;

#[test]
fn replies_come_in_any_pieces() {
    let mut client = script(&["{\"mod", "els\":[]}\n{\"more\":", "1}\n"]);
    assert_eq!(client.ask(INFO).unwrap(), [json!({"models": []})]);
    assert_eq!(client.reply().unwrap(), json!({"more": 1}));
    assert_eq!(client.port_mut().sent, b"{\"cmd\":\"info\"}\n\n\n");
}

#[test]
fn what_comes_of_an_image_does_not_end_the_replies_to_another_request() {
    let mut client = script(&["{\"row\":27}\n{\"done\":\"sample\"}\n{\"error\":\"idle\"}\n"]);
    assert_eq!(client.ask(r#"{"cmd":"stop"}"#).unwrap().len(), 3);
}

#[test]
fn a_lost_line_is_sent_five_times_in_smaller_pieces() {
    let mut client = script(&["{\"error\":\"lost\"}\n"; 5]);
    assert!(matches!(client.ask(INFO), Err(Error::Lost { attempts: 5 })));
    // The last attempt also uses a single chunk, as the line is shorter than 15 bytes.
    assert_eq!(client.port_mut().sent, b"{\"cmd\":\"info\"}\n".repeat(5));
}

#[test]
fn a_device_that_says_nothing_is_asked_with_empty_lines_and_given_up() {
    let mut client = script(&[""; 9]);
    assert!(matches!(client.ask(INFO), Err(Error::Silent { timeouts: 4 })));
    assert_eq!(client.port_mut().sent, b"{\"cmd\":\"info\"}\n\n\n\n");
    assert!(matches!(client.synchronize(), Err(Error::Silent { timeouts: 4 })));
    let asked = b"\n \x05\n  \x05\n   \x05\n    \x05";
    assert!(client.port_mut().sent.ends_with(asked));
}

#[test]
fn a_device_that_was_reset_is_told_apart() {
    assert!(matches!(script(&["{\"ready\":true,\"protocol\":1}\n"]).ask(INFO), Err(Error::Restarted)));
}

#[test]
fn what_is_no_reply_is_refused_and_skipped_when_synchronizing() {
    for text in ["U-Boot 2024\n", "7\n", "\u{fffd}\n"] {
        assert!(matches!(script(&[text]).ask(INFO), Err(Error::NotAReply { line }) if text == line), "{text:?}");
    }
    script(&["0000\"}\n{\"row\":1}\n{\"read\":1}\n"]).synchronize().unwrap();
    assert!(matches!(script(&[]).ask(INFO), Err(Error::Closed)));
    let mut client = script(&vec!["x"; 2000]);
    client.received = vec![b'x'; MAX_REPLY];
    client.port.waits = false;
    assert!(matches!(client.reply(), Err(Error::NotAReply { line }) if line == "x".repeat(80)));
}

#[test]
fn requests_with_bytes_that_the_line_needs_are_not_sent() {
    for byte in [0x05, 0x0a, 0x0d, 0x1a] {
        let mut client = script(&[]);
        assert!(matches!(client.ask([b'{', byte, b'}']), Err(Error::Control { byte: got }) if got == byte));
        assert!(client.port_mut().sent.is_empty());
    }
}

#[test]
fn files_are_read_from_replies() {
    let replies =
        [json!({"row": 0}), json!({"bytes": "00ff"}), json!({"bytes": "1a"}), json!({"done": "compress", "bytes": 3})];
    assert_eq!(file(&replies).unwrap(), [0, 255, 26]);
    for text in ["0", "0g", "é0"] {
        assert!(matches!(file(&[json!({"bytes": text})]), Err(Error::Bytes { text: got }) if got == text));
    }
}

#[test]
fn errors_say_what_to_do() {
    for (error, said) in [
        (Error::Silent { timeouts: 4 }, "is `serve` running"),
        (Error::Lost { attempts: 5 }, "is anything else writing to the port?"),
        (Error::Control { byte: 5 }, "the byte 0x05, expected none of"),
        (Error::NotAReply { line: "x".into() }, "\"x\", expected a JSON object"),
    ] {
        assert!(error.to_string().contains(said), "{error}");
    }
}
