//! Models with weights unlike trained ones: every blob that the converter writes is close to the float reference.
//!
//! The cases are small networks that were once converted wrongly with exit status 0, or rejected unnecessarily.

use pixelrnn::blob::NumberFormat;
use pixelrnn_converter::convert::{Calibrated, Calibration, Converted};
use pixelrnn_converter::images::Range;
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::run::Scorer;
use pixelrnn_converter::trained::Tensor;
use pixelrnn_converter::{Blob, Description, Error, ImageSet, Reference, TrainedModel};
use pixelrnn_tests::models;
use pixelrnn_tests::random::Random;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A model under construction, with its calibration and test images.
struct Case {
    description: Value,
    tensors: BTreeMap<String, Tensor>,
    calibrate: ImageSet,
    test: ImageSet,
}

fn black(height: usize, width: usize) -> ImageSet {
    images(height, width, vec![0; 4 * height * width])
}

fn noise(height: usize, width: usize, levels: usize) -> ImageSet {
    let mut random = Random::new(7);
    images(height, width, (0..16 * height * width).map(|_| random.below(levels) as u8).collect())
}

fn images(height: usize, width: usize, values: Vec<u8>) -> ImageSet {
    ImageSet::new([1, height, width], values, Range::Levels).unwrap()
}

fn bernoulli(height: usize, width: usize, ops: &Value) -> Value {
    json!({"image": {"height": height, "width": width, "channels": 1, "levels": 2}, "output": "bernoulli", "ops": ops})
}

fn softmax(levels: usize, ops: &Value) -> Value {
    json!({"image": {"height": 4, "width": 4, "channels": 1, "levels": levels}, "output": "softmax", "ops": ops})
}

fn conv(name: &str, mask: &str, kernel: [usize; 2], out: usize) -> Value {
    json!({"op": "masked_conv", "name": name, "mask": mask, "kernel": kernel, "out": out})
}

/// A 1x2 convolution `a` that sees the pixel to the left, other ops, and a 1x1 convolution `o` for the logits.
fn ops(first: usize, between: &[Value], last: usize) -> Value {
    let mut ops = vec![conv("a", "A", [1, 2], first)];
    ops.extend_from_slice(between);
    ops.push(conv("o", "B", [1, 1], last));
    ops.into()
}

impl Case {
    fn new(description: Value, calibrate: ImageSet, test: ImageSet) -> Self {
        Self { description, tensors: BTreeMap::new(), calibrate, test }
    }

    /// Adds a tensor that is zero except for the given elements.
    fn tensor(mut self, name: &str, shape: &[usize], numbers: &[(usize, f32)]) -> Self {
        let mut data = vec![0.0; shape.iter().product()];
        for (at, x) in numbers {
            data[*at] = *x;
        }
        self.tensors.insert(name.into(), Tensor { shape: shape.to_vec(), data });
        self
    }

    fn model(&self) -> TrainedModel {
        let description = Description::from_json(&self.description.to_string()).unwrap();
        TrainedModel::new(description, self.tensors.clone()).unwrap()
    }

    /// Reference likelihood of the test images, with probabilities clamped to at least 2⁻²⁴.
    fn right(&self) -> f64 {
        mean_nats(Scorer::Reference(&Reference::new(&self.model())), &self.test)
    }

