//! Everything that can be wrong with a file or a request, one sentence each.

use crate::images::{Origin, flat_size, reading};
use pixelrnn::network::NetworkError;
use std::io;

/// Why something could not be read, understood, computed or written.
///
/// `Display` gives one sentence: what was wrong, where, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something is wrong with the content of a file.
    #[error("{file}: {source}")]
    In {
        /// The file, as the user called it.
        file: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The operating system refused.
    #[error("cannot {doing} {file}: {source}")]
    Io {
        /// "read", "write", "replace", ….
        doing: &'static str,
        /// The file, as the user called it.
        file: String,
        /// Its reason.
        source: io::Error,
    },
    /// More bytes than are read into memory.
    #[error("more than {limit} bytes{unpacked}, the most that is read of one file")]
    TooLarge {
        /// The most bytes.
        limit: u64,
        /// " when unpacked", or empty.
        unpacked: &'static str,
    },
    /// Memory that a file or a request asks for is not to be had.
    #[error("there is not enough memory for {what}")]
    Memory {
        /// What it is for.
        what: &'static str,
    },
    /// More images than a compressed file can count.
    #[error("{got} images, expected at most {most}")]
    TooManyImages {
        /// How many there are.
        got: usize,
        /// The most.
        most: usize,
    },
    /// A compressed file that cannot be restored.
    #[error(transparent)]
    Compressed(#[from] pixelrnn::coder::container::ContainerError),
    /// Bytes that are the code of no image.
    #[error("no image has this code with this model and label: it is damaged, or was made with others")]
    NotACode,
    /// A compressed file where the code of one image is needed.
    #[error("it is a compressed file with a header, expected the code of `compress --bare`: leave out `--bare`")]
    NotBare,
    /// An image that a compressed file does not have.
    #[error("image {got}, expected {}", image_range(*images))]
    NoSuchImage {
        /// Its number.
        got: u32,
        /// How many images there are.
        images: u32,
    },
    /// A gzip stream that is damaged or cut short.
    #[error("the gzip data is damaged or cut short ({0})")]
    Gzip(io::Error),

    /// The description is not the JSON that was expected.
    #[error("the description is not valid: {0}")]
    Json(String),
    /// Neither `architecture` nor `ops`.
    #[error("the description has neither `architecture` nor `ops`, expected one of them")]
    NoNetwork,
    /// Both `architecture` and `ops`.
    #[error("the description has both `architecture` and `ops`, expected one of them")]
    TwoNetworks,
    /// An architecture that is known and not supported.
    #[error("architecture `{0}` is not supported yet, expected `pixel_cnn`, `row_lstm` or `diagonal_bilstm`")]
    Unsupported(&'static str),
    /// A number of the description as a whole is out of range.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// One of the listed ops is wrong.
    #[error("op {op}: {source}")]
    Op {
        /// Its place in the list and its name.
        op: String,
        /// What is wrong with it.
        source: NetworkError,
    },
    /// The first op is not one that hides the pixel being predicted.
    #[error("the first op is {got}, expected a `masked_conv` with mask A: {}", first_op(hidden_by.as_deref()))]
    FirstOp {
        /// What it is.
        got: String,
        /// The op behind it whose mask A hides the value again, where one does on every way to the logits.
        hidden_by: Option<String>,
    },
    /// The list does not end in the convolution that gives the logits.
    #[error(
        "the list of ops ends in {got}, expected a `masked_conv` that gives the logits, `batch_norm` at most after it"
    )]
    LastOp {
        /// What it ends in.
        got: String,
    },
    /// The last convolution makes another number of features than there are logits.
    #[error("op `{name}` gives the logits and has `out` {got}, expected {expected} (channels times logits a channel)")]
    Logits {
        /// Its name.
        name: String,
        /// Its features.
        got: usize,
        /// Logits of a pixel.
        expected: usize,
    },
    /// An op without a name.
    #[error("op {op} has an empty `name`")]
    NoName {
        /// Its place in the list.
        op: String,
    },
    /// Two ops that would read the same tensors.
    #[error("two ops are named `{0}`")]
    SameName(String),
    /// Two ops of different names whose tensors have the same name.
    #[error("two ops both have a tensor `{0}`")]
    SameTensor(String),
    /// The input map is not finite, or maps all values to the same number.
    #[error("`input.{what}` is {got}, expected a finite number{not_zero}")]
    InputMap {
        /// "scale" or "shift".
        what: &'static str,
        /// What it is.
        got: f32,
        /// " other than 0", or empty.
        not_zero: &'static str,
    },

    /// Not a safetensors file, or a damaged one.
    #[error("not a whole safetensors file: {0}")]
    Safetensors(String),
    /// A file of another kind, known by its first bytes or its name.
    #[error("this is {is}, expected a trained model (.safetensors): {fix}")]
    NotSafetensors {
        /// What it is.
        is: &'static str,
        /// What to do.
        fix: String,
    },
    /// No description in the metadata.
    #[error("the metadata has no key `pixelrnn`, expected the model's description there")]
    NoMetadata,
    /// Tensors that the description asks for and the file does not hold.
    #[error("no tensor {}, expected it with shape {shape:?}{}{hint}", quoted(names), and_more(names))]
    MissingTensors {
        /// Their names.
        names: Vec<String>,
        /// The shape of the first.
        shape: Vec<usize>,
        /// Tensors of the file that look like them and what to do, from a semicolon on; empty where none do.
        hint: String,
    },
    /// Tensors that no op of the description reads.
    #[error("no op reads the tensor {}{}", quoted(names), and_more(names))]
    LeftOverTensors {
        /// Their names.
        names: Vec<String>,
    },
    /// A tensor of another shape.
    #[error("tensor `{name}` has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// Its shape.
        got: Vec<usize>,
        /// The shape that the description asks for.
        expected: Vec<usize>,
    },
    /// A tensor whose data do not fill its shape.
    #[error("tensor `{name}` has {got} numbers, expected the {expected} of its shape")]
    Length {
        /// Its name.
        name: String,
        /// How many numbers it has.
        got: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A tensor of another type.
    #[error("tensor `{name}` has type {got}, expected F32, F16 or BF16")]
    Dtype {
        /// Its name.
        name: String,
        /// Its type, as the file calls it.
        got: String,
    },
    /// A stored mask that is not the op's.
    #[error(
        "tensor `{name}` is another mask than {mask:?} of `{op}`: from feature {from} to feature {to} the file has \
         {stored}, the op {expected} (rows from the top, # open)"
    )]
    Mask {
        /// The tensor's name.
        name: String,
        /// The op's name.
        op: String,
        /// The op's mask.
        mask: pixelrnn::network::Mask,
        /// Feature read.
        from: usize,
        /// Feature made.
        to: usize,
        /// Picture of the stored mask between these features.
        stored: String,
        /// Picture of the op's.
        expected: String,
    },
    /// A weight that is no number, or a variance below zero.
    #[error("tensor `{name}` holds {got} at index {index}, expected {expected}")]
    Weight {
        /// The tensor's name.
        name: String,
        /// What it holds.
        got: f32,
        /// Where, in row-major order.
        index: usize,
        /// What it may hold.
        expected: &'static str,
    },

    /// Not one of the formats for images or labels.
    #[error("not a .npy, .npz, IDX or PNG file, plain or gzipped")]
    UnknownFormat,
    /// Not one of the formats for labels.
    #[error("not a .npy, .npz or IDX file, plain or gzipped, nor lines `name,label`")]
    UnknownLabels,
    /// A file in a known format with something wrong in it.
    #[error("{format}: {what}")]
    Format {
        /// The format's name.
        format: &'static str,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A folder without pictures.
    #[error("the folder holds no .png files")]
    EmptyFolder,
    /// The images have another size than the model's.
    #[error(
        "images of {} rows, {} columns and {} channels, expected {} rows, {} columns and {} channels",
        got[1], got[2], got[0], expected[1], expected[2], expected[0]
    )]
    ImageSize {
        /// Channels, rows and columns.
        got: [usize; 3],
        /// The model's.
        expected: [usize; 3],
    },
    /// Images without rows and columns that do not have the model's pixels.
    #[error("{}", flat_size(*count, *got, *expected))]
    FlatSize {
        /// How many there are.
        count: usize,
        /// Values of each.
        got: usize,
        /// The model's channels, rows and columns.
        expected: [usize; 3],
    },
    /// Values that may be levels or 0 to 255.
    #[error("{}", reading(*origin, *highest, *levels))]
    Reading {
        /// Where they come from.
        origin: Origin,
        /// The highest.
        highest: u8,
        /// How many levels the model has.
        levels: usize,
    },
    /// Values that quantization would change, where nothing may be lost.
    #[error(
        "{changed} of {values} values are none of the shades of the model's {levels} levels and would come back changed: \
         compress them with --quantize, or with a model of more levels"
    )]
    Lossy {
        /// How many values would change.
        changed: usize,
        /// How many there are.
        values: usize,
        /// How many levels the model has.
        levels: usize,
    },
    /// An image, as bytes, of another length than the model's.
    #[error("an image of {got} values, expected {expected}")]
    ImageLength {
        /// How many values it has.
        got: usize,
        /// How many the model's have.
        expected: usize,
    },
    /// A value that the model does not have.
    #[error("value {got} at index {index}, expected 0 to {}", levels - 1)]
    Value {
        /// The value.
        got: u8,
        /// Where, in the order `[C, H, W]`.
        index: usize,
        /// How many levels the model has.
        levels: usize,
    },
    /// A place that is not in the image.
    #[error(
        "row {}, column {}, channel {}, expected at most row {}, column {}, channel {}",
        target.row, target.column, target.channel, image.height - 1, image.width - 1, image.channels - 1
    )]
    NoSuchValue {
        /// The place.
        target: pixelrnn::Position,
        /// The model's images.
        image: pixelrnn::network::Image,
    },
    /// Another number of labels than of images.
    #[error("{labels} labels for {images} images, expected one each")]
    LabelCount {
        /// Labels.
        labels: usize,
        /// Images.
        images: usize,
    },
    /// A label that the model does not have, or for a model that has none.
    #[error("label {got}, expected {}", label_range(*classes))]
    Label {
        /// The label.
        got: usize,
        /// How many classes the model has.
        classes: usize,
    },
    /// A model with classes was asked without a label.
    #[error("the model has {classes} classes, expected a label with each image")]
    NoLabel {
        /// How many classes the model has.
        classes: usize,
    },
    /// An op that the engine does not have.
    #[error("the engine has no op `{op}` yet")]
    NotInEngine {
        /// The op's kind.
        op: &'static str,
    },
    /// A likelihood that is infinite or no number.
    #[error(
        "the likelihood is not a finite number: numbers of the network grow beyond what a float holds; `verify` shows them op by op"
    )]
    InfiniteLikelihood,
    /// More was lost than was allowed.
    #[error(
        "the calibration images' nats differ by {apart:.4} image by image, of {float:.4}; expected at most {most} %: nothing was written"
    )]
    TooMuchLost {
        /// Mean absolute difference of an image's nats.
        apart: f64,
        /// Mean nats of the float model.
        float: f64,
        /// Percent that was allowed.
        most: f64,
    },
    /// A kernel that gives other likelihoods than plain Rust.
    #[error(
        "kernel `{kernel}` gives other likelihoods than `portable`, and all kernels must give the same: do not use it"
    )]
    KernelsDiffer {
        /// Its name.
        kernel: &'static str,
    },
    /// An op whose numbers are infinite or none.
    #[error("op `{op}` makes numbers that are not finite")]
    LayerNotFinite {
        /// The op's name.
        op: String,
    },
    /// An op whose numbers those of the blob cannot hold.
    #[error("op `{op}`: {why}")]
    OutOfScale {
        /// The op's name.
        op: String,
        /// Which numbers, what holds them, and what to try.
        why: String,
    },
    /// A blob beyond what its offsets can count.
    #[error("the blob or its state takes {bytes} bytes, expected at most 4294967295")]
    BlobTooLarge {
        /// How many it takes.
        bytes: usize,
    },
    /// A blob where a trained model is needed.
    #[error("this is a blob, expected a trained model: of a blob, only the --target can be changed")]
    NotTrained,
    /// A blob that cannot be laid out anew.
    #[error(transparent)]
    Layout(#[from] pixelrnn_build::layout::LayoutError),
    /// Not a blob, or one that no engine runs.
    #[error(transparent)]
    Blob(pixelrnn::BlobError),

    /// A blob where the trained model that it was made from is needed.
    #[error("this is a blob, expected the trained model (.safetensors) that it was made from")]
    NoTrained,
    /// A blob and its trained model, each in the other's place.
    #[error("the files are swapped: {blob} is a blob and {trained} a trained model, expected the trained model first")]
    Swapped {
        /// The trained model.
        trained: String,
        /// The blob.
        blob: String,
    },
    /// A trained model where a blob is needed.
    #[error("this is a trained model, expected a blob: make one with `pixelrnn convert`")]
    NotABlob,
    /// A set without images.
    #[error("there are no images in it")]
    NoImages,
    /// A likelihood that is no number, where one is to be drawn.
    #[error("an image costs {got} nats, expected a finite number")]
    NotFinite {
        /// What it costs.
        got: f64,
    },
    /// A picture that cannot be drawn.
    #[error("the picture cannot be drawn: {0}")]
    Drawing(String),
    /// The engine stopped.
    #[error("the engine stopped: {0}")]
    Engine(String),
    /// A blob that was not made from this trained model.
    #[error("the blob was not made from this model: {0}")]
    Mismatch(String),

    /// More memory than the reference takes.
    #[error("the reference would keep {values} numbers of one image, expected at most {limit}")]
    TooManyValues {
        /// Numbers in all values of the network.
        values: usize,
        /// The most.
        limit: usize,
    },
}

