//! The description of a network as trained-model files carry it: a preset, or the list of ops itself.

mod json;
mod ops;

pub use ops::OpSpec;

use crate::error::Error;
use pixelrnn::network::{ColourGroups, Image, InputMap, NetworkError, Node, Output, Preset, check_image};
use std::collections::BTreeSet;

/// What a model reads, what it gives, and the network between.
///
/// ```
/// use pixelrnn_converter::Description;
///
/// let json = r#"{"architecture": "row_lstm", "image": {"height": 28, "width": 28, "channels": 1, "levels": 2},
///     "hidden": 16, "layers": 7, "input_kernel": 7, "kernel": 3, "head": 32, "output": "bernoulli"}"#;
/// let description = Description::from_json(json)?;
/// // The input layer, three nodes a block, and relu, head.0, relu, head.1.
/// assert_eq!(description.nodes()?.len(), 1 + 7 * 3 + 4);
/// assert_eq!(Description::from_json(&description.to_json())?, description);
/// # Ok::<(), pixelrnn_converter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The images.
    pub image: Image,
    /// How logits become a distribution.
    pub output: Output,
    /// How a value becomes the number that the network reads.
    pub input: InputMap,
    /// Classes to condition on; 0: none.
    pub classes: usize,
    /// How features are dealt out to R, G and B.
    pub colour_groups: ColourGroups,
    /// The network.
    pub network: NetworkSpec,
}

/// A network, by a few numbers or op by op.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkSpec {
    /// An architecture of the paper. Its image, output, classes and colour groups are those of the [`Description`],
    /// whatever stands here.
    Preset(Preset),
    /// The ops, first to last.
    Ops(Vec<OpSpec>),
}

impl From<Preset> for Description {
    /// The description of `preset`, with the default input map.
    fn from(preset: Preset) -> Self {
        Self {
            image: preset.image,
            output: preset.output,
            input: InputMap::unit(preset.image.levels),
            classes: preset.classes,
            colour_groups: preset.colour_groups,
            network: NetworkSpec::Preset(preset),
        }
    }
}

impl Description {
    /// Reads the JSON that trained-model files carry, and checks the network that it describes.
    ///
    /// # Errors
    /// When it is not that JSON (an unknown key is named), or when the network is one that cannot be; see
    /// [`Description::nodes`].
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let description = json::read(text)?;
        description.nodes()?;
        Ok(description)
    }

    /// The JSON that [`Description::from_json`] reads, on one line.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Logits of one pixel: channels times logits a channel.
    pub fn logits(&self) -> usize {
        self.image.channels * self.output.logits_per_channel(self.image.levels)
    }

    /// The network's nodes, in an order in which every value is made before it is read. The last gives the logits.
    ///
    /// # Errors
    /// When a number is out of range, when two ops have one name, when a value could see itself or a later one, and when
    /// the last op does not give the logits.
    pub fn nodes(&self) -> Result<Vec<Node>, Error> {
        check_image(&self.image, self.output)?;
        self.check_numbers()?;
        let nodes = match &self.network {
            NetworkSpec::Preset(preset) => {
                let mut nodes = Vec::new();
                self.completed(preset).expand(|node| nodes.push(node))?;
                nodes
            }
            NetworkSpec::Ops(list) => ops::expand(self, list)?,
        };
        self.check_names(&nodes)?;
        Ok(nodes)
    }

    /// `preset` with what the description says of the images.
    fn completed(&self, preset: &Preset) -> Preset {
        let Self { image, output, classes, colour_groups, .. } = *self;
        Preset { image, output, classes, colour_groups, ..*preset }
    }

    fn check_numbers(&self) -> Result<(), Error> {
        const MAX_CLASSES: usize = 65_535;
        if self.classes > MAX_CLASSES {
            return Err(NetworkError::Range { what: "classes", got: self.classes, expected: "0 to 65535" }.into());
        }
        let InputMap { scale, shift } = self.input;
        if !scale.is_finite() || scale == 0.0 {
            return Err(Error::InputMap { what: "scale", got: scale, not_zero: " other than 0" });
        }
        if !shift.is_finite() {
            return Err(Error::InputMap { what: "shift", got: shift, not_zero: "" });
        }
        Ok(())
    }

    /// Names of ops, and of the tensors that they make up, must differ: else two ops would share a tensor.
    fn check_names(&self, nodes: &[Node]) -> Result<(), Error> {
        let mut ops = BTreeSet::new();
        let mut tensors = BTreeSet::new();
        for node in nodes {
            let mut same = None;
            let mut any = false;
            node.tensors(self.classes, |tensor| {
                any = true;
                if !tensors.insert(tensor.name.clone()) {
                    same.get_or_insert(tensor.name);
                }
            });
            if any && !ops.insert(node.name.as_str()) {
                return Err(Error::SameName(node.name.to_string()));
            }
            if let Some(name) = same {
                return Err(Error::SameTensor(name.to_string()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
