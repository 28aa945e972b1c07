//! Hand-computed cases, a second implementation of the definition, and causality.

mod causality;
mod classes;
mod definition;

use super::*;
use crate::description::Description;
use crate::testing::{GRAY, RGB, Random, preset, random_model};
use crate::trained::Tensor;
use pixelrnn::network::{Architecture, Preset};
use std::collections::BTreeMap;

/// A description with the listed ops over `image`, a JSON object.
fn described(image: &str, output: &str, rest: &str, ops: &str) -> Description {
    Description::from_json(&format!(r#"{{"image": {image}, "output": "{output}"{rest}, "ops": [{ops}]}}"#)).unwrap()
}

fn model(description: &Description, tensors: &[(&str, &[usize], &[f32])]) -> TrainedModel {
    let tensors = tensors
        .iter()
        .map(|(name, shape, data)| ((*name).to_string(), Tensor { shape: shape.to_vec(), data: data.to_vec() }));
    TrainedModel::new(description.clone(), tensors.collect()).unwrap()
}

const GRAY_2X3: &str = r#"{"height": 2, "width": 3, "channels": 1, "levels": 4}"#;

#[track_caller]
fn close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (n, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() < 1e-12, "index {n}: {got}, expected {expected}");
    }
}

#[test]
fn a_gray_convolution_by_hand() {
    let ops = r#"{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [3, 3], "out": 4}"#;
    let description = described(GRAY_2X3, "softmax", r#", "input": {"scale": 2, "shift": 1}"#, ops);
    // Each tap of feature 0 contributes its own decimal digit, so the sum shows which taps were read, closed ones
    // included.
    let mut weight = [0.0; 36];
    weight[..9].copy_from_slice(&[1.0, 10.0, 100.0, 1000.0, 7e5, 7e6, 7e7, 7e8, 7e9]);
    let model = model(&description, &[("a.weight", &[4, 1, 3, 3], &weight), ("a.bias", &[4], &[0.5, 1.0, 2.0, 3.0])]);
    // The input map gives 1 3 5 / 7 1 3. Padding is 0 after the map.
    let values = Reference::new(&model).run(&[0, 1, 2, 3, 0, 1], None).unwrap();
    assert_eq!(values[0].data, [1.0, 3.0, 5.0, 7.0, 1.0, 3.0]);
    assert_eq!(values[1].plane(0), [0.5, 1000.5, 3000.5, 310.5, 7531.5, 1053.5]);
    assert_eq!(values[1].plane(3), [3.0; 6]);
}

#[test]
fn even_kernels_and_dilation_by_hand() {
    // The centre of a kernel of 2 is at index 1: one tap above, one to the left.
    let ops = r#"{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [2, 2], "out": 1, "dilation": 2}"#;
    let image = r#"{"height": 3, "width": 3, "channels": 1, "levels": 2}"#;
    let description = described(image, "bernoulli", "", ops);
    let model = model(&description, &[("a.weight", &[1, 1, 2, 2], &[1.0, 10.0, 100.0, 9e9])]);
    let logits = Reference::new(&model).logits(&[1, 0, 1, 0, 1, 0, 1, 1, 1], None).unwrap();
    assert_eq!(logits.data, [0.0, 0.0, 100.0, 0.0, 0.0, 0.0, 10.0, 0.0, 111.0]);
}

#[test]
fn pointwise_ops_by_hand() {
    let ops = r#"{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [1, 2], "out": 2},
        {"op": "residual", "scale": 0.5, "ops": [{"op": "elu"}]},
        {"op": "residual", "ops": [{"op": "batch_norm", "name": "n", "eps": 1}, {"op": "relu"}]},
        {"op": "skip", "name": "s"}, {"op": "relu"}, {"op": "skip", "name": "t"}, {"op": "skip_sum"},
        {"op": "masked_conv", "name": "b", "mask": "B", "kernel": [1, 1], "out": 1}"#;
    let image = r#"{"height": 1, "width": 2, "channels": 1, "levels": 2}"#;
    let description = described(image, "bernoulli", "", ops);
    let one: &[usize] = &[2];
    let tensors: [(&str, &[usize], &[f32]); 12] = [
        ("a.weight", &[2, 1, 1, 2], &[3.0, 0.0, -1.0, 0.0]),
        ("a.bias", one, &[0.0, 0.0]),
        ("n.weight", one, &[2.0, 4.0]),
        ("n.bias", one, &[1.0, -1.0]),
        ("n.running_mean", one, &[0.5, -0.5]),
        ("n.running_var", one, &[3.0, 8.0]),
        ("s.weight", &[2, 2, 1, 1], &[1.0, 2.0, 3.0, 4.0]),
        ("s.bias", one, &[0.25, 0.0]),
        ("t.weight", &[2, 2, 1, 1], &[1.0, 0.0, 0.0, 1.0]),
        ("t.bias", one, &[0.0, 0.0]),
        ("b.weight", &[1, 2, 1, 1], &[1.0, 10.0]),
        ("b.bias", &[1], &[100.0]),
    ];
    // The first pixel has value 1 and is read by the second only.
    let values = Reference::new(&model(&description, &tensors)).run(&[1, 0], None).unwrap();
    let second = |n: usize| [values[n].at(0, 0, 1), values[n].at(1, 0, 1)];
    let below = (-1.0_f64).exp() - 1.0;
    close(&second(1), &[3.0, -1.0]);
    close(&second(3), &[4.5, -0.5 + below]);
    let normal = [(4.5 - 0.5) / 2.0 * 2.0 + 1.0, below / 3.0 * 4.0 - 1.0];
    close(&second(4), &normal);
    let x = [4.5 + normal[0], -0.5 + below];
    close(&second(6), &x);
    let sum = [x[0] + 2.0 * x[1] + 0.25 + x[0], 3.0 * x[0] + 4.0 * x[1]];
    close(&second(values.len() - 2), &sum);
    close(&[values[values.len() - 1].at(0, 0, 1)], &[sum[0] + 10.0 * sum[1] + 100.0]);
}

#[test]
fn depth_gates_by_hand() {
    let map = |data: &[f64]| Map { channels: 1, height: 1, width: 2, data: data.to_vec() };
    let gated = depth_gate::apply(&map(&[1.0, 2.0]), &map(&[4.0, 6.0]), &map(&[0.0, -800.0]));
    close(&gated.data, &[3.0, 2.0]);
    close(&map(&[800.0, 0.0]).map(cell::sigmoid).data, &[1.0, 0.5]);
}

#[test]
fn logits_and_values_agree() {
    for (image, seed) in [(GRAY, 1), (RGB, 2)] {
        for architecture in [Architecture::PixelCnn, Architecture::RowLstm, Architecture::DiagonalBilstm] {
            let options = Preset { skip: true, depth_gate: true, ..preset(architecture, image) };
            let reference = Reference::new(&random_model(&Description::from(options), seed));
            let pixels = Random(seed).image(&image);
            let mut values = reference.run(&pixels, None).unwrap();
            assert_eq!(values.len(), reference.network.steps.len() + 1);
            assert_eq!(values.pop().unwrap(), reference.logits(&pixels, None).unwrap());
        }
    }
}

#[test]
fn images_and_labels_are_checked() {
    let plain = Reference::new(&random_model(&Description::from(preset(Architecture::PixelCnn, GRAY)), 1));
    let message = |result: Result<Map, Error>| result.unwrap_err().to_string();
    assert_eq!(message(plain.logits(&[0; 19], None)), "an image of 19 values, expected 20");
    let mut image = vec![0; 20];
    image[7] = 2;
    assert_eq!(message(plain.logits(&image, None)), "value 2 at index 7, expected 0 to 1");
    let message_of_label = message(plain.logits(&[0; 20], Some(0)));
    assert_eq!(message_of_label, "label 0, expected none: the model has no classes");

    let options = Preset { classes: 3, ..preset(Architecture::PixelCnn, GRAY) };
    let classes = Reference::new(&random_model(&Description::from(options), 1));
    assert!(classes.logits(&[0; 20], Some(2)).is_ok());
    assert_eq!(message(classes.logits(&[0; 20], Some(3))), "label 3, expected 0 to 2");
    assert_eq!(message(classes.logits(&[0; 20], None)), "the model has 3 classes, expected a label with each image");
}

#[test]
fn networks_beyond_memory_are_refused() {
    let image = r#"{"height": 4096, "width": 4096, "channels": 1, "levels": 2}"#;
    let ops = r#"{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [1, 2], "out": 16},
        {"op": "masked_conv", "name": "b", "mask": "B", "kernel": [1, 1], "out": 1}"#;
    let model = random_model(&described(image, "bernoulli", "", ops), 1);
    let error = Reference::new(&model).logits(&[0; 1], None).unwrap_err();
    assert!(matches!(error, Error::TooManyValues { values: 301_989_888, .. }), "{error}");
}

#[test]
fn likelihoods_are_stable_and_sum_to_one() {
    use likelihood::{log_sum_exp, softplus, value_nats};
    close(&[log_sum_exp(&[1000.0, 1000.0])], &[1000.0 + 2.0_f64.ln()]);
    assert_eq!(log_sum_exp(&[]).to_string(), "-inf");
    close(&[softplus(1000.0), softplus(-1000.0), softplus(0.0)], &[1000.0, 0.0, 2.0_f64.ln()]);
    let logits = [0.5, -2.0, 3.0, -900.0];
    let total: f64 = (0..4).map(|value| (-value_nats(&logits, value, Output::Softmax)).exp()).sum();
    let bits: f64 = (0..2).map(|value| (-value_nats(&[1.5], value, Output::Bernoulli)).exp()).sum();
    close(&[total, bits], &[1.0, 1.0]);
    // Softmax over (0, z) equals bernoulli of z.
    let both = |value| (value_nats(&[0.0, 1.5], value, Output::Softmax), value_nats(&[1.5], value, Output::Bernoulli));
    for (softmax, bernoulli) in [both(0), both(1)] {
        close(&[softmax], &[bernoulli]);
    }
}

#[test]
fn all_images_together_have_probability_one() {
    for architecture in [Architecture::PixelCnn, Architecture::RowLstm, Architecture::DiagonalBilstm] {
        for (channels, output) in [(1, Output::Bernoulli), (1, Output::Softmax), (3, Output::Softmax)] {
            let (height, width) = if channels == 1 { (3, 3) } else { (1, 3) };
            let image = Image { height, width, channels, levels: 2 };
            let options = Preset { output, ..preset(architecture, image) };
            let reference = Reference::new(&random_model(&Description::from(options), 5));
            let total: f64 = (0..1 << image.values())
                .map(|bits: u32| {
                    let pixels: Vec<u8> = (0..image.values()).map(|n| (bits >> n & 1) as u8).collect();
                    (-reference.nats(&pixels, None).unwrap()).exp()
                })
                .sum();
            assert!((total - 1.0).abs() < 1e-12, "{architecture:?} {channels} {output:?}: {total}");
        }
    }
}

#[test]
fn nats_are_the_sum_over_values() {
    let reference = Reference::new(&random_model(&Description::from(preset(Architecture::RowLstm, RGB)), 1));
    let pixels = Random(1).image(&RGB);
    let logits = reference.logits(&pixels, None).unwrap();
    let nats = reference.nats(&pixels, None).unwrap();
    // Logits are channel-major: channel c has features 4c to 4c + 3.
    let mut sum = 0.0;
    for (n, &value) in pixels.iter().enumerate() {
        let (c, i, j) = (n / 12, n / 4 % 3, n % 4);
        let each: Vec<f64> = (0..4).map(|l| logits.at(c * 4 + l, i, j)).collect();
        let total: f64 = each.iter().map(|x| x.exp()).sum();
        sum -= (each[usize::from(value)].exp() / total).ln();
    }
    close(&[nats], &[sum]);
    close(&[likelihood::bits_per_dim(nats, &RGB)], &[sum / 36.0 / 2.0_f64.ln()]);
}
