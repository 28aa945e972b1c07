//! A node of the graph: its name in messages and its attributes.

use super::constant::{self, Constant};
use super::error::OnnxError;
use super::proto;

/// A node with the version of the operators.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'g> {
    pub(super) proto: &'g proto::Node,
    /// Position in the graph.
    pub(super) index: usize,
    /// Version of the default operator set.
    pub(super) opset: i64,
}

impl<'g> Node<'g> {
    /// Operator.
    pub(super) fn op(&self) -> &'g str {
        &self.proto.op
    }

    /// Name and operator, for messages.
    pub(super) fn label(&self) -> String {
        let name = if self.proto.name.is_empty() { self.proto.outputs.first() } else { Some(&self.proto.name) };
        format!("`{}` ({})", name.map_or("", String::as_str), self.proto.op)
    }

    /// Error about this node.
    pub(super) fn refused(&self, what: impl Into<String>) -> OnnxError {
        OnnxError::Node { node: self.label(), what: what.into() }
    }

    /// Name of input `n`, if it is given.
    pub(super) fn input(&self, n: usize) -> Option<&'g str> {
        self.proto.inputs.get(n).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn attribute(&self, name: &str) -> Option<&'g proto::Attribute> {
        self.proto.attributes.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'g [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned())
    }

    /// A tensor, or one made of the numbers of an attribute, as `Constant` has them.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<Constant>, OnnxError> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let tensor = attribute.t.as_ref().ok_or_else(|| self.refused(format!("attribute `{name}` has no tensor")))?;
        // Tensors in attributes have no data elsewhere.
        let read = constant::read(tensor, None).map_err(|e| self.refused(e.to_string()))?;
        Ok(Some(read))
    }

    /// Value of a `Constant` node.
    pub(super) fn constant(&self) -> Result<Constant, OnnxError> {
        if let Some(tensor) = self.tensor("value")? {
            return Ok(tensor);
        }
        let Some(attribute) = self.proto.attributes.first() else { return Err(self.refused("it has no value")) };
        match attribute.name.as_str() {
            "value_float" => Ok(Constant::floats(Vec::new(), vec![attribute.f])),
            "value_floats" => Ok(Constant::floats(vec![attribute.floats.len()], attribute.floats.clone())),
            "value_int" => Ok(Constant { shape: Vec::new(), ..Constant::ints(vec![attribute.i]) }),
            "value_ints" => Ok(Constant::ints(attribute.ints.clone())),
            other => Err(self.refused(format!("`{other}`, expected a tensor, floats or integers"))),
        }
    }
}
