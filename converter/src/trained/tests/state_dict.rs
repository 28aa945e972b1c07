//! State dicts of `PyTorch` modules, and files of other kinds.

use super::{METADATA_KEY, Raw, file, raw};
use crate::description::Description;
use crate::error::Error;
use crate::testing::random_tensors;
use crate::trained::{TrainedModel, foreign};
use half::{bf16, f16};
use safetensors::tensor::Dtype;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const GRAY_OPS: &str = r#"{"image": {"height": 4, "width": 4, "channels": 1, "levels": 2}, "output": "bernoulli",
    "ops": [{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [3, 3], "out": 2},
            {"op": "batch_norm", "name": "norm"}, {"op": "relu"},
            {"op": "row_lstm", "name": "lstm", "hidden": 2, "kernel": 3},
            {"op": "masked_conv", "name": "b", "mask": "B", "kernel": [1, 1], "out": 1}]}"#;

const COLOUR_OPS: &str = r#"{"image": {"height": 4, "width": 4, "channels": 3, "levels": 2}, "output": "bernoulli",
    "ops": [{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [3, 3], "out": 6},
            {"op": "masked_conv", "name": "b", "mask": "B", "kernel": [1, 1], "out": 3}]}"#;

fn described(json: &str) -> Description {
    Description::from_json(json).unwrap()
}

/// Reads a model of `json` after `change` to the tensors of its file.
fn read(json: &str, change: impl FnOnce(&mut BTreeMap<String, Raw>)) -> Result<TrainedModel, Error> {
    let description = described(json);
    let mut tensors = raw(&description);
    change(&mut tensors);
    TrainedModel::from_bytes(&file(&tensors, Some(&description.to_json())))
}

fn with_mask(json: &str, name: &str, mask: Raw) -> Result<TrainedModel, Error> {
    read(json, |tensors| {
        tensors.insert(name.to_string(), mask);
    })
}

fn bytes(shape: &[usize], numbers: &[u8]) -> Raw {
    Raw(Dtype::U8, shape.to_vec(), numbers.to_vec())
}

