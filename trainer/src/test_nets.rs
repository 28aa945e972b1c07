//! Networks and values shared by tests.

use crate::data::Set;
use crate::network::Network;
use pixelrnn::network::{ColourGroups, Conv, Features, Mask, Presence};
use pixelrnn_converter::Description;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// `count` uniform values in [-1, 1).
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..count).map(|_| (rng.next_u32() >> 8) as f32 / (1_u32 << 23) as f32 - 1.0).collect()
}

/// Asserts that `a` equals `b` up to `tolerance` times the largest magnitude.
pub(crate) fn close(a: &[f32], b: &[f32], tolerance: f32, what: &impl std::fmt::Debug) {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0_f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "element {i} is {a}, expected {b}: {what:?}");
    }
}

/// A convolution with a bias.
pub(crate) fn conv_of(
    mask: Option<Mask>,
    kernel: [usize; 2],
    anchor: [usize; 2],
    dilation: usize,
    inputs: &Features,
    outputs: &Features,
) -> Conv {
    let (inputs, outputs) = (*inputs, *outputs);
    let (bias, class) = (Presence::Required, Presence::Absent);
    Conv { mask, kernel, anchor, dilation, inputs, outputs, bias, class }
}

/// Convolutions of all kinds: both masks and none, gray and colour, both group orders and features without a single
/// rule, odd channel counts, even and wide kernels, anchors in and outside the kernel, dilation.
pub(crate) fn conv_cases() -> Vec<Conv> {
    let mut cases = Vec::new();
    for (groups, order) in [(1, ColourGroups::Cyclic), (3, ColourGroups::Cyclic), (3, ColourGroups::Contiguous)] {
        let dealt = |count, parts| Features::dealt(count, groups, parts, order);
        for (mask, kernel, anchor, inputs, outputs, parts, dilation) in [
            (Some(Mask::A), [7, 7], [3, 3], 3, 32, 1, 1),
            (Some(Mask::A), [3, 3], [1, 1], 3, 9, 1, 1),
            (Some(Mask::B), [1, 1], [0, 0], 33, 18, 1, 1),
            (Some(Mask::B), [3, 3], [1, 1], 18, 51, 1, 1),
            (Some(Mask::B), [3, 3], [1, 1], 6, 6, 1, 2),
            (Some(Mask::B), [4, 2], [2, 1], 6, 3, 1, 1),
            (Some(Mask::B), [1, 3], [0, 1], 6, 24, 4, 1),
            (Some(Mask::B), [2, 5], [1, 2], 3, 48, 1, 3),
            // The two stacks of a gated PixelCNN, and the link between them.
            (None, [3, 7], [3, 3], 3, 36, 2, 1),
            (None, [2, 3], [1, 1], 18, 36, 2, 1),
            (None, [3, 5], [2, 2], 6, 12, 2, 2),
            (Some(Mask::A), [1, 7], [0, 3], 3, 36, 2, 1),
            (None, [1, 1], [0, 0], 36, 33, 1, 1),
            // Later rows and columns, and anchors at corners and outside the kernel.
            (None, [3, 3], [0, 0], 6, 6, 1, 1),
            (None, [2, 2], [3, 4], 6, 6, 1, 1),
            (None, [1, 1], [2, 1], 3, 6, 1, 1),
            (Some(Mask::A), [3, 3], [2, 0], 6, 6, 1, 1),
            (Some(Mask::B), [2, 3], [1, 5], 6, 6, 1, 1),
            (Some(Mask::B), [2, 3], [4, 1], 3, 6, 1, 2),
            (None, [2, 2], [200, 1], 3, 6, 1, 1),
            (None, [3, 3], [1, 1], 3, 6, 1, 9),
        ] {
            let inputs = dealt(if groups == 1 { inputs - 2 } else { inputs }, 1);
            if let Some((inputs, outputs)) = inputs.zip(dealt(outputs, parts)) {
                cases.push(conv_of(mask, kernel, anchor, dilation, &inputs, &outputs));
            }
        }
        // No single rule assigns these.
        let pieces = dealt(6, 1).zip(dealt(9, 1)).and_then(|(a, b)| a.slice(1, 4)?.concat(&b.slice(2, 5)?));
        if let Some((pieces, outputs)) = pieces.zip(dealt(6, 1)) {
            cases.push(conv_of(Some(Mask::B), [1, 3], [0, 1], 1, &pieces, &outputs));
            cases.push(conv_of(None, [2, 3], [1, 1], 1, &pieces, &outputs));
        }
    }
    cases
}

