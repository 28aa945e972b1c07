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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_outside_the_blob_is_none_whatever_its_size() {
        assert_eq!(slice(&[1, 2, 3, 4, 5], 1, 2, 2), Some(&[2, 3, 4, 5][..]));
        for (at, count, size) in [(2, 2, 2), (6, 0, 1), (u32::MAX, 1, 1), (1, usize::MAX, 1), (1, usize::MAX, 4)] {
            assert_eq!(slice(&[1, 2, 3, 4, 5], at, count, size), None);
        }
    }
}
