//! Float reference of every op, in plain loops: f32 weights, f64 arithmetic.
//!
//! Quantized blobs are measured against it. Each op has its own file and follows its definition; all maps are `[C, H,
//! W]`.

pub(crate) mod activation;
mod add;
mod batch_norm;
mod cell;
mod class_bias;
mod concat;
mod condition;
mod conv_transpose;
mod depth_gate;
mod diagonal_bilstm;
mod embed;
mod gate;
pub mod likelihood;
mod map;
mod masked_conv;
mod multiply;
mod ones;
mod row_lstm;
mod scales;
mod shift;
mod slice;

pub use cell::{StateRange, States};
pub use map::Map;

use crate::error::Error;
use crate::trained::TrainedModel;
use batch_norm::BatchNorm;
use conv_transpose::ConvTranspose;
use diagonal_bilstm::DiagonalBilstm;
use masked_conv::MaskedConv;
use pixelrnn::SizeError;
use pixelrnn::network::{
    Activation, ColourGroups, Image, InputMap, NetworkError, Node, Op, Output, ValueId, check_image,
};
use row_lstm::RowLstm;

/// Maximum number of elements of all of a network's values for one image: 2 GiB of f64.
pub const MAX_VALUES: usize = 1 << 28;

/// A trained network, ready to be evaluated. Cheap to share between threads.
///
/// A model of several scales is its largest one, with the smaller one that conditions it.
#[derive(Clone, Debug)]
pub struct Reference {
    image: Image,
    output: Output,
    input: InputMap,
    classes: usize,
    at_once: bool,
    network: Network,
    smaller: Option<Box<Smaller>>,
    /// Elements of all values together.
    values: usize,
    /// True if a tap reads rows below, of a value that is known before the image.
    reads_below: bool,
}

/// The smaller scale, and the network that makes a conditioning map of its image.
#[derive(Clone, Debug)]
struct Smaller {
    reference: Reference,
    upsample: Network,
    /// Input map of the larger scale, which `upsample` reads the smaller image through.
    input: InputMap,
}

/// Ops with their weights, in topological order.
#[derive(Clone, Debug)]
struct Network {
    steps: Vec<Step>,
    /// Index of the last step that reads each value.
    last_read: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Step {
    kernel: Kernel,
    inputs: [ValueId; 3],
}

/// An op with its weights.
#[derive(Clone, Debug)]
enum Kernel {
    MaskedConv(MaskedConv),
    BatchNorm(BatchNorm),
    Activation(Activation),
    RowLstm(Box<RowLstm>),
    DiagonalBilstm(Box<DiagonalBilstm>),
    Add {
        scale: f64,
    },
    DepthGate,
    Multiply,
    Concat,
    Slice {
        from: usize,
        count: usize,
    },
    Scale {
        factor: f64,
    },
    Gate,
    Glu,
    Shift {
        rows: usize,
        columns: usize,
    },
    /// `[features, classes]`.
    ClassBias(Vec<f64>),
    Embed {
        /// `[levels, features]`.
        weight: Vec<f64>,
        levels: usize,
    },
    Ones,
    ConvTranspose(Box<ConvTranspose>),
    Condition,
}

/// What is known of the image besides its map: its levels, its label and the conditioning map.
#[derive(Clone, Copy)]
struct Given<'i> {
    image: &'i [u8],
    label: Option<usize>,
    size: [usize; 2],
    condition: Option<&'i Map>,
}

