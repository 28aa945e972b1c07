//! x
#![no_std]
pub mod model;