    fn calibrated<R>(&self, use_it: impl FnOnce(Calibrated<'_>) -> R) -> R {
        let (model, set) = (self.model(), self.calibrate.clone());
        let calibration = Calibration::Images { count: set.count, set, labels: None };
        use_it(Calibrated::new(&model, &calibration, Method::default(), || ()).unwrap())
    }

    /// Asserts that blobs of all formats are within 2 % or 0.02 nats of the reference, and that the reference equals
    /// `known`, if given.
    fn is_right_in(&self, all: &[NumberFormat], known: Option<f64>) {
        let right = self.right();
        if let Some(known) = known {
            assert!((right - known).abs() < 0.01, "the float reference says {right}, expected {known}");
        }
        let close = |blob: &Blob, what: &str| {
            let got = mean_nats(Scorer::Engine(blob.model().unwrap()), &self.test);
            assert!((got - right).abs() <= (0.02 * right).max(0.02), "{what}: {got} nats, expected {right}");
        };
        self.calibrated(|calibrated| {
            close(&calibrated.auto().unwrap().0.blob, "auto");
            for weights in all {
                close(&calibrated.convert(*weights).unwrap().blob, &format!("{weights:?}"));
            }
        });
    }

    fn is_right(&self, known: Option<f64>) {
        self.is_right_in(&[NumberFormat::I8, NumberFormat::I8A16], known);
    }

    fn refused(&self, weights: NumberFormat) -> String {
        self.calibrated(|calibrated| match calibrated.convert(weights) {
            Ok(converted) => panic!("{} nats, expected a refusal", converted.quantized_nats),
            Err(error) => error.to_string(),
        })
    }
}

fn mean_nats(scorer: Scorer<'_>, set: &ImageSet) -> f64 {
    let scores = scorer.score_all(set, None, false, || ()).unwrap();
    scores.iter().map(|score| score.floored).sum::<f64>() / scores.len() as f64
}

const FLOATS_AS_WELL: [NumberFormat; 4] = [NumberFormat::I8, NumberFormat::I8A16, NumberFormat::F16, NumberFormat::F32];

#[test]
fn logits_of_a_bernoulli_saturate() {
    let case = Case::new(bernoulli(4, 4, &ops(1, &[], 1)), black(4, 4), black(4, 4))
        .tensor("a.weight", &[1, 1, 1, 2], &[])
        .tensor("o.weight", &[1, 1, 1, 1], &[])
        .tensor("o.bias", &[1], &[(0, -30_000.0)]);
    case.is_right_in(&FLOATS_AS_WELL, Some(0.0));
}

#[test]
fn a_number_that_all_logits_of_a_softmax_have_in_common_changes_nothing() {
    for common in [22_713.0, 30_000.0, -1e6] {
        let bias = [-2.0, -1.0, 1.0, 2.0].map(|x| x + common);
        let case = Case::new(softmax(4, &ops(1, &[], 4)), noise(4, 4, 4), noise(4, 4, 4))
            .tensor("a.weight", &[1, 1, 1, 2], &[])
            .tensor("o.weight", &[4, 1, 1, 1], &[])
            .tensor("o.bias", &[4], &[(0, bias[0]), (1, bias[1]), (2, bias[2]), (3, bias[3])]);
        case.is_right_in(&FLOATS_AS_WELL, None);
    }
}

#[test]
fn a_depth_gate_is_right_where_its_branch_is_larger_than_its_result() {
    let preset = json!({"architecture": "pixel_cnn", "image": {"height": 4, "width": 4, "channels": 1, "levels": 2}, "hidden": 1,
        "layers": 1, "input_kernel": 3, "kernel": 1, "head": 1, "output": "bernoulli", "depth_gate": true});
    let case = Case::new(preset, black(4, 4), black(4, 4))
        .tensor("input.weight", &[2, 1, 3, 3], &[])
        .tensor("input.bias", &[2], &[(0, 0.1), (1, 0.1)])
        .tensor("blocks.0.reduce.weight", &[1, 2, 1, 1], &[])
        .tensor("blocks.0.reduce.bias", &[1], &[])
        .tensor("blocks.0.conv.weight", &[1, 1, 1, 1], &[])
        .tensor("blocks.0.conv.bias", &[1], &[])
        .tensor("blocks.0.expand.weight", &[2, 1, 1, 1], &[])
        .tensor("blocks.0.expand.bias", &[2], &[(0, 30.0), (1, 30.0)])
        .tensor("blocks.0.gate.weight", &[2, 2, 1, 1], &[])
        .tensor("blocks.0.gate.bias", &[2], &[(0, -3.0), (1, -3.0)])
        .tensor("head.0.weight", &[1, 2, 1, 1], &[(0, 1.0), (1, 1.0)])
        .tensor("head.0.bias", &[1], &[])
        .tensor("head.1.weight", &[1, 1, 1, 1], &[(0, -2.0)])
        .tensor("head.1.bias", &[1], &[]);
    case.is_right(Some(0.036));
}

/// A single Row LSTM layer whose input is 0.01 after black pixels.
fn row_lstm(height: usize, width: usize, units: usize, initial_state: bool) -> Value {
    let lstm = json!({"op": "row_lstm", "name": "l", "hidden": units, "kernel": 1, "initial_state": initial_state});
    bernoulli(height, width, &json!([conv("a", "A", [2, 1], 1), lstm, conv("o", "B", [1, 1], 1)]))
}

fn reads_above(case: Case) -> Case {
    case.tensor("a.weight", &[1, 1, 2, 1], &[(0, 1.0)]).tensor("a.bias", &[1], &[(0, 0.01)])
}

#[test]
fn a_shut_input_gate_lets_nothing_in() {
    let mut values = vec![0; 4 * 512];
    (values[509], values[512 + 509]) = (1, 1);
    let (calibrate, test) = (images(512, 1, values.clone()), images(512, 1, values));
    let case = reads_above(Case::new(row_lstm(512, 1, 1, false), calibrate, test))
        .tensor("l.input_to_state.weight", &[4, 1, 1, 1], &[(0, 0.1), (1, 0.1), (2, 40.0), (3, 0.1)])
        .tensor("l.input_to_state.bias", &[4], &[(0, 20.0), (1, 20.0), (2, -20.0), (3, 2.0)])
        .tensor("l.state_to_state.weight", &[4, 1, 1, 1], &[(0, 1e-3), (1, 1e-3), (2, 1e-3), (3, 1e-3)])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, 8.0)])
        .tensor("o.bias", &[1], &[(0, -6.0)]);
    case.is_right(Some(4.954));
}

