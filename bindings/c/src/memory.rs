//! Checked pointers: memory of the C program as references and slices.

use crate::status::{
    PIXELRNN_ERROR_ALIGNMENT, PIXELRNN_ERROR_LENGTH, PIXELRNN_ERROR_NULL, PIXELRNN_ERROR_OVERLAP, pixelrnn_status,
};

/// Checks that `count` elements at `pointer` may exist: not null, aligned, inside the address space.
fn check<T>(pointer: *const T, count: usize) -> Result<(), pixelrnn_status> {
    if pointer.is_null() {
        return Err(PIXELRNN_ERROR_NULL);
    }
    if !pointer.is_aligned() {
        return Err(PIXELRNN_ERROR_ALIGNMENT);
    }
    let bytes = count.checked_mul(size_of::<T>()).filter(|bytes| *bytes <= isize::MAX as usize);
    let end = bytes.and_then(|bytes| pointer.addr().checked_add(bytes));
    if end.is_none() { Err(PIXELRNN_ERROR_LENGTH) } else { Ok(()) }
}

/// The `count` elements at `pointer`.
///
/// # Safety
/// If `pointer` is not null, aligned and inside the address space, then that many initialised elements lie there, and nothing
/// writes them for `'a`.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T], pixelrnn_status> {
    check(pointer, count)?;
    // SAFETY: checked above; the rest is the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts(pointer, count) })
}

/// The `count` elements at `pointer`, to write.
///
/// # Safety
/// As for [`slice`], and nothing else reads or writes them for `'a`.
pub(crate) unsafe fn slice_mut<'a, T>(pointer: *mut T, count: usize) -> Result<&'a mut [T], pixelrnn_status> {
    check(pointer, count)?;
    // SAFETY: checked above; the rest is the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts_mut(pointer, count) })
}

/// The element at `pointer`.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T, pixelrnn_status> {
    check(pointer, 1)?;
    // SAFETY: checked above; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// Checks that `value` may be written to `pointer`, where `T` is plain data.
///
/// # Errors
/// The pointer is null or misaligned.
pub(crate) fn writable<T>(pointer: *mut T) -> Result<(), pixelrnn_status> {
    check(pointer.cast_const(), 1)
}

/// Writes `value` to `pointer`.
///
/// # Safety
/// If `pointer` is not null and aligned, then an element may be written there.
pub(crate) unsafe fn write<T>(pointer: *mut T, value: T) -> Result<(), pixelrnn_status> {
    writable(pointer)?;
    // SAFETY: checked above; the rest is the caller's promise.
    unsafe { pointer.write(value) };
    Ok(())
}

/// Writes `value` to `pointer`, unless it is null.
///
/// # Safety
/// As for [`write`].
pub(crate) unsafe fn write_optional<T>(pointer: *mut T, value: T) -> Result<(), pixelrnn_status> {
    if pointer.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    unsafe { write(pointer, value) }
}

/// Checks that `count` elements at `a` and `others` at `b` have no byte in common.
pub(crate) fn apart<A, B>(a: *const A, count: usize, b: *const B, others: usize) -> Result<(), pixelrnn_status> {
    let (start, length) = (a.addr(), count.saturating_mul(size_of::<A>()));
    let (other, other_length) = (b.addr(), others.saturating_mul(size_of::<B>()));
    if start < other.saturating_add(other_length) && other < start.saturating_add(length) {
        return Err(PIXELRNN_ERROR_OVERLAP);
    }
    Ok(())
}

/// A function of the program.
pub(crate) fn check_function<F>(function: Option<F>) -> Result<F, pixelrnn_status> {
    function.ok_or(PIXELRNN_ERROR_NULL)
}

/// Result of a function for C.
pub(crate) fn status(result: Result<(), pixelrnn_status>) -> pixelrnn_status {
    match result {
        Ok(()) => crate::status::PIXELRNN_OK,
        Err(status) => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_refused_by_what_is_wrong_with_them() {
        let words = [1u32, 2];
        let odd = words.as_ptr().wrapping_byte_add(1);
        // SAFETY: only the first of these points to memory, and there are two words.
        unsafe {
            assert_eq!(slice(words.as_ptr(), 2), Ok(&words[..]));
            assert_eq!(slice::<u32>(core::ptr::null(), 0), Err(PIXELRNN_ERROR_NULL));
            assert_eq!(slice(odd, 1), Err(PIXELRNN_ERROR_ALIGNMENT));
            assert_eq!(slice(words.as_ptr(), usize::MAX / 4), Err(PIXELRNN_ERROR_LENGTH));
            assert_eq!(slice(words.as_ptr(), usize::MAX), Err(PIXELRNN_ERROR_LENGTH));
            assert_eq!(write(odd.cast_mut(), 3), Err(PIXELRNN_ERROR_ALIGNMENT));
            assert_eq!(write_optional::<u32>(core::ptr::null_mut(), 3), Ok(()));
        }
    }

    #[test]
    fn memories_that_share_a_byte_overlap() {
        let bytes = [0u8; 8];
        let at = |n: usize| bytes.as_ptr().wrapping_add(n);
        assert_eq!(apart(at(0), 4, at(4), 4), Ok(()));
        assert_eq!(apart(at(4), 4, at(0), 4), Ok(()));
        assert_eq!(apart(at(0), 5, at(4), 4), Err(PIXELRNN_ERROR_OVERLAP));
        assert_eq!(apart(at(2), 1, at(0), 8), Err(PIXELRNN_ERROR_OVERLAP));
    }
}