impl Kernel {
    fn new(model: &TrainedModel, node: &Node) -> Self {
        let weights = Weights { model, node };
        match &node.op {
            Op::Conv(conv) => Self::MaskedConv(MaskedConv::new(conv, &weights, "")),
            Op::BatchNorm { eps } => Self::BatchNorm(BatchNorm::new(*eps, &weights)),
            Op::Activation(activation) => Self::Activation(*activation),
            Op::RowLstm(lstm) => Self::RowLstm(Box::new(RowLstm::new(lstm, &weights))),
            Op::DiagonalBilstm(lstm) => Self::DiagonalBilstm(Box::new(DiagonalBilstm::new(lstm, &weights))),
            Op::Add { scale } => Self::Add { scale: f64::from(*scale) },
            Op::DepthGate => Self::DepthGate,
            Op::Multiply => Self::Multiply,
            Op::Concat => Self::Concat,
            Op::Slice { from } => Self::Slice { from: *from, count: node.features.count },
            Op::Scale { factor } => Self::Scale { factor: f64::from(*factor) },
            Op::Gate => Self::Gate,
            Op::Glu => Self::Glu,
            Op::Shift { rows, columns } => Self::Shift { rows: *rows, columns: *columns },
            Op::ClassBias => Self::ClassBias(weights.required("class.weight")),
            Op::Embed { levels } => Self::Embed { weight: weights.required("weight"), levels: *levels },
            Op::Ones => Self::Ones,
            Op::ConvTranspose(conv) => Self::ConvTranspose(Box::new(ConvTranspose::new(conv, &weights))),
            Op::Condition => Self::Condition,
        }
    }

    fn apply(&self, [a, b, t]: [&Map; 3], given: Given<'_>, states: &mut States) -> Map {
        let label = given.label;
        match self {
            Self::MaskedConv(conv) => conv.apply(a, label),
            Self::BatchNorm(norm) => norm.apply(a),
            Self::Activation(activation) => a.map(|x| activation::real(*activation, x)),
            Self::RowLstm(lstm) => lstm.apply(a, b, label, states),
            Self::DiagonalBilstm(lstm) => lstm.apply(a, b, label, states),
            Self::Add { scale } => add::apply(*scale, a, b),
            Self::DepthGate => depth_gate::apply(a, b, t),
            Self::Multiply => multiply::apply(a, b),
            Self::Concat => concat::apply(a, b),
            Self::Slice { from, count } => slice::apply(a, *from, *count),
            Self::Scale { factor } => a.map(|x| factor * x),
            Self::Gate => gate::apply(a, f64::tanh),
            Self::Glu => gate::apply(a, |x| x),
            Self::Shift { rows, columns } => shift::apply(a, *rows, *columns),
            Self::ClassBias(weight) => class_bias::apply(weight, a, label),
            Self::Embed { weight, levels } => embed::apply(weight, *levels, given.image, given.size),
            Self::Ones => ones::apply(given.size),
            Self::ConvTranspose(conv) => conv.apply(a),
            Self::Condition => given.condition.expect("a model with a conditioning map makes it").clone(),
        }
    }
}

impl Kernel {
    /// True if each row of the image has an initial state of its own.
    const fn has_states_by_row(&self) -> bool {
        match self {
            Self::DiagonalBilstm(lstm) => lstm.has_initial_states(),
            _ => false,
        }
    }
}

/// Tensors of one node.
struct Weights<'a> {
    model: &'a TrainedModel,
    node: &'a Node,
}

impl Weights<'_> {
    fn optional(&self, suffix: &str) -> Option<Vec<f64>> {
        let tensor = self.model.tensor(self.node, suffix)?;
        Some(tensor.data.iter().map(|&x| f64::from(x)).collect())
    }

    fn required(&self, suffix: &str) -> Vec<f64> {
        self.optional(suffix).expect("a trained model has all its tensors")
    }
}

impl Reference {
    /// Prepares `model`.
    pub fn new(model: &TrainedModel) -> Self {
        let description = model.description();
        let nodes = model.nodes();
        let smaller = model.small().map(|small| {
            let reference = Reference::new(small);
            let upsample = Network::new(model, model.upsample_nodes());
            Box::new(Smaller { reference, upsample, input: description.input })
        });
        let pixels = description.image.height * description.image.width;
        let features: usize = nodes.iter().map(|node| node.features.count + scratch(node)).sum();
        let coarse = smaller.as_ref().map_or(0, |smaller| {
            let Image { height, width, .. } = *smaller.reference.image();
            let of = |node: &Node| node.features.count * node.magnification.pow(2) * height * width;
            model.upsample_nodes().iter().map(of).fold(0, usize::saturating_add)
        });
        Self {
            image: description.image,
            output: description.output,
            input: description.input,
            classes: description.classes,
            at_once: description.colour_groups == ColourGroups::None,
            network: Network::new(model, nodes),
            values: pixels.saturating_mul(features + description.image.channels).saturating_add(coarse),
            // Rows of the smaller image are not known when the rows of this one are cropped.
            reads_below: smaller.is_some() || nodes.iter().any(reads_below),
            smaller,
        }
    }

