use super::*;
use crate::testing::{GRAY, RGB, preset, random_model, random_tensors};
use pixelrnn::network::{Architecture, Preset};
use safetensors::tensor::View;
use std::borrow::Cow;

mod state_dict;

fn description() -> Description {
    Description::from(Preset { classes: 3, skip: true, ..preset(Architecture::RowLstm, GRAY) })
}

/// A tensor of any type, for invalid files.
#[derive(Clone)]
struct Raw(Dtype, Vec<usize>, Vec<u8>);

impl View for &Raw {
    fn dtype(&self) -> Dtype {
        self.0
    }
    fn shape(&self) -> &[usize] {
        &self.1
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.2)
    }
    fn data_len(&self) -> usize {
        self.2.len()
    }
}

fn raw(description: &Description) -> BTreeMap<String, Raw> {
    let bytes = |data: Vec<f32>| data.into_iter().flat_map(f32::to_le_bytes).collect();
    let tensors = random_tensors(description, 1).into_iter();
    tensors.map(|(name, tensor)| (name, Raw(Dtype::F32, tensor.shape, bytes(tensor.data)))).collect()
}

fn file(tensors: &BTreeMap<String, Raw>, metadata: Option<&str>) -> Vec<u8> {
    let metadata = metadata.map(|json| HashMap::from([(METADATA_KEY.to_string(), json.to_string())]));
    safetensors::serialize(tensors, metadata).unwrap()
}

/// Error of a file after `change` to its tensors.
fn error_of(change: impl FnOnce(&mut BTreeMap<String, Raw>)) -> Error {
    let description = description();
    let mut tensors = raw(&description);
    change(&mut tensors);
    TrainedModel::from_bytes(&file(&tensors, Some(&description.to_json()))).unwrap_err()
}