#[test]
fn an_open_forget_gate_forgets_nothing() {
    let case = reads_above(Case::new(row_lstm(1024, 1, 1, true), black(1024, 1), black(1024, 1)))
        .tensor("l.initial.h", &[1], &[])
        .tensor("l.initial.c", &[1], &[(0, 1.0)])
        .tensor("l.input_to_state.weight", &[4, 1, 1, 1], &[])
        .tensor("l.input_to_state.bias", &[4], &[(0, 20.0), (1, 20.0), (2, -20.0)])
        .tensor("l.state_to_state.weight", &[4, 1, 1, 1], &[])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, -8.0)])
        .tensor("o.bias", &[1], &[(0, 2.0)]);
    case.is_right(Some(16.953));
}

#[test]
fn a_slow_cell_is_right_beside_a_fast_one() {
    let bias = [20.0, 20.0, 20.0, 20.0, 20.0, 20.0, 4.0, 0.003];
    let bias: Vec<_> = bias.into_iter().enumerate().collect();
    let case = reads_above(Case::new(row_lstm(128, 4, 2, false), black(128, 4), black(128, 4)))
        .tensor("l.input_to_state.weight", &[8, 1, 1, 1], &[])
        .tensor("l.input_to_state.bias", &[8], &bias)
        .tensor("l.state_to_state.weight", &[8, 2, 1, 1], &[])
        .tensor("o.weight", &[1, 2, 1, 1], &[(1, -20.0)])
        .tensor("o.bias", &[1], &[]);
    case.is_right(Some(53.729));
}

fn with_initial_h(h: f32) -> Case {
    reads_above(Case::new(row_lstm(4, 4, 1, true), black(4, 4), black(4, 4)))
        .tensor("l.initial.h", &[1], &[(0, h)])
        .tensor("l.initial.c", &[1], &[])
        .tensor("l.input_to_state.weight", &[4, 1, 1, 1], &[])
        .tensor("l.input_to_state.bias", &[4], &[(0, 20.0), (1, -20.0), (2, 20.0), (3, 2.0)])
        .tensor("l.state_to_state.weight", &[4, 1, 1, 1], &[(3, -1.0)])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, 8.0)])
        .tensor("o.bias", &[1], &[])
}

#[test]
fn initial_states_beyond_1_are_kept_and_those_that_leave_no_steps_to_others_are_refused() {
    with_initial_h(3.0).is_right(Some(68.703));
    let why = with_initial_h(3000.0).refused(NumberFormat::I8);
    assert!(why.contains("`l`: its initial states reach 3000.0"), "{why}");
}

