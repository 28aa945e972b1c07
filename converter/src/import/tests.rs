//! Joining, placing and fitting of tensors, on contents made by hand. `tests/tests/files/imports.rs` reads files.

use super::stored::{Contents, Data, Stored};
use super::{fit, parts};
use crate::description::Description;
use crate::error::Error;
use crate::trained::TrainedModel;
use safetensors::tensor::Dtype;

/// One convolution, 1x3, mask A, over images of 4x4, named `a`.
const ONE: &str = r#"{"image": {"height": 4, "width": 4, "channels": 1, "levels": 2}, "output": "bernoulli",
    "ops": [{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [1, 3], "out": 1}]}"#;

fn floats(name: &str, shape: &[usize], numbers: &[f32]) -> (String, Stored) {
    let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    (name.to_string(), Stored { dtype: Dtype::F32, shape: shape.to_vec(), data: Data::Bytes(bytes) })
}

fn contents(tensors: Vec<(String, Stored)>) -> Contents {
    Contents { is: "a test", tensors }
}

fn fitted(json: &str, tensors: Vec<(String, Stored)>) -> Result<(TrainedModel, Vec<String>), Error> {
    let mut notes = Vec::new();
    let description = Description::from_json(json).unwrap();
    fit::fit(description, &contents(tensors), None, &mut notes).map(|model| (model, notes))
}

fn message(json: &str, tensors: Vec<(String, Stored)>) -> String {
    fitted(json, tensors).unwrap_err().to_string()
}

#[test]
fn the_norm_is_taken_over_the_dimensions_that_the_magnitude_lacks() {
    let joined = |g: &[usize], numbers: &[f32]| {
        let all = contents(vec![floats("w_g", g, numbers), floats("w_v", &[2, 2], &[3.0, 4.0, 6.0, 8.0])]);
        parts::join(&all)["w"].read(&all).unwrap().data
    };
    assert_eq!(joined(&[2, 1], &[5.0, 20.0]), [3.0, 4.0, 12.0, 16.0]);
    let columns = joined(&[1, 2], &[45.0_f32.sqrt(), 80.0_f32.sqrt()]);
    assert!(columns.iter().zip([3.0, 4.0, 6.0, 8.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{columns:?}");
    let whole = joined(&[], &[125.0_f32.sqrt()]);
    assert!(whole.iter().zip([3.0, 4.0, 6.0, 8.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{whole:?}");
}

#[test]
fn parts_of_other_shapes_are_no_parts() {
    let all = contents(vec![floats("w_g", &[3], &[1.0; 3]), floats("w_v", &[2, 2], &[1.0; 4])]);
    assert!(!parts::join(&all).contains_key("w"));
}

#[test]
fn a_direction_of_length_zero_is_no_weight() {
    let tensors = vec![floats("a.weight_g", &[1, 1, 1, 1], &[1.0]), floats("a.weight_v", &[1, 1, 1, 3], &[0.0; 3])];
    assert!(message(ONE, tensors).contains("`a.weight` holds NaN at index 0"));
}

#[test]
fn wrappers_may_stand_anywhere_in_a_name() {
    for name in ["a.weight", "module.a.weight", "net._orig_mod.a.weight", "net.a.module.weight"] {
        let (model, _) = fitted(ONE, vec![floats(name, &[1, 1, 1, 3], &[0.5, 0.0, 0.0])]).unwrap();
        assert_eq!(model.tensors()["a.weight"].data, [0.5, 0.0, 0.0], "{name}");
    }
}

#[test]
fn names_that_fit_as_they_are_come_first() {
    let tensors =
        || vec![floats("a.weight", &[1, 1, 1, 3], &[1.0; 3]), floats("old.a.weight", &[1, 1, 1, 3], &[2.0; 3])];
    assert!(message(ONE, tensors()).contains("no op reads the tensor `old.a.weight` [1, 1, 1, 3]"));
    let two = vec![floats("x.a.weight", &[1, 1, 1, 3], &[1.0; 3]), floats("y.a.weight", &[1, 1, 1, 3], &[2.0; 3])];
    assert!(message(ONE, two).contains("several parts of the file fit the description, `x`, `y`"));
}

#[test]
fn a_kernel_is_cut_where_the_rest_is_zero() {
    let rows = |below: f32| vec![floats("a.weight", &[1, 1, 3, 3], &[0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, below, 0.0])];
    let (model, notes) = fitted(ONE, rows(0.0)).unwrap();
    assert_eq!(model.tensors()["a.weight"].data, [0.5, 0.0, 0.0]);
    assert_eq!(model.tensors()["a.weight"].shape, [1, 1, 1, 3]);
    assert!(notes[0].contains("[1, 1, 3, 3]"), "{notes:?}");
    assert!(message(ONE, rows(0.25)).contains("row 2, column 1 of its kernel holds 0.25"));
    // The mask closes it.
    let mut masked = rows(0.25);
    masked.push(floats("a.mask", &[1, 1, 3, 3], &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    assert!(fitted(ONE, masked).is_ok());
    // An even kernel has no middle.
    let even = vec![floats("a.weight", &[1, 1, 2, 3], &[0.0; 6])];
    assert!(message(ONE, even).contains("`a.weight` has shape [1, 1, 2, 3], expected [1, 1, 1, 3]"));
}

#[test]
fn kernels_with_channels_last_have_a_hint() {
    let tensors = vec![floats("a.weight", &[1, 3, 1, 1], &[0.0; 3])];
    // Dimensions of size 1 alone differ: the numbers are in the same order.
    assert!(fitted(ONE, tensors).is_ok());
    let json = ONE.replace(
        "\"out\": 1}",
        "\"out\": 2}, {\"op\": \"masked_conv\", \"name\": \"b\", \"mask\": \"B\", \"kernel\": [1, 1], \"out\": 1}",
    );
    let tensors = vec![floats("a.weight", &[1, 3, 1, 2], &[0.0; 6]), floats("b.weight", &[1, 2, 1, 1], &[0.0; 2])];
    assert!(message(&json, tensors).contains("transpose(3, 2, 0, 1)"));
}

#[test]
fn whole_numbers_are_no_weights() {
    let bytes = Data::Bytes(vec![0; 24]);
    let stored = Stored { dtype: Dtype::I64, shape: vec![1, 1, 1, 3], data: bytes };
    assert!(message(ONE, vec![("a.weight".to_string(), stored)]).contains("type I64, expected F64, F32, F16 or BF16"));
}
