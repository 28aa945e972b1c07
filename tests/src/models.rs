//! Random models: presets and op lists over all settings of a description, with random weights.

use crate::random::Random;
use pixelrnn::blob::NumberFormat;
use pixelrnn::network::{Architecture, ColourGroups, Image, InputMap, Mask, Output, Preset};
use pixelrnn_converter::convert::{Calibration, convert};
use pixelrnn_converter::images::Range;
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::{Blob, Description, Error, ImageSet, NetworkSpec, OpKind, Tensor, TrainedModel};
use std::collections::BTreeMap;

/// A random model, determined by its seed. One in three has extreme weights or biases.
///
/// # Panics
/// Panics if the generated description is invalid, which is a bug in this function.
pub fn random(seed: u64) -> TrainedModel {
    random_of(seed, None)
}

/// Like [`random`], with an optional image size `[height, width]`.
///
/// # Panics
/// See [`random`].
pub fn random_of(seed: u64, size: Option<[usize; 2]>) -> TrainedModel {
    let mut random = Random::new(seed);
    let description = if random.once_in(2) { preset(&mut random, size) } else { op_list(&mut random, size) };
    let tensors = tensors(&description, &mut random);
    TrainedModel::new(description, tensors).unwrap_or_else(|e| panic!("model {seed}: {e}"))
}

/// Random blob with 8-bit weights; see [`random_blob_of`].
pub fn random_blob(seed: u64) -> Option<(TrainedModel, Blob)> {
    random_blob_of(seed, NumberFormat::I8)
}

/// Blob of [`random`], calibrated on a few random images. `None` if the converter rejects the model because the engine
/// lacks an op or a scale is out of range.
///
/// # Panics
/// Panics if conversion fails for any other reason.
pub fn random_blob_of(seed: u64, weights: NumberFormat) -> Option<(TrainedModel, Blob)> {
    converted(random(seed), seed, weights)
}

/// Like [`random_blob`], with a fixed image size `[height, width]`.
///
/// # Panics
/// See [`random_blob`].
pub fn random_blob_sized(seed: u64, size: [usize; 2]) -> Option<(TrainedModel, Blob)> {
    converted(random_of(seed, Some(size)), seed, NumberFormat::I8)
}

/// Blob of `trained`, calibrated on a few random images. `None` if the converter refuses it.
///
/// # Panics
/// Panics if conversion fails for a reason that no generated model has.
pub fn converted(trained: TrainedModel, seed: u64, weights: NumberFormat) -> Option<(TrainedModel, Blob)> {
    let description = trained.description();
    let image = description.image;
    let mut random = Random::new(!seed);
    let count = random.between(1, 3);
    let data = (0..count).flat_map(|_| random.image(&image)).collect();
    let set = ImageSet::new([image.channels, image.height, image.width], data, Range::Levels).expect("whole images");
    let labels =
        (description.classes > 0).then(|| (0..count).map(|_| random.below(description.classes) as u16).collect());
    let method = random.choose(&[Method::MinMax, Method::Percentile(0.01), Method::MeanSquare]);
    match convert(&trained, &Calibration::Images { set, labels, count }, weights, method, || ()) {
        Ok(converted) => Some((trained, converted.blob)),
        Err(Error::NotInEngine { .. } | Error::OutOfScale { .. } | Error::Colours { .. }) => None,
        Err(error) => panic!("model {seed}: {error}\n{}", trained.description().to_json()),
    }
}

/// A model of `description` with random weights.
///
/// # Panics
/// Panics if the description is invalid.
pub fn of(description: &Description, seed: u64) -> TrainedModel {
    let tensors = tensors(description, &mut Random::new(seed));
    TrainedModel::new(description.clone(), tensors).unwrap_or_else(|e| panic!("model {seed}: {e}"))
}

/// Like [`of`], with weights of usual sizes alone.
///
/// # Panics
/// Panics if the description is invalid.
pub fn with_usual_weights(description: &Description, seed: u64) -> TrainedModel {
    let tensors = scaled_tensors(description, &mut Random::new(seed), (1.0, 1.0));
    TrainedModel::new(description.clone(), tensors).unwrap_or_else(|e| panic!("model {seed}: {e}"))
}

fn image(random: &mut Random, size: Option<[usize; 2]>) -> Image {
    let any = [random.between(1, 6), random.between(1, 6)];
    let [height, width] = size.unwrap_or(any);
    Image { height, width, channels: random.choose(&[1, 1, 3]), levels: random.choose(&[2, 2, 3, 4, 16, 256]) }
}

