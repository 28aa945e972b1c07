mod colours;
mod gated;
mod graphs;
mod leaks;
mod lists;
mod scales;

use super::*;
use crate::testing::{GRAY, preset};
use pixelrnn::network::{Activation, Architecture, Mask, Op};

const PRESET: &str = r#"{"architecture": "diagonal_bilstm",
    "image": {"height": 28, "width": 28, "channels": 1, "levels": 2},
    "hidden": 16, "layers": 7, "input_kernel": 7, "kernel": 3, "head": 32, "output": "bernoulli",
    "residual": true, "skip": false, "depth_gate": false, "classes": 0, "colour_groups": "cyclic"}"#;

/// The example in the file format's documentation, extended to every op.
const OPS: &str = r#"{"image": {"height": 28, "width": 28, "channels": 1, "levels": 2}, "output": "bernoulli",
    "input": {"scale": 2.0, "shift": -1.0}, "classes": 10,
    "ops": [{"op": "masked_conv", "name": "input", "mask": "A", "kernel": [7, 7], "out": 8},
            {"op": "residual", "ops": [{"op": "diagonal_bilstm", "name": "layer1", "hidden": 8, "initial_state": true}]},
            {"op": "skip", "name": "skip1"},
            {"op": "residual", "scale": 0.5, "ops": [
                {"op": "elu"}, {"op": "row_lstm", "name": "layer2", "hidden": 8, "kernel": 3},
                {"op": "residual", "ops": [{"op": "batch_norm", "name": "norm", "eps": 0.001}]}]},
            {"op": "skip", "name": "skip2"}, {"op": "skip_sum"},
            {"op": "masked_conv", "name": "out0", "mask": "B", "kernel": [3, 3], "out": 16, "dilation": 2}, {"op": "relu"},
            {"op": "masked_conv", "name": "out1", "mask": "B", "kernel": [1, 1], "out": 1},
            {"op": "batch_norm", "name": "last"}]}"#;

fn with_ops(ops: &str) -> String {
    format!(
        r#"{{"image": {{"height": 8, "width": 8, "channels": 1, "levels": 4}}, "output": "softmax", "ops": [{ops}]}}"#
    )
}

const INPUT: &str = r#"{"op": "masked_conv", "name": "in", "mask": "A", "kernel": [3, 3], "out": 6}"#;
const OUTPUT: &str = r#"{"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": 4}"#;

fn message(json: &str) -> String {
    Description::from_json(json).unwrap_err().to_string()
}

