//! Memory whose size an input decides: it is asked for, and where there is none, that is an error like any other.

use crate::error::Error;

/// An empty vector with room for `count` elements. `what` says in a message what they are.
///
/// # Errors
/// [`Error::Memory`] when there is no such memory.
pub fn room_for<T>(count: usize, what: &'static str) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Error::Memory { what })?;
    Ok(all)
}

/// `count` zeros.
///
/// # Errors
/// As [`room_for`].
pub fn zeros<T: Copy + Default>(count: usize, what: &'static str) -> Result<Vec<T>, Error> {
    let mut all = room_for(count, what)?;
    all.resize(count, T::default());
    Ok(all)
}

/// The same elements again.
///
/// # Errors
/// As [`room_for`].
pub fn copy<T: Copy>(from: &[T], what: &'static str) -> Result<Vec<T>, Error> {
    let mut all = room_for(from.len(), what)?;
    all.extend_from_slice(from);
    Ok(all)
}

/// What [`Error::Memory`] calls the memory that an engine works in.
pub(crate) const STATE: &str = "the state of an engine";

/// What it calls sets of images.
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
