//! Lists of ops as graphs: names of values, numbers of inputs and parameters of ops.

use super::lists::{edges, gray, nodes, rgb, ungrouped, with_classes};
use super::*;

#[test]
fn ops_read_the_values_that_they_name() {
    let list = nodes(&gray(
        r#"{"op": "relu", "as": "r"},
           {"op": "tanh", "in": "x", "as": "t"},
           {"op": "add", "in": ["r", "x", "t"]},
           {"op": "sigmoid", "as": "s"},
           {"op": "concat", "in": ["t", "s", "r"]},
           {"op": "slice", "from": 3, "count": 6, "as": "l"},
           {"op": "elu", "in": ["x"], "as": "e"},
           {"op": "multiply", "in": ["l", "e"]}"#,
    ));
    let expected: [&[usize]; 11] = [
        &[0],
        &[1],
        &[1],
        // Several inputs become pairs.
        &[2, 1],
        &[4, 3],
        &[5],
        &[3, 6],
        &[7, 2],
        &[8],
        &[1],
        &[9, 10],
    ];
    assert_eq!(edges(&list)[..11], expected);
    assert_eq!((list[7].features.count, list[8].features.count), (18, 6));
    assert_eq!(list[8].op, Op::Slice { from: 3 });
}

#[test]
fn the_image_is_a_value_with_a_name() {
    let list = nodes(&with_ops(&format!(
        r#"{{"op": "shift", "columns": 1, "as": "left"}}, {{"op": "shift", "rows": 1, "in": "image", "as": "up"}},
           {{"op": "concat", "in": ["left", "image"]}},
           {{"op": "masked_conv", "name": "c", "mask": "A", "kernel": [3, 3], "out": 2, "as": "c"}},
           {{"op": "concat", "in": ["up", "c"]}}, {OUTPUT}"#
    )));
    assert_eq!(edges(&list), [vec![0], vec![0], vec![1, 0], vec![3], vec![2, 4], vec![5]]);
}

#[test]
fn a_skip_makes_no_value() {
    let list = nodes(&gray(
        r#"{"op": "relu", "as": "r"}, {"op": "skip", "name": "s", "in": "x"}, {"op": "tanh"}, {"op": "skip", "name": "t"},
           {"op": "skip_sum", "as": "sum"}, {"op": "add", "in": ["sum", "r"]}"#,
    ));
    // The tanh reads the relu: the skip before it changes nothing.
    assert_eq!(edges(&list)[1..7], [vec![1], vec![1], vec![2], vec![4], vec![3, 5], vec![6, 2]]);
}

