//! A blob whose weights are laid out anew is the same model, or is refused.

use pixelrnn::blob::Layout;
use pixelrnn_converter::layout::arrange;
use pixelrnn_converter::{Blob, Error};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{golden, mutate, walk};

fn golden_blobs() -> Vec<Blob> {
    golden::MADE_FROM.iter().map(|(name, _)| Blob::read(&golden::folder().join(name)).unwrap()).collect()
}

fn draw(blob: &Blob) -> walk::Walk {
    let model = blob.model().unwrap();
    walk::sample(model, 3, 1000, (model.classes() > 0).then_some(0))
}

#[test]
fn there_and_back_again_gives_the_same_bytes() {
    for blob in golden_blobs() {
        let blocks = arrange(&blob, Layout::Blocks).unwrap();
        assert_eq!(blocks.model().unwrap().layout(), Layout::Blocks);
        assert_eq!(arrange(&blocks, Layout::Rows).unwrap().bytes(), blob.bytes());
        assert_eq!(arrange(&blob, Layout::Rows).unwrap().bytes(), blob.bytes());
    }
}

/// Offsets that no converter writes: parts that touch, overlap, or lie in another order.
#[test]
fn odd_blobs_keep_their_meaning_or_are_refused() {
    let (mut same, mut refused) = (0, 0);
    for (n, blob) in golden_blobs().iter().enumerate() {
        for (m, start) in [Layout::Rows, Layout::Blocks].into_iter().enumerate() {
            let start = arrange(blob, start).unwrap();
            for seed in 0..150 {
                let mut random = Random::new(seed + 1000 * (2 * n + m) as u64);
                let mut bytes = start.bytes().to_vec();
                mutate::offset(&mut bytes, &mut random);
                let odd = Blob::new(&bytes);
                let Ok(model) = odd.model() else { continue };
                let other = if model.layout() == Layout::Rows { Layout::Blocks } else { Layout::Rows };
                match arrange(&odd, other) {
                    Ok(arranged) => {
                        assert_eq!(draw(&arranged), draw(&odd), "blob {n}, layout {m}, seed {seed}");
                        same += 1;
                    }
                    Err(Error::SharedWeights) => refused += 1,
                    Err(error) => panic!("blob {n}, layout {m}, seed {seed}: {error}"),
                }
            }
        }
    }
    println!("{same} kept their meaning, {refused} were refused");
    assert!(same > 50 && refused > 50, "{same} and {refused}: too few of one kind to show anything");
}
