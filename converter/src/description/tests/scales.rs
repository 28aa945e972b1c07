//! Models of several scales.

use super::*;

/// Two scales, 4x6 and 8x12. PART stands for other keys of the first and REST of the second; UPSAMPLE for its ops.
const SCALES: &str = r#"{"scales": [
    {"image": {"height": 4, "width": 6, "channels": 1, "levels": 4}, "architecture": "pixel_cnn", "hidden": 4, "layers": 1,
     "input_kernel": 3, "kernel": 3, "head": 4, "output": "softmax"PART},
    {"image": {"height": 8, "width": 12, "channels": 1, "levels": 4}, "architecture": "row_lstm", "hidden": 4, "layers": 1,
     "input_kernel": 3, "kernel": 3, "head": 4, "output": "softmax", "upsample": [UPSAMPLE]REST}]}"#;

const TWICE: &str = r#"{"op": "conv_transpose", "name": "up", "kernel": [4, 4], "stride": 2, "out": 5}"#;

fn scales(upsample: &str, part: &str, rest: &str) -> String {
    SCALES.replace("UPSAMPLE", upsample).replace("PART", part).replace("REST", rest)
}

/// Two scales whose second is a list of ops.
fn list(ops: &str) -> String {
    let (first, _) = SCALES.split_once("PART").unwrap();
    first.to_owned()
        + r#"}, {"image": {"height": 8, "width": 12, "channels": 1, "levels": 4}, "output": "softmax", "upsample": ["#
        + TWICE
        + r#"], "ops": ["#
        + ops
        + "]}]}"
}

#[test]
fn scales_are_read_and_written() {
    let description = Description::from_json(&scales(TWICE, "", "")).unwrap();
    assert_eq!(description.image.height, 8);
    assert_eq!((description.scales().len(), description.factor()), (2, Some(2)));
    assert_eq!(description.scales()[0].factor(), None);
    let again = Description::from_json(&description.to_json()).unwrap();
    assert_eq!(again, description);
    let nodes = description.nodes_of_scales().unwrap();
    assert_eq!(nodes[1].prefix, "scales.1.");
}

#[test]
fn three_scales_with_classes_stand_one_in_another() {
    let text = scales(TWICE, r#", "classes": 3"#, r#", "classes": 3"#);
    let third = r#", {"image": {"height": 24, "width": 36, "channels": 1, "levels": 4}, "architecture": "pixel_cnn", "hidden": 4,
        "layers": 1, "input_kernel": 3, "kernel": 3, "head": 4, "output": "softmax", "classes": 3,
        "upsample": [{"op": "conv_transpose", "name": "up", "kernel": [5, 5], "stride": 3, "out": 2}]}]}"#;
    let text = text.strip_suffix("]}").unwrap().to_owned() + third;
    let description = Description::from_json(&text).unwrap();
    let sides: Vec<_> = description.scales().iter().map(|scale| scale.image.height).collect();
    assert_eq!((sides, description.factor()), (vec![4, 8, 24], Some(3)));
}

#[test]
fn what_does_not_fit_is_refused_with_the_scale() {
    let sized = |from: &str, to: &str| scales(TWICE, "", "").replacen(from, to, 1);
    refused(&sized("\"height\": 4", "\"height\": 3"), &["`scales[1]`", "8x12 pixels after 3x6", "same whole number"]);
    refused(&sized("\"height\": 4, \"width\": 6", "\"height\": 8, \"width\": 12"), &["`scales[1]`", "2 or more"]);
    refused(&sized("\"width\": 6", "\"width\": 3"), &["8x12 pixels after 4x3"]);
    refused(&sized("\"levels\": 4", "\"levels\": 2"), &["`levels` differs"]);
    refused(&scales(TWICE, r#", "classes": 3"#, ""), &["`classes` differs"]);
    refused(&sized("\"output\": \"softmax\"", "\"output\": \"bernoulli\""), &["bernoulli"]);
    refused(&scales(r#"{"op": "relu"}"#, "", ""), &["`scales[1]`", "a map of 4x6, expected 8x12"]);
    refused(&scales(&format!("{TWICE}, {}", TWICE.replace("up", "more")), "", ""), &["a map of 16x24, expected 8x12"]);
    refused(&scales(TWICE, r#", "upsample": []"#, ""), &["`scales[0]`", "the first scale has no `upsample`"]);
    let without = scales(TWICE, "", "").replace(&format!(r#", "upsample": [{TWICE}]"#), "");
    refused(&without, &["`scales[1]`", "missing field `upsample`"]);
    refused(r#"{"scales": []}"#, &["0 scales, expected 2 to 8"]);
    let (first, _) = SCALES.split_once("PART").unwrap();
    refused(&format!("{first}}}]}}"), &["1 scales, expected 2 to 8"]);
}

#[test]
fn what_cannot_upsample_is_refused_by_name() {
    let with = |op: &str| scales(&format!("{TWICE}, {op}"), "", "");
    let lstm = r#"{"op": "row_lstm", "name": "l", "hidden": 5, "kernel": 3}"#;
    refused(&with(lstm), &["`scales[1]`", "`l`"]);
    let masked = r#"{"op": "masked_conv", "name": "m", "mask": "B", "kernel": [1, 1], "out": 5}"#;
    refused(&with(masked), &["`m`"]);
    refused(&scales(&TWICE.replace("[4, 4]", "[3, 3]"), "", ""), &["`up`"]);
    refused(&scales(&TWICE.replace("[4, 4]", "[4, 3]"), "", ""), &["`up`"]);
    refused(&scales(&TWICE.replace("[4, 4]", "[1, 1]"), "", ""), &["`up`"]);
    // Only there: a network has no transposed convolution.
    refused(&list(TWICE), &["conv_transpose"]);
}

#[test]
fn the_map_is_read_by_name() {
    let ops = |read: &str| {
        list(&format!(
            r#"{{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [3, 3], "out": 5, "as": "x"}}, {read},
               {{"op": "masked_conv", "name": "b", "mask": "B", "kernel": [1, 1], "out": 4}}"#
        ))
    };
    let added = ops(r#"{"op": "add", "in": ["x", "condition"]}"#);
    assert!(Description::from_json(&added).is_ok());
    // Any tap of it may be open, as it is known before the image.
    let wide = r#"{"op": "conv", "name": "w", "kernel": [3, 3], "out": 5, "in": "condition", "as": "w"}, {"op": "add", "in": ["x", "w"]}"#;
    assert!(Description::from_json(&ops(wide)).is_ok());
    let lstm = |condition: &str| {
        ops(&format!(
            r#"{{"op": "row_lstm", "name": "l", "hidden": 5, "kernel": 3, "in": "x", "condition": "{condition}"}}"#
        ))
    };
    assert!(Description::from_json(&lstm("condition")).is_ok());
    refused(&lstm("x"), &["`l`"]);
    refused(&lstm("elsewhere"), &["elsewhere"]);
    // Without a smaller scale there is no map.
    let alone = added.split_once(r#"{"image": {"height": 8"#).unwrap().1.strip_suffix("]}").unwrap();
    let alone = format!(r#"{{"image": {{"height": 8{alone}"#).replace(&format!(r#""upsample": [{TWICE}], "#), "");
    refused(&alone, &["condition"]);
}
