//! Command-line program: converts trained models and runs them.

mod commands;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        // A closed pipe is not an error: the reader has seen enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pixelrnn: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
