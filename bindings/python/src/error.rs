//! Errors of the library as exceptions of Python, with the same sentence.

use pixelrnn_converter::Error as Failure;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyValueError};
use pyo3::{PyErr, PyResult, create_exception};

create_exception!(
    pixelrnn,
    Error,
    PyValueError,
    "A file or bytes that are no valid model, image or compressed file, or a model that the engine cannot run."
);

/// Options of the command line that messages name, and what Python calls them.
const SPELLINGS: [(&str, &str); 24] = [
    ("`--levels-in ", "`levels_in="),
    ("use --quantize", "give `quantize=True`"),
    ("leave out `--bare`", "leave out `bare=True`"),
    ("code of `compress --bare`", "code of `compress(…, bare=True)`"),
    ("give --calibrate images", "give `calibrate=` images"),
    ("more --calibrate images", "more `calibrate=` images"),
    ("--activations 16", "`activations=16`"),
    ("--ranges mse", "`ranges=\"mse\"`"),
    ("--ranges min-max", "`ranges=\"min-max\"`"),
    ("--weights f16", "`weights=\"f16\"`"),
    ("--weights f32", "`weights=\"f32\"`"),
    ("only --target applies", "only `target=` applies"),
    ("`pixelrnn convert`", "`pixelrnn.convert`"),
    (": nothing was written", ""),
    ("`--describe network.json`", "`describe=`"),
    ("`pixelrnn import FILE` lists", "the command line's `pixelrnn import FILE` lists"),
    ("`--describe`, `--key` and `--drop`", "`describe=`, `key=` and `drop=`"),
    ("`--image`, `--levels`, `--reads` and `--logit-order`", "`image=`, `levels=`, `reads=` and `logit_order=`"),
    ("`--drop ", "`drop="),
    ("with `--drop`", "with `drop=`"),
    ("with `--key`", "with `key=`"),
    ("`--image HEIGHTxWIDTH`", "`image=(height, width)`"),
    ("`--logit-order channel-major` or `level-major`", "`logit_order=\"channel-major\"` or `\"level-major\"`"),
    ("`--reads levels` or `unit`", "`reads=\"levels\"` or `\"unit\"`"),
];

/// A message with the options that it names spelled as in Python.
pub(crate) fn in_python(message: &str) -> String {
    SPELLINGS.iter().fold(message.to_string(), |message, (option, argument)| message.replace(option, argument))
}

/// `ValueError` for an argument.
pub(crate) fn refuse<T>(what: impl Into<String>) -> PyResult<T> {
    Err(PyValueError::new_err(what.into()))
}

/// The exception of an error: `OSError` of the system's kind, `MemoryError`, `ValueError` for arguments, and [`Error`] for
/// anything else.
pub(crate) fn raise(error: Failure) -> PyErr {
    let message = in_python(&error.to_string());
    match error.cause() {
        Failure::Io { source, .. } => {
            // The system's kind chooses the class, such as FileNotFoundError; the sentence is ours.
            let kind = PyErr::from(std::io::Error::from(source.kind()));
            pyo3::Python::attach(|py| {
                if kind.is_instance_of::<PyOSError>(py) {
                    PyErr::from_type(kind.get_type(py), (message,))
                } else {
                    PyOSError::new_err(message)
                }
            })
        }
        Failure::Memory { .. } => PyMemoryError::new_err(message),
        Failure::ImageSize { .. }
        | Failure::Resize { .. }
        | Failure::ResizeScales { .. }
        | Failure::FlatSize { .. }
        | Failure::Reading { .. }
        | Failure::LevelsIn { .. }
        | Failure::Lossy { .. }
        | Failure::ImageLength { .. }
        | Failure::Value { .. }
        | Failure::NoSuchValue { .. }
        | Failure::NoSuchImage { .. }
        | Failure::TooManyImages { .. }
        | Failure::LabelCount { .. }
        | Failure::Label { .. }
        | Failure::NoLabel { .. }
        | Failure::NoImages
        | Failure::NotTrained
        | Failure::NoTrained
        | Failure::Format { format: "images" | "labels", .. } => PyValueError::new_err(message),
        _ => Error::new_err(message),
    }
}
