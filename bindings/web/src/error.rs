//! Failures of calls: a kind for programs, a sentence for people.
#![forbid(unsafe_code)]

use std::fmt::Display;

/// A failed call.
#[derive(Debug)]
pub struct Failure {
    /// `model`, `image`, `label`, `argument`, `compressed`, `memory` or `engine`.
    pub kind: &'static str,
    /// One sentence.
    pub what: String,
}

impl Failure {
    /// A failure of the given kind.
    pub fn new(kind: &'static str, what: impl Display) -> Self {
        Self { kind, what: what.to_string() }
    }

    /// The engine could not begin, or stopped in an image.
    pub fn engine(error: impl Display) -> Self {
        Self::new("engine", error)
    }

    /// There is not enough memory for `what`.
    pub fn memory(what: &str) -> Self {
        Self::new("memory", format!("not enough memory for {what}"))
    }
}

/// A vector of `length` zeros.
///
/// # Errors
/// The allocation fails.
pub fn zeros<T: Clone + Default>(length: usize, what: &str) -> Result<Vec<T>, Failure> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(length).map_err(|_| Failure::memory(what))?;
    vector.resize(length, T::default());
    Ok(vector)
}
