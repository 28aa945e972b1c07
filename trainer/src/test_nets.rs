//! Networks and values shared by tests.

use crate::data::Set;
use crate::network::Network;
use pixelrnn::network::{ColourGroups, Features, Mask, MaskedConv, Presence};
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

/// Convolutions of all kinds: both masks, gray and colour, both group orders, odd channel counts, even and wide
/// kernels, dilation.
pub(crate) fn conv_cases() -> Vec<MaskedConv> {
    let mut cases = Vec::new();
    for (groups, order) in [(1, ColourGroups::Cyclic), (3, ColourGroups::Cyclic), (3, ColourGroups::Contiguous)] {
        for (mask, kernel, inputs, outputs, parts, dilation) in [
            (Mask::A, [7, 7], 3, 32, 1, 1),
            (Mask::A, [3, 3], 3, 9, 1, 1),
            (Mask::B, [1, 1], 33, 18, 1, 1),
            (Mask::B, [3, 3], 18, 51, 1, 1),
            (Mask::B, [3, 3], 6, 6, 1, 2),
            (Mask::B, [4, 2], 6, 3, 1, 1),
            (Mask::B, [1, 3], 6, 24, 4, 1),
            (Mask::B, [2, 5], 3, 48, 1, 3),
        ] {
            let inputs = Features { count: if groups == 1 { inputs - 2 } else { inputs }, groups, parts: 1, order };
            let outputs = Features { count: outputs, groups, parts, order };
            let (bias, class) = (Presence::Required, Presence::Absent);
            let conv = MaskedConv { mask, kernel, dilation, inputs, outputs, bias, class };
            if inputs.divides() && outputs.divides() {
                cases.push(conv);
            }
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
    ];
    all.into_iter().map(|(name, (description, network))| (name, description, network)).collect()
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
