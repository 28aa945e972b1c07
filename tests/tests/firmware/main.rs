//! Crates that embed a model, built like those of a user.

mod build_helper;
mod firmware_guide;
mod include_model;
mod no_std;
