//! Subcommands, one module each.

mod complete;
mod compress;
mod context;
mod convert;
mod decompress;
mod describe;
mod import;
mod input;
mod inspect;
mod inspect_boards;
mod inspect_description;
mod model;
mod output;
mod progress;
mod sample;
mod score;
mod verify;

use clap::{Parser, Subcommand};
use pixelrnn_converter::Error;
use std::fmt;
use std::io;

/// Autoregressive image models for microcontrollers: convert, sample, score, compress
///
/// A model is a blob (.prnn), run by the integer engine with the same results on every machine, or a trained model
/// (.safetensors), run by the float reference. Without a model, commands use a small built-in model of handwritten
/// digits.
#[derive(Debug, Parser)]
#[command(name = "pixelrnn", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sample images, as a PNG grid and in the terminal
    Sample(sample::Args),
    Complete(complete::Args),
    Context(context::Args),
    /// Score images: nats per image, bits/dim
    Score(score::Args),
    /// Convert a trained model (.safetensors) to a blob (.prnn)
    Convert(convert::Args),
    Import(import::Args),
    /// Compress images without loss
    Compress(compress::Args),
    /// Decompress images, bit-exactly
    Decompress(decompress::Args),
    /// Compare a trained model with its blob: likelihoods, logits, errors by layer
    Verify(verify::Args),
    /// Show a model's ops and its demands, or the tensors that a description asks for
    Inspect(inspect::Args),
}

impl Cli {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Sample(args) => args.run(),
            Command::Complete(args) => args.run(),
            Command::Context(args) => args.run(),
            Command::Score(args) => args.run(),
            Command::Convert(args) => args.run(),
            Command::Import(args) => args.run(),
            Command::Compress(args) => args.run(),
            Command::Decompress(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::Inspect(args) => args.run(),
        }
    }
}

/// Name of the engine for a number format.
pub fn engine_name(weights: pixelrnn::blob::NumberFormat) -> &'static str {
    if weights.is_integer() { "integer engine" } else { "float engine" }
}

/// Failure of a command.
#[derive(Debug)]
pub enum Failure {
    /// Invalid arguments: exit status 2.
    Usage(String),
    /// Any other error: exit status 1.
    Other(Error),
    /// Error on standard output.
    Output(io::Error),
}

impl Failure {
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Other(_) | Self::Output(_) => 1,
        }
    }

    pub fn is_broken_pipe(&self) -> bool {
        let (Self::Output(source) | Self::Other(Error::Io { source, .. })) = self else { return false };
        source.kind() == io::ErrorKind::BrokenPipe
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => f.write_str(what),
            Self::Other(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
