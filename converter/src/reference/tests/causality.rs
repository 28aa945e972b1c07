//! Causality by perturbation: changing a value leaves all logits up to its own bit-identical, and changes some later
//! ones.

use super::*;
use pixelrnn::network::{ColourGroups, Preset};

/// Logits of each value, `[value][..]`, in the order of prediction.
fn in_order(logits: &Map, image: &Image, output: Output) -> Vec<Vec<f64>> {
    order(image).map(|place| likelihood::value_logits(logits, image, output, place)).collect()
}

/// Positions `[c, i, j]` in raster order over pixels, and R, G, B within a pixel.
fn order(image: &Image) -> impl Iterator<Item = [usize; 3]> {
    let Image { height, width, channels, .. } = *image;
    (0..height * width * channels).map(move |n| [n % channels, n / channels / width, n / channels % width])
}

fn check(description: &Description, label: Option<usize>, what: &str) {
    let image = description.image;
    let reference = Reference::new(&random_model(description, 11));
    let mut pixels = Random(4).image(&image);
    let before = in_order(&reference.logits(&pixels, label).unwrap(), &image, description.output);
    let (mut direct, mut any) = (0, 0);
    for (n, [c, i, j]) in order(&image).enumerate() {
        let at = (c * image.height + i) * image.width + j;
        let old = pixels[at];
        pixels[at] = (old + 1) % image.levels as u8;
        let after = in_order(&reference.logits(&pixels, label).unwrap(), &image, description.output);
        pixels[at] = old;
        assert_eq!(before[..=n], after[..=n], "{what}: value {n} changed what comes before it");
        if n + 1 < before.len() {
            any += usize::from(before[n + 1..] != after[n + 1..]);
            direct += usize::from(before[n + 1] != after[n + 1]);
        }
    }
    // Not every value is read: the last pixel of a row may be out of reach of the next row's first, or a ReLU may be
    // closed.
    assert!(3 * any > 2 * before.len(), "{what}: only {any} values are seen at all");
    assert!(4 * direct > before.len(), "{what}: only {direct} values are seen by the one just after");
}

#[test]
fn presets_are_causal_with_every_option() {
    for architecture in [Architecture::PixelCnn, Architecture::RowLstm, Architecture::DiagonalBilstm] {
        for image in [GRAY, RGB] {
            let plain = preset(architecture, image);
            let lstm = architecture != Architecture::PixelCnn;
            let options = [
                plain,
                Preset { residual: false, ..plain },
                Preset { skip: true, ..plain },
                Preset { depth_gate: true, skip: true, ..plain },
                Preset { initial_state: lstm, classes: 2, ..plain },
                Preset { colour_groups: ColourGroups::Contiguous, ..plain },
                Preset { kernel: 2, input_kernel: 4, ..plain },
            ];
            for (n, option) in options.into_iter().enumerate() {
                let label = (option.classes > 0).then_some(1);
                check(&Description::from(option), label, &format!("{architecture:?} {} option {n}", image.channels));
            }
        }
    }
}

#[test]
fn gated_presets_are_causal_with_every_option() {
    for image in [GRAY, RGB] {
        let plain = preset(Architecture::GatedPixelCnn, image);
        let options = [
            plain,
            Preset { residual: false, ..plain },
            Preset { skip: true, classes: 2, ..plain },
            Preset { colour_groups: ColourGroups::Contiguous, ..plain },
            Preset { hidden: 5, ..plain },
            Preset { kernel: 5, input_kernel: 3, ..plain },
        ];
        for (n, option) in options.into_iter().enumerate() {
            let label = (option.classes > 0).then_some(1);
            check(&Description::from(option), label, &format!("gated {} option {n}", image.channels));
        }
    }
}

#[test]
fn listed_ops_are_causal() {
    let image = r#"{"height": 4, "width": 5, "channels": 3, "levels": 3}"#;
    let ops = r#"{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [5, 4], "out": 7},
        {"op": "masked_conv", "name": "b", "mask": "B", "kernel": [3, 3], "out": 5, "dilation": 2},
        {"op": "batch_norm", "name": "n"},
        {"op": "residual", "scale": 0.5, "ops": [{"op": "elu"},
            {"op": "row_lstm", "name": "r", "hidden": 4, "kernel": 2, "initial_state": true},
            {"op": "diagonal_bilstm", "name": "d", "hidden": 5, "initial_state": true}]},
        {"op": "skip", "name": "s"},
        {"op": "residual", "ops": [{"op": "diagonal_bilstm", "name": "e", "hidden": 5}]},
        {"op": "skip", "name": "t"}, {"op": "skip_sum"},
        {"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": 9},
        {"op": "batch_norm", "name": "last"}"#;
    check(&described(image, "softmax", r#", "classes": 4"#, ops), Some(3), "listed ops");
    let bits = image.replace("\"levels\": 3", "\"levels\": 2");
    let ops = ops.replace("\"out\": 9", "\"out\": 3");
    check(&described(&bits, "bernoulli", r#", "classes": 4"#, &ops), Some(3), "listed ops, bernoulli");
}
