//! Limits of a blob.

/// Maximum size of the state, in bytes.
pub const MAX_STATE_BYTES: u32 = 1 << 30;

/// Maximum number of multiply-adds per pixel, checked only with the feature `std`.
///
/// A blob of less than 1 GiB reaches it only with ops that share weights.
pub const MAX_MULTIPLY_ADDS: u32 = 1 << 30;
