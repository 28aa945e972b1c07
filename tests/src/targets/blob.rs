//! Blobs: what the reader accepts runs to its end, and depends on nothing but the blob.

use super::put;
use crate::integer_model::bytes::blob_checksum;
use crate::walk::PLANS;
use pixelrnn::kernels::Native;
use pixelrnn::{Engine, Model, Pixel, Plan, Sample, StepError, Temperature};
use pixelrnn_converter::Blob;

/// Pixels that are drawn: more than two rows of what the seeds are.
const PIXELS: usize = 20;

/// Words of the largest state that is tried.
const WORDS: usize = 1 << 18;

pub fn run(bytes: &[u8]) {
    draws_the_same(bytes);
    let mut sealed = bytes.to_vec();
    put(&mut sealed, 8, &(bytes.len() as u32).to_le_bytes());
    if sealed.len() >= 16 {
        let checksum = blob_checksum(&sealed);
        put(&mut sealed, 12, &checksum.to_le_bytes());
    }
    draws_the_same(&sealed);
}

fn draws_the_same(bytes: &[u8]) {
    let blob = Blob::new(bytes);
    let Ok(model) = blob.model() else { return };
    let mut drawn = Vec::new();
    for plan in PLANS {
        // A row of an image that is wider than any is long work.
        if model.state_words_for(plan) <= WORDS && (plan == Plan::Pixel || model.image().width <= 64) {
            drawn.extend([0, 0x3131_7171].map(|fill| pixels(model, plan, fill)));
        }
    }
    for pair in drawn.windows(2) {
        let [(a, a_stops), (b, b_stops)] = [&pair[0], &pair[1]];
        // Floats that are not finite stop an engine that computes a row of sums at once before one that does not.
        let both = a.len().min(b.len());
        let same = a[..both] == b[..both] && (a.len() == b.len() || *a_stops || *b_stops);
        assert!(same, "what stood in the buffer, or the plan, makes a difference: {a:?} and {b:?}");
    }
}

/// The first pixels, drawn in a buffer full of `fill`, and whether a sum of floats that is not finite ends them.
fn pixels(model: Model<'_>, plan: Plan, fill: u32) -> (Vec<Pixel>, bool) {
    let mut state = vec![fill; model.state_words_for(plan)];
    let kernel = Native::from_env().expect("a kernel");
    let mut engine = Engine::with(model, &mut state, kernel, plan).expect("a buffer of the right size");
    engine.restart((model.classes() > 0).then_some(0)).expect("a label of the model's");
    let mut source = Sample::seeded(1, Temperature::ONE);
    let mut drawn = Vec::new();
    while drawn.len() < PIXELS {
        match engine.step(&mut source) {
            Ok(Some(pixel)) => drawn.push(pixel),
            Ok(None) => break,
            Err(StepError::NotFinite) if !model.weights().is_integer() => return (drawn, true),
            Err(error) => panic!("what was accepted runs: {error}"),
        }
    }
    (drawn, false)
}