    /// The same network cropped to the top `rows` of its images, at least: to as many that the results are the same. No row
    /// reads pixels below it; a network that reads other values below is not cropped.
    #[must_use]
    pub fn top(&self, rows: usize) -> Self {
        let rows = if self.reads_below { self.image.height } else { rows.min(self.image.height) };
        let image = Image { height: rows, ..self.image };
        Self { image, values: self.values / self.image.height * rows, ..self.clone() }
    }

    /// The same network for images of another size. A model of several scales needs sides that divide as its own do.
    ///
    /// # Errors
    /// [`Error::Resize`] for a size out of range, and for another height with initial states by row; [`Error::ResizeScales`].
    pub fn with_size(&self, height: usize, width: usize) -> Result<Self, Error> {
        let (own, got) = (self.image, [height, width]);
        let refused = |source| Error::Resize { got, expected: [own.height, own.width], source };
        let image = Image { height, width, ..own };
        check_image(&image, self.output).map_err(|_| refused(SizeError::Range { height, width }))?;
        if height != own.height && self.network.steps.iter().any(|step| step.kernel.has_states_by_row()) {
            return Err(refused(SizeError::InitialStates { rows: own.height }));
        }
        let smaller = self.smaller.as_deref().zip(self.factor()).map(|(smaller, factor)| {
            if !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
                return Err(Error::ResizeScales { got, factor });
            }
            let reference = smaller.reference.with_size(height / factor, width / factor)?;
            Ok(Box::new(Smaller { reference, ..smaller.clone() }))
        });
        // All values are in proportion to the pixels.
        let pixels = own.height * own.width;
        let values = (self.values / pixels).saturating_add(usize::from(!self.values.is_multiple_of(pixels)));
        let values = values.saturating_mul(height * width);
        Ok(Self { image, values, smaller: smaller.transpose()?, ..self.clone() })
    }

    /// Dimensions of the images.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Distribution that the logits parametrize.
    pub fn output(&self) -> Output {
        self.output
    }

    /// True if all values of a pixel are predicted at once, without knowledge of each other.
    pub fn at_once(&self) -> bool {
        self.at_once
    }

    /// Evaluates the network on `image`, `[C, H, W]` levels, and returns all of its values: index 0 is the input, `n`
    /// the output of node `n`.
    ///
    /// # Errors
    /// When `image` has the wrong size or a level out of range, when `label` is missing, superfluous or out of range,
    /// and when the values exceed [`MAX_VALUES`].
    pub fn run(&self, image: &[u8], label: Option<usize>) -> Result<Vec<Map>, Error> {
        self.run_with_states(image, label).map(|(values, _)| values)
    }

    /// [`Reference::run`] that also returns, for each value, the states of the LSTM that computes it.
    ///
    /// # Errors
    /// See [`Reference::run`].
    pub fn run_with_states(&self, image: &[u8], label: Option<usize>) -> Result<(Vec<Map>, Vec<States>), Error> {
        let mut states = vec![States::default(); self.network.steps.len() + 1];
        let values = self.evaluate(image, label, true, &mut states)?;
        Ok((values.into_iter().flatten().collect(), states))
    }

    /// The logits for `image`, `[C·L, H, W]` for softmax, `[C, H, W]` for bernoulli. Those of the largest scale, known pixels included.
    ///
    /// # Errors
    /// See [`Reference::run`].
    pub fn logits(&self, image: &[u8], label: Option<usize>) -> Result<Map, Error> {
        let mut states = vec![States::default(); self.network.steps.len() + 1];
        let mut values = self.evaluate(image, label, false, &mut states)?;
        Ok(values.pop().flatten().ok_or(NetworkError::Empty)?)
    }

    /// Negative log-likelihood of `image` in nats, summed over all scales.
    ///
    /// # Errors
    /// See [`Reference::run`].
    pub fn nats(&self, image: &[u8], label: Option<usize>) -> Result<f64, Error> {
        Ok(self.values_nats(image, label)?.iter().flatten().sum())
    }

    fn evaluate(
        &self,
        image: &[u8],
        label: Option<usize>,
        keep: bool,
        states: &mut [States],
    ) -> Result<Vec<Option<Map>>, Error> {
        self.check(image, label)?;
        let condition = self.condition(image);
        let size = [self.image.height, self.image.width];
        let given = Given { image, label, size, condition: condition.as_ref() };
        Ok(self.network.evaluate(read(&self.image, self.input, image), given, keep, states))
    }

    fn check(&self, image: &[u8], label: Option<usize>) -> Result<(), Error> {
        let Image { levels, .. } = self.image;
        if self.values > MAX_VALUES {
            return Err(Error::TooManyValues { values: self.values, limit: MAX_VALUES });
        }
        if image.len() != self.image.values() {
            return Err(Error::ImageLength { got: image.len(), expected: self.image.values() });
        }
        if let Some(index) = image.iter().position(|&value| usize::from(value) >= levels) {
            return Err(Error::Value { got: image[index], index, levels });
        }
        match label {
            Some(got) if got >= self.classes => Err(Error::Label { got, classes: self.classes }),
            None if self.classes > 0 => Err(Error::NoLabel { classes: self.classes }),
            _ => Ok(()),
        }
    }
}

