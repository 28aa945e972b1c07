//! However many images there are, a program that draws, scores, compresses and restores them takes no more memory with time.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // an allocator that counts has to be one

use pixelrnn::{Engine, Sample, Temperature};
use pixelrnn_converter::Blob;
use pixelrnn_converter::compress::{compress, decompress};
use pixelrnn_converter::run::{Scorer, sample};
use pixelrnn_tests::golden;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Bytes that are allocated and not freed, by all threads. How many pages the system gives for them depends on which threads meet in the
/// allocator, and so on what else the machine does.
static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: the caller's promises are those that `System` asks for.
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

/// Bytes more that there may be: threads of a pool keep queues, and free what is in them when they come to it. A leak of 100 bytes an image
/// does not stop there.
const WHIMS: isize = 32 << 10;

/// Memory of this process that is really there, in KiB: to be shown, not to be relied upon.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// The tests of this file count the same bytes.
static ALONE: Mutex<()> = Mutex::new(());

/// `rounds` times `each` images, every one of which is drawn, scored, compressed and restored; and one by an engine, pixel by pixel.
fn stays_flat(model: &str, rounds: usize, each: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let blob = Blob::read(&golden::file().parent().unwrap().join(model)).unwrap();
    let model = blob.model().unwrap();
    let mut image = vec![0; model.image().values()];
    let (mut before, mut resident_before) = (0, 0);
    for round in 0..rounds {
        let set = sample(model, each, (round * each) as u64, Temperature::ONE, None, || ()).unwrap();
        let scores = Scorer::Engine(model).score_all(&set, None, false, || ()).unwrap();
        assert_eq!(scores.len(), each);
        let file = compress(model, &set, None, || ()).unwrap();
        assert_eq!(decompress(model, &file.bytes, || ()).unwrap().set, set);
        let mut state = vec![0; model.state_words()];
        let mut draw = Sample::seeded((round * each) as u64, Temperature::ONE);
        Engine::new(model, &mut state).unwrap().run(None, &mut draw, &mut image).unwrap();
        assert_eq!(image, set.image(0));
        drop((set, scores, file, state));
        let now = LIVE.load(Relaxed);
        // Things that a process does for the first time take memory.
        if round < rounds.div_ceil(5) {
            before = before.max(now);
            resident_before = resident_before.max(resident());
        }
        assert!(now <= before + WHIMS, "{before} bytes at first, {now} bytes after {} images", (round + 1) * each);
    }
    println!("{} images: {before} bytes at first, {} in the end", rounds * each, LIVE.load(Relaxed));
    println!("with what the system and the allocator add: {resident_before} KiB at first, {} in the end", resident());
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
