//! Options of commands that take a checkpoint with its description.

use super::inspect_description;
use pixelrnn_converter::Error;
use pixelrnn_converter::import::{Options, onnx};
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

/// What an ONNX graph may leave open.
#[derive(Debug, Default, clap::Args)]
pub struct Graph {
    /// Height and width of the images of an ONNX graph that takes any: 28x28
    #[arg(long, value_name = "HxW", value_parser = super::sample::size)]
    pub image: Option<[usize; 2]>,
    /// Number of levels, to check that an ONNX graph predicts as many
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(u16).range(2..=256))]
    pub levels: Option<u16>,
    /// Values that an ONNX graph reads: levels (0 to L - 1) or unit (0 to 1)
    #[arg(long, value_name = "RANGE")]
    pub reads: Option<Reads>,
    /// Order of an ONNX graph's logits, where its shapes do not tell
    #[arg(long, value_name = "ORDER")]
    pub logit_order: Option<Order>,
}

/// Values that a graph reads.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Reads {
    /// 0 to L - 1
    Levels,
    /// 0 to 1
    Unit,
}

/// Order of the logits of a pixel.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Order {
    /// All levels of red, then of green, then of blue
    ChannelMajor,
    /// All channels of level 0, then of level 1, and so on
    LevelMajor,
}

impl Graph {
    /// The options of the reader.
    pub fn options(&self) -> onnx::Options {
        onnx::Options {
            image: self.image,
            levels: self.levels.map(usize::from),
            input: self.reads.map(|reads| match reads {
                Reads::Levels => onnx::InputRange::Levels,
                Reads::Unit => onnx::InputRange::Unit,
            }),
            logits: self.logit_order.map(|order| match order {
                Order::ChannelMajor => onnx::LogitOrder::ChannelMajor,
                Order::LevelMajor => onnx::LogitOrder::LevelMajor,
            }),
        }
    }
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
        Ok(Options { description, key: self.part.key.clone(), drop: self.part.drop.clone(), ..Options::default() })
    }
}