/// A small preset, modified by `change`.
fn preset(
    architecture: &str,
    channels: usize,
    levels: usize,
    change: &[(&str, serde_json::Value)],
) -> (Description, Network) {
    let output = if levels == 2 { "bernoulli" } else { "softmax" };
    let mut json = serde_json::json!({
        "architecture": architecture,
        "image": {"height": 6, "width": 5, "channels": channels, "levels": levels},
        "hidden": 6, "layers": 2, "input_kernel": 5, "kernel": 3, "head": 9, "output": output,
    });
    for (key, value) in change {
        json[*key] = value.clone();
    }
    network(&json)
}

fn network(json: &serde_json::Value) -> (Description, Network) {
    let d = Description::from_json(&json.to_string()).unwrap();
    let network = Network::new(&d).unwrap();
    (d, network)
}

/// Networks of all architectures, gray and colour, with each option.
pub(crate) fn networks() -> Vec<(&'static str, Description, Network)> {
    let yes = serde_json::Value::Bool(true);
    let all = vec![
        ("pixel_cnn", preset("pixel_cnn", 1, 2, &[])),
        ("pixel_cnn, levels", preset("pixel_cnn", 1, 4, &[("classes", 3.into()), ("skip", yes.clone())])),
        ("pixel_cnn, colour", preset("pixel_cnn", 3, 4, &[("depth_gate", yes.clone())])),
        (
            "pixel_cnn, contiguous colour",
            preset("pixel_cnn", 3, 2, &[("colour_groups", "contiguous".into()), ("residual", false.into())]),
        ),
        ("row_lstm", preset("row_lstm", 1, 2, &[])),
        (
            "row_lstm, levels",
            preset("row_lstm", 1, 4, &[("classes", 3.into()), ("initial_state", yes.clone()), ("kernel", 4.into())]),
        ),
        ("row_lstm, colour", preset("row_lstm", 3, 2, &[("kernel", 2.into()), ("hidden", 17.into())])),
        ("diagonal_bilstm", preset("diagonal_bilstm", 1, 2, &[])),
        (
            "diagonal_bilstm, levels",
            preset(
                "diagonal_bilstm",
                1,
                4,
                &[("classes", 3.into()), ("initial_state", yes.clone()), ("skip", yes.clone())],
            ),
        ),
        (
            "diagonal_bilstm, one row",
            preset(
                "diagonal_bilstm",
                1,
                2,
                &[("image", serde_json::json!({"height": 1, "width": 4, "channels": 1, "levels": 2}))],
            ),
        ),
        ("diagonal_bilstm, colour", preset("diagonal_bilstm", 3, 2, &[("hidden", 33.into())])),
        (
            "ops",
            network(&serde_json::json!({
                "image": {"height": 5, "width": 7, "channels": 1, "levels": 3}, "output": "softmax",
                "input": {"scale": 0.7, "shift": -0.4},
                "ops": [{"op": "masked_conv", "name": "in", "mask": "A", "kernel": [2, 4], "out": 7, "dilation": 2},
                        {"op": "elu"}, {"op": "relu"}, {"op": "leaky_relu", "slope": 0.1}, {"op": "tanh"}, {"op": "sigmoid"},
                        {"op": "residual", "scale": 0.5, "ops": [{"op": "masked_conv", "name": "mid", "mask": "B", "kernel": [3, 2], "out": 7}]},
                        {"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": 3}]})),
        ),
        ("gated_pixel_cnn", preset("gated_pixel_cnn", 1, 2, &[])),
        (
            "gated_pixel_cnn, levels",
            preset(
                "gated_pixel_cnn",
                1,
                4,
                &[("classes", 3.into()), ("skip", yes.clone()), ("kernel", 5.into()), ("hidden", 17.into())],
            ),
        ),
        (
            "gated_pixel_cnn, no block",
            preset("gated_pixel_cnn", 1, 2, &[("layers", 0.into()), ("input_kernel", 3.into())]),
        ),
        ("gated_pixel_cnn, colour", preset("gated_pixel_cnn", 3, 4, &[("hidden", 7.into()), ("skip", yes.clone())])),
        (
            "gated_pixel_cnn, contiguous colour",
            preset(
                "gated_pixel_cnn",
                3,
                2,
                &[
                    ("colour_groups", "contiguous".into()),
                    ("residual", false.into()),
                    ("classes", 2.into()),
                    ("kernel", 5.into()),
                ],
            ),
        ),
        ("gated_pixel_cnn, all colours at once", preset("gated_pixel_cnn", 3, 4, &[("colour_groups", "none".into())])),
        (
            "pixel_cnn, all colours at once",
            preset("pixel_cnn", 3, 2, &[("colour_groups", "none".into()), ("hidden", 5.into())]),
        ),
        ("graph", network(&graph())),
        ("colour graph", network(&colour_graph())),
    ];
    all.into_iter().map(|(name, (description, network))| (name, description, network)).collect()
}

