//! Image and label files: accepted files are complete, and conversion to a model's levels succeeds or fails cleanly.

use super::put;
use pixelrnn::network::Image;
use pixelrnn_converter::ImageSet;
use pixelrnn_converter::files::unpack;
use pixelrnn_converter::images::{Labels, Range, labels_from_bytes, npz};

/// Size limit for unpacked files.
const LIMIT: u64 = 1 << 20;

/// Value ranges selectable on the command line.
const RANGES: [Range; 3] = [Range::Unstated, Range::Levels, Range::Bytes];

pub fn run(bytes: &[u8]) {
    reads(bytes);
    if let Ok(unpacked) = unpack(bytes.to_vec(), LIMIT)
        && unpacked != bytes
    {
        reads(&unpacked);
    }
    if let Ok(array) = npz::array(bytes, None) {
        reads(&array);
    }
    let _ = npz::array(bytes, Some("arr_0"));
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        reads(&sealed_png(bytes));
    }
}

fn reads(bytes: &[u8]) {
    // Every format other than PNG stores at least one byte per value.
    if let Ok(labels) = labels_from_bytes(bytes) {
        assert!(labels.len() <= bytes.len());
    }
    if let Ok(Labels::Named(labels)) = Labels::from_bytes(bytes) {
        let names: Vec<String> = labels.keys().cloned().collect();
        // Names that differ only in their extensions may be ambiguous.
        let _ = Labels::Named(labels).in_order_of(&names);
    }
    let Ok(set) = ImageSet::from_bytes(bytes) else { return };
    assert!(set.channels == 1 || set.channels == 3, "{} channels", set.channels);
    assert_eq!(set.data.len(), set.count * set.values());
    let shape = Image { height: set.height, width: set.width, channels: set.channels, levels: 2 };
    for (levels, range) in [2, 16, 256].into_iter().flat_map(|levels| RANGES.map(|range| (levels, range))) {
        let read = ImageSet { range, ..set.clone() };
        if let Ok((fitted, _)) = read.fit(&Image { levels, ..shape }) {
            assert!(fitted.data.iter().all(|&value| usize::from(value) < levels));
            assert_eq!((fitted.count, fitted.values()), (set.count, set.values()));
        }
    }
    let mut again = Vec::new();
    let dimensions = [set.count, set.channels, set.height, set.width];
    pixelrnn_converter::images::npy::write_to(&mut again, &dimensions, &set.data).expect("memory takes it");
    if set.count > 0 {
        assert_eq!(ImageSet::from_bytes(&again).expect("a file that was just written").data, set.data);
    }
}

/// Repairs the chunk checksums of a PNG file.
fn sealed_png(bytes: &[u8]) -> Vec<u8> {
    let mut file = bytes.to_vec();
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let Some(end) = length.checked_add(at + 8).filter(|end| *end <= file.len()) else { break };
        let sum = pixelrnn::blob::CRC32.checksum(&file[at + 4..end]);
        put(&mut file, end, &sum.to_be_bytes());
        at = end + 4;
    }
    file
}
