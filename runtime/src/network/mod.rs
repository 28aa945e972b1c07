//! What a model means: images, colour groups, masks, ops, and the networks made of them.
//!
//! One definition serves everyone who reads a network: [`Preset::expand`] or [`Builder`] hand out a list of [`Node`]s,
//! which a trainer, a float reference and a quantizer interpret each in its own way. All of it is `no_std` and without
//! allocator.
//!
//! Source: van den Oord, Kalchbrenner, Kavukcuoglu, "Pixel Recurrent Neural Networks", arXiv 1601.06759.
#![forbid(unsafe_code)]

mod builder;
mod error;
mod image;
mod list;
mod masks;
mod ops;
mod presets;
pub mod taps;

pub use builder::{Builder, MAX_FEATURES, MAX_NAME, MAX_NESTING};
pub use error::NetworkError;
pub use image::{Image, InputMap, MAX_LEVELS, Output};
pub use list::{IntoIter, List, Name};
pub use masks::{ColourGroups, Features, Mask};
pub use ops::{Activation, DiagonalBilstm, MaskedConv, Node, Op, Presence, RowLstm, Shape, TensorSpec, ValueId};
pub use presets::{Architecture, Preset, check_image};
