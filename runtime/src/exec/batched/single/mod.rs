//! The single-image path: all ops at one pixel of one image, with sums that stay in registers between ops.
//!
//! It equals the general functions of `conv`, `lstm` and `elementwise` at one column of the batch.

mod accumulators;
mod conv;
mod lstm;
mod program;

pub(in crate::exec::batched) use program::Program;
