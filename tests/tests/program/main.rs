//! The command-line program.

mod bare;
mod coding;
mod convert;
mod describe;
mod failures;
mod images;
mod imports;
mod little_memory;
mod models;
mod results;
mod sizes;
mod tutorials;
