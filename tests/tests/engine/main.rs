//! The engine, its kernels and its batched path against independent implementations.

mod batched;
mod causality;
mod doubled_residuals;
mod engine_equals_page;
mod float_blobs;
mod gemm;
mod golden;
mod graphs;
mod kernels;
mod layouts;
mod masks_anywhere;
mod numbers_equal_page;
mod odd_models;
mod properties;
mod reference_causality;
mod reference_equals_fixtures;
mod reference_of_scales;
mod sizes;
mod state;
