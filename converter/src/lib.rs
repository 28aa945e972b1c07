//! Conversion, reference implementation and command-line tools for trained models.
//!
//! A trained model is a `.safetensors` file with a JSON description. [`TrainedModel::read`] checks it completely: a
//! [`TrainedModel`] has all its tensors, with the right shapes and finite values. [`Reference`] evaluates it in plain
//! loops and double precision; every faster or narrower implementation is measured against it.
//!
//! ```
//! use pixelrnn_converter::{Description, Reference, Tensor, TrainedModel};
//! use std::collections::BTreeMap;
//!
//! // One convolution over 2x2 images of two levels. It reads the pixels above and to the left.
//! let description = Description::from_json(
//!     r#"{"image": {"height": 2, "width": 2, "channels": 1, "levels": 2}, "output": "bernoulli",
//!         "ops": [{"op": "masked_conv", "name": "only", "mask": "A", "kernel": [3, 3], "out": 1}]}"#,
//! )?;
//! let weight = Tensor { shape: vec![1, 1, 3, 3], data: vec![1.0; 9] };
//! let model = TrainedModel::new(description, BTreeMap::from([("only.weight".to_string(), weight)]))?;
//!
//! let logits = Reference::new(&model).logits(&[1, 1, 0, 1], None)?;
//! assert_eq!(logits.data, [0.0, 1.0, 2.0, 2.0]);
//! # Ok::<(), pixelrnn_converter::Error>(())
//! ```

pub mod agreement;
pub mod any;
pub mod blob;
pub mod boards;
pub mod complete;
pub mod compress;
pub mod context;
pub mod convert;
pub mod description;
pub mod error;
pub mod files;
pub mod fold;
pub mod images;
pub mod import;
pub mod layout;
pub mod masks;
pub mod memory;
pub mod picture;
pub mod progress;
pub mod quantize;
pub mod reference;
pub mod roc;
pub mod run;
pub mod trained;
pub mod verify;

pub use any::{AnyModel, BuiltIn};
pub use blob::Blob;
pub use description::{Description, NetworkSpec, OpKind, OpSpec};
pub use error::Error;
pub use images::ImageSet;
pub use picture::Picture;
pub use reference::{Map, Reference};
pub use trained::{Tensor, TrainedModel};

#[cfg(test)]
mod testing;
