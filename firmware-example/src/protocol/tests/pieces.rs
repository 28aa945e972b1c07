//! Lines sent in pieces with enquiries.

use super::*;

/// Inserts [`ASK`] before each byte index in `at`.
fn asking(line: &str, at: &[usize]) -> String {
    let ask = char::from(ASK);
    line.char_indices()
        .flat_map(|(n, c)| at.contains(&n).then_some(ask).into_iter().chain([c]))
        .chain(at.contains(&line.len()).then_some(ask))
        .collect()
}

#[test]
fn asking_says_how_much_of_a_line_is_read_and_changes_nothing() {
    let line = r#"{"cmd":"temperature","value":0.8}"#;
    let replies = talk(SMALL, &format!("{}\n\u{5}", asking(line, &[0, 1, 9, line.len()])), "");
    let read = |bytes: usize| json!({"read": bytes});
    assert_eq!(replies, [read(0), read(1), read(9), read(line.len()), json!({"temperature": 0.8}), read(0)]);
}

#[test]
fn asking_says_nothing_is_read_of_a_line_that_will_be_refused() {
    let too_long = " ".repeat(line_bytes(MODELS) + 1);
    for (kind, start) in [("lost", "{\"cmd\":\u{1a}".to_string()), ("too_long", too_long)] {
        let replies = talk(SMALL, &format!("{start}\u{5}\"info\"}}\n\u{5}"), "");
        assert_eq!((&replies[0], &replies[2]), (&json!({"read": 0}), &json!({"read": 0})), "{kind}");
        assert_eq!(replies[1]["error"], kind);
    }
}

#[test]
fn asking_is_answered_while_an_image_is_in_the_making() {
    let sample = "{\"cmd\":\"sample\",\"seed\":7}\n";
    let whole = talk(SMALL, sample, "");
    let replies = talk(SMALL, sample, &asking("{\"cmd\":\"info\"}\n", &[5]));
    assert_eq!(replies[0], json!({"read": 5}));
    assert_eq!(replies[1]["making"], json!({"cmd": "sample", "pixels": 3}));
    assert_eq!(replies[2..], whole);
}
