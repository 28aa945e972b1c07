//! Errors of the converter, each a one-sentence message.

use crate::images::{Origin, flat_size, reading};
use pixelrnn::network::NetworkError;
use std::io;

/// Failure to read, check, convert, run or write something.
///
/// `Display` gives one sentence that names the problem, its location and the expected value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Invalid file content.
    #[error("{file}: {source}")]
    In {
        /// File name as given by the user.
        file: String,
        /// Problem with the content.
        source: Box<Error>,
    },
    /// I/O error.
    #[error("cannot {doing} {file}: {source}")]
    Io {
        /// "read", "write", "replace", ….
        doing: &'static str,
        /// File name as given by the user.
        file: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// File above the size limit.
    #[error("more than {limit} bytes{unpacked}, the limit for one file")]
    TooLarge {
        /// Limit in bytes.
        limit: u64,
        /// " when unpacked", or empty.
        unpacked: &'static str,
    },
    /// Invalid scale of a model of several.
    #[error("`scales[{scale}]`: {source}")]
    Scale {
        /// Its number, from 0 for the smallest image.
        scale: usize,
        /// The problem.
        source: Box<Error>,
    },
    /// Wrong number of scales.
    #[error("{got} scales, expected 2 to {most}; a model of one is written without `scales`")]
    Scales {
        /// Number of scales.
        got: usize,
        /// Maximum.
        most: usize,
    },
    /// Missing or misplaced `upsample`.
    #[error("{0}")]
    Upsample(&'static str),
    /// Images of neighbouring scales whose sides do not divide.
    #[error(
        "{}x{} pixels after {}x{}, expected the height and the width to be the same whole number of times as large, 2 or more",
        large[0], large[1], small[0], small[1]
    )]
    ScaleSize {
        /// Height and width of the smaller image.
        small: [usize; 2],
        /// Height and width of the larger image.
        large: [usize; 2],
    },
    /// A setting that all scales share differs.
    #[error("its `{what}` differs from the scale before, expected the same in all")]
    ScalesDiffer {
        /// Name of the setting.
        what: &'static str,
    },
    /// Conditioning map of the wrong size.
    #[error("`upsample` makes a map of {}x{}, expected {}x{}", got[0], got[1], expected[0], expected[1])]
    UpsampleSize {
        /// Height and width of the map.
        got: [usize; 2],
        /// Height and width of the image.
        expected: [usize; 2],
    },
    /// Op that cannot stand in `upsample`.
    #[error("{op}: {what}")]
    UpsampleOp {
        /// Position and name of the op.
        op: String,
        /// The reason.
        what: &'static str,
    },
    /// Model of several scales where only one is supported.
    #[error("the model has {0} scales; a blob has one")]
    BlobOfScales(usize),
    /// Failed memory allocation.
    #[error("there is not enough memory for {what}")]
    Memory {
        /// Purpose of the memory.
        what: &'static str,
    },
    /// More images than a compressed file can count.
    #[error("{got} images, expected at most {most}")]
    TooManyImages {
        /// Number of images.
        got: usize,
        /// Maximum.
        most: usize,
    },
    /// Invalid compressed file.
    #[error(transparent)]
    Compressed(#[from] pixelrnn::coder::container::ContainerError),
    /// Images of several sizes where one set is expected.
    #[error("its images have several sizes; decompress it to a folder")]
    SeveralSizes,
    /// Bytes that decode to no image.
    #[error(
        "not a code of any image with this model and label: it is damaged, or was made with another model or label"
    )]
    NotACode,
    /// A compressed file given instead of a bare code.
    #[error("it is a compressed file with a header, expected the code of `compress --bare`: leave out `--bare`")]
    NotBare,
    /// Image number beyond the end of a compressed file.
    #[error("image {got}, expected {}", image_range(*images))]
    NoSuchImage {
        /// Requested image number.
        got: u32,
        /// Number of images in the file.
        images: u32,
    },
    /// Damaged or truncated gzip stream.
    #[error("the gzip data is damaged or cut short ({0})")]
    Gzip(io::Error),

    /// A network that cannot be read from an ONNX file.
    #[error(transparent)]
    Onnx(#[from] crate::import::onnx::OnnxError),

    /// Malformed JSON in the description.
    #[error("the description is not valid: {0}")]
    Json(String),
    /// Neither `architecture` nor `ops`.
    #[error("the description has neither `architecture` nor `ops`, expected one of them")]
    NoNetwork,
    /// Both `architecture` and `ops`.
    #[error("the description has both `architecture` and `ops`, expected one of them")]
    TwoNetworks,
    /// Number out of range in the description.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Invalid op in the list.
    #[error("op {op}: {source}")]
    Op {
        /// Index and name.
        op: String,
        /// Problem with the op.
        source: NetworkError,
    },
    /// An op lets a prediction depend on its own value or a later one.
    #[error("`{op}` knows {knows}; {mend}{}", on_the_way(op, reader))]
    Leak {
        /// The first op on the way whose value knows too much.
        op: String,
        /// What it knows.
        knows: &'static str,
        /// What to change.
        mend: &'static str,
        /// The op that must not read it.
        reader: String,
    },
    /// Features of a colour model that the engine cannot lay out.
    #[error(
        "op `{op}` combines features whose colours come in different orders, which the engine cannot lay out: numbers of features \
         that divide by 3, and slices from multiples of 3 on, always fit"
    )]
    Colours {
        /// Name of the op.
        op: String,
    },
    /// A value that nothing reads.
    #[error("nothing reads what `{0}` makes: leave it out, or read it")]
    NotRead(String),
    /// An op reads a value that is not made before it.
    #[error("op {op} reads `{name}`, and no op before it makes a value of that name that can be read there")]
    NoValue {
        /// Index and name.
        op: String,
        /// Name of the value.
        name: String,
    },
    /// The name of a value is not usable.
    #[error("op {op}: the value's name `{name}` {why}")]
    ValueName {
        /// Index and name.
        op: String,
        /// Name of the value.
        name: String,
        /// Reason.
        why: &'static str,
    },
    /// Last op that does not compute the logits.
    #[error(
        "the list of ops ends in {got}, expected an op that gives the logits (a convolution in a model with colour groups), optionally followed by `batch_norm`"
    )]
    LastOp {
        /// The last op.
        got: String,
    },
    /// Last op with the wrong number of features.
    #[error(
        "op `{name}` gives the logits and has {got} features, expected {expected} (channels times logits per channel)"
    )]
    Logits {
        /// Name of the op.
        name: String,
        /// Output features of the op.
        got: usize,
        /// Logits per pixel.
        expected: usize,
    },
    /// Empty op name.
    #[error("op {op} has an empty `name`")]
    NoName {
        /// Index in the list.
        op: String,
    },
    /// Two ops of the same name, which would share tensors.
    #[error("two ops are named `{0}`")]
    SameName(String),
    /// Two ops of different names with a tensor name in common.
    #[error("two ops both have a tensor `{0}`")]
    SameTensor(String),
    /// Input map that is not finite, or constant.
    #[error("`input.{what}` is {got}, expected a finite number{not_zero}")]
    InputMap {
        /// "scale" or "shift".
        what: &'static str,
        /// Value in the description.
        got: f32,
        /// " other than 0", or empty.
        not_zero: &'static str,
    },

    /// Invalid or truncated safetensors file.
    #[error("damaged or truncated safetensors file: {0}")]
    Safetensors(String),
    /// File of another kind, recognized by its first bytes or its name.
    #[error("this is {is}, expected a trained model (.safetensors): {fix}")]
    NotSafetensors {
        /// Kind of file.
        is: &'static str,
        /// Suggested fix.
        fix: String,
    },
    /// Failure to take a model from a file of another program.
    #[error(transparent)]
    Import(#[from] crate::import::ImportError),
    /// Metadata without a description.
    #[error("the metadata has no key `pixelrnn`, expected the model's description there")]
    NoMetadata,
    /// Required tensors missing in the file.
    #[error("no tensor {}, expected it with shape {shape:?}{}{hint}", quoted(names), and_more(names))]
    MissingTensors {
        /// Tensor names.
        names: Vec<String>,
        /// Shape of the first one.
        shape: Vec<usize>,
        /// Clause, from a semicolon on, about similar tensors in the file. Empty if there are none.
        hint: String,
    },
    /// Tensors that no op reads.
    #[error("no op reads the tensor {}{}", quoted(names), and_more(names))]
    LeftOverTensors {
        /// Tensor names.
        names: Vec<String>,
    },
    /// Wrong tensor shape.
    #[error("tensor `{name}` has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Tensor name.
        name: String,
        /// Shape in the file.
        got: Vec<usize>,
        /// Shape by the description.
        expected: Vec<usize>,
    },
    /// Tensor with too few or too many values for its shape.
    #[error("tensor `{name}` has {got} values, expected {expected} by its shape")]
    Length {
        /// Tensor name.
        name: String,
        /// Number of values.
        got: usize,
        /// Number of values by the shape.
        expected: usize,
    },
    /// Unsupported tensor type.
    #[error("tensor `{name}` has type {got}, expected F32, F16 or BF16")]
    Dtype {
        /// Tensor name.
        name: String,
        /// Type, as named in the file.
        got: String,
    },
    /// Stored mask that differs from the op's mask.
    #[error(
        "tensor `{name}` differs from mask {mask} of `{op}`: from feature {from} to feature {to} it is {stored}, \
         expected {expected} (rows from the top, # open)"
    )]
    Mask {
        /// Tensor name.
        name: String,
        /// Op name.
        op: String,
        /// Mask of the op.
        mask: &'static str,
        /// Input feature.
        from: usize,
        /// Output feature.
        to: usize,
        /// Drawing of the stored mask between these features.
        stored: Box<str>,
        /// Drawing of the op's mask.
        expected: Box<str>,
    },
    /// Invalid value in a tensor: not finite, or a negative variance.
    #[error("tensor `{name}` holds {got} at index {index}, expected {expected}")]
    Weight {
        /// Tensor name.
        name: String,
        /// The invalid value.
        got: f32,
        /// Row-major index.
        index: usize,
        /// Description of valid values.
        expected: &'static str,
    },

    /// Unknown file format for images or labels.
    #[error("not a .npy, .npz, IDX or PNG file, plain or gzipped")]
    UnknownFormat,
    /// Unknown file format for labels.
    #[error("not a .npy, .npz or IDX file, plain or gzipped, nor lines `name,label`")]
    UnknownLabels,
    /// Invalid file of a known format.
    #[error("{format}: {what}")]
    Format {
        /// Name of the format.
        format: &'static str,
        /// Problem, and the expected value.
        what: String,
    },
    /// Folder without PNG files.
    #[error("the folder holds no .png files")]
    EmptyFolder,
    /// Images of another size than the model's.
    #[error(
        "images of {} rows, {} columns and {} channels, expected {} rows, {} columns and {} channels",
        got[1], got[2], got[0], expected[1], expected[2], expected[0]
    )]
    ImageSize {
        /// Channels, rows and columns of the images.
        got: [usize; 3],
        /// Channels, rows and columns of the model.
        expected: [usize; 3],
    },
    /// Images of a size that the model cannot take.
    #[error("images of {}x{} pixels, where the model's own have {}x{}: {source}", got[0], got[1], expected[0], expected[1])]
    Resize {
        /// Rows and columns of the images.
        got: [usize; 2],
        /// Rows and columns of the model's own images.
        expected: [usize; 2],
        /// The reason.
        source: pixelrnn::SizeError,
    },
    /// Images of a size that does not divide into those of the smaller scales.
    #[error("images of {}x{} pixels, expected sides that divide by {factor}, as the model's scales do", got[0], got[1])]
    ResizeScales {
        /// Rows and columns of the images.
        got: [usize; 2],
        /// Factor between two scales.
        factor: usize,
    },
    /// Flat images with another number of pixels than the model's.
    #[error("{}", flat_size(*count, *got, *expected))]
    FlatSize {
        /// Number of images.
        count: usize,
        /// Values per image.
        got: usize,
        /// Channels, rows and columns of the model.
        expected: [usize; 3],
    },
    /// Values that could be levels or 0 to 255.
    #[error("{}", reading(*origin, *highest, *levels))]
    Reading {
        /// Origin of the values.
        origin: Origin,
        /// Highest value.
        highest: u8,
        /// Levels of the model.
        levels: usize,
    },
    /// Number of levels that images cannot have.
    #[error("{got}, expected the model's {own}{}", if *own == 256 { "" } else { " or 256" })]
    LevelsIn {
        /// Number given.
        got: usize,
        /// Levels of the model.
        own: usize,
    },
    /// Lossy quantization where lossless compression was requested.
    #[error(
        "{changed} of {values} values are not among the shades of the model's {levels} levels and would change: use \
         --quantize to accept this, or a model with more levels"
    )]
    Lossy {
        /// Number of values that would change.
        changed: usize,
        /// Number of values.
        values: usize,
        /// Levels of the model.
        levels: usize,
    },
    /// Image buffer with a length that does not fit the model.
    #[error("an image of {got} values, expected {expected}")]
    ImageLength {
        /// Values in the buffer.
        got: usize,
        /// Values per image of the model.
        expected: usize,
    },
    /// Level out of range.
    #[error("value {got} at index {index}, expected 0 to {}", levels - 1)]
    Value {
        /// The value.
        got: u8,
        /// Index in `[C, H, W]`.
        index: usize,
        /// Levels of the model.
        levels: usize,
    },
    /// Position outside the image.
    #[error(
        "row {}, column {}, channel {}, expected at most row {}, column {}, channel {}",
        target.row, target.column, target.channel, image.height - 1, image.width - 1, image.channels - 1
    )]
    NoSuchValue {
        /// The position.
        target: pixelrnn::Position,
        /// Image dimensions of the model.
        image: pixelrnn::network::Image,
    },
    /// Number of labels that differs from the number of images.
    #[error("{labels} labels for {images} images, expected one each")]
    LabelCount {
        /// Number of labels.
        labels: usize,
        /// Number of images.
        images: usize,
    },
    /// Label out of range, or given to a model without classes.
    #[error("label {got}, expected {}", label_range(*classes))]
    Label {
        /// The label.
        got: usize,
        /// Classes of the model.
        classes: usize,
    },
    /// Missing label for a model with classes.
    #[error("the model has {classes} classes, expected a label with each image")]
    NoLabel {
        /// Classes of the model.
        classes: usize,
    },
    /// Op without an implementation in the engine.
    #[error("the engine does not support op `{op}`")]
    NotInEngine {
        /// Kind of op.
        op: &'static str,
    },
    /// Infinite or NaN likelihood.
    #[error("the likelihood is not a finite number: values in the network overflow; `verify` shows them op by op")]
    InfiniteLikelihood,
    /// Quantization loss above the limit.
    #[error(
        "the nats of the calibration images change by {apart:.4} on average, of {float:.4}, expected at most {most} %: nothing \
         was written"
    )]
    TooMuchLost {
        /// Mean absolute difference in nats per image.
        apart: f64,
        /// Mean nats per image of the float model.
        float: f64,
        /// Limit in percent.
        most: f64,
    },
    /// Kernel with results that differ from the portable ones.
    #[error("kernel `{kernel}` disagrees with `portable`: this is a bug, do not use this kernel")]
    KernelsDiffer {
        /// Name of the kernel.
        kernel: &'static str,
    },
    /// Op with infinite or NaN results.
    #[error("op `{op}` computes values that are not finite")]
    LayerNotFinite {
        /// Name of the op.
        op: String,
    },
    /// Op with values outside the blob's number format.
    #[error("op `{op}`: {why}")]
    OutOfScale {
        /// Name of the op.
        op: String,
        /// The values, the format's limit, and a remedy.
        why: String,
    },
    /// Blob or state above 4 GiB.
    #[error("the blob or its state takes {bytes} bytes, expected at most 4294967295")]
    BlobTooLarge {
        /// Size in bytes.
        bytes: usize,
    },
    /// A blob given to `convert` with options that need a trained model.
    #[error("this is a blob, expected a trained model: for a blob only --target applies")]
    NotTrained,
    /// Blob whose weights cannot be rearranged.
    #[error(transparent)]
    Layout(#[from] pixelrnn_build::layout::LayoutError),
    /// Invalid blob.
    #[error(transparent)]
    Blob(pixelrnn::BlobError),

    /// A blob given instead of its trained model.
    #[error("this is a blob, expected the trained model (.safetensors) that it was made from")]
    NoTrained,
    /// Trained model and blob in swapped order.
    #[error("the files are swapped: {blob} is a blob and {trained} a trained model, expected the trained model first")]
    Swapped {
        /// File name of the trained model.
        trained: String,
        /// File name of the blob.
        blob: String,
    },
    /// A trained model given instead of a blob.
    #[error("this is a trained model, expected a blob: make one with `pixelrnn convert`")]
    NotABlob,
    /// Set without images.
    #[error("it has no images")]
    NoImages,
    /// Infinite or NaN likelihood in a chart.
    #[error("an image costs {got} nats, expected a finite number")]
    NotFinite {
        /// The likelihood in nats.
        got: f64,
    },
    /// Failed drawing.
    #[error("the picture cannot be drawn: {0}")]
    Drawing(String),
    /// Work that its watcher stopped.
    #[error("stopped")]
    Stopped,
    /// Error of the engine.
    #[error("the engine stopped: {0}")]
    Engine(String),
    /// Blob of another trained model.
    #[error("the blob was not made from this model: {0}")]
    Mismatch(String),

    /// Values of one image above the memory limit of the reference.
    #[error("the reference needs memory for {values} values per image, expected at most {limit}")]
    TooManyValues {
        /// Elements of all values of the network.
        values: usize,
        /// Limit.
        limit: usize,
    },
}

impl Error {
    /// Adds the file name, unless the error names its file already.
    #[must_use]
    pub fn in_file(self, file: impl Into<String>) -> Self {
        match self {
            // These name their file themselves.
            Self::In { .. } | Self::Io { .. } | Self::Swapped { .. } => self,
            other => Self::In { file: file.into(), source: Box::new(other) },
        }
    }

    /// The error without the file name.
    pub fn cause(&self) -> &Self {
        match self {
            Self::In { source, .. } => source.cause(),
            other => other,
        }
    }
}

/// Maximum number of names in a message.
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

fn on_the_way(op: &str, reader: &str) -> String {
    if op == reader || reader == "the logits" { String::new() } else { format!(" (`{reader}` depends on it)") }
}

fn label_range(classes: usize) -> String {
    match classes {
        0 => "none: the model has no classes".to_string(),
        1 => "0".to_string(),
        _ => format!("0 to {}", classes - 1),
    }
}
