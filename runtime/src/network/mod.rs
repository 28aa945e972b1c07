//! Network description: images, colour groups, masks, ops, and presets.
//!
//! [`Preset::expand`] or [`Builder`] gives a list of [`Node`]s. Trainer, float reference and quantizer interpret this one list. The
//! module is `no_std` and needs no allocator.
//!
//! Source: van den Oord, Kalchbrenner, Kavukcuoglu, "Pixel Recurrent Neural Networks", arXiv 1601.06759.
#![forbid(unsafe_code)]

mod builder;
mod class;
mod error;
mod image;
mod list;
mod masks;
mod ops;
mod presets;
pub mod taps;
mod tensors;

pub use builder::{Builder, ConvShape, MAX_ANCHOR, MAX_FEATURES, MAX_NAME, MAX_NESTING, Value};
pub use class::Class;
pub use error::NetworkError;
pub use image::{Image, InputMap, MAX_LEVELS, Output};
pub use list::{IntoIter, List, Name};
pub use masks::{ColourGroups, Features, MAX_PIECES, Mask};
pub use ops::{Activation, Conv, ConvTranspose, DiagonalBilstm, Node, Op, Presence, RowLstm, Shape, ValueId};
pub use presets::{Architecture, Preset, check_image};
pub use tensors::TensorSpec;