#[track_caller]
fn refused(json: &str, parts: &[&str]) {
    let message = message(json);
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn presets_and_their_defaults() {
    let description = Description::from_json(PRESET).unwrap();
    let NetworkSpec::Preset(preset) = description.network else { panic!("a preset") };
    assert_eq!((preset.hidden, preset.layers, preset.head, preset.residual), (16, 7, 32, true));
    assert_eq!(description.input, InputMap { scale: 1.0, shift: 0.0 });

    let short = PRESET.replace(
        r#","residual": true, "skip": false, "depth_gate": false, "classes": 0, "colour_groups": "cyclic""#,
        "",
    );
    assert_eq!(Description::from_json(&short).unwrap(), description);
}

#[test]
fn json_round_trips() {
    let gated = PRESET.replace("diagonal_bilstm", "gated_pixel_cnn");
    for json in [PRESET, OPS, &gated] {
        let description = Description::from_json(json).unwrap();
        assert_eq!(Description::from_json(&description.to_json()).unwrap(), description);
    }
    let options = Preset {
        depth_gate: true,
        skip: true,
        initial_state: true,
        classes: 3,
        colour_groups: ColourGroups::Contiguous,
        ..preset(Architecture::RowLstm, GRAY)
    };
    let input = InputMap { scale: 0.1, shift: -0.3 };
    let description = Description { input, ..Description::from(options) };
    assert_eq!(Description::from_json(&description.to_json()).unwrap(), description);
}

#[test]
fn every_op_becomes_its_nodes() {
    let nodes = Description::from_json(OPS).unwrap().nodes().unwrap();
    let kinds: Vec<_> = nodes.iter().map(|node| node.op.kind()).collect();
    assert_eq!(
        kinds,
        [
            "masked_conv",
            "diagonal_bilstm",
            "add",
            "masked_conv",
            "elu",
            "row_lstm",
            "batch_norm",
            "add",
            "add",
            "masked_conv",
            "add",
            "masked_conv",
            "relu",
            "masked_conv",
            "batch_norm"
        ]
    );
    assert!(matches!(nodes[8].op, Op::Add { scale } if scale.to_bits() == 0.5_f32.to_bits()));
    assert!(matches!(nodes[11].op, Op::Conv(conv) if conv.dilation == 2 && conv.mask == Some(Mask::B)));
    assert!(matches!(nodes[1].op, Op::DiagonalBilstm(lstm) if lstm.initial_state));
    // Logits are channel-major, regardless of the colour grouping of other features.
    assert_eq!(nodes[13].features.rule(), Some((1, ColourGroups::Cyclic)));
}

#[test]
fn parts_of_the_input_map_have_defaults() {
    let json = with_ops(&format!("{INPUT},{OUTPUT}")).replacen('{', r#"{"input": {"shift": 1.5}, "#, 1);
    let input = Description::from_json(&json).unwrap().input;
    assert_eq!(input, InputMap { scale: 1.0 / 3.0, shift: 1.5 });
}

#[test]
fn unknown_and_missing_keys_are_named() {
    refused(&PRESET.replace("\"skip\"", "\"skips\""), &["unknown field `skips`"]);
    refused(&PRESET.replace("\"levels\"", "\"level\""), &["unknown field `level`"]);
    refused(&PRESET.replace("\"hidden\": 16, ", ""), &["missing field `hidden`"]);
    refused(&PRESET.replacen('{', r#"{"hidden": 8,"#, 1), &["duplicate field `hidden`"]);
    refused(&with_ops(&INPUT.replace("\"out\"", "\"outs\"")), &["unknown field `outs`", "ops[0]"]);
    refused(&with_ops(&format!("{INPUT}, {{\"op\": \"relu\", \"slope\": 1}}")), &["unknown field `slope`", "ops[1]"]);
    refused(&with_ops(r#"{"op": "conv", "name": "a"}"#), &["missing field `kernel`", "ops[0]"]);
    refused(&with_ops(r#"{"op": "convolve", "name": "a"}"#), &["unknown variant `convolve`", "masked_conv"]);
    refused(&with_ops(r#"{"name": "a"}"#), &["missing field `op`", "ops[0]"]);
    refused(&with_ops(r#"["relu"]"#), &["expected an object with a key `op`", "ops[0]"]);
    refused(&with_ops(&INPUT.replacen('{', r#"{"out": 6, "#, 1)), &["duplicate field `out`", "ops[0]"]);
    let branch = r#"{"op": "residual", "ops": [{"op": "relu"}, {"op": "elu", "alpha": 1}]}"#;
    refused(&with_ops(&format!("{INPUT}, {branch}")), &["unknown field `alpha`", "ops[1].ops[1]"]);
    refused(&with_ops(r#"{"op": "relu", "ops": []}"#), &["unknown field `ops`", "ops[0]"]);
    refused(&OPS.replace("\"classes\"", "\"hidden\""), &["unknown field `hidden`"]);
    refused(&OPS.replace("\"shift\"", "\"offset\""), &["unknown field `offset`"]);
}

#[test]
fn wrong_types_are_named() {
    refused(&PRESET.replace("\"hidden\": 16", "\"hidden\": -1"), &["hidden", "-1"]);
    refused(&PRESET.replace("\"hidden\": 16", "\"hidden\": 16.5"), &["hidden", "16.5"]);
    refused(&PRESET.replace("\"hidden\": 16", "\"hidden\": 1e99"), &["hidden"]);
    refused(&PRESET.replace("\"bernoulli\"", "\"normal\""), &["unknown variant `normal`", "softmax"]);
    refused(&PRESET.replace("diagonal_bilstm", "transformer"), &["unknown variant `transformer`", "row_lstm"]);
    refused("[]", &["not valid"]);
    refused("", &["not valid"]);
    refused(&PRESET[..60], &["not valid"]);
    refused(&format!("{PRESET} x"), &["not valid", "trailing"]);
    let deep = format!("{}{}", r#"{"op": "residual", "ops": ["#.repeat(5000), "]}".repeat(5000));
    refused(&with_ops(&deep), &["not valid", "recursion"]);
}

#[test]
fn functions_of_one_number_and_their_slope() {
    let list = r#"{"op": "leaky_relu", "slope": 0.2}, {"op": "tanh"}, {"op": "sigmoid"}"#;
    let nodes = Description::from_json(&with_ops(&format!("{INPUT}, {list}, {OUTPUT}"))).unwrap().nodes().unwrap();
    let kinds: Vec<_> = nodes.iter().map(|node| node.op.kind()).collect();
    assert_eq!(kinds, ["masked_conv", "leaky_relu", "tanh", "sigmoid", "masked_conv"]);
    assert_eq!(nodes[1].op, Op::Activation(Activation::LeakyRelu { slope: 0.2 }));
    refused(&with_ops(&format!(r#"{INPUT}, {{"op": "leaky_relu"}}"#)), &["missing field `slope`", "ops[1]"]);
    refused(&with_ops(&format!(r#"{INPUT}, {{"op": "tanh", "slope": 1}}"#)), &["unknown field `slope`", "ops[1]"]);
    let infinite = with_ops(&format!(r#"{INPUT}, {{"op": "leaky_relu", "slope": 1e39}}, {OUTPUT}"#));
    let error = Description::from_json(&infinite).and_then(|description| description.nodes()).unwrap_err().to_string();
    assert!(error.contains("`slope` is not a finite number") && error.contains("ops[1]"), "{error}");
}

#[test]
fn one_network_is_expected() {
    refused(r#"{"image": {}}"#, &["neither `architecture` nor `ops`"]);
    refused(&PRESET.replacen('{', r#"{"ops": [],"#, 1), &["both `architecture` and `ops`"]);
    refused(r#"{"architecture": "gated_pixel_cnn", "hidden": 1}"#, &["missing field `image`"]);
}

#[test]
fn numbers_out_of_range_are_named() {
    refused(&PRESET.replace("\"hidden\": 16", "\"hidden\": 0"), &["`hidden` is 0"]);
    refused(&PRESET.replace("\"levels\": 2", "\"levels\": 300"), &["levels is 300"]);
    refused(&PRESET.replace("\"channels\": 1", "\"channels\": 2"), &["channels is 2"]);
    refused(&PRESET.replace("\"classes\": 0", "\"classes\": 70000"), &["`classes` is 70000"]);
    refused(&OPS.replace("\"classes\": 10", "\"classes\": 70000"), &["`classes` is 70000"]);
    refused(&OPS.replace("\"levels\": 2", "\"levels\": 3"), &["levels is 3"]);
    refused(&OPS.replace("\"scale\": 2.0", "\"scale\": 1e300"), &["`input.scale`", "out of range"]);
    refused(&OPS.replace("\"scale\": 2.0", "\"scale\": 0"), &["`input.scale` is 0"]);
    refused(&OPS.replace("\"shift\": -1.0", "\"shift\": -1e300"), &["`input.shift`", "out of range"]);
    refused(&OPS.replace("\"scale\": 0.5", "\"scale\": 1e300"), &["ops[3]", "`scale`"]);
    refused(&OPS.replace("\"eps\": 0.001", "\"eps\": -1"), &["ops[3].ops[2].ops[0]", "`norm`", "`eps`"]);
    refused(&OPS.replace("\"kernel\": [3, 3]", "\"kernel\": [0, 3]"), &["ops[6]", "`out0`", "kernel 0x3"]);
    refused(&OPS.replace("\"dilation\": 2", "\"dilation\": 0"), &["dilation 0"]);
    refused(&OPS.replace("\"hidden\": 8, \"kernel\": 3", "\"hidden\": 8, \"kernel\": 500"), &["kernel"]);
    let mut description = Description::from(preset(Architecture::PixelCnn, GRAY));
    description.input.shift = f32::NAN;
    assert_eq!(description.nodes().unwrap_err().to_string(), "`input.shift` is NaN, expected a finite number");
    let huge = format!("{INPUT}, {}, {OUTPUT}", INPUT.replace("\"in\"", "\"x\"").replace('6', "99999999999"));
    refused(&with_ops(&huge), &["ops[1]", "99999999999 features"]);
}

#[test]
fn the_last_op_gives_the_logits() {
    // Any op may, in a gray model.
    for last in [r#"{"op": "relu"}"#, r#"{"op": "residual", "ops": []}"#, r#"{"op": "batch_norm", "name": "norm"}"#] {
        assert!(Description::from_json(&with_ops(&format!("{INPUT}, {OUTPUT}, {last}"))).is_ok(), "{last}");
    }
    refused(
        &with_ops(&format!("{INPUT}, {{\"op\": \"relu\"}}")),
        &["op `ops[1] (relu)` gives the logits and has 6 features"],
    );
    refused(&with_ops(INPUT), &["op `in` gives the logits and has 6 features, expected 4"]);
    refused(&with_ops(""), &["no ops"]);
    // An op that makes no value of its own cannot.
    refused(&with_ops(&format!("{INPUT}, {OUTPUT}, {{\"op\": \"skip\", \"name\": \"s\"}}")), &["ends in skip `s`"]);
    refused(&with_ops(r#"{"op": "batch_norm", "name": "norm"}"#), &["ends in batch_norm `norm`"]);
    // In a model with colour groups the outputs of the last convolution are channel-major.
    let rgb = |ops: &str| with_ops(ops).replace("\"channels\": 1", "\"channels\": 3");
    let output = OUTPUT.replace("\"out\": 4", "\"out\": 12");
    for last in [r#"{"op": "relu"}"#, r#"{"op": "residual", "ops": []}"#] {
        refused(&rgb(&format!("{INPUT}, {output}, {last}")), &["ends in re", "a convolution"]);
    }
    assert!(
        Description::from_json(&rgb(&format!("{INPUT}, {output}, {{\"op\": \"batch_norm\", \"name\": \"n\"}}")))
            .is_ok()
    );
    refused(
        &rgb(&format!("{INPUT}, {}", output.replacen('{', r#"{"parts": 2, "#, 1))),
        &["ops[1]", "`out`", "no `parts`"],
    );
    refused(&rgb(&format!("{INPUT}, {OUTPUT}")), &["op `out` gives the logits and has 4 features, expected 12"]);
    // Without colour groups any op may.
    let none =
        rgb(&format!("{INPUT}, {output}, {{\"op\": \"relu\"}}")).replacen('{', r#"{"colour_groups": "none", "#, 1);
    assert!(Description::from_json(&none).is_ok());
}

#[test]
fn ops_that_cannot_be_are_named() {
    let middle = |op: &str| with_ops(&format!("{INPUT}, {op}, {OUTPUT}"));
    refused(&middle(r#"{"op": "skip_sum"}"#), &["ops[1]", "skip"]);
    refused(&middle(INPUT), &["two ops are named `in`"]);
    refused(&middle(&INPUT.replace("\"in\"", "\"\"")), &["ops[1] (masked_conv)", "empty `name`"]);
    let wider = INPUT.replace("\"in\"", "\"wide\"").replace('6', "7");
    refused(&middle(&format!(r#"{{"op": "residual", "ops": [{wider}]}}"#)), &["ops[1] (residual)", "6", "7"]);
    refused(&middle(&INPUT.replace("\"in\"", &format!("\"{}\"", "n".repeat(41)))), &["40 bytes"]);
    // The convolution and the LSTM would share `a.left.input_to_state.weight`.
    let lstm = r#"{"op": "diagonal_bilstm", "name": "a", "hidden": 6}"#;
    let clash = INPUT.replace("\"in\"", "\"a.left.input_to_state\"");
    refused(&middle(&format!("{lstm}, {clash}")), &["both have a tensor `a.left.input_to_state.weight`"]);
    let mut nested = r#"{"op": "relu"}"#.to_string();
    for _ in 0..9 {
        nested = format!(r#"{{"op": "residual", "ops": [{nested}]}}"#);
    }
    refused(&middle(&nested), &["deeper than 8"]);
}

#[test]
fn a_presets_image_is_the_descriptions() {
    let mut description = Description::from(preset(Architecture::PixelCnn, GRAY));
    description.classes = 7;
    assert_eq!(Description::from_json(&description.to_json()).unwrap().classes, 7);
    let conv = &description.nodes().unwrap()[2];
    let mut names = Vec::new();
    conv.tensors(description.classes, |tensor| names.push(tensor.name.to_string()));
    assert!(names.contains(&"blocks.0.reduce.class.weight".to_string()), "{names:?}");
}
