//! The commands, one file each.

mod complete;
mod compress;
mod context;
mod convert;
mod decompress;
mod input;
mod inspect;
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

/// Autoregressive image models for microcontrollers: convert them, draw from them, score images with them.
///
/// A model is a blob (.prnn), which the integer engine runs the same on every machine, or a trained model
/// (.safetensors), which the float reference runs. Where no model is named, a small one of handwritten digits that is
/// built into the program is used.
#[derive(Debug, Parser)]
#[command(name = "pixelrnn", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw images: a PNG grid, and in the terminal
    Sample(sample::Args),
    Complete(complete::Args),
    Context(context::Args),
    /// How likely images are: nats an image, bits/dim
    Score(score::Args),
    /// Turn a trained model (.safetensors) into a blob (.prnn)
    Convert(convert::Args),
    /// Compress images without loss, as small as a model finds them likely
    Compress(compress::Args),
    /// Restore compressed images, to the last bit
    Decompress(decompress::Args),
    /// Compare a trained model with its blob: likelihoods, logits, layer by layer
    Verify(verify::Args),
    /// What is in a model, op by op: shapes, flash, RAM, multiply-adds; or which tensors a description asks for
    Inspect(inspect::Args),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Sample(args) => args.run(),
            Command::Complete(args) => args.run(),
            Command::Context(args) => args.run(),
            Command::Score(args) => args.run(),
            Command::Convert(args) => args.run(),
            Command::Compress(args) => args.run(),
            Command::Decompress(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::Inspect(args) => args.run(),
        }
    }
}

/// Name of the engine that runs a blob.
pub fn engine_name(weights: pixelrnn::blob::Weights) -> &'static str {
    if weights.is_integer() { "integer engine" } else { "float engine" }
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// What was asked for makes no sense: exit status 2.
    Usage(String),
    /// Anything else: exit status 1.
    Other(Error),
    /// Standard output is gone or full.
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
