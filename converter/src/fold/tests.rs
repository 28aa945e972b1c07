use super::*;
use crate::reference::Reference;
use crate::testing::{Random, random_model};

const HEAD: &str = r#"{"image": {"height": 4, "width": 5, "channels": 1, "levels": 4}, "output": "softmax""#;

/// Gray list with a last convolution.
fn gray(ops: &str) -> Description {
    let last = r#"{"op": "masked_conv", "name": "out", "mask": "B", "kernel": [3, 3], "out": 4}"#;
    Description::from_json(&format!(r#"{HEAD}, "ops": [{ops}, {last}]}}"#)).unwrap()
}

/// The same in colour.
fn rgb(ops: &str) -> Description {
    let last = r#"{"op": "masked_conv", "name": "out", "mask": "B", "kernel": [3, 3], "out": 12}"#;
    let head = HEAD.replace("\"channels\": 1", "\"channels\": 3");
    Description::from_json(&format!(r#"{head}, "ops": [{ops}, {last}]}}"#)).unwrap()
}

/// Kinds of the folded network's ops, after a comparison of its logits with the original's.
#[track_caller]
fn folded(description: &Description) -> Vec<&'static str> {
    let model = random_model(description, 5);
    let folded = fold_batch_norms(&model).unwrap();
    let image = Random(3).image(&description.image);
    let label = (description.classes > 0).then_some(1);
    let logits = |model: &TrainedModel| Reference::new(model).logits(&image, label).unwrap().data;
    for (before, after) in logits(&model).into_iter().zip(logits(&folded)) {
        assert!((before - after).abs() < 1e-5 * before.abs().max(1.0), "{before} became {after}");
    }
    folded.nodes().iter().map(|node| node.op.kind()).collect()
}

fn conv(name: &str, rest: &str) -> String {
    format!(r#"{{"op": "masked_conv", "name": "{name}", "mask": "A", "kernel": [3, 3], "out": 6{rest}}}"#)
}

const NORM: &str = r#"{"op": "batch_norm", "name": "norm"}"#;

#[test]
fn a_model_without_normalization_is_not_copied() {
    let model = random_model(&gray(&conv("in", "")), 1);
    assert!(matches!(fold_batch_norms(&model).unwrap(), Cow::Borrowed(_)));
}

#[test]
fn a_normalization_right_after_its_convolution_goes_into_it() {
    let plain = ["masked_conv", "relu", "masked_conv"];
    for (conv, norm) in [
        (conv("in", ""), NORM.to_string()),
        (conv("in", r#", "as": "c""#), NORM.to_string()),
        (conv("in", r#", "as": "c""#), NORM.replace('}', r#", "in": "c"}"#)),
        (conv("in", r#", "as": "c""#), NORM.replace('}', r#", "in": "c", "as": "n"}"#)),
        (conv("in", ""), format!("{NORM}, {}", NORM.replace("norm\"}", "again\"}"))),
    ] {
        assert_eq!(folded(&gray(&format!(r#"{conv}, {norm}, {{"op": "relu"}}"#))), plain, "{conv} {norm}");
    }
    // The name of what it makes is that of the convolution now.
    let named = format!(
        r#"{}, {}, {{"op": "relu", "as": "r"}}, {{"op": "add", "in": ["n", "r"]}}"#,
        conv("in", ""),
        NORM.replace('}', r#", "as": "n"}"#)
    );
    assert_eq!(folded(&gray(&named)), ["masked_conv", "relu", "add", "masked_conv"]);
    // Without a mask too, and with classes.
    let vertical = r#"{"op": "conv", "name": "v", "kernel": [2, 3], "anchor": [2, 1], "out": 6}"#;
    let classes = Description { classes: 3, ..gray(&format!("{vertical}, {NORM}")) };
    assert_eq!(folded(&classes), ["conv", "masked_conv"]);
    // After the op that makes the logits, in colour too.
    let last = rgb(&conv("in", "")).to_json().replace("]}", &format!(", {NORM}]}}"));
    assert_eq!(folded(&Description::from_json(&last).unwrap()), ["masked_conv"; 2]);
    let named = last.replace("\"out\":12", "\"out\":12,\"as\":\"o\"").replace("\"norm\"", "\"norm\",\"in\":\"o\"");
    assert_eq!(folded(&Description::from_json(&named).unwrap()), ["masked_conv"; 2]);
}

#[test]
fn a_convolution_moves_to_its_normalization() {
    let two = format!(
        r#"{}, {}, {}, {}, {{"op": "add", "in": ["vn", "hn"]}}"#,
        conv("v", r#", "as": "v""#),
        conv("h", r#", "in": "image", "as": "h""#),
        NORM.replace('}', r#", "in": "v", "as": "vn"}"#),
        NORM.replace("norm\"}", r#"other", "in": "h", "as": "hn"}"#),
    );
    assert_eq!(folded(&gray(&two)), ["masked_conv", "masked_conv", "add", "masked_conv"]);
    // By way of another normalization, in another place, and from what was made last.
    let far = format!(
        r#"{}, {{"op": "relu"}}, {}, {}, {{"op": "tanh", "in": "image"}}, {}, {}, {{"op": "add", "in": ["n", "w"]}}"#,
        conv("in", ""),
        conv("v", r#", "as": "v""#),
        NORM.replace('}', r#", "as": "n1"}"#),
        conv("w", r#", "as": "w""#),
        NORM.replace("norm\"}", r#"again", "in": "n1", "as": "n"}"#),
    );
    assert_eq!(
        folded(&gray(&far)),
        ["masked_conv", "relu", "tanh", "masked_conv", "masked_conv", "add", "masked_conv"]
    );
    // Into a branch, and over a skip of something else.
    let branch = format!(
        r#"{}, {}, {{"op": "residual", "in": "x", "ops": [{{"op": "relu"}}, {{"op": "add", "in": ["n0", "n0"]}}]}}"#,
        conv("in", r#", "as": "x""#),
        conv("v", r#", "as": "v""#),
    );
    let inside = branch.replace(
        r#"{"op": "relu"}, "#,
        &format!(r#"{{"op": "relu", "as": "r"}}, {}, "#, NORM.replace('}', r#", "in": "v", "as": "n0"}"#)),
    );
    let inside = inside.replace(r#"["n0", "n0"]"#, r#"["n0", "r"]"#);
    assert_eq!(folded(&gray(&inside)), ["masked_conv", "relu", "masked_conv", "add", "add", "masked_conv"]);
    let skip = format!(
        r#"{}, {}, {{"op": "skip", "name": "s", "in": "x"}}, {NORM}, {{"op": "skip", "name": "t"}}, {{"op": "skip_sum"}}"#,
        conv("in", r#", "as": "x""#),
        conv("v", ""),
    );
    assert_eq!(
        folded(&gray(&skip)),
        ["masked_conv", "masked_conv", "masked_conv", "masked_conv", "add", "masked_conv"]
    );
}

#[test]
fn elsewhere_it_becomes_a_diagonal_convolution() {
    for ops in [
        // Its input is read by another op too.
        format!(
            r#"{}, {}, {{"op": "add", "in": ["c", "n"]}}"#,
            conv("in", r#", "as": "c""#),
            NORM.replace('}', r#", "as": "n"}"#)
        ),
        format!(r#"{}, {{"op": "residual", "ops": [{NORM}]}}"#, conv("in", "")),
    ] {
        assert_eq!(folded(&gray(&ops)), ["masked_conv", "masked_conv", "add", "masked_conv"], "{ops}");
    }
    let skip = format!(
        r#"{}, {{"op": "skip", "name": "s"}}, {NORM}, {{"op": "skip", "name": "t"}}, {{"op": "skip_sum"}}"#,
        conv("in", "")
    );
    assert_eq!(
        folded(&gray(&skip)),
        ["masked_conv", "masked_conv", "masked_conv", "masked_conv", "add", "masked_conv"]
    );
    let alone = format!(r#"{}, {{"op": "skip", "name": "s"}}, {{"op": "skip_sum"}}, {NORM}"#, conv("in", ""));
    assert_eq!(folded(&gray(&alone)), ["masked_conv"; 4]);
    assert_eq!(
        folded(&gray(&format!(r#"{}, {{"op": "relu"}}, {NORM}"#, conv("in", "")))),
        ["masked_conv", "relu", "masked_conv", "masked_conv"]
    );
    assert_eq!(folded(&gray(&format!("{NORM}, {}", conv("in", "")))), ["masked_conv"; 3]);
    // The last op of a gray model.
    let last = gray(&conv("in", "")).to_json().replace("]}", &format!(r#", {{"op": "relu"}}, {NORM}]}}"#));
    assert_eq!(folded(&Description::from_json(&last).unwrap()), ["masked_conv", "masked_conv", "relu", "masked_conv"]);
}

#[test]
fn features_keep_their_colours() {
    let parts = conv("in", r#", "parts": 2, "as": "c""#).replace("\"out\": 6", "\"out\": 8");
    let dealt = format!(r#"{parts}, {{"op": "relu"}}, {NORM}, {{"op": "gate"}}"#);
    assert_eq!(folded(&rgb(&dealt)), ["masked_conv", "relu", "masked_conv", "gate", "masked_conv"]);
    // No convolution deals colours as this concatenation does.
    let x = conv("x", r#", "as": "x""#).replace("\"out\": 6", "\"out\": 7");
    let odd = format!(r#"{x}, {parts}, {{"op": "concat", "in": ["c", "c", "x"]}}, {NORM}"#);
    assert_eq!(folded(&rgb(&odd)), ["masked_conv", "masked_conv", "concat", "concat", "batch_norm", "masked_conv"]);
    let none = Description { colour_groups: ColourGroups::None, ..rgb(&odd) };
    assert_eq!(folded(&none), ["masked_conv", "masked_conv", "concat", "concat", "masked_conv", "masked_conv"]);
}
