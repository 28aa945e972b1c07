//! Fast path of `conv`, `lstm` and `elementwise` for one pixel of a single image: same result.
//!
//! Accumulators stay in registers from the first product to the result. Ranges that do not depend on the pixel are precomputed.

mod accumulators;
mod conv;
mod lstm;
mod program;

pub(in crate::exec::batched) use program::Program;
