//! Blobs damaged in transit are rejected. With a repaired checksum they are rejected or harmless.

use pixelrnn_converter::Blob;
use pixelrnn_tests::{golden, targets};
use rayon::prelude::*;

/// Small blobs: a `PixelCNN` with one channel, a class-conditional Row LSTM in colour, and a graph in colour with all phases.
fn blobs() -> [Vec<u8>; 3] {
    let golden = golden::folder();
    let [cnn, lstm] = ["pixel_cnn_gray.prnn", "row_lstm_rgb_classes.prnn"].map(|name| golden.join(name));
    let graph = targets::named("blob").folder().join("graph_rgb_phases.prnn");
    [cnn, lstm, graph].map(|path| std::fs::read(path).unwrap())
}

fn refused_and_harmless(damaged: &[u8], what: &str) {
    assert!(Blob::new(damaged).model().is_err(), "{what} is accepted");
    // With length and checksum repaired, it must still run to its end and depend only on its bytes.
    let run = std::panic::catch_unwind(|| (targets::named("blob").run)(damaged));
    assert!(run.is_ok(), "{what} does harm");
}

#[test]
fn every_flipped_bit_is_refused_or_harmless() {
    for blob in blobs() {
        println!("{} flipped bits", 8 * blob.len());
        (0..8 * blob.len()).into_par_iter().for_each(|bit| {
            let mut damaged = blob.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            refused_and_harmless(&damaged, &format!("bit {bit} of {} bytes", blob.len()));
        });
    }
}

#[test]
fn every_missing_end_is_refused_or_harmless() {
    for blob in blobs() {
        println!("{} missing ends", blob.len());
        (0..blob.len()).into_par_iter().for_each(|length| {
            refused_and_harmless(&blob[..length], &format!("{length} of {} bytes", blob.len()));
        });
        refused_and_harmless(&[&blob[..], &[0]].concat(), "one byte more");
    }
}
