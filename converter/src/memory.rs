//! Fallible allocation, for sizes that depend on input.

use crate::error::Error;

/// An empty vector with capacity for `count` elements. `what` names them in the error message.
///
/// # Errors
/// [`Error::Memory`] when the allocation fails.
pub fn room_for<T>(count: usize, what: &'static str) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Error::Memory { what })?;
    Ok(all)
}

/// A vector of `count` zeros.
///
/// # Errors
/// See [`room_for`].
pub fn zeros<T: Copy + Default>(count: usize, what: &'static str) -> Result<Vec<T>, Error> {
    let mut all = room_for(count, what)?;
    all.resize(count, T::default());
    Ok(all)
}

/// A copy of `from`.
///
/// # Errors
/// See [`room_for`].
pub fn copy<T: Copy>(from: &[T], what: &'static str) -> Result<Vec<T>, Error> {
    let mut all = room_for(from.len(), what)?;
    all.extend_from_slice(from);
    Ok(all)
}

/// Name of an engine's memory in [`Error::Memory`].
pub(crate) const STATE: &str = "the state of an engine";

/// Name of image data in [`Error::Memory`].
pub(crate) const IMAGES: &str = "the images";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_nobody_has_is_an_error() {
        for count in [usize::MAX, usize::MAX / 8, usize::MAX / 16] {
            let message = zeros::<u64>(count, IMAGES).unwrap_err().to_string();
            assert_eq!(message, "there is not enough memory for the images");
        }
        assert_eq!(zeros::<u8>(3, IMAGES).unwrap(), [0; 3]);
        assert_eq!(copy(&[1, 2], IMAGES).unwrap(), [1, 2]);
    }
}
