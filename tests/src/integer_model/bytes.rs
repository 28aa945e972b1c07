//! Little-endian numbers at places of a byte string, and its checksum.

/// The byte at `at`.
pub fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}

/// The signed byte at `at`.
pub fn i8_at(bytes: &[u8], at: usize) -> i8 {
    bytes[at] as i8
}

/// The u16 at `at`.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The i16 at `at`.
pub fn i16_at(bytes: &[u8], at: usize) -> i16 {
    u16_at(bytes, at) as i16
}

/// The u32 at `at`.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The i32 at `at`.
pub fn i32_at(bytes: &[u8], at: usize) -> i32 {
    u32_at(bytes, at) as i32
}

/// A u32 that counts bytes or is an offset.
pub fn offset_at(bytes: &[u8], at: usize) -> usize {
    u32_at(bytes, at) as usize
}

/// `count` bytes as i8.
pub fn i8_list(bytes: &[u8], at: usize, count: usize) -> Vec<i8> {
    bytes[at..at + count].iter().map(|b| *b as i8).collect()
}

/// `count` i32.
pub fn i32_list(bytes: &[u8], at: usize, count: usize) -> Vec<i32> {
    (0..count).map(|n| i32_at(bytes, at + 4 * n)).collect()
}

/// The `count` biases at `at`; at 0 there are none, which is zeros.
pub fn biases(bytes: &[u8], at: usize, count: usize) -> Vec<i32> {
    if at == 0 { vec![0; count] } else { i32_list(bytes, at, count) }
}

/// CRC-32 as in zip and PNG: polynomial 0xedb88320 reflected, bits inverted before and after.
pub fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// The checksum that belongs into the header of `blob`: that of all bytes but the four that hold it.
pub fn blob_checksum(blob: &[u8]) -> u32 {
    crc32(blob[..12].iter().chain(&blob[16..]).copied())
}
