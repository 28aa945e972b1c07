//! Draws digits on a host, several together on each of two threads, and scores them again.
//!
//! ```text
//! cargo run -p pixelrnn --example batch
//! ```

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::{Cost, Sample, StepError, Temperature};
use std::convert::Infallible;
use std::error::Error;
use std::io::{Write, stdout};
use std::ops::Range;
use std::thread::{ScopedJoinHandle, scope};

pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");

/// Draws one image for each seed, all together. An image depends on its seed alone, not on its batch or thread.
fn draw(packed: &PackedModel<'_>, seeds: Range<u64>) -> Result<(Vec<u8>, Vec<Cost>), StepError<Infallible>> {
    let mut sources: Vec<_> = seeds.map(|seed| Sample::seeded(seed, Temperature::ONE)).collect();
    let mut images = vec![0; sources.len() * digits::VALUES];
    let mut costs = vec![Cost::default(); sources.len()];
    Batch::new(packed, sources.len())?.run(None, &mut sources, &mut images, &mut costs)?;
    Ok((images, costs))
}

pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    // Threads share the packed weights.
    let packed = &PackedModel::new(digits::model()?).ok_or("this model cannot be packed")?;
    let batches = scope(|scope| {
        let threads = [0..8, 8..16].map(|seeds| scope.spawn(|| draw(packed, seeds)));
        threads.map(ScopedJoinHandle::join)
    });

    // A scorer predicts a whole row at once, as all its pixels are given.
    let mut scorer = Scorer::new(packed)?;
    for batch in batches {
        let (images, costs) = batch.map_err(|_| "a thread panicked")??;
        for (image, drawn) in images.chunks(digits::VALUES).zip(costs) {
            let scored = scorer.score(None, image)?;
            writeln!(out, "{:.2} nats as drawn, {:.2} as scored", drawn.nats(), scored.nats())?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut stdout().lock())
}
