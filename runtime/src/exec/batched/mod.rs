//! Batched executor, for hosts: many columns at once, with weights packed for vectors.
//!
//! [`crate::Engine`] reads weights in place and computes one pixel per call, for machines with little memory. A host has memory to
//! spare. [`PackedModel`] holds the weights in the order of its vectors. [`Batch`] computes several images in lockstep and reads each
//! weight once for all of them. [`Scorer`] computes a whole row of a given image in one matrix product per op. All give the same
//! bytes as the engine.
//!
//! ```
//! use pixelrnn::batched::{Batch, PackedModel, Scorer};
//! use pixelrnn::{Cost, Sample, Temperature};
//!
//! pixelrnn::include_model!(mod digits = "../../../testdata/mnist-pixelcnn.prnn");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let packed = PackedModel::new(digits::model()?).ok_or("float models are not packed")?;
//! let mut batch = Batch::new(&packed, 3)?;
//! let mut sources = [0, 1, 2].map(|seed| Sample::seeded(seed, Temperature::ONE));
//! let mut images = vec![0; 3 * 28 * 28];
//! let mut costs = [Cost::default(); 3];
//! batch.run(None, &mut sources, &mut images, &mut costs)?;
//!
//! let mut scorer = Scorer::new(&packed)?;
//! assert_eq!(scorer.score(None, &images[28 * 28..2 * 28 * 28])?, costs[1]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod batch;
mod conv;
mod elementwise;
mod executor;
mod graph;
mod lstm;
mod model;
mod ops;
mod pack;
mod packed_matrix;
mod registers;
mod row_cache;
mod scorer;
mod single;
mod step;

pub use batch::Batch;
pub use model::PackedModel;
pub use scorer::Scorer;
