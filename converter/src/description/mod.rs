//! Network descriptions in trained-model files: a preset or a list of ops.

mod causality;
mod graph;
mod json;
mod ops;
mod scales;

pub use ops::{OpKind, OpSpec};
pub use scales::{Conditioning, MAX_SCALES, ScaleNodes};

use crate::error::Error;
use graph::Graph;
use pixelrnn::network::{ColourGroups, Image, InputMap, NetworkError, Node, Output, Preset, check_image};
use std::collections::BTreeSet;

/// Input, output and network of a model.
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
    /// Image dimensions and levels.
    pub image: Image,
    /// Distribution that the logits parametrize.
    pub output: Output,
    /// Map from levels to the network's input.
    pub input: InputMap,
    /// Number of classes to condition on, 0 if unconditional.
    pub classes: usize,
    /// Assignment of features to R, G and B.
    pub colour_groups: ColourGroups,
    /// The network.
    pub network: NetworkSpec,
    /// The smaller image that is drawn first, in a model of several scales.
    pub conditioning: Option<Box<Conditioning>>,
}

/// A network, as a preset or as a list of ops.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkSpec {
    /// An architecture of the paper. The image, output, classes and colour groups of the [`Description`] take
    /// precedence over those in the preset.
    Preset(Preset),
    /// Ops, first to last.
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
            conditioning: None,
        }
    }
}

impl Description {
    /// Parses the JSON of a trained-model file and checks the network.
    ///
    /// # Errors
    /// When the JSON is malformed or has an unknown key, and when the network is invalid; see [`Description::nodes`].
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let description = json::read(text)?;
        description.nodes()?;
        Ok(description)
    }

    /// Serializes to single-line JSON for [`Description::from_json`].
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Logits per pixel: channels times logits per channel.
    pub fn logits(&self) -> usize {
        self.image.channels * self.output.logits_per_channel(self.image.levels)
    }

    /// Nodes of the network in topological order. The last one computes the logits.
    ///
    /// # Errors
    /// When a number is out of range, when two ops share a name, when nothing reads a value, when a value could see itself or a
    /// later one, and when the last op does not give the logits.
    pub fn nodes(&self) -> Result<Vec<Node>, Error> {
        Ok(self.graph()?.nodes)
    }

    /// Name of the value of each node, for people: its op's `name`, else its `as`. Empty for a value without either.
    ///
    /// # Errors
    /// See [`Description::nodes`].
    pub fn value_names(&self) -> Result<Vec<String>, Error> {
        Ok(self.graph()?.names)
    }

    fn graph(&self) -> Result<Graph, Error> {
        check_image(&self.image, self.output)?;
        self.check_numbers()?;
        let upsample = self.upsample_graph()?;
        let features = upsample.nodes.last().map_or(0, |node| node.features.count);
        let graph = match &self.network {
            NetworkSpec::Preset(preset) => {
                let mut graph = Graph::default();
                self.completed(preset).expand_conditioned(features, |node| graph.nodes.push(node))?;
                graph.names = graph.nodes.iter().map(|node| node.name.to_string()).collect();
                graph.labels.clone_from(&graph.names);
                graph
            }
            NetworkSpec::Ops(list) => graph::expand(self, list, features)?,
        };
        self.check_names(upsample.nodes.iter().chain(&graph.nodes))?;
        causality::check(&graph)?;
        causality::check_read(&graph)?;
        Ok(graph)
    }

    /// The preset with the description's image, output, classes and colour groups.
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

    /// Rejects duplicate names of ops and of tensors: two ops must not share a tensor.
    fn check_names<'n>(&self, nodes: impl Iterator<Item = &'n Node>) -> Result<(), Error> {
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