#[test]
fn cells_that_16_bits_do_not_hold_are_refused() {
    let case = reads_above(Case::new(row_lstm(20, 4, 1, true), black(20, 4), black(20, 4)))
        .tensor("l.initial.h", &[1], &[])
        .tensor("l.initial.c", &[1], &[(0, 1e5)])
        .tensor("l.input_to_state.weight", &[4, 1, 1, 1], &[])
        .tensor("l.input_to_state.bias", &[4], &[(0, 20.0), (2, -20.0)])
        .tensor("l.state_to_state.weight", &[4, 1, 1, 1], &[])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, -8.0)])
        .tensor("o.bias", &[1], &[]);
    let why = case.refused(NumberFormat::I8A16);
    assert!(why.contains("`l`: the cell of unit 0 reaches 100000.0"), "{why}");
}

/// A black 128x128 image with three white pixels, seen by one feature.
fn sparse(over_the_stream: bool, weight: f32) -> Case {
    let mut values = vec![0; 4 * 128 * 128];
    for image in 0..4 {
        values[(image * 128 + 60) * 128 + 60..][..3].fill(1);
    }
    let relu = json!({"op": "relu"});
    let residual = json!({"op": "residual", "ops": [relu, conv("b", "B", [1, 1], 1)]});
    let between = if over_the_stream { vec![residual, relu] } else { vec![relu] };
    let set = images(128, 128, values);
    let case = Case::new(bernoulli(128, 128, &ops(1, &between, 1)), set.clone(), set)
        .tensor("a.weight", &[1, 1, 1, 2], &[(0, 1.0)])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, 24.0)])
        .tensor("o.bias", &[1], &[(0, -10.0)]);
    if over_the_stream { case.tensor("b.weight", &[1, 1, 1, 1], &[(0, weight)]) } else { case }
}

#[test]
fn a_feature_that_is_rarely_there_has_a_range() {
    sparse(false, 0.0).is_right(Some(24.744));
    sparse(true, 0.0).is_right(Some(24.744));
}

#[test]
fn likelihoods_are_compared_under_the_floor_that_blobs_have() {
    let case = sparse(true, 1.0);
    case.is_right(Some(27.379));
    let exact = Reference::new(&case.model()).nats(case.test.image(0), None).unwrap();
    assert!((exact - 48.744).abs() < 0.01, "a value of 38 nats costs the reference what it costs: {exact}");
}

#[test]
fn a_filter_without_weights_leaves_the_others_their_scale() {
    let relu = json!({"op": "relu"});
    let case = Case::new(bernoulli(4, 4, &ops(2, &[relu], 1)), noise(4, 4, 2), noise(4, 4, 2))
        .tensor("a.weight", &[2, 1, 1, 2], &[(2, 0.5)])
        .tensor("a.bias", &[2], &[(0, 1.0)])
        .tensor("o.weight", &[1, 2, 1, 1], &[(0, 1.0), (1, 1.0)]);
    case.is_right(None);
}

#[test]
fn a_dead_layer_is_converted_and_told() {
    let case = Case::new(bernoulli(4, 4, &ops(1, &[json!({"op": "relu"})], 1)), noise(4, 4, 2), noise(4, 4, 2))
        .tensor("a.weight", &[1, 1, 1, 2], &[(0, 1.0), (1, 1.0)])
        .tensor("a.bias", &[1], &[(0, -2.0)])
        .tensor("o.weight", &[1, 1, 1, 1], &[])
        .tensor("o.bias", &[1], &[(0, 1.0)]);
    case.is_right(None);
    let converted = case.calibrated(|calibrated| calibrated.auto().unwrap().0);
    assert!(converted.notes.iter().any(|note| note.contains("`o`")), "{:?}", converted.notes);
}

#[test]
fn a_stream_that_doubles_sixteen_times_is_cut() {
    let mut list = vec![conv("a", "A", [1, 2], 1)];
    let blocks = (0..16).map(|k| json!({"op": "residual", "ops": [conv(&format!("b{k}"), "B", [1, 1], 1)]}));
    list.extend(blocks);
    list.push(conv("o", "B", [1, 1], 1));
    let mut case = Case::new(bernoulli(4, 4, &list.into()), noise(4, 4, 2), noise(4, 4, 2))
        .tensor("a.weight", &[1, 1, 1, 2], &[(0, 1.0)])
        .tensor("a.bias", &[1], &[(0, -0.5)])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, 8.0 / 65536.0)]);
    for k in 0..16 {
        case = case.tensor(&format!("b{k}.weight"), &[1, 1, 1, 1], &[(0, 1.0)]);
    }
    case.is_right(None);
}