#[test]
fn a_branch_reads_names_from_before_it_and_exports_none() {
    let branch = r#"{"op": "relu", "as": "r"},
        {"op": "residual", "in": "x", "as": "y", "ops": [{"op": "tanh", "as": "t"}, {"op": "multiply", "in": ["t", "r"]},
            {"op": "residual", "ops": [{"op": "add", "in": ["t", "x", "r"]}]}]}"#;
    let list = nodes(&gray(branch));
    let inner: [&[usize]; 7] = [&[1], &[1], &[3, 2], &[3, 1], &[5, 2], &[4, 6], &[1, 7]];
    assert_eq!(edges(&list)[1..8], inner);
    assert_eq!(nodes(&gray(&format!("{branch}, {}", r#"{"op": "add", "in": ["y", "x"]}"#))).len(), 10);
    refused(&gray(&format!("{branch}, {}", r#"{"op": "add", "in": ["y", "t"]}"#)), &["ops[3] (add)", "reads `t`"]);
    // Names are unique even where they are not seen.
    let again = format!("{branch}, {}", r#"{"op": "relu", "as": "t"}"#);
    refused(&gray(&again), &["ops[3] (relu `t`)", "name `t` is taken"]);
    let inside = branch.replace(r#""in": ["t", "r"]"#, r#""in": ["t", "y"]"#);
    refused(&gray(&inside), &["ops[2].ops[1] (multiply)", "reads `y`"]);
}

#[test]
fn names_of_values_are_checked() {
    for (name, why) in [("image", "is reserved"), ("condition", "is reserved"), ("", "is empty"), ("x", "is taken")] {
        let ops = format!(r#"{{"op": "relu", "as": "{name}"}}"#);
        refused(&gray(&ops), &["ops[1] (relu", &format!("the value's name `{name}` {why}")]);
    }
    refused(&gray(r#"{"op": "skip", "name": "s", "as": "t"}"#), &["ops[1] (skip `s`)", "`t`", "makes no value"]);
    // Names of values and of ops are separate.
    assert_eq!(nodes(&gray(r#"{"op": "conv", "name": "x", "kernel": [1, 1], "out": 6, "as": "in"}"#)).len(), 3);
    for name in ["y", "later", "", "in"] {
        let ops = format!(r#"{{"op": "tanh", "in": "{name}"}}, {{"op": "relu", "as": "later"}}"#);
        refused(&gray(&ops), &["ops[1] (tanh)", &format!("reads `{name}`")]);
    }
    let condition = r#"{"op": "tanh", "in": "condition"}"#;
    refused(&gray(condition), &["ops[1] (tanh)", "`condition` is a value of all scales but the first"]);
    refused(&gray(r#"{"op": "relu", "in": "r", "as": "r"}"#), &["ops[1] (relu `r`) reads `r`"]);
    refused(&gray(r#"{"op": "relu", "in": []}"#), &["ops[1]", "`in` is an empty list"]);
    refused(&gray(r#"{"op": "relu", "in": 3}"#), &["ops[1]", "`in`", "a value's name or a list of names"]);
    refused(&gray(r#"{"op": "relu", "in": null}"#), &["ops[1]", "`in`", "a value's name or a list of names"]);
    refused(&gray(r#"{"op": "add", "in": ["x", 3]}"#), &["ops[1]", "`in`", "a value's name or a list of names"]);
    refused(&gray(r#"{"op": "relu", "as": ["r"]}"#), &["ops[1]", "`as`", "expected a string"]);
    refused(&gray(r#"{"op": "relu", "as": "r", "as": "s"}"#), &["ops[1]", "duplicate field `as`"]);
}

#[test]
fn a_value_that_nothing_reads_is_named() {
    let unread = [
        (r#"{"op": "relu", "as": "r"}, {"op": "tanh", "in": "x"}"#, "`r`"),
        (r#"{"op": "relu"}, {"op": "tanh", "in": "x"}"#, "`ops[1] (relu)`"),
        (r#"{"op": "ones"}, {"op": "tanh", "in": "x"}"#, "`ops[1] (ones)`"),
        (r#"{"op": "conv", "name": "c", "kernel": [1, 1], "out": 2, "as": "v"}, {"op": "tanh", "in": "x"}"#, "`c`"),
        (r#"{"op": "add", "in": ["x", "x", "x"], "as": "sum"}, {"op": "tanh", "in": "x"}"#, "`sum`"),
        (r#"{"op": "skip", "name": "s"}"#, "`s`"),
        (r#"{"op": "residual", "ops": [{"op": "relu"}, {"op": "tanh", "in": "x"}]}"#, "`ops[1].ops[0] (relu)`"),
        // Of a chain, the last.
        (r#"{"op": "relu", "as": "a"}, {"op": "relu", "as": "b"}, {"op": "tanh", "in": "x"}"#, "`b`"),
    ];
    for (ops, name) in unread {
        refused(&gray(ops), &[&format!("nothing reads what {name} makes")]);
    }
    // The image need not be read.
    assert_eq!(nodes(&with_ops(&format!("{{\"op\": \"ones\"}}, {OUTPUT}"))).len(), 2);
}

#[test]
fn a_wrong_number_of_inputs_names_the_op() {
    let wrong = [
        (r#"{"op": "add"}"#, "0 inputs, expected 2 or more"),
        (r#"{"op": "add", "in": "x"}"#, "1 inputs, expected 2 or more"),
        (r#"{"op": "concat", "in": ["x"]}"#, "1 inputs, expected 2 or more"),
        (r#"{"op": "multiply"}"#, "0 inputs, expected 2"),
        (r#"{"op": "multiply", "in": ["x", "x", "x"]}"#, "3 inputs, expected 2"),
        (r#"{"op": "ones", "in": "x"}"#, "1 inputs, expected none"),
        (r#"{"op": "skip_sum", "in": "x"}"#, "1 inputs, expected none"),
    ];
    for (ops, expected) in wrong {
        refused(&gray(ops), &["op ops[1] (", expected]);
    }
    let one = [
        r#""op": "conv", "name": "c", "kernel": [1, 1], "out": 6"#,
        r#""op": "masked_conv", "name": "c", "mask": "B", "kernel": [1, 1], "out": 6"#,
        r#""op": "relu""#,
        r#""op": "elu""#,
        r#""op": "leaky_relu", "slope": 0.5"#,
        r#""op": "tanh""#,
        r#""op": "sigmoid""#,
        r#""op": "batch_norm", "name": "c""#,
        r#""op": "row_lstm", "name": "c", "hidden": 6, "kernel": 3"#,
        r#""op": "diagonal_bilstm", "name": "c", "hidden": 6"#,
        r#""op": "residual", "ops": []"#,
        r#""op": "skip", "name": "c""#,
        r#""op": "shift""#,
        r#""op": "slice", "from": 0, "count": 6"#,
        r#""op": "scale", "factor": 2"#,
        r#""op": "gate""#,
        r#""op": "glu""#,
        r#""op": "class_bias", "name": "c""#,
        r#""op": "embed", "name": "c", "out": 6"#,
    ];
    for op in one {
        let two = format!(r#"{{{op}, "in": ["x", "x"]}}"#);
        refused(&with_classes(&gray(&two)), &["op ops[1] (", "2 inputs, expected 1"]);
    }
    // The name of an op in such an error: its `name`, else its `as`.
    refused(&gray(r#"{"op": "add", "in": "x", "as": "sum"}"#), &["ops[1] (add `sum`)"]);
    refused(&gray(r#"{"op": "skip", "name": "s", "in": ["x", "x"]}"#), &["ops[1] (skip `s`)"]);
}

#[test]
fn parameters_of_convolutions() {
    let conv = |rest: &str| gray(&format!(r#"{{"op": "conv", "name": "c", "kernel": [2, 3], "out": 6, {rest}}}"#));
    let Op::Conv(made) = nodes(&conv(r#""anchor": [2, 1], "dilation": 2, "parts": 3"#))[1].op else { panic!("a conv") };
    assert_eq!((made.mask, made.kernel, made.anchor, made.dilation), (None, [2, 3], [2, 1], 2));
    assert_eq!(made.outputs.count, 6);
    // The anchor is the middle by default.
    let Op::Conv(made) = nodes(&conv(r#""mask": "B""#))[1].op else { panic!("a conv") };
    assert_eq!((made.mask, made.anchor, made.dilation), (Some(Mask::B), [1, 1], 1));
    assert_eq!(nodes(&conv(r#""mask": "B""#))[1].op.kind(), "masked_conv");
    assert_eq!(nodes(&conv(r#""mask": "B", "anchor": [1, 1]"#)), nodes(&conv(r#""mask": "B""#)));
    // Biases are optional, and so are those of classes.
    let mut tensors = Vec::new();
    nodes(&with_classes(&conv(r#""anchor": [2, 1]"#)))[1]
        .tensors(3, |tensor| tensors.push((tensor.name.to_string(), tensor.required)));
    let expected = [("c.weight", true), ("c.bias", false), ("c.class.weight", false)];
    assert_eq!(tensors, expected.map(|(name, required)| (name.to_string(), required)));

    refused(&conv(r#""anchor": [255, 0]"#), &["ops[1] (conv `c`)", "anchor [255, 0], expected each at most 254"]);
    assert_eq!(nodes(&conv(r#""anchor": [254, 254]"#)).len(), 3);
    refused(&conv(r#""anchor": [-1, 0]"#), &["ops[1]", "`-1`"]);
    refused(&conv(r#""anchor": 1"#), &["ops[1]", "expected an array"]);
    refused(&conv(r#""mask": "C""#), &["ops[1]", "unknown variant `C`"]);
    refused(&conv(r#""dilation": 128"#), &["ops[1] (conv `c`)", "dilation 128"]);
    refused(&conv(r#""dilation": 0"#), &["ops[1] (conv `c`)", "dilation 0"]);
    refused(&conv(r#""parts": 4"#), &["ops[1] (conv `c`)", "6 features do not divide into 4 parts"]);
    refused(&conv(r#""parts": 0"#), &["ops[1] (conv `c`)", "0 parts"]);
    refused(&conv(r#""stride": 2"#), &["ops[1]", "unknown field `stride`"]);
    refused(&conv(r#""anchor": [2, 1]"#).replace("[2, 3]", "[2, 128]"), &["ops[1] (conv `c`)", "kernel 2x128"]);
    refused(&conv(r#""anchor": [2, 1]"#).replace("\"c\"", "\"\""), &["ops[1] (conv)", "empty `name`"]);
    refused(&gray(r#"{"op": "conv", "name": "c", "kernel": [1, 1], "out": 0}"#), &["ops[1] (conv `c`)", "no features"]);
    refused(&gray(r#"{"op": "conv", "name": "c", "kernel": [1, 1]}"#), &["ops[1]", "missing field `out`"]);
    refused(&gray(r#"{"op": "masked_conv", "name": "c", "kernel": [1, 1], "out": 6}"#), &["missing field `mask`"]);
    let anchored = r#"{"op": "masked_conv", "name": "c", "mask": "B", "kernel": [1, 1], "out": 6, "anchor": [0, 0]}"#;
    refused(&gray(anchored), &["unknown field `anchor`"]);
}

#[test]
fn parameters_of_the_other_ops() {
    let wrong: [(&str, &str); 22] = [
        (r#"{"op": "shift", "rows": 9}"#, "ops[1] (shift): `rows` is 9"),
        (r#"{"op": "shift", "columns": 9}"#, "ops[1] (shift): `columns` is 9"),
        (r#"{"op": "shift", "rows": -1}"#, "`-1`"),
        (r#"{"op": "shift", "down": 1}"#, "unknown field `down`"),
        (r#"{"op": "slice", "from": 1, "count": 6}"#, "ops[1] (slice): 6 features from 1 on, of 6"),
        (r#"{"op": "slice", "from": 0, "count": 0}"#, "ops[1] (slice): 0 features from 0 on, of 6"),
        (r#"{"op": "slice", "count": 6}"#, "missing field `from`"),
        (r#"{"op": "slice", "from": 18446744073709551615, "count": 2}"#, "ops[1] (slice): 2 features from"),
        (r#"{"op": "scale", "factor": 1e39}"#, "`factor` is not a finite number"),
        (r#"{"op": "scale"}"#, "missing field `factor`"),
        (r#"{"op": "slice", "from": 0, "count": 5}, {"op": "gate"}"#, "ops[2] (gate): 5 features have no halves"),
        (r#"{"op": "slice", "from": 0, "count": 1}, {"op": "glu"}"#, "ops[2] (glu): 1 features have no halves"),
        (r#"{"op": "gate", "name": "g"}"#, "unknown field `name`"),
        (r#"{"op": "class_bias", "name": "c"}"#, "ops[1] (class_bias `c`): `class_bias` needs `classes`"),
        (r#"{"op": "class_bias"}"#, "missing field `name`"),
        (r#"{"op": "class_bias", "name": ""}"#, "empty `name`"),
        (r#"{"op": "embed", "name": "e", "out": 6}"#, "ops[1] (embed `e`): `embed` reads the image"),
        (r#"{"op": "embed", "name": "e", "out": 0, "in": "image"}"#, "ops[1] (embed `e`): no features"),
        (r#"{"op": "embed", "out": 6}"#, "missing field `name`"),
        (
            r#"{"op": "slice", "from": 0, "count": 3, "as": "s"}, {"op": "add", "in": ["s", "x"]}"#,
            "3 features and one with 6",
        ),
        (
            r#"{"op": "slice", "from": 0, "count": 3, "as": "s"}, {"op": "multiply", "in": ["x", "s"]}"#,
            "6 features and one with 3",
        ),
        (
            r#"{"op": "conv", "name": "c", "kernel": [1, 1], "out": 16379}, {"op": "concat", "in": ["x", "c"]}"#,
            "reads `c`",
        ),
    ];
    for (ops, expected) in wrong {
        refused(&gray(ops), &[expected]);
    }
    let wide =
        r#"{"op": "conv", "name": "c", "kernel": [1, 1], "out": 16379, "as": "w"}, {"op": "concat", "in": ["x", "w"]}"#;
    refused(&gray(wide), &["ops[2] (concat)", "16385 features, expected at most 16384"]);
    assert!(Description::from_json(&gray(&wide.replace("16379", "16378"))).is_ok());
    // Both distances are 0 by default.
    assert_eq!(nodes(&gray(r#"{"op": "shift"}"#))[1].op, Op::Shift { rows: 0, columns: 0 });
    assert_eq!(nodes(&gray(r#"{"op": "shift", "rows": 8, "columns": 8}"#))[1].op, Op::Shift { rows: 8, columns: 8 });
    assert_eq!(nodes(&gray(r#"{"op": "scale", "factor": -0.5}"#))[1].op, Op::Scale { factor: -0.5 });
    assert_eq!(nodes(&gray(r#"{"op": "gate"}"#))[1].features.count, 3);
}

#[test]
fn tensors_of_class_bias_and_embed() {
    let list = nodes(&with_classes(&gray(
        r#"{"op": "class_bias", "name": "k", "as": "k"}, {"op": "embed", "name": "e", "out": 6, "in": "image"},
           {"op": "shift", "columns": 1, "as": "s"}, {"op": "add", "in": ["k", "s"]}"#,
    )));
    let mut tensors = Vec::new();
    for node in &list[1..3] {
        node.tensors(3, |tensor| tensors.push((tensor.name.to_string(), tensor.shape.to_vec(), tensor.required)));
    }
    assert_eq!(tensors, [("k.class.weight".into(), vec![6, 3], true), ("e.weight".into(), vec![4, 6], true)]);
    let embed = r#"{"op": "embed", "name": "e", "out": 6, "in": "image"}, {"op": "shift", "columns": 1}"#;
    for json in [rgb(embed), ungrouped(&rgb(embed))] {
        refused(&json, &["ops[1] (embed `e`)", "`embed` reads the image, of one channel"]);
    }
}
