//! Colour groups of the values of a graph.

use super::lists::{contiguous, gray, groups, nodes, rgb, ungrouped, with_classes};
use super::*;
use pixelrnn::network::Class;

/// Slice of 6 features whose groups begin with G, added to `x`, whose groups begin with R.
const OTHER_COLOURS: &str = r#"{"op": "conv", "name": "c", "kernel": KERNEL, "anchor": [2, 1], "out": 7, "as": "c"},
    {"op": "slice", "from": 1, "count": 6, "as": "s"}, {"op": "OP", "in": IN, "as": "sum"}"#;

#[test]
fn features_of_different_colours_are_refused_by_name() {
    // Anchor [2, 1] leaves rows above alone, [3, 3] own row too.
    let list = |kernel: &str, op: &str, inputs: &str| {
        let masked = if kernel == "[3, 3]" { r#""mask": "B", "kernel""# } else { r#""kernel""# };
        rgb(&OTHER_COLOURS
            .replace(r#""kernel""#, masked)
            .replace("KERNEL", kernel)
            .replace("OP", op)
            .replace("IN", inputs))
    };
    for op in ["add", "multiply"] {
        for inputs in [r#"["s", "x"]"#, r#"["x", "s"]"#] {
            refused(&list("[3, 3]", op, inputs), &[&format!("ops[3] ({op} `sum`)"), "features of different colours"]);
            // A value that knows rows above alone fits any group, and takes the other's.
            let list = nodes(&list("[2, 3]", op, inputs));
            assert_eq!((list[2].class, list[3].class), (Class::Above, Class::Past));
            assert_eq!(groups(&list[2]), [1, 2, 0, 1, 2, 0]);
            assert_eq!(groups(&list[3]), groups(&list[0]));
        }
    }
    let unnamed = list("[3, 3]", "add", r#"["s", "x"]"#).replace(r#", "as": "sum""#, "");
    refused(&unnamed, &["ops[3] (add)", "features of different colours"]);
    // Gray models and models without groups have one group.
    let ungrouped = ungrouped(&list("[3, 3]", "add", r#"["s", "x"]"#));
    assert!(nodes(&ungrouped).iter().all(|node| node.features.groups == 1));
    let gray = list("[3, 3]", "add", r#"["s", "x"]"#).replace("\"channels\": 3", "\"channels\": 1");
    assert_eq!(nodes(&gray.replace("\"out\": 12", "\"out\": 4")).len(), 5);
    // In a residual branch too.
    let branch =
        r#"{"op": "residual", "ops": [{"op": "concat", "in": ["x", "x"]}, {"op": "slice", "from": 2, "count": 6}]}"#;
    refused(&rgb(branch), &["ops[1] (residual)", "features of different colours"]);
    assert!(Description::from_json(&rgb(&branch.replace("\"from\": 2", "\"from\": 3"))).is_ok());
}

#[test]
fn a_given_value_fits_any_group() {
    let list = nodes(&with_classes(&rgb(
        r#"{"op": "ones"}, {"op": "class_bias", "name": "k"}, {"op": "conv", "name": "c", "kernel": [3, 3], "out": 7},
           {"op": "slice", "from": 1, "count": 6, "as": "g"}, {"op": "add", "in": ["g", "x"]}"#,
    )));
    assert_eq!(groups(&list[1]), [0]);
    assert!(list[1..5].iter().all(|node| node.class == Class::Given));
    assert_eq!(groups(&list[5]), groups(&list[0]));
}

#[test]
fn concat_and_slice_keep_each_features_group() {
    let list =
        nodes(&rgb(r#"{"op": "ones", "as": "one"}, {"op": "slice", "from": 2, "count": 4, "in": "x", "as": "s"},
           {"op": "concat", "in": ["one", "s", "x"]}, {"op": "slice", "from": 1, "count": 5}"#));
    assert_eq!(groups(&list[2]), [2, 0, 1, 2]);
    assert_eq!(groups(&list[4]), [0, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    assert_eq!(groups(&list[5]), [2, 0, 1, 2, 0]);
    // Too many rules in one value.
    let inputs = vec![r#""p", "x""#; 17].join(", ");
    let ops = format!(
        r#"{{"op": "conv", "name": "c", "mask": "B", "kernel": [1, 1], "out": 8, "parts": 2, "as": "p"}},
           {{"op": "concat", "in": [{inputs}], "as": "all"}}"#
    );
    refused(&rgb(&ops), &["ops[2] (concat `all`)", "more than 24 ways"]);
    assert!(Description::from_json(&gray(&ops)).is_ok());
}

#[test]
fn halves_of_a_gate_have_the_same_colours() {
    let conv = |out: usize, parts: usize| {
        format!(
            r#"{{"op": "masked_conv", "name": "c", "mask": "B", "kernel": [1, 3], "out": {out}, "parts": {parts}}}"#
        )
    };
    for op in ["gate", "glu"] {
        let list = |out, parts| rgb(&format!(r#"{}, {{"op": "{op}", "as": "half"}}"#, conv(out, parts)));
        // Six features are two whole rounds of colours, eight are not.
        assert_eq!(groups(&nodes(&list(6, 1))[2]), [0, 1, 2]);
        refused(&list(8, 1), &[&format!("ops[2] ({op} `half`)"), "features of different colours"]);
        assert_eq!(groups(&nodes(&list(8, 2))[2]), [0, 1, 2, 0]);
        assert_eq!(groups(&nodes(&list(16, 4))[2]), [0, 1, 2, 0, 0, 1, 2, 0]);
        refused(&contiguous(&list(12, 1)), &[&format!("ops[2] ({op} `half`)"), "features of different colours"]);
        assert_eq!(groups(&nodes(&contiguous(&list(12, 2)))[2]), [0, 0, 1, 1, 2, 2]);
        refused(&contiguous(&list(12, 3)), &["ops[1] (masked_conv `c`)", "12 features do not divide"]);
        assert_eq!(nodes(&ungrouped(&list(8, 1)))[2].features.groups, 1);
        // Rows above alone: any halves, with the groups of the first.
        let above = list(8, 1).replace("\"masked_conv\"", "\"conv\"").replace("\"mask\": \"B\"", "\"anchor\": [1, 1]");
        assert_eq!(groups(&nodes(&above)[2]), [0, 1, 2, 0]);
    }
}

#[test]
fn parts_deal_colours_within_each() {
    let conv = r#"{"op": "masked_conv", "name": "c", "mask": "B", "kernel": [1, 1], "out": 12, "parts": 3}"#;
    assert_eq!(groups(&nodes(&rgb(conv))[1]), [0, 1, 2, 0, 0, 1, 2, 0, 0, 1, 2, 0]);
    let contiguous = contiguous(&rgb(&conv.replace("\"parts\": 3", "\"parts\": 2")));
    assert_eq!(groups(&nodes(&contiguous)[1]), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
}

#[test]
fn without_groups_values_of_a_pixel_are_predicted_at_once() {
    // An unmasked centre mixes no colours, a mask A hides the whole pixel.
    let list = nodes(&ungrouped(&rgb(r#"{"op": "conv", "name": "c", "kernel": [1, 1], "out": 6}"#)));
    assert_eq!(list.iter().map(|node| node.class).collect::<Vec<_>>(), [Class::Past; 3]);
    let Op::Conv(first) = list[0].op else { panic!("a conv") };
    assert!((0..3).all(|from| (0..6).all(|to| !first.open(1, 1, from, to) && first.open(1, 0, from, to))));
    let Op::Conv(last) = list[2].op else { panic!("a conv") };
    assert!((0..6).all(|from| (0..12).all(|to| last.open(0, 0, from, to))));
}
