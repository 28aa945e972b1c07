//! Every file format: files come back unchanged, and damaged or hostile ones are rejected.

mod coding;
mod damaged_blobs;
mod fuzz_targets;
mod imports;
mod interrupted_writes;
mod old_formats;
mod round_trips;
mod unsound_blobs;
mod unsound_blobs_graph;
