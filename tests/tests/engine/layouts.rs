//! Changing the weight layout preserves the model. Invalid blobs are rejected.

use pixelrnn::Model;
use pixelrnn::blob::{BlobError, Header, Layout, NumberFormat, checksum};
use pixelrnn_build::layout::LayoutError;
use pixelrnn_converter::layout::arrange;
use pixelrnn_converter::{Blob, Error};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{forward, golden, mutate};
use std::mem::offset_of;

fn golden_blobs() -> Vec<Blob> {
    golden::MADE_FROM.iter().map(|(name, _)| Blob::read(&golden::folder().join(name)).unwrap()).collect()
}

/// Blob with 16-bit activations.
fn wide_blob() -> Blob {
    Blob::read(&golden::folder().join("v1/ops_rgb_nested_residuals-a16.prnn")).unwrap()
}

fn draw(blob: &Blob) -> forward::Pass {
    let model = blob.model().unwrap();
    forward::sample(model, 3, 1000, (model.classes() > 0).then_some(0))
}

#[test]
fn there_and_back_again_gives_the_same_bytes() {
    for blob in golden_blobs() {
        let blocks = arrange(&blob, Layout::Tiled).unwrap();
        assert_eq!(blocks.model().unwrap().layout(), Layout::Tiled);
        assert_eq!(arrange(&blocks, Layout::RowMajor).unwrap().bytes(), blob.bytes());
        assert_eq!(arrange(&blob, Layout::RowMajor).unwrap().bytes(), blob.bytes());
    }
    let wide = wide_blob();
    let pairs = arrange(&wide, Layout::TiledPairs).unwrap();
    let blocks = arrange(&pairs, Layout::Tiled).unwrap();
    assert_ne!(pairs.bytes(), blocks.bytes());
    assert_eq!(draw(&pairs), draw(&wide));
    assert_eq!(arrange(&blocks, Layout::TiledPairs).unwrap().bytes(), pairs.bytes());
    assert_eq!(arrange(&pairs, Layout::RowMajor).unwrap().bytes(), wide.bytes());
}

#[test]
fn layouts_that_the_weights_do_not_have_are_refused() {
    let narrow = golden_blobs().swap_remove(0);
    let error = arrange(&narrow, Layout::TiledPairs).unwrap_err();
    let expected = LayoutError::Weights { layout: Layout::TiledPairs, weights: NumberFormat::I8 };
    assert!(matches!(error, Error::Layout(error) if error == expected), "{error}");
    // Headers that declare the layout directly.
    for (blob, layout, valid) in [(wide_blob(), 2, true), (wide_blob(), 3, false), (narrow, 2, false)] {
        let blob = if valid { arrange(&blob, Layout::TiledPairs).unwrap() } else { blob };
        let mut bytes = blob.bytes().to_vec();
        bytes[offset_of!(Header, layout)] = layout;
        let sum = checksum(&bytes).to_le_bytes();
        bytes[offset_of!(Header, checksum)..][..sum.len()].copy_from_slice(&sum);
        let read = Model::new(Blob::new(&bytes).bytes()).map(|model| model.layout());
        let expected = if valid { Ok(Layout::TiledPairs) } else { Err(BlobError::Header { field: "layout" }) };
        assert_eq!(read, expected);
    }
}

/// Offsets that no converter writes: adjacent, overlapping or reordered sections.
#[test]
fn odd_blobs_keep_their_meaning_or_are_refused() {
    let (mut same, mut refused) = (0, 0);
    for (n, blob) in golden_blobs().iter().enumerate() {
        for (m, start) in [Layout::RowMajor, Layout::Tiled].into_iter().enumerate() {
            let start = arrange(blob, start).unwrap();
            for seed in 0..150 {
                let mut random = Random::new(seed + 1000 * (2 * n + m) as u64);
                let mut bytes = start.bytes().to_vec();
                mutate::offset(&mut bytes, &mut random);
                let odd = Blob::new(&bytes);
                let Ok(model) = odd.model() else { continue };
                let other = if model.layout() == Layout::RowMajor { Layout::Tiled } else { Layout::RowMajor };
                match arrange(&odd, other) {
                    Ok(arranged) => {
                        assert_eq!(draw(&arranged), draw(&odd), "blob {n}, layout {m}, seed {seed}");
                        same += 1;
                    }
                    Err(Error::Layout(LayoutError::Shared)) => refused += 1,
                    Err(error) => panic!("blob {n}, layout {m}, seed {seed}: {error}"),
                }
            }
        }
    }
    println!("{same} kept their meaning, {refused} were refused");
    assert!(same > 50 && refused > 50, "{same} and {refused}: too few of one kind to show anything");
}