impl Network {
    fn new(model: &TrainedModel, nodes: &[Node]) -> Self {
        let steps: Vec<Step> =
            nodes.iter().map(|node| Step { kernel: Kernel::new(model, node), inputs: node.inputs }).collect();
        let mut last_read = vec![0; steps.len() + 1];
        for (n, step) in steps.iter().enumerate() {
            for &value in &step.inputs {
                last_read[value] = n;
            }
        }
        last_read[steps.len()] = usize::MAX;
        Self { steps, last_read }
    }

    /// All values: index 0 is `input`, `n` the output of step `n`. Without `keep`, those that nothing reads later are dropped.
    fn evaluate(&self, input: Map, given: Given<'_>, keep: bool, states: &mut [States]) -> Vec<Option<Map>> {
        let mut values = vec![Some(input)];
        for (n, step) in self.steps.iter().enumerate() {
            let inputs = step.inputs.map(|v| values[v].as_ref().expect("a value lives until it is last read"));
            let made = step.kernel.apply(inputs, given, &mut states[n + 1]);
            values.push(Some(made));
            if !keep {
                states[n + 1].hidden.clear();
                for value in step.inputs.into_iter().filter(|&v| self.last_read[v] == n) {
                    values[value] = None;
                }
            }
        }
        values
    }
}

/// A network's input for `image`: levels through the input map.
fn read(size: &Image, input: InputMap, image: &[u8]) -> Map {
    let InputMap { scale, shift } = input;
    // The default scale is exactly 1 / (levels - 1), not the nearest f32.
    let default = input == InputMap::unit(size.levels);
    let scale = if default { 1.0 / (size.levels - 1) as f64 } else { f64::from(scale) };
    let shift = f64::from(shift);
    Map {
        channels: size.channels,
        height: size.height,
        width: size.width,
        data: image.iter().map(|&value| f64::from(value) * scale + shift).collect(),
    }
}

/// True if a tap of the op reads rows below.
fn reads_below(node: &Node) -> bool {
    node.op.convolutions().iter().any(|(_, conv)| conv.taps().any(|(u, v)| conv.offset(u, v).0 > 0))
}

/// Intermediate features of an op: four gates for each direction of an LSTM.
fn scratch(node: &Node) -> usize {
    4 * node.op.recurrences().len() * node.features.count
}

#[cfg(test)]
mod tests;
