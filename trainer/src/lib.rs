//! Trainer for the models of `pixelrnn`: PixelCNN, gated PixelCNN, Row LSTM, Diagonal BiLSTM and graphs of ops, gray or
//! colour, optionally class-conditional.
//!
//! The program `pixelrnn-train` is a command line for this library: [`cli`]. A [`run::Run`] trains the network of a
//! [`Description`](pixelrnn_converter::Description) on a [`data::Set`] of images and writes to a folder:
//!
//! - `model.safetensors`: the trained model of the best epoch so far, the input of `pixelrnn convert`,
//! - `metrics.jsonl`: one line of JSON per epoch, see [`run::Epoch`], and `metrics.png`, its curves,
//! - `samples/epoch-0001.png`, …: images sampled after each epoch,
//! - `checkpoint.safetensors`: the complete state needed to resume the run.
//!
//! ```
//! use pixelrnn_converter::Description;
//! use pixelrnn_trainer::data::Set;
//! use pixelrnn_trainer::recipe::Training;
//! use pixelrnn_trainer::run::{Existing, Run};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(feature = "flex")] {
//! use pixelrnn_trainer::back_end::{BackEnd, Precision};
//!
//! let description = Description::from_json(
//!     r#"{"architecture": "pixel_cnn", "image": {"height": 4, "width": 4, "channels": 1, "levels": 2}, "hidden": 4,
//!         "layers": 1, "input_kernel": 3, "kernel": 3, "head": 4, "output": "bernoulli"}"#,
//! )?;
//! // Images with columns of alternating 0 and 1.
//! let stripes = [0, 1].repeat(8 * 20);
//! let train = Set::new(description.image, stripes, None, 0)?;
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().to_path_buf();
//! let run = Run {
//!     valid: train.clone(),
//!     train,
//!     settings: Training { epochs: Some(20), rate: Some(0.05), warmup: Some(0), ..Training::default() }.settings()?,
//!     back_end: BackEnd::new(&[], Precision::F32)?,
//!     folder,
//!     samples: 0,
//!     existing: Existing::Keep,
//!     start: None,
//!     description,
//! };
//! // A uniformly random image has 16 bits, 11 nats.
//! assert!(run.train(&())?.is_some_and(|nats| nats < 3.0));
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # Implementation
//!
//! The network is the op list of [`pixelrnn::network`], interpreted with Burn's tensors and automatic differentiation.
//! On the CPU (feature `flex`, the default) convolutions, gates and LSTM scans are custom operations with hand-written
//! backward passes in AVX-512, AVX2 or portable Rust, selected at run time. They skip closed taps and compute LSTMs by
//! wavefronts without skewing. Results do not depend on the number of threads. On GPUs (features `wgpu` and `cuda`)
//! convolutions and scans are custom `CubeCL` kernels. Each implementation is tested against Burn's own operations and
//! against the float reference of `pixelrnn-converter`.

pub mod back_end;
mod checkpoint;
pub mod cli;
pub mod data;
mod difference;
pub mod error;
mod folder;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(feature = "flex")]
mod kernels;
mod loss;
pub mod network;
mod ops;
pub mod optimizer;
mod pace;
pub mod parameters;
mod plan;
mod plot;
pub mod recipe;
pub mod run;
mod sample;
pub mod schedule;
#[cfg(all(test, feature = "flex"))]
mod test_nets;
mod trainer;

pub use error::Error;
pub use ops::Path;
