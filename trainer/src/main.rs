//! `pixelrnn-train`: trains image models.

use clap::Parser;
use pixelrnn_trainer::cli::Command;
use std::process::ExitCode;

// The C library's allocator would return the memory of each step to the system and request it again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pixelrnn-train: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
