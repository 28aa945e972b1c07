//! Classes of values: what lets a prediction see its own value is refused by name, and nothing else is.

use super::*;
use pixelrnn::network::Class;

const LAST: &str = r#"{"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": 4}"#;

/// Description of `ops` and a last 1x1 convolution, in gray.
fn gray(ops: &str) -> String {
    with_ops(&format!("{ops}, {LAST}"))
}

/// The same in colour.
fn rgb(ops: &str) -> String {
    with_ops(&format!("{ops}, {}", LAST.replace("\"out\": 4", "\"out\": 12")))
        .replace("\"channels\": 1", "\"channels\": 3")
}

fn conv(name: &str, kernel: &str, rest: &str) -> String {
    format!(r#"{{"op": "conv", "name": "{name}", "kernel": {kernel}, "out": 6{rest}}}"#)
}

fn masked(name: &str, mask: &str) -> String {
    conv(name, "[3, 3]", &format!(r#", "mask": "{mask}""#))
}

#[track_caller]
fn leaks(json: &str, expected: &str) {
    assert_eq!(message(json), expected, "{json}");
}

/// Class of each value of an accepted list.
#[track_caller]
fn classes(json: &str) -> Vec<Class> {
    let nodes = Description::from_json(json).unwrap_or_else(|e| panic!("{e}: {json}")).nodes().unwrap();
    nodes.iter().map(|node| node.class).collect()
}

#[test]
fn convolutions_over_the_image() {
    let mask_a = "knows the value at its own pixel; give it mask A";
    leaks(&with_ops(OUTPUT), &format!("`out` {mask_a}"));
    leaks(&gray(&masked("in", "B")), &format!("`in` {mask_a}"));
    leaks(&rgb(&masked("in", "B")), &format!("`in` {mask_a}"));
    leaks(&gray(&conv("c", "[1, 2]", "")), &format!("`c` {mask_a}"));
    leaks(&gray(&conv("c", "[2, 3]", r#", "mask": "B""#)), &format!("`c` {mask_a}"));
    // Off centre, the mask is about the anchor.
    leaks(&gray(&conv("c", "[1, 3]", r#", "mask": "B", "anchor": [0, 2]"#)), &format!("`c` {mask_a}"));
    leaks(&gray(&conv("c", "[1, 1]", "")), "`c` knows the value at its own pixel; shift it to the right by one");

    leaks(&gray(&conv("c", "[1, 3]", "")), "`c` knows its own row; give it mask A");
    leaks(
        &gray(&conv("c", "[1, 1]", r#", "anchor": [0, 0]"#).replace("[1, 1]", "[1, 2]")),
        "`c` knows its own row; shift it down by one",
    );
    let vertical = conv("vertical", "[2, 3]", "");
    leaks(&gray(&vertical), "`vertical` knows its own row; shift it down by one");
    leaks(&rgb(&vertical), "`vertical` knows its own row; shift it down by one");
    leaks(&gray(&conv("v", "[2, 3]", r#", "dilation": 2"#)), "`v` knows its own row; shift it down by one");

    // Rows below are refused where they are read, even if nothing depends on them.
    for (ops, op) in [
        (conv("c", "[3, 3]", ""), "op ops[0] (conv `c`)"),
        (conv("c", "[2, 1]", r#", "anchor": [0, 0]"#), "op ops[0] (conv `c`)"),
        (format!("{}, {}", masked("in", "A"), conv("c", "[3, 1]", "")), "op ops[1] (conv `c`)"),
        (
            format!("{}, {}", conv("v", "[1, 3]", r#", "anchor": [1, 1]"#), conv("c", "[3, 1]", "")),
            "op ops[1] (conv `c`)",
        ),
    ] {
        leaks(&gray(&ops), &format!("{op}: it reads rows below, which are not known yet"));
    }
}

#[test]
fn convolutions_over_earlier_values() {
    let after = |op: &str| format!("{}, {op}", masked("in", "A"));
    leaks(&gray(&after(&conv("c", "[1, 3]", ""))), "`c` knows its own row; give it mask B");
    leaks(&gray(&after(&conv("c", "[2, 3]", ""))), "`c` knows its own row; shift it down by one");
    assert_eq!(classes(&gray(&after(&conv("c", "[1, 1]", "")))), [Class::Past; 3]);
    assert_eq!(classes(&gray(&after(&conv("c", "[2, 2]", "")))), [Class::Past; 3]);

    // An open centre mixes the colours of a pixel.
    let colours = |name: &str| format!("`{name}` knows later colours of its own pixel; give it mask");
    leaks(&rgb(&after(&conv("c", "[1, 1]", ""))), &format!("{} B", colours("c")));
    leaks(&rgb(&after(&conv("c", "[2, 2]", ""))), &format!("{} B", colours("c")));
    leaks(&rgb(&conv("c", "[1, 1]", "")), &format!("{} A", colours("c")));
    let none = rgb(&after(&conv("c", "[1, 1]", ""))).replacen('{', r#"{"colour_groups": "none", "#, 1);
    assert_eq!(classes(&none), [Class::Past; 3]);
    leaks(&none.replacen("\"A\"", "\"B\"", 1), "`in` knows the value at its own pixel; give it mask A");
}

#[test]
fn other_ops_pass_on_what_they_read() {
    let passed =
        |op: &str| format!("`{op}` knows the value at its own pixel; read it through a mask A, or shift it by one");
    let first = [
        (r#"{"op": "relu"}"#, "ops[0] (relu)"),
        (r#"{"op": "relu", "as": "r"}"#, "r"),
        (r#"{"op": "elu", "in": "image"}"#, "ops[0] (elu)"),
        (r#"{"op": "leaky_relu", "slope": 0.5}"#, "ops[0] (leaky_relu)"),
        (r#"{"op": "tanh"}"#, "ops[0] (tanh)"),
        (r#"{"op": "sigmoid"}"#, "ops[0] (sigmoid)"),
        (r#"{"op": "scale", "factor": 2}"#, "ops[0] (scale)"),
        (r#"{"op": "shift"}"#, "ops[0] (shift)"),
        (r#"{"op": "slice", "from": 0, "count": 1}"#, "ops[0] (slice)"),
        (r#"{"op": "add", "in": ["image", "image"]}"#, "ops[0] (add)"),
        (r#"{"op": "multiply", "in": ["image", "image"], "as": "square"}"#, "square"),
        (r#"{"op": "concat", "in": ["image", "image"]}"#, "ops[0] (concat)"),
        (r#"{"op": "concat", "in": ["image", "image"]}, {"op": "gate"}"#, "ops[0] (concat)"),
        (r#"{"op": "batch_norm", "name": "norm", "as": "n"}"#, "norm"),
        (r#"{"op": "class_bias", "name": "bias"}"#, "bias"),
        (r#"{"op": "embed", "name": "table", "out": 3, "as": "e"}"#, "table"),
        (r#"{"op": "residual", "ops": []}"#, "ops[0] (residual)"),
        (r#"{"op": "residual", "ops": [], "as": "doubled"}"#, "doubled"),
        (r#"{"op": "residual", "ops": [{"op": "tanh"}]}"#, "ops[0].ops[0] (tanh)"),
        (r#"{"op": "residual", "ops": [{"op": "shift", "columns": 1}]}"#, "ops[0] (residual)"),
        (r#"{"op": "skip", "name": "s"}, {"op": "skip_sum"}"#, "s"),
    ];
    for (ops, name) in first {
        leaks(&gray(ops).replacen('{', r#"{"classes": 3, "#, 1), &passed(name));
    }
    // The image joins values that know less.
    let past = r#"{"op": "shift", "columns": 1, "as": "left"}, "#;
    for (ops, name) in [
        (r#"{"op": "add", "in": ["left", "image"]}"#, "ops[1] (add)"),
        (r#"{"op": "add", "in": ["image", "left", "left"], "as": "sum"}"#, "sum"),
        (r#"{"op": "multiply", "in": ["left", "image"]}"#, "ops[1] (multiply)"),
        (r#"{"op": "concat", "in": ["left", "image"]}"#, "ops[1] (concat)"),
        (r#"{"op": "concat", "in": ["left", "image"]}, {"op": "glu"}"#, "ops[1] (concat)"),
        (r#"{"op": "residual", "ops": [{"op": "add", "in": ["left", "image"]}]}"#, "ops[1].ops[0] (add)"),
        (r#"{"op": "skip", "name": "s", "in": "image"}, {"op": "skip", "name": "t"}, {"op": "skip_sum"}"#, "s"),
        (r#"{"op": "skip", "name": "s"}, {"op": "skip", "name": "t", "in": "image"}, {"op": "skip_sum"}"#, "t"),
    ] {
        leaks(&gray(&format!("{past}{ops}")), &passed(name));
    }
    // The op of the logits itself.
    leaks(&with_ops(r#"{"op": "embed", "name": "table", "out": 4}"#), &passed("table"));
}

#[test]
fn recurrent_layers_read_earlier_values() {
    for lstm in [
        r#"{"op": "row_lstm", "name": "rows", "hidden": 6, "kernel": 3}"#,
        r#"{"op": "diagonal_bilstm", "name": "rows", "hidden": 6}"#,
    ] {
        let image = "`rows` knows the value at its own pixel; put a convolution with mask A between it and the image";
        leaks(&gray(lstm), image);
        leaks(&gray(&format!("{}, {}", masked("in", "A"), lstm.replacen('{', r#"{"in": "image", "#, 1))), image);
        let depends = "(`rows` depends on it)";
        leaks(
            &gray(&format!("{}, {{\"op\": \"relu\"}}, {lstm}", masked("in", "B"))),
            &format!("`in` knows the value at its own pixel; give it mask A {depends}"),
        );
        leaks(
            &gray(&format!("{}, {lstm}", conv("vertical", "[2, 3]", ""))),
            &format!("`vertical` knows its own row; shift it down by one {depends}"),
        );
        // It is refused even if nothing that it makes reaches the logits as it is.
        let hidden = format!("{}, {lstm}, {}", masked("in", "B"), masked("hide", "A"));
        leaks(&gray(&hidden), &format!("`in` knows the value at its own pixel; give it mask A {depends}"));
        for known in [
            masked("in", "A"),
            r#"{"op": "shift", "columns": 1}"#.into(),
            r#"{"op": "shift", "rows": 1}"#.into(),
            r#"{"op": "ones"}"#.into(),
        ] {
            assert_eq!(classes(&gray(&format!("{known}, {lstm}")))[1], Class::Past);
        }
    }
}

#[test]
fn the_first_op_on_the_way_is_named() {
    let in_b = format!("{}, ", masked("first", "B").replacen('{', r#"{"as": "f", "#, 1));
    let mask_a = |name: &str| format!("`{name}` knows the value at its own pixel; give it mask A");
    // A later mask A takes back what was let in.
    let hide = masked("hide", "A").replacen('{', r#"{"in": "f", "as": "h", "#, 1);
    assert_eq!(classes(&gray(&format!("{in_b}{hide}"))), [Class::Itself, Class::Past, Class::Past]);
    // A path around it does not.
    leaks(&gray(&format!("{in_b}{hide}, {}", r#"{"op": "add", "in": ["h", "f"]}"#)), &mask_a("first"));
    leaks(
        &gray(&format!("{in_b}{}", format_args!(r#"{{"op": "residual", "ops": [{}]}}"#, masked("hide", "A")))),
        &mask_a("first"),
    );
    // What was taken back is not named, what leaks elsewhere is.
    let other = masked("other", "B").replacen('{', r#"{"in": "image", "as": "o", "#, 1);
    leaks(&gray(&format!("{in_b}{hide}, {other}, {}", r#"{"op": "add", "in": ["h", "o"]}"#)), &mask_a("other"));
    leaks(
        &gray(&format!("{in_b}{hide}, {}", r#"{"op": "concat", "in": ["h", "image"], "as": "all"}"#)),
        "`all` knows the value at its own pixel; read it through a mask A, or shift it by one",
    );
    // Of several, the first in the list.
    leaks(&gray(&format!("{in_b}{other}, {}", r#"{"op": "add", "in": ["o", "f"]}"#)), &mask_a("first"));
    // Ops between the leak and the logits are not named.
    let tail =
        r#"{"op": "relu"}, {"op": "conv", "name": "mix", "kernel": [1, 1], "out": 6}, {"op": "tanh", "as": "t"}"#;
    leaks(&gray(&format!("{in_b}{tail}")), &mask_a("first"));
    // A shift to the right, a mask A or rows above bring a value back, but not the whole row: that needs a shift down.
    let row = format!("{}, ", conv("vertical", "[2, 3]", ""));
    let vertical = "`vertical` knows its own row; shift it down by one";
    for kept in
        [r#"{"op": "shift", "columns": 1}"#.to_string(), masked("c", "A"), masked("c", "B"), conv("c", "[2, 1]", "")]
    {
        leaks(&gray(&format!("{row}{kept}")), vertical);
    }
    for (mended, class) in [
        (r#"{"op": "shift", "rows": 1}"#.to_string(), Class::Above),
        (r#"{"op": "shift", "rows": 1, "columns": 2}"#.to_string(), Class::Above),
        (conv("c", "[1, 3]", r#", "anchor": [1, 1]"#), Class::Above),
        (conv("c", "[2, 3]", r#", "anchor": [2, 1]"#), Class::Above),
    ] {
        assert_eq!(classes(&gray(&format!("{row}{mended}"))), [Class::Row, class, class], "{mended}");
    }
}

#[test]
fn a_leak_inside_a_branch_is_named_by_its_place() {
    let branch = |ops: &str| gray(&format!(r#"{}, {{"op": "residual", "ops": [{ops}]}}"#, masked("in", "A")));
    leaks(&branch(&conv("c", "[1, 3]", "")), "`c` knows its own row; give it mask B");
    let inner = format!(r#"{{"op": "residual", "ops": [{}, {{"op": "relu"}}]}}"#, conv("c", "[2, 3]", ""));
    leaks(&branch(&inner), "`c` knows its own row; shift it down by one");
    let embed = r#"{"op": "embed", "in": "image", "name": "e", "out": 6, "as": "v"}, {"op": "sigmoid"}"#;
    leaks(&branch(embed), "`e` knows the value at its own pixel; read it through a mask A, or shift it by one");
    let skips = format!(r#"{}, {{"op": "skip", "name": "s"}}, {{"op": "skip_sum"}}"#, masked("in", "B"));
    leaks(&gray(&skips), "`in` knows the value at its own pixel; give it mask A");
}

#[test]
fn what_does_not_leak_is_accepted() {
    use Class::{Above, Given, Itself, Past};
    let accepted: [(String, &[Class]); 17] = [
        // The image read later, through a mask.
        (format!(r#"{{"op": "relu"}}, {}"#, masked("in", "A")), &[Itself, Past]),
        (format!(r#"{{"op": "embed", "name": "e", "out": 3}}, {}"#, masked("in", "A")), &[Itself, Past]),
        (r#"{"op": "embed", "name": "e", "out": 3}, {"op": "shift", "columns": 1}"#.into(), &[Itself, Past]),
        (format!("{}, {}", masked("in", "A"), masked("later", "A")), &[Past, Past]),
        // Anchors that leave rows above, or columns to the left, alone.
        (conv("c", "[2, 3]", r#", "anchor": [2, 1]"#), &[Above]),
        (conv("c", "[2, 3]", r#", "anchor": [2, 254]"#), &[Above]),
        (conv("c", "[1, 3]", r#", "anchor": [0, 3]"#), &[Past]),
        (conv("c", "[2, 2]", r#", "anchor": [1, 2]"#), &[Past]),
        // Rows above are known when a row begins: its columns may be read to the right, and shifted.
        (format!("{}, {}", conv("v", "[2, 3]", r#", "anchor": [2, 1]"#), conv("c", "[2, 5]", "")), &[Above, Above]),
        (format!("{}, {}", r#"{"op": "shift", "rows": 1}"#, conv("c", "[1, 7]", "")), &[Above, Above]),
        (
            format!(r#"{}, {{"op": "shift", "columns": 2}}"#, conv("v", "[1, 3]", r#", "anchor": [1, 1]"#)),
            &[Above, Above],
        ),
        (format!("{}, {}", conv("v", "[1, 3]", r#", "anchor": [1, 1]"#), masked("c", "B")), &[Above, Above]),
        // Values that are known before the image: any tap, rows below too.
        (format!(r#"{{"op": "ones"}}, {}"#, conv("c", "[3, 3]", "")), &[Given, Given]),
        (format!(r#"{{"op": "ones"}}, {}"#, conv("c", "[2, 2]", r#", "anchor": [0, 0]"#)), &[Given, Given]),
        (r#"{"op": "ones"}, {"op": "shift", "rows": 1}"#.into(), &[Given, Given]),
        // A mask that leaves no tap open.
        (conv("c", "[1, 1]", r#", "mask": "A""#), &[Given]),
        (conv("c", "[1, 3]", r#", "mask": "A", "anchor": [0, 0]"#), &[Given]),
    ];
    for (ops, expected) in accepted {
        assert_eq!(classes(&gray(&ops))[..expected.len()], *expected, "{ops}");
    }
    // In colour a mask A keeps earlier colours of the pixel, so a 1x1 kernel reads something.
    assert_eq!(classes(&rgb(&conv("c", "[1, 1]", r#", "mask": "A""#))), [Past; 2]);
    // Rows above mix the colours freely, as a link of two stacks does.
    let linked = r#"{"op": "conv", "name": "v", "kernel": [2, 3], "anchor": [2, 1], "out": 6},
        {"op": "conv", "name": "link", "kernel": [1, 1], "out": 6, "as": "l"},
        {"op": "masked_conv", "name": "h", "mask": "A", "kernel": [1, 3], "out": 6, "in": "image", "as": "h"},
        {"op": "add", "in": ["l", "h"]}"#;
    for json in [gray(linked), rgb(linked)] {
        assert_eq!(classes(&json), [Above, Above, Past, Past, Past]);
    }
    // The largest class of several.
    let classes_of = classes(&gray(
        r#"{"op": "ones", "as": "given"}, {"op": "shift", "rows": 1, "in": "image", "as": "above"},
           {"op": "shift", "columns": 1, "in": "image", "as": "past"}, {"op": "add", "in": ["given", "above"], "as": "a"},
           {"op": "multiply", "in": ["past", "above"], "as": "b"}, {"op": "concat", "in": ["a", "given"], "as": "c"},
           {"op": "concat", "in": ["c", "b", "past"]}"#,
    ));
    assert_eq!(classes_of[..8], [Given, Above, Past, Above, Past, Above, Past, Past]);
}