#[test]
fn layers_in_units_of_their_own_are_as_any_others() {
    let case = Case::new(bernoulli(4, 4, &ops(1, &[], 1)), noise(4, 4, 2), noise(4, 4, 2))
        .tensor("a.weight", &[1, 1, 1, 2], &[(0, 1e15), (1, 1e15)])
        .tensor("a.bias", &[1], &[(0, -5e14)])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, 4e-15)]);
    case.is_right(None);
}

#[test]
fn weights_that_an_f16_loses_are_refused() {
    let between = [conv("b", "B", [1, 1], 1)];
    let case = Case::new(bernoulli(4, 4, &ops(1, &between, 1)), noise(4, 4, 2), noise(4, 4, 2))
        .tensor("a.weight", &[1, 1, 1, 2], &[(0, 2e4), (1, 2e4)])
        .tensor("a.bias", &[1], &[(0, -1e4)])
        .tensor("b.weight", &[1, 1, 1, 1], &[(0, 2e-8)])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, 2e4)]);
    case.is_right_in(&[NumberFormat::I8, NumberFormat::I8A16, NumberFormat::F32], None);
    let why = case.refused(NumberFormat::F16);
    assert!(why.contains("`b`: its weight 2e-8 becomes 0"), "{why}");
}

#[test]
fn what_calibration_never_saw_is_not_clamped_where_bounds_are_proven() {
    let case = Case::new(bernoulli(4, 4, &ops(1, &[], 1)), black(4, 4), noise(4, 4, 2))
        .tensor("a.weight", &[1, 1, 1, 2], &[(0, -1.0)])
        .tensor("a.bias", &[1], &[(0, 0.5)])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, 8.0)]);
    case.is_right(None);
}

#[test]
fn numbers_beyond_an_f32_are_right_in_integers_and_refused_in_floats() {
    let between = [conv("b", "B", [1, 1], 1), conv("c", "B", [1, 1], 2)];
    let case = Case::new(bernoulli(4, 4, &ops(1, &between, 1)), noise(4, 4, 2), noise(4, 4, 2))
        .tensor("a.weight", &[1, 1, 1, 2], &[(0, 1e20), (1, 1e20)])
        .tensor("a.bias", &[1], &[(0, 1e20)])
        .tensor("b.weight", &[1, 1, 1, 1], &[(0, 1e20)])
        .tensor("c.weight", &[2, 1, 1, 1], &[(0, 1e-35), (1, 1e-35)])
        .tensor("o.weight", &[1, 2, 1, 1], &[(0, 2e-5), (1, -1e-5)]);
    case.is_right(None);
    let why = case.refused(NumberFormat::F32);
    assert!(why.contains("finite number"), "{why}");
}

#[test]
fn an_elu_has_the_range_that_it_leaves() {
    let case = Case::new(bernoulli(4, 4, &ops(2, &[json!({"op": "elu"})], 1)), noise(4, 4, 2), noise(4, 4, 2))
        .tensor("a.weight", &[2, 1, 1, 2], &[(0, 1.0)])
        .tensor("a.bias", &[2], &[(0, -0.5), (1, -1e5)])
        .tensor("o.weight", &[1, 2, 1, 1], &[(0, 8.0)]);
    case.is_right(None);
}

#[test]
fn functions_of_one_number_are_right_for_small_and_for_large_numbers() {
    let functions = [
        json!({"op": "tanh"}),
        json!({"op": "sigmoid"}),
        json!({"op": "leaky_relu", "slope": 0.1}),
        json!({"op": "leaky_relu", "slope": -3.0}),
    ];
    for function in functions {
        for size in [1e-4, 0.01, 0.05, 0.3, 2.0, 60.0] {
            let sigmoid = function["op"] == "sigmoid";
            // Logits of a few units, however small the numbers; a logistic function adds its half.
            let factor = if sigmoid { 12.0 } else { 4.0 / f32::min(size, 1.0) };
            let offset = if sigmoid { -6.0 } else { 0.0 };
            let case =
                Case::new(bernoulli(4, 4, &ops(2, std::slice::from_ref(&function), 1)), noise(4, 4, 2), noise(4, 4, 2))
                    .tensor("a.weight", &[2, 1, 1, 2], &[(0, size), (2, -size)])
                    .tensor("a.bias", &[2], &[(0, -0.25 * size), (1, 0.5 * size)])
                    .tensor("o.weight", &[1, 2, 1, 1], &[(0, factor), (1, -0.5 * factor)])
                    .tensor("o.bias", &[1], &[(0, offset)]);
            case.is_right(None);
        }
    }
}

