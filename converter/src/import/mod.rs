//! Networks that other tools trained: readers of their files.

pub mod onnx;