impl Error {
    /// The same error, said of `file`.
    #[must_use]
    pub fn in_file(self, file: impl Into<String>) -> Self {
        match self {
            // These name their file themselves.
            Self::In { .. } | Self::Io { .. } | Self::Swapped { .. } => self,
            other => Self::In { file: file.into(), source: Box::new(other) },
        }
    }

    /// What is wrong, without the file that it is in.
    pub fn cause(&self) -> &Self {
        match self {
            Self::In { source, .. } => source.cause(),
            other => other,
        }
    }
}

/// How many names a message shows.
const SHOWN: usize = 4;

fn quoted(names: &[String]) -> String {
    names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn and_more(names: &[String]) -> String {
    match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}

fn image_range(images: u32) -> String {
    match images {
        0 => "none: the file has no images".to_string(),
        1 => "0: the file has one image".to_string(),
        _ => format!("0 to {}: the file has {images} images, counted from 0", images - 1),
    }
}

fn first_op(hidden_by: Option<&str>) -> String {
    match hidden_by {
        None => "any other lets a value see itself".to_string(),
        Some(op) => format!(
            "mask A of `{op}` hides the value again, but the engine predicts a value before it is known and cannot read it"
        ),
    }
}

fn label_range(classes: usize) -> String {
    match classes {
        0 => "none: the model has no classes".to_string(),
        1 => "0".to_string(),
        _ => format!("0 to {}", classes - 1),
    }
}