fn output(image: &Image, random: &mut Random) -> Output {
    if image.levels == 2 && random.once_in(2) { Output::Bernoulli } else { Output::Softmax }
}

fn input(image: &Image, random: &mut Random) -> InputMap {
    match random.below(4) {
        0 => InputMap { scale: 2.0 / (image.levels - 1) as f32, shift: -1.0 },
        1 => InputMap { scale: random.unit() + 1.5, shift: random.unit() },
        2 => InputMap { scale: -0.5, shift: 0.25 },
        _ => InputMap::unit(image.levels),
    }
}

fn preset(random: &mut Random, size: Option<[usize; 2]>) -> Description {
    let image = image(random, size);
    let contiguous = image.channels == 3 && random.once_in(2);
    let threes = if contiguous { 3 } else { 1 };
    let architecture = random.choose(&[Architecture::PixelCnn, Architecture::RowLstm, Architecture::DiagonalBilstm]);
    let residual = !random.once_in(3);
    let layers = random.between(0, 3);
    let preset = Preset {
        architecture,
        image,
        hidden: threes * random.between(1, 6 / threes),
        layers,
        input_kernel: random.between(1, 7),
        kernel: random.between(1, 5),
        head: threes * random.between(1, 9 / threes),
        output: output(&image, random),
        residual,
        skip: layers > 0 && random.once_in(3),
        depth_gate: residual && random.once_in(3),
        initial_state: architecture != Architecture::PixelCnn && random.once_in(2),
        classes: random.choose(&[0, 0, 1, 4]),
        colour_groups: if contiguous { ColourGroups::Contiguous } else { ColourGroups::Cyclic },
    };
    Description { input: input(&image, random), ..Description::from(preset) }
}

/// Generator of random op lists.
struct OpList<'r> {
    random: &'r mut Random,
    /// Feature counts are multiples of this.
    threes: usize,
    names: usize,
    skip_features: Option<usize>,
}

fn op_list(random: &mut Random, size: Option<[usize; 2]>) -> Description {
    let image = image(random, size);
    let output = output(&image, random);
    let contiguous = image.channels == 3 && random.once_in(2);
    let mut list = OpList { random, threes: if contiguous { 3 } else { 1 }, names: 0, skip_features: None };
    let mut features = list.any_features();
    let mut ops = vec![list.conv(Mask::A, features)];
    for _ in 0..list.random.below(6) {
        ops.push(list.any(&mut features, 0));
    }
    if let Some(count) = list.skip_features {
        // The last value goes into the sum too, as each value is read.
        if features != count {
            ops.push(list.conv(Mask::B, count));
        }
        ops.push(OpKind::Skip { name: list.name() });
        ops.push(OpKind::SkipSum {});
    }
    let logits = image.channels * output.logits_per_channel(image.levels);
    ops.push(list.conv(Mask::B, logits));
    Description {
        image,
        output,
        input: input(&image, random),
        classes: random.choose(&[0, 0, 1, 4]),
        colour_groups: if contiguous { ColourGroups::Contiguous } else { ColourGroups::Cyclic },
        network: NetworkSpec::Ops(ops.into_iter().map(Into::into).collect()),
        conditioning: None,
    }
}