#[test]
fn a_gate_without_weights_stands_beside_one_with_large_ones() {
    let lstm = json!({"op": "row_lstm", "name": "l", "hidden": 1, "kernel": 1});
    let case = Case::new(bernoulli(4, 4, &ops(1, &[lstm], 1)), noise(4, 4, 2), noise(4, 4, 2))
        .tensor("a.weight", &[1, 1, 1, 2], &[(0, 1.0)])
        .tensor("l.input_to_state.weight", &[4, 1, 1, 1], &[(1, 1.0), (2, 1.0), (3, 16.0)])
        .tensor("l.input_to_state.bias", &[4], &[(0, 1.0)])
        .tensor("l.state_to_state.weight", &[4, 1, 1, 1], &[])
        .tensor("o.weight", &[1, 1, 1, 1], &[(0, 1.0)]);
    case.is_right(None);
}

/// Calibration images: noise, black, white, or a single noise image.
fn odd_images(model: &TrainedModel, random: &mut Random, kind: usize) -> ImageSet {
    let image = model.description().image;
    let count = if kind == 3 { 1 } else { 8 };
    let one = |random: &mut Random| match kind {
        1 => vec![0; image.values()],
        2 => vec![(image.levels - 1) as u8; image.values()],
        _ => random.image(&image),
    };
    let data = (0..count).flat_map(|_| one(random)).collect();
    ImageSet::new([image.channels, image.height, image.width], data, Range::Levels).unwrap()
}

/// Converts an odd model. A conversion without a warning must be close to the reference on images similar to the
/// calibration set.
fn odd_model_is_close(seed: u64) -> Option<Converted> {
    let model = models::odd(seed);
    let mut random = Random::new(seed ^ 0x5eed);
    let kind = random.below(4);
    let set = odd_images(&model, &mut random, kind);
    let test = odd_images(&model, &mut random, if kind == 3 { 0 } else { kind });
    let classes = model.description().classes;
    let labels = (classes > 0).then(|| (0..set.count).map(|n| (n % classes) as _).collect::<Vec<_>>());
    let count = set.count;
    let calibration = Calibration::Images { set, labels: labels.clone(), count };
    let converted = match Calibrated::new(&model, &calibration, Method::default(), || ()).and_then(|c| c.auto()) {
        Ok((converted, _)) => converted,
        Err(Error::OutOfScale { .. } | Error::InfiniteLikelihood) => return None,
        Err(error) => panic!("model {seed}: {error}"),
    };
    // A single calibration image says little about others, and no warning can cover the difference.
    if converted.advice(true).unwrap().is_some() || !converted.notes.is_empty() || kind == 3 {
        return Some(converted);
    }
    let reference = Reference::new(&model);
    let all = [Scorer::Reference(&reference), Scorer::Engine(converted.blob.model().unwrap())];
    let labels = labels.map(|labels| labels.into_iter().cycle().take(test.count).collect::<Vec<_>>());
    let [float, blob] = all.map(|scorer| scorer.score_all(&test, labels.as_deref(), false, || ()).unwrap());
    let distance = float.iter().zip(&blob).map(|(a, b)| (a.floored - b.nats).abs()).sum::<f64>() / test.count as f64;
    let nats = float.iter().map(|score| score.floored).sum::<f64>() / test.count as f64;
    assert!(distance <= (0.05 * nats).max(0.05), "model {seed}: {distance} nats distance of {nats}");
    Some(converted)
}

#[test]
fn odd_models_that_are_written_without_a_word_are_close_to_the_float_reference() {
    // Set to a higher count by `tests/long`.
    let count = std::env::var("PIXELRNN_ODD_MODELS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let written = (0..count).filter_map(odd_model_is_close).filter(|c| c.advice(true).unwrap().is_none()).count();
    assert!(written as u64 > count / 2, "{written} of {count} were written without a word");
}
