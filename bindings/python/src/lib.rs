//! The extension module `pixelrnn._pixelrnn`: models, references, conversion and comparison for Python.
//!
//! Functions do what the command line does, by the same functions of `pixelrnn-converter`: bytes are equal. Types and
//! signatures for Python are in `python/pixelrnn/_pixelrnn.pyi`.

mod arrays;
mod convert;
mod error;
mod image;
mod model;
mod reference;
mod source;
mod verify;
mod work;

/// Models of images, in Rust.
#[pyo3::pymodule]
mod _pixelrnn {
    #[pymodule_export]
    use super::convert::{Converted, convert};
    #[pymodule_export]
    use super::error::Error;
    #[pymodule_export]
    use super::image::Image;
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::reference::Reference;
    #[pymodule_export]
    use super::verify::{Kernel, Layer, Verified, verify};

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        use pyo3::types::PyModuleMethods;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