impl OpList<'_> {
    fn any_features(&mut self) -> usize {
        self.threes * self.random.between(1, 9 / self.threes)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("op{}", self.names)
    }

    fn conv(&mut self, mask: Mask, out: usize) -> OpKind {
        let kernel = [self.random.between(1, 5), self.random.between(1, 5)];
        let kernel = if self.random.once_in(3) { [1, 1] } else { kernel };
        OpKind::MaskedConv {
            name: self.name(),
            mask,
            kernel,
            out,
            dilation: self.random.choose(&[1, 1, 1, 2, 3]),
            parts: 1,
        }
    }

    /// A random op with `features` inputs and outputs.
    fn any(&mut self, features: &mut usize, depth: usize) -> OpKind {
        let initial_state = self.random.once_in(2);
        match self.random.below(12) {
            0 | 1 => OpKind::Relu {},
            2 => [
                OpKind::Elu {},
                OpKind::Tanh {},
                OpKind::Sigmoid {},
                OpKind::LeakyRelu { slope: 0.25 },
                OpKind::LeakyRelu { slope: -1.5 },
            ][self.random.below(5)]
            .clone(),
            3 => OpKind::BatchNorm { name: self.name(), eps: 1e-5 },
            4 if self.skip_features.is_none_or(|count| count == *features) => {
                self.skip_features = Some(*features);
                OpKind::Skip { name: self.name() }
            }
            5 => {
                *features = self.any_features();
                let (name, kernel) = (self.name(), self.random.between(1, 4));
                OpKind::RowLstm { name, hidden: *features, kernel, initial_state, condition: None }
            }
            6 => {
                *features = self.any_features();
                OpKind::DiagonalBilstm { name: self.name(), hidden: *features, initial_state, condition: None }
            }
            7..=9 if depth < 3 => self.residual(features, depth),
            _ => {
                *features = self.any_features();
                self.conv(Mask::B, *features)
            }
        }
    }

    fn residual(&mut self, features: &mut usize, depth: usize) -> OpKind {
        let start = *features;
        let mut ops = Vec::new();
        for _ in 0..self.random.below(4) {
            ops.push(self.any(features, depth + 1));
        }
        if *features != start {
            ops.push(self.conv(Mask::B, start));
            *features = start;
        }
        OpKind::Residual {
            ops: ops.into_iter().map(Into::into).collect(),
            scale: self.random.choose(&[1.0, 1.0, 0.5, -1.25, 0.0]),
        }
    }
}

pub(crate) fn tensors(description: &Description, random: &mut Random) -> BTreeMap<String, Tensor> {
    let sizes = match random.below(6) {
        0 => (random.choose(&[0.02, 20.0]), 1.0),
        1 => (1.0, random.choose(&[0.0, 100.0])),
        _ => (1.0, 1.0),
    };
    scaled_tensors(description, random, sizes)
}

/// Random tensors, with factors of the size of weights and of biases.
fn scaled_tensors(
    description: &Description,
    random: &mut Random,
    (weights, biases): (f32, f32),
) -> BTreeMap<String, Tensor> {
    let nodes = description.nodes().unwrap_or_else(|e| panic!("{e}\n{}", description.to_json()));
    let mut tensors = BTreeMap::new();
    for node in nodes {
        node.tensors(description.classes, |spec| {
            if !spec.required && random.once_in(3) {
                return;
            }
            let fan_in: usize = spec.shape.iter().skip(1).product();
            // Keeps sums near 1, so that values neither saturate nor disable a ReLU, except for deliberately extreme
            // tensors.
            let size = if spec.shape.len() == 1 { 0.25 * biases } else { 2.5 * weights / (fan_in as f32).sqrt() };
            let variance = spec.name.ends_with("running_var");
            let mut number = || {
                let x = random.unit() * size;
                if variance { x.abs() + 0.1 } else { x }
            };
            let data = (0..spec.shape.iter().product()).map(|_| number()).collect();
            tensors.insert(spec.name.to_string(), Tensor { shape: spec.shape.to_vec(), data });
        });
    }
    tensors
}

/// Like [`random`], with weights unlike trained ones: large biases; tiny, huge and zero rows; single outliers.
///
/// # Panics
/// See [`random`].
pub fn odd(seed: u64) -> TrainedModel {
    let (description, _, mut tensors) = random(seed).into_parts();
    let mut random = Random::new(seed ^ 0x0dd);
    for (name, tensor) in &mut tensors {
        if name.ends_with("running_var") {
            continue;
        }
        let row: usize = tensor.shape.iter().skip(1).product();
        for row in tensor.data.chunks_mut(row.max(1)) {
            let factor = random.choose(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1e-6, 1e-3, 8.0]);
            for x in row.iter_mut() {
                *x *= factor;
            }
            let outlier = random.below(row.len());
            if random.once_in(12) {
                row[outlier] *= 30.0;
            }
        }
        // A dominating bias on one output, or on all outputs.
        if name.ends_with("bias") && random.once_in(6) {
            let offset = random.choose(&[-1000.0, -20.0, 20.0, 1000.0]);
            let all = random.once_in(2);
            let one = random.below(tensor.data.len());
            for (n, x) in tensor.data.iter_mut().enumerate() {
                *x += if all || n == one { offset } else { 0.0 };
            }
        }
    }
    TrainedModel::new(description, tensors).unwrap_or_else(|e| panic!("odd model {seed}: {e}"))
}
