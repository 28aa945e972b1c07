//! Options of commands that take a checkpoint with its description.

use super::inspect_description;
use pixelrnn_converter::Error;
use pixelrnn_converter::import::Options;
use std::path::PathBuf;

/// Options for a file of tensors: a PyTorch checkpoint, an .npz archive, or .safetensors without metadata.
#[derive(Debug, Default, clap::Args)]
pub struct Describe {
    /// Description of the network, for a model that is a PyTorch checkpoint (.pt, .pth, .ckpt), an .npz archive or
    /// .safetensors without metadata: a JSON file
    #[arg(long, value_name = "JSON")]
    pub describe: Option<PathBuf>,
    #[command(flatten)]
    pub part: Part,
}

/// Choice of a part of a file of tensors.
#[derive(Debug, Default, clap::Args)]
pub struct Part {
    /// Part of the checkpoint that holds the network, if several do: `state_dict`, `ema.model`, …
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Leave out the tensors of the checkpoint whose names begin with NAME; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub drop: Vec<String>,
}

impl Describe {
    /// True if none of the options was given.
    pub fn is_empty(&self) -> bool {
        self.describe.is_none() && self.part.key.is_none() && self.part.drop.is_empty()
    }

    /// Reads the description.
    pub fn options(&self) -> Result<Options, Error> {
        let description = self.describe.as_deref().map(inspect_description::read).transpose()?;
        Ok(Options { description, key: self.part.key.clone(), drop: self.part.drop.clone() })
    }
}