/// A safetensors file with this header and `data` zero bytes.
fn handmade(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn files_round_trip() {
    for image in [GRAY, RGB] {
        let model = random_model(&Description::from(preset(Architecture::DiagonalBilstm, image)), 3);
        let bytes = model.to_bytes().unwrap();
        assert_eq!(TrainedModel::from_bytes(&bytes).unwrap(), model);
        assert_eq!(model.to_bytes().unwrap(), bytes);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        model.write(&path).unwrap();
        assert_eq!(TrainedModel::read(&path).unwrap(), model);
    }
}

#[test]
fn tensors_are_found_by_node() {
    let model = random_model(&description(), 1);
    let lstm = &model.nodes()[1];
    assert_eq!(model.tensor(lstm, "state_to_state.weight").unwrap().shape, [16, 4, 1, 3]);
    assert_eq!(model.tensor(lstm, "initial.h"), None);
}

#[test]
fn half_precision_is_widened() {
    let model = random_model(&description(), 1);
    let narrow = |dtype: Dtype, narrow: fn(f32) -> [u8; 2]| {
        let mut tensors = raw(&description());
        for raw in tensors.values_mut() {
            let data = raw.2.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            *raw = Raw(dtype, raw.1.clone(), data.flat_map(narrow).collect());
        }
        TrainedModel::from_bytes(&file(&tensors, Some(&description().to_json()))).unwrap()
    };
    for (read, epsilon) in [
        (narrow(Dtype::F16, |x| f16::from_f32(x).to_le_bytes()), 1e-3),
        (narrow(Dtype::BF16, |x| bf16::from_f32(x).to_le_bytes()), 1e-2),
    ] {
        for (name, tensor) in model.tensors() {
            for (got, expected) in read.tensors()[name].data.iter().zip(&tensor.data) {
                assert!((got - expected).abs() <= epsilon * (1.0 + expected.abs()), "{name}: {got} {expected}");
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = random_model(&description(), 1).to_bytes().unwrap();
    for length in (0..200).chain((200..bytes.len()).step_by(97)).chain([bytes.len() - 1]) {
        let error = TrainedModel::from_bytes(&bytes[..length]).unwrap_err();
        assert!(matches!(error, Error::Safetensors(_)), "{length} bytes: {error}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(TrainedModel::from_bytes(&longer), Err(Error::Safetensors(_))));
}

#[test]
fn flipped_bits_never_panic() {
    let bytes = random_model(&description(), 1).to_bytes().unwrap();
    for at in (0..2000).chain((2000..bytes.len()).step_by(61)) {
        for bit in [1, 0x20, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bit;
            // Some flips only change a weight, or the case of a letter in a number.
            let _ = TrainedModel::from_bytes(&damaged);
        }
    }
}

#[test]
fn the_description_must_be_there() {
    let tensors = raw(&description());
    assert!(matches!(TrainedModel::from_bytes(&file(&tensors, None)), Err(Error::NoMetadata)));
    let bad = TrainedModel::from_bytes(&file(&tensors, Some("{\"architecture\":")));
    assert!(matches!(bad, Err(Error::Json(_))));
    let unknown = description().to_json().replace("\"head\"", "\"heads\"");
    let message = TrainedModel::from_bytes(&file(&tensors, Some(&unknown))).unwrap_err().to_string();
    assert!(message.contains("unknown field `heads`"), "{message}");
}

#[test]
fn missing_and_left_over_tensors_are_named() {
    let error = error_of(|tensors| {
        tensors.remove("blocks.1.class.weight");
    });
    assert_eq!(error.to_string(), "no tensor `blocks.1.class.weight`, expected it with shape [16, 3]");

    let error = error_of(|tensors| {
        let copy = tensors["head.0.bias"].clone();
        tensors.insert("head.3.bias".to_string(), copy);
    });
    assert_eq!(error.to_string(), "no op reads the tensor `head.3.bias`");

    let error = error_of(|tensors| tensors.retain(|name, _| !name.starts_with("blocks")));
    let message = error.to_string();
    assert!(message.contains("`blocks.0.input_to_state.weight`") && message.ends_with(" more)"), "{message}");
}

#[test]
fn tensors_that_the_options_rule_out_are_left_over() {
    let plain = Description::from(preset(Architecture::RowLstm, GRAY));
    let error = TrainedModel::from_bytes(&file(&raw(&description()), Some(&plain.to_json()))).unwrap_err();
    let Error::LeftOverTensors { names } = error else { panic!("{error}") };
    assert!(names.contains(&"blocks.0.class.weight".to_string()) && names.contains(&"blocks.0.skip.bias".to_string()));
}

#[test]
fn optional_tensors_may_be_missing() {
    let description = Description::from_json(
        r#"{"image": {"height": 2, "width": 2, "channels": 1, "levels": 2}, "output": "bernoulli", "classes": 2,
            "ops": [{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [3, 3], "out": 1}]}"#,
    )
    .unwrap();
    let all = random_tensors(&description, 1);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["a.bias", "a.class.weight", "a.weight"]);
    for names in [&["a.weight"][..], &["a.weight", "a.bias"], &["a.weight", "a.class.weight"]] {
        let some = all.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let some = some.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        let model = TrainedModel::new(description.clone(), some).unwrap();
        assert_eq!(model.tensor(&model.nodes()[0], "bias").is_some(), names.contains(&"a.bias"));
    }
    assert!(matches!(TrainedModel::new(description, BTreeMap::new()), Err(Error::MissingTensors { .. })));
}

#[test]
fn wrong_shapes_are_named() {
    let error = error_of(|tensors| {
        tensors.get_mut("input.weight").unwrap().1 = vec![1, 8, 5, 5];
    });
    assert_eq!(error.to_string(), "tensor `input.weight` has shape [1, 8, 5, 5], expected [8, 1, 5, 5]");

    let mut tensors = random_tensors(&description(), 1);
    tensors.get_mut("head.1.bias").unwrap().data.clear();
    let error = TrainedModel::new(description(), tensors).unwrap_err();
    assert_eq!(error.to_string(), "tensor `head.1.bias` has 0 values, expected 1 by its shape");
}

#[test]
fn wrong_types_are_named() {
    let error = error_of(|tensors| {
        let raw = tensors.get_mut("head.1.bias").unwrap();
        *raw = Raw(Dtype::F64, raw.1.clone(), vec![0; 8]);
    });
    assert_eq!(error.to_string(), "tensor `head.1.bias` has type F64, expected F32, F16 or BF16");
}

#[test]
fn numbers_that_are_none_are_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = error_of(|tensors| {
            tensors.get_mut("head.0.bias").unwrap().2[8..12].copy_from_slice(&bad.to_le_bytes());
        });
        let expected = format!("tensor `head.0.bias` holds {bad} at index 2, expected a finite number");
        assert_eq!(error.to_string(), expected);
    }
    let error = error_of(|tensors| {
        *tensors.get_mut("head.1.bias").unwrap() = Raw(Dtype::F16, vec![1], f16::INFINITY.to_le_bytes().to_vec());
    });
    assert!(matches!(error, Error::Weight { index: 0, .. }));
}

#[test]
fn variances_are_not_negative() {
    let description = Description::from_json(
        r#"{"image": {"height": 2, "width": 2, "channels": 1, "levels": 2}, "output": "bernoulli",
            "ops": [{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [3, 3], "out": 1},
                    {"op": "batch_norm", "name": "norm"}]}"#,
    )
    .unwrap();
    let mut tensors = random_tensors(&description, 1);
    tensors.get_mut("norm.running_var").unwrap().data[0] = -1.0;
    let message = TrainedModel::new(description, tensors).unwrap_err().to_string();
    assert_eq!(message, "tensor `norm.running_var` holds -1 at index 0, expected a variance, 0 or more");
}

#[test]
fn huge_declared_sizes_are_errors() {
    let json = description().to_json().replace('"', "\\\"");
    let metadata = format!(r#""__metadata__": {{"pixelrnn": "{json}"}}"#);
    let headers = [
        format!(
            r#"{{{metadata}, "a": {{"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 4]}}}}"#
        ),
        format!(r#"{{{metadata}, "a": {{"dtype": "F32", "shape": [1], "data_offsets": [0, 18446744073709551615]}}}}"#),
        format!(r#"{{{metadata}, "a": {{"dtype": "F32", "shape": [1000000000], "data_offsets": [0, 4000000000]}}}}"#),
        format!(r#"{{{metadata}, "a": {{"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}}}"#),
    ];
    for header in headers {
        let error = TrainedModel::from_bytes(&handmade(&header, 4)).unwrap_err();
        assert!(matches!(error, Error::Safetensors(_)), "{error}");
    }
    let lengths = [u64::MAX, 1 << 40, 0];
    for length in lengths {
        let bytes = [&length.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(TrainedModel::from_bytes(&bytes), Err(Error::Safetensors(_))));
    }
    // A description of a huge model must not allocate memory for it.
    let large = r#"{"architecture": "diagonal_bilstm",
        "image": {"height": 4096, "width": 4096, "channels": 3, "levels": 256}, "hidden": 4096, "layers": 255,
        "input_kernel": 127, "kernel": 127, "head": 8192, "output": "softmax", "classes": 65535}"#;
    let error = TrainedModel::from_bytes(&file(&BTreeMap::new(), Some(large))).unwrap_err();
    assert!(matches!(error, Error::MissingTensors { .. }), "{error}");
}

#[test]
fn the_file_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, b"nothing").unwrap();
    let error = TrainedModel::read(&path).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with(&format!("{}: damaged or truncated safetensors file", path.display())), "{message}");
    assert!(matches!(error.cause(), Error::Safetensors(_)));
}

#[test]
fn closed_taps_are_zeroed() {
    let model = random_model(&Description::from(preset(Architecture::PixelCnn, RGB)), 1);
    let node = &model.nodes()[0];
    let Op::Conv(conv) = node.op else { panic!("the input layer") };
    let weight = model.tensor(node, "weight").unwrap();
    let masked = masked_weight(&conv, weight);
    let mut open = 0;
    for (n, (&masked, &stored)) in masked.iter().zip(&weight.data).enumerate() {
        let (to, from, u, v) = (n / 75, n / 25 % 3, n / 5 % 5, n % 5);
        let expected = if conv.open(u, v, from, to) { stored } else { 0.0 };
        assert!((masked - expected).abs() <= 0.0);
        open += usize::from(conv.open(u, v, from, to));
    }
    // 12 open taps above and to the left per pair of features. At the centre only R to G, R to B and G to B, with 8
    // features per colour.
    assert_eq!(open, 24 * 3 * 12 + 3 * 8);
}
