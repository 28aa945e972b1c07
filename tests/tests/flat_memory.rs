//! However many images there are, a program that draws, scores, compresses and restores them takes no more memory with time.
#![cfg(target_os = "linux")]

use pixelrnn::{Draw, Engine, Temperature};
use pixelrnn_converter::Blob;
use pixelrnn_converter::compress::{compress, decompress};
use pixelrnn_converter::run::{Scorer, sample};
use pixelrnn_tests::golden;

/// What it may take more, in KiB: the allocator and its threads have whims, a leak of 100 bytes an image does not stop there.
const WHIMS: usize = 4096;

/// Memory of this process that is really there, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// `rounds` times `each` images, every one of which is drawn, scored, compressed and restored; and one by an engine, pixel by pixel.
fn stays_flat(model: &str, rounds: usize, each: usize) {
    let blob = Blob::read(&golden::file().parent().unwrap().join(model)).unwrap();
    let model = blob.model().unwrap();
    let mut image = vec![0; model.image().values()];
    let mut before = 0;
    for round in 0..rounds {
        let set = sample(model, each, (round * each) as u64, Temperature::ONE, None, || ()).unwrap();
        let scores = Scorer::Engine(model).score_all(&set, None, false, || ()).unwrap();
        assert_eq!(scores.len(), each);
        let file = compress(model, &set, None, || ()).unwrap();
        assert_eq!(decompress(model, &file.bytes, || ()).unwrap().set, set);
        let mut state = vec![0; model.state_words()];
        let mut draw = Draw::seeded((round * each) as u64, Temperature::ONE);
        Engine::new(model, &mut state).unwrap().run(None, &mut draw, &mut image).unwrap();
        assert_eq!(image, set.image(0));
        // What a process does for the first time takes memory.
        if round < rounds.div_ceil(5) {
            before = before.max(resident());
        }
        let now = resident();
        assert!(now <= before + WHIMS, "{before} KiB at first, {now} KiB after {} images", (round + 1) * each);
    }
    println!("{} images: {before} KiB at first, {} KiB in the end", rounds * each, resident());
}

#[test]
fn a_thousand_images_leave_nothing_behind() {
    stays_flat("golden/pixel_cnn_gray.prnn", 50, 20);
    stays_flat(golden::BUILT_IN, 10, 4);
}

/// As many as `PIXELRNN_LONG_IMAGES` says, or a hundred thousand.
#[test]
#[ignore = "minutes; tests/long runs it"]
fn as_many_images_as_one_likes_leave_nothing_behind() {
    let images = std::env::var("PIXELRNN_LONG_IMAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    stays_flat(golden::BUILT_IN, 100, usize::div_ceil(images, 100));
}
