//! Little-endian reads from a byte slice, and the blob checksum.

/// Reads a u8 at `at`.
pub fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}

/// Reads an i8 at `at`.
pub fn i8_at(bytes: &[u8], at: usize) -> i8 {
    bytes[at] as i8
}

/// Reads a u16 at `at`.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Reads an i16 at `at`.
pub fn i16_at(bytes: &[u8], at: usize) -> i16 {
    u16_at(bytes, at) as i16
}

/// Reads a u32 at `at`.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Reads an i32 at `at`.
pub fn i32_at(bytes: &[u8], at: usize) -> i32 {
    u32_at(bytes, at) as i32
}

/// Reads a u32 offset or length at `at`.
pub fn offset_at(bytes: &[u8], at: usize) -> usize {
    u32_at(bytes, at) as usize
}

/// Reads `count` i8 values.
pub fn i8_list(bytes: &[u8], at: usize, count: usize) -> Vec<i8> {
    bytes[at..at + count].iter().map(|b| *b as i8).collect()
}

/// Reads `count` i32 values.
pub fn i32_list(bytes: &[u8], at: usize, count: usize) -> Vec<i32> {
    (0..count).map(|n| i32_at(bytes, at + 4 * n)).collect()
}

/// Reads `count` biases. Offset 0 means that there are none, equivalent to zeros.
pub fn biases(bytes: &[u8], at: usize, count: usize) -> Vec<i32> {
    if at == 0 { vec![0; count] } else { i32_list(bytes, at, count) }
}

/// CRC-32 as in zip and PNG: reflected polynomial 0xedb88320, initial value and final XOR all ones.
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

/// Checksum field of `blob`: CRC-32 of all bytes outside the field itself.
pub fn blob_checksum(blob: &[u8]) -> u32 {
    crc32(blob[..12].iter().chain(&blob[16..]).copied())
}