/// A graph with each op at least once.
fn graph() -> serde_json::Value {
    serde_json::json!({
        "image": {"height": 5, "width": 6, "channels": 1, "levels": 4}, "output": "softmax", "classes": 3,
        "ops": [{"op": "masked_conv", "name": "in", "mask": "A", "kernel": [3, 3], "out": 8, "as": "a"},
                {"op": "embed", "name": "e", "out": 6, "in": "image", "as": "e"},
                {"op": "shift", "columns": 1, "in": "e", "as": "left"},
                {"op": "shift", "rows": 2, "columns": 1, "in": "e", "as": "above"},
                {"op": "shift", "rows": 5, "in": "e", "as": "nothing"},
                {"op": "concat", "in": ["left", "above", "nothing"]},
                {"op": "conv", "name": "mixed", "kernel": [1, 2], "anchor": [0, 1], "out": 8, "as": "b"},
                {"op": "add", "in": ["a", "b"]}, {"op": "class_bias", "name": "labels"}, {"op": "glu", "as": "g"},
                {"op": "ones", "as": "ones"},
                {"op": "conv", "name": "edge", "kernel": [3, 3], "out": 4, "in": "ones", "as": "edge"},
                {"op": "multiply", "in": ["g", "edge"]}, {"op": "scale", "factor": -0.7, "as": "x"},
                {"op": "row_lstm", "name": "row", "hidden": 3, "kernel": 3, "as": "row"},
                {"op": "slice", "from": 2, "count": 5, "in": "a"}, {"op": "tanh", "as": "part"},
                {"op": "diagonal_bilstm", "name": "diagonal", "hidden": 4, "as": "diagonal"},
                {"op": "conv", "name": "vertical", "kernel": [2, 3], "anchor": [2, 1], "out": 10, "in": "part", "as": "v"},
                {"op": "conv", "name": "link", "kernel": [1, 1], "out": 10, "as": "link"},
                {"op": "add", "in": ["v", "link"]}, {"op": "gate", "as": "gated"},
                {"op": "add", "in": ["v", "v"], "as": "twice"}, {"op": "gate", "as": "also"},
                {"op": "multiply", "in": ["twice", "twice"], "as": "square"},
                {"op": "concat", "in": ["row", "diagonal", "x", "gated", "also", "square"]},
                {"op": "conv", "name": "horizontal", "kernel": [1, 3], "mask": "B", "out": 10}, {"op": "elu"},
                {"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": 4}]})
}

/// A graph in which the features' colours matter.
fn colour_graph() -> serde_json::Value {
    serde_json::json!({
        "image": {"height": 4, "width": 5, "channels": 3, "levels": 2}, "output": "bernoulli",
        "ops": [{"op": "masked_conv", "name": "in", "mask": "A", "kernel": [3, 3], "out": 8, "parts": 2, "as": "a"},
                {"op": "gate", "as": "g"},
                {"op": "conv", "name": "above", "kernel": [2, 3], "anchor": [2, 1], "out": 4, "in": "image", "as": "v"},
                {"op": "multiply", "in": ["g", "v"], "as": "m"},
                {"op": "ones", "as": "ones"},
                {"op": "slice", "from": 3, "count": 4, "in": "a", "as": "s"},
                {"op": "concat", "in": ["m", "ones", "s"]},
                {"op": "masked_conv", "name": "mid", "mask": "B", "kernel": [2, 2], "out": 8, "parts": 2, "as": "b"},
                {"op": "add", "in": ["a", "b"]}, {"op": "glu"},
                {"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": 3}]})
}

/// `count` random images for `network`, with labels if class-conditional.
pub(crate) fn set(network: &Network, count: usize) -> Set {
    let image = network.image();
    let random = |n: usize, below: usize| -> Vec<u8> {
        numbers(7, n).iter().map(|x| ((x + 1.0) / 2.0 * below as f32) as u8 % below as u8).collect()
    };
    let labels = (network.classes() > 0).then(|| random(count, network.classes()).into_iter().map(u16::from).collect());
    let levels = random(count * image.values(), image.levels);
    Set::new(image, levels, labels, network.classes()).unwrap()
}
