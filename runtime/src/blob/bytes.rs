//! Arrays inside a blob.

/// `count` elements of `size` bytes at offset `at`; `None` if they reach outside the blob.
pub(super) fn slice(blob: &[u8], at: u32, count: usize, size: usize) -> Option<&[u8]> {
    let at = at as usize;
    blob.get(at..at.checked_add(count.checked_mul(size)?)?)
}

/// True if `count` aligned elements of `size` bytes lie inside the blob at offset `at`.
#[inline(never)]
pub(super) fn is_array(blob: &[u8], at: u32, count: usize, size: usize) -> bool {
    (at as usize).is_multiple_of(size) && slice(blob, at, count, size).is_some()
}
