//! Memory use of sampling, scoring, compressing and restoring is constant over any number of images.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // the counting allocator implements GlobalAlloc

use pixelrnn::{Engine, Sample, Temperature};
use pixelrnn_converter::Blob;
use pixelrnn_converter::compress::{compress, decompress};
use pixelrnn_converter::run::{Scorer, sample};
use pixelrnn_tests::golden;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Live bytes over all threads. Resident pages are not a suitable measure, as they depend on which threads contend in
/// the allocator, and so on other load.
static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: delegates to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: the caller upholds the contract of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allowed growth. Thread pools keep queues and free them lazily. A leak of 100 bytes per image exceeds it.
const MAX_GROWTH: isize = 32 << 10;

/// Resident memory of this process in KiB, for display only.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Serializes the tests in this file, which share the counter.
static ALONE: Mutex<()> = Mutex::new(());

/// Processes `rounds` times `batch` images: samples, scores, compresses and restores each, and runs one image through
/// an engine pixel by pixel.
fn stays_flat(model: &str, rounds: usize, batch: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let blob = Blob::read(&golden::file().parent().unwrap().join(model)).unwrap();
    let model = blob.model().unwrap();
    let mut image = vec![0; model.image().values()];
    let (mut before, mut resident_before) = (0, 0);
    for round in 0..rounds {
        let set = sample(model, batch, (round * batch) as u64, Temperature::ONE, None, || ()).unwrap();
        let scores = Scorer::Engine(model).score_all(&set, None, false, || ()).unwrap();
        assert_eq!(scores.len(), batch);
        let file = compress(model, &set, None, || ()).unwrap();
        assert_eq!(decompress(model, &file.bytes, || ()).unwrap().set, set);
        let mut state = vec![0; model.state_words()];
        let mut draw = Sample::seeded((round * batch) as u64, Temperature::ONE);
        Engine::new(model, &mut state).unwrap().run(None, &mut draw, &mut image).unwrap();
        assert_eq!(image, set.image(0));
        drop((set, scores, file, state));
        let now = LIVE.load(Relaxed);
        // First-time initialization allocates memory.
        if round < rounds.div_ceil(5) {
            before = before.max(now);
            resident_before = resident_before.max(resident());
        }
        assert!(
            now <= before + MAX_GROWTH,
            "{before} bytes at first, {now} bytes after {} images",
            (round + 1) * batch
        );
    }
    println!("{} images: {before} bytes at first, {} in the end", rounds * batch, LIVE.load(Relaxed));
    println!("with what the system and the allocator add: {resident_before} KiB at first, {} in the end", resident());
}

#[test]
fn a_thousand_images_leave_nothing_behind() {
    stays_flat("golden/pixel_cnn_gray.prnn", 50, 20);
    stays_flat(golden::BUILT_IN, 10, 4);
}

/// Number of images from `PIXELRNN_LONG_IMAGES`, 100,000 by default.
#[test]
#[ignore = "minutes; tests/long runs it"]
fn as_many_images_as_one_likes_leave_nothing_behind() {
    let images = std::env::var("PIXELRNN_LONG_IMAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    stays_flat(golden::BUILT_IN, 100, usize::div_ceil(images, 100));
}