fn message(result: Result<TrainedModel, Error>) -> String {
    let message = result.unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn the_batch_counter_of_a_batch_norm_is_ignored() {
    let counter = || Raw(Dtype::I64, vec![], 7_i64.to_le_bytes().to_vec());
    let model = with_mask(GRAY_OPS, "norm.num_batches_tracked", counter()).unwrap();
    assert_eq!(model, read(GRAY_OPS, |_| ()).unwrap());
    // A counter that belongs to no batch normalization is left over.
    let message = message(with_mask(GRAY_OPS, "a.num_batches_tracked", counter()));
    assert_eq!(message, "no op reads the tensor `a.num_batches_tracked`");
}

#[test]
fn a_mask_of_any_type_and_shape_is_compared_and_dropped() {
    let plain = read(GRAY_OPS, |_| ()).unwrap();
    let a = [1_u8, 1, 1, 1, 0, 0, 0, 0, 0];
    let of = |dtype, number: fn(u8) -> Vec<u8>| {
        Raw(dtype, vec![1, 1, 3, 3], a.iter().flat_map(|open| number(*open)).collect())
    };
    for mask in [
        of(Dtype::BOOL, |open| vec![open]),
        of(Dtype::U8, |open| vec![open]),
        of(Dtype::I8, |open| vec![open]),
        of(Dtype::I16, |open| i16::from(open).to_le_bytes().to_vec()),
        of(Dtype::U16, |open| u16::from(open).to_le_bytes().to_vec()),
        of(Dtype::I32, |open| i32::from(open).to_le_bytes().to_vec()),
        of(Dtype::U32, |open| u32::from(open).to_le_bytes().to_vec()),
        of(Dtype::I64, |open| i64::from(open).to_le_bytes().to_vec()),
        of(Dtype::U64, |open| u64::from(open).to_le_bytes().to_vec()),
        of(Dtype::F16, |open| f16::from_f32(open.into()).to_le_bytes().to_vec()),
        of(Dtype::BF16, |open| bf16::from_f32(open.into()).to_le_bytes().to_vec()),
        of(Dtype::F32, |open| f32::from(open).to_le_bytes().to_vec()),
        of(Dtype::F64, |open| f64::from(open).to_le_bytes().to_vec()),
    ] {
        let dtype = mask.0;
        let model = with_mask(GRAY_OPS, "a.mask", mask).unwrap_or_else(|e| panic!("{dtype:?}: {e}"));
        assert_eq!(model, plain, "{dtype:?}");
    }
    for shape in [&[2, 1, 3, 3][..], &[2, 1, 3, 3], &[1, 3, 3], &[3, 3]] {
        let copies = shape.iter().product::<usize>() / 9;
        assert_eq!(with_mask(GRAY_OPS, "a.mask", bytes(shape, &a.repeat(copies))).unwrap(), plain, "{shape:?}");
    }
    let gates = bytes(&[1, 1, 1, 3], &[1, 1, 0]);
    assert_eq!(with_mask(GRAY_OPS, "lstm.input_to_state.mask", gates).unwrap(), plain);
    let all = bytes(&[], &[1]);
    assert_eq!(with_mask(GRAY_OPS, "b.mask", all).unwrap(), plain);
}

#[test]
fn another_mask_is_an_error_that_shows_both() {
    let b = bytes(&[1, 1, 3, 3], &[1, 1, 1, 1, 1, 0, 0, 0, 0]);
    assert_eq!(
        message(with_mask(GRAY_OPS, "a.mask", b)),
        "tensor `a.mask` differs from mask A of `a`: from feature 0 to feature 0 it is ### / ##. / ..., expected \
         ### / #.. / ... (rows from the top, # open)"
    );
    // Stricter than the op's mask between two features of G, equal to it from R.
    let whole = [[1, 0, 0, 1, 0, 0], [1, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]].concat();
    assert!(with_mask(COLOUR_OPS, "b.mask", bytes(&[3, 6, 1, 1], &whole)).is_ok());
    let mut narrow = whole;
    narrow[6 + 4] = 0;
    let message = message(with_mask(COLOUR_OPS, "b.mask", bytes(&[3, 6, 1, 1], &narrow)));
    assert!(message.contains("from feature 4 to feature 1 it is ., expected #"), "{message}");
}

#[test]
fn masks_that_mix_colours_name_the_pair_of_features() {
    let message = message(with_mask(COLOUR_OPS, "b.mask", bytes(&[1, 1, 1, 1], &[1])));
    assert_eq!(
        message,
        "tensor `b.mask` differs from mask B of `b`: from feature 1 to feature 0 it is #, expected . (rows from the top, # \
         open)"
    );
}

#[test]
fn masks_that_are_none_are_refused() {
    let half = Raw(Dtype::F32, vec![1], 0.5_f32.to_le_bytes().to_vec());
    let text = message(with_mask(GRAY_OPS, "b.mask", half));
    assert_eq!(text, "tensor `b.mask` holds 0.5 at index 0, expected 0 or 1, as in a mask");
    let text = message(with_mask(GRAY_OPS, "a.mask", bytes(&[2, 2], &[1; 4])));
    assert_eq!(text, "tensor `a.mask` has shape [2, 2], expected [2, 1, 3, 3]");
    let text = message(with_mask(GRAY_OPS, "a.mask", bytes(&[1, 2, 1, 3, 3], &[1; 18])));
    assert!(text.contains("expected [2, 1, 3, 3]"), "{text}");
    // A mask of an op without masks is left over.
    let text = message(with_mask(GRAY_OPS, "norm.mask", bytes(&[1], &[1])));
    assert_eq!(text, "no op reads the tensor `norm.mask`");
}

#[test]
fn weights_under_closed_taps_are_counted() {
    let description = described(GRAY_OPS);
    let mut tensors = random_tensors(&description, 1);
    for (name, kernel) in [("a.weight", 9), ("lstm.input_to_state.weight", 3), ("b.weight", 1)] {
        for (n, weight) in tensors.get_mut(name).unwrap().data.iter_mut().enumerate() {
            let open = [&[4, 5, 6, 7, 8][..], &[2], &[]][usize::from(kernel < 9) + usize::from(kernel < 3)];
            if open.contains(&(n % kernel)) {
                *weight = 0.0;
            }
        }
    }
    let masked = TrainedModel::new(description.clone(), tensors.clone()).unwrap();
    assert_eq!(masked.closed_weights(), None);

    tensors.get_mut("a.weight").unwrap().data[4] = -0.5;
    tensors.get_mut("a.weight").unwrap().data[17] = 0.25;
    tensors.get_mut("lstm.input_to_state.weight").unwrap().data[2] = 0.125;
    let closed = TrainedModel::new(description, tensors).unwrap().closed_weights().unwrap();
    assert_eq!((closed.count, closed.ops.join(" ")), (3, "a lstm".to_string()));
    assert!((closed.largest - 0.5).abs() <= 0.0);
    let sentence = closed.to_string();
    assert!(
        sentence.starts_with("3 weights of `a`, `lstm` are not zero under closed taps, the largest 0.5000"),
        "{sentence}"
    );
}

/// Error of a file with `there` instead of `missing`.
fn renamed(missing: &[&str], there: &[&str]) -> String {
    message(read(GRAY_OPS, |tensors| {
        for name in missing {
            tensors.remove(*name);
        }
        for name in there {
            tensors.insert((*name).to_string(), bytes(&[1], &[1]));
        }
    }))
}

#[test]
fn a_missing_tensor_names_similar_ones() {
    let cases = [
        ("module.a.weight", "removeprefix(\"module.\")"),
        ("_orig_mod.a.weight", "removeprefix(\"_orig_mod.\")"),
        ("net.module.a.weight", "removeprefix(\"net.module.\")"),
        ("a.weight_g", "remove_weight_norm"),
        ("a.weight_v", "remove_weight_norm"),
        ("a.weight_orig", "prune.remove"),
        ("a.parametrizations.weight.original0", "remove_parametrizations"),
        ("a.parametrizations.weight.original", "remove_parametrizations"),
        ("module.a.weight_g", "remove_weight_norm"),
        ("A.Weight", "rename the tensor"),
        ("a/weight:0", "rename the tensor"),
        ("a_weight", "rename the tensor"),
    ];
    for (there, what) in cases {
        let message = renamed(&["a.weight"], &[there]);
        assert!(message.contains("no tensor `a.weight`"), "{message}");
        assert!(message.contains(&format!("the file has `{there}`, which looks like `a.weight`")), "{message}");
        assert!(message.contains(what), "{there}: {message}");
    }
    let both = renamed(&["a.weight"], &["a.weight_g", "a.weight_v"]);
    assert!(both.contains("`a.weight_g` and `a.weight_v`, which look like"), "{both}");
    // Names that differ by a letter are not similar.
    for there in ["aa.weight", "lstm2.weight", "a.weights"] {
        let message = renamed(&["a.weight"], &[there]);
        assert!(!message.contains("looks like"), "{message}");
    }
}

#[test]
fn files_of_other_kinds_are_named_with_a_fix() {
    let zip = |inside: &str| [b"PK\x03\x04\x14\0\0\0\0\0", inside.as_bytes(), &[0; 40]].concat();
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("m.pth", zip("archive/data.pkl"), "a PyTorch file (zip)", "torch.load(\"m.pth\""),
        ("m.pt", zip("m/constants.pkl m/data.pkl"), "a TorchScript file", "torch.jit.load(\"m.pt\""),
        (
            "m",
            b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec(),
            "legacy pickle",
            "torch.load(\"m\"",
        ),
        ("m.pdparams", b"\x80\x02}q\x00(X".to_vec(), "PaddlePaddle", "paddle.load(\"m.pdparams\")"),
        ("m", b"\x80\x04}X\x1bStructuredToParameterName@@".to_vec(), "PaddlePaddle", "paddle.load"),
        ("m.pkl", b"\x80\x04\x95\x10".to_vec(), "a Python pickle", "only if you trust it"),
        ("m.npy", b"\x93NUMPY\x01\x00".to_vec(), "a NumPy array", "np.load(\"m.npy\")"),
        ("m.npz", zip("first.weight.npy"), "(.npz)", "dict(np.load(\"m.npz\"))"),
        ("m.keras", zip("config.json model.weights.h5"), "a Keras model", "transpose(3, 2, 0, 1)"),
        ("m.h5", b"\x89HDF\r\n\x1a\n\0".to_vec(), "an HDF5 file", "transpose(3, 2, 0, 1)"),
        ("saved_model.pb", b"\x08\x01\x12\x80\x01".to_vec(), "a TensorFlow SavedModel", "tf.saved_model.load"),
        ("m.ckpt-1.index", b"\0\0\x01\x02x".to_vec(), "TensorFlow checkpoint", "tf.train.load_variable"),
        ("m.ckpt-1.data-00000-of-00001", vec![7; 50], "TensorFlow checkpoint", "tf.train.load_variable"),
        ("checkpoint", b"model_checkpoint_path: \"m\"".to_vec(), "TensorFlow checkpoint", "tf.train.load_variable"),
        ("m", [&[3; 40][..], &0xdb47_7524_8b80_fb57_u64.to_le_bytes()].concat(), "TensorFlow checkpoint", "tf.train"),
        ("m.onnx", b"\x08\x08\x12\x07pytorch".to_vec(), "an ONNX graph", "onnx.load(\"m.onnx\")"),
        ("m.tflite", b"\x1c\0\0\0TFL3\x14\0".to_vec(), "a TensorFlow Lite model", "float model"),
        ("m.gguf", b"GGUF\x03\0\0\0\0\0".to_vec(), "a GGUF file", "image model"),
        ("m.msgpack", b"\x81\xa6params\x81".to_vec(), "a Flax file", "msgpack_restore"),
        ("m.png", b"\x89PNG\r\n\x1a\n\0\0".to_vec(), "a picture", "IMAGES"),
        ("m.idx", vec![0, 0, 8, 3, 0, 0, 0, 1, 0], "IDX", "IMAGES"),
        ("m.gz", vec![0x1f, 0x8b, 8, 0, 0], "a gzip file", "gunzip -k \"m.gz\""),
        ("m.zip", zip("readme.txt"), "a zip archive", "unpack"),
        ("m.json", b"{\"image\": {}}".to_vec(), "JSON without weights", "metadata"),
        ("m.safetensors", b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "Git LFS pointer", "git lfs pull"),
        ("m.safetensors", b"<!DOCTYPE html><html>".to_vec(), "a web page", "download"),
        ("m.prnn", b"PRNN\x01\0\0\0".to_vec(), "a blob", "made from"),
        ("m.prnz", b"PRNZ\x01\0\0\0".to_vec(), "compressed images", "pixelrnn decompress"),
    ];
    for (name, bytes, is, fix) in cases {
        let message = TrainedModel::from_file(&bytes, Path::new(name)).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name}: this is ")), "{message}");
        assert!(message.contains(is) && message.contains(fix), "{name}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let nothing = TrainedModel::from_bytes(b"nothing that anyone knows").unwrap_err();
    assert!(matches!(nothing, Error::Safetensors(_)), "{nothing}");
}

#[test]
fn damaged_safetensors_files_are_taken_for_nothing_else() {
    let metadata = HashMap::from([(METADATA_KEY.to_string(), described(GRAY_OPS).to_json())]);
    let whole = safetensors::serialize(&raw(&described(GRAY_OPS)), Some(metadata)).unwrap();
    for length in 0..whole.len().min(3000) {
        let known = foreign::recognize(&whole[..length], Some(Path::new("m.safetensors")));
        assert!(known.is_none(), "{length} bytes: {}", known.unwrap());
    }
}
