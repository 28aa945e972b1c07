//! Errors of the ONNX reader.

/// Failure to read a network from an ONNX graph.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The bytes are no ONNX file.
    #[error("not an ONNX file, or damaged: {0}")]
    Protobuf(String),
    /// The graph as a whole cannot be read.
    #[error("{0}")]
    Graph(String),
    /// A stored tensor cannot be read.
    #[error("tensor `{name}`: {what}")]
    Tensor {
        /// Name of the initializer.
        name: String,
        /// The problem.
        what: String,
    },
    /// The graph's input or output cannot be read.
    #[error("graph {end} `{name}`: {what}")]
    End {
        /// "input" or "output".
        end: &'static str,
        /// Its name.
        name: String,
        /// The problem, and what to do.
        what: String,
    },
    /// A node has no counterpart.
    #[error("node {node}: {what}")]
    Node {
        /// Its name and its operator.
        node: String,
        /// The problem, and what would help.
        what: String,
    },
    /// A node lets a prediction depend on its own value or a later one.
    #[error("the network leaks: node {node} knows {knows}; {mend}")]
    Leak {
        /// Name and operator of the first node whose value knows too much.
        node: String,
        /// What it knows.
        knows: String,
        /// How to mend it.
        mend: String,
    },
}
