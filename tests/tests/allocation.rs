//! The engine allocates no memory beyond its buffer.
#![allow(unsafe_code)] // the counting allocator implements GlobalAlloc

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::{Cost, Engine, FromImage, Sample, Temperature};
use pixelrnn_tests::fixtures;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Allocator calls on this thread. Threads of the test harness keep allocating.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn count() {
        // The thread-local counter is gone while its thread exits, and no longer read.
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    }
}

// SAFETY: delegates to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller upholds the contract of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        Self::count();
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Number of allocator calls during `work`.
fn calls(work: impl FnOnce()) -> usize {
    let before = CALLS.with(Cell::get);
    work();
    CALLS.with(Cell::get) - before
}

#[test]
fn running_an_engine_allocates_nothing() {
    assert_eq!(calls(|| drop(std::hint::black_box(vec![1_u8]))), 2, "the counter counts");
    for (fixture, blob) in fixtures::converted() {
        let bytes = blob.bytes();
        let mut state = vec![0; blob.model().unwrap().state_words()];
        let mut out = vec![0; fixture.images.values()];
        let calls = calls(|| {
            let model = pixelrnn::Model::new(bytes).unwrap();
            let mut engine = Engine::new(model, &mut state).unwrap();
            let mut draw = Sample::seeded(0, Temperature::ONE);
            engine.run(fixture.label(0), &mut draw, &mut out).unwrap();
            let mut given = FromImage::new(fixture.images.image(0), model.image());
            engine.run(fixture.label(0), &mut given, &mut out).unwrap();
        });
        assert_eq!(calls, 0, "{}: calls of the allocator", fixture.name);
    }
}

#[test]
fn batches_and_scorers_allocate_nothing_once_they_are_made() {
    for (fixture, blob) in fixtures::converted() {
        let model = blob.model().unwrap();
        let packed = PackedModel::new(model).unwrap();
        let (mut batch, mut scorer) = (Batch::new(&packed, 3).unwrap(), Scorer::new(&packed).unwrap());
        let mut sources = [0, 1, 2].map(|seed| Sample::seeded(seed, Temperature::ONE));
        let (mut images, mut costs) = (vec![0; 3 * model.image().values()], [Cost(0); 3]);
        let calls = calls(|| {
            batch.run(fixture.label(0), &mut sources, &mut images, &mut costs).unwrap();
            scorer.score(fixture.label(0), fixture.images.image(0)).unwrap();
        });
        assert_eq!(calls, 0, "{}: calls of the allocator", fixture.name);
    }
}
