//! Models of several scales: a smaller image is drawn first, and a network makes a conditioning map of it.

use super::graph::{self, Graph};
use super::{Description, OpSpec};
use crate::error::Error;
use pixelrnn::network::{Image, Node};

/// Maximum number of scales.
pub const MAX_SCALES: usize = 8;

/// The smaller image of two scales, and the ops that make the conditioning map of the larger one.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditioning {
    /// The smaller scale, which may have a smaller one itself.
    pub small: Description,
    /// Ops from the smaller image to the conditioning map, first to last.
    pub upsample: Vec<OpSpec>,
}

/// Nodes of a scale.
#[derive(Clone, Debug)]
pub struct ScaleNodes {
    /// Prefix of its tensors in a file: `scales.n.`, or empty in a model of one scale.
    pub prefix: String,
    /// Those that make the conditioning map, then those of the network.
    pub nodes: Vec<Node>,
    /// Name of each node's value, as of [`Description::value_names`].
    pub names: Vec<String>,
    /// Classes to condition on.
    pub classes: usize,
}

impl Description {
    /// Nodes of all scales, from the smallest image to the largest.
    ///
    /// # Errors
    /// See [`Description::nodes`].
    pub fn nodes_of_scales(&self) -> Result<Vec<ScaleNodes>, Error> {
        let scales = self.scales();
        let count = scales.len();
        let nodes = scales.into_iter().enumerate().map(|(scale, description)| {
            let (upsample, network) = (description.upsample_graph()?, description.graph()?);
            let prefix = if count > 1 { format!("scales.{scale}.") } else { String::new() };
            let mut names = upsample.names;
            names.extend(network.names);
            let mut nodes = upsample.nodes;
            nodes.extend(network.nodes);
            Ok(ScaleNodes { prefix, nodes, names, classes: description.classes })
        });
        nodes.collect()
    }

    /// The scales, from the smallest image to the largest; a model of one scale is its only one.
    pub fn scales(&self) -> Vec<&Description> {
        let mut scales = vec![self];
        while let Some(conditioning) = scales.last().and_then(|scale| scale.conditioning.as_deref()) {
            scales.push(&conditioning.small);
        }
        scales.reverse();
        scales
    }

    /// Rows and columns between the pixels that the smaller image holds: `small[c, i, j] = large[c, f·i, f·j]`. `None` in the first
    /// scale.
    pub fn factor(&self) -> Option<usize> {
        let small = self.conditioning.as_deref()?.small.image;
        Some(self.image.height / small.height.max(1))
    }

    /// Nodes of the network that makes the conditioning map, in topological order. Value 0 is the smaller image. Empty in the
    /// first scale.
    ///
    /// # Errors
    /// See [`Description::nodes`].
    pub fn upsample_nodes(&self) -> Result<Vec<Node>, Error> {
        Ok(self.upsample_graph()?.nodes)
    }

    /// Graph of the network that makes the conditioning map, whose size is checked.
    pub(super) fn upsample_graph(&self) -> Result<Graph, Error> {
        let Some(conditioning) = self.conditioning.as_deref() else { return Ok(Graph::default()) };
        let Conditioning { small, upsample } = conditioning;
        self.check_against(small)?;
        let graph = graph::expand_upsampling(small.image, upsample)?;
        let magnification = graph.nodes.last().map_or(1, |node| node.magnification);
        let made = [small.image.height, small.image.width].map(|side| side.saturating_mul(magnification));
        let expected = [self.image.height, self.image.width];
        if made != expected {
            return Err(Error::UpsampleSize { got: made, expected });
        }
        Ok(graph)
    }

    /// Compares the image with the next smaller one.
    fn check_against(&self, small: &Description) -> Result<(), Error> {
        let (large, less) = (self.image, small.image);
        let factor = |large: usize, small: usize| {
            (small > 0 && large.is_multiple_of(small)).then(|| large / small).filter(|factor| *factor >= 2)
        };
        let factors = (factor(large.height, less.height), factor(large.width, less.width));
        if factors.0.is_none() || factors.0 != factors.1 {
            let size = |image: Image| [image.height, image.width];
            return Err(Error::ScaleSize { small: size(less), large: size(large) });
        }
        let different = |what| Err(Error::ScalesDiffer { what });
        if large.channels != less.channels {
            return different("channels");
        }
        if large.levels != less.levels {
            return different("levels");
        }
        if self.classes != small.classes {
            return different("classes");
        }
        if self.output == small.output { Ok(()) } else { different("output") }
    }
}
