//! Blobs: any blob that the reader accepts runs to its end, and the result depends only on the blob.

use super::put;
use crate::forward::PLANS;
use crate::integer_model::bytes::blob_checksum;
use pixelrnn::blob::{GraphOp, Instruction};
use pixelrnn::kernels::Native;
use pixelrnn::{Engine, Model, Pixel, Plan, Sample, StepError, Temperature};
use pixelrnn_converter::Blob;

/// Number of pixels sampled: more than two rows of any seed.
const PIXELS: usize = 20;

/// Largest state in words that is run.
const WORDS: usize = 1 << 18;

/// Most multiply-adds of ops that a graph runs before its first pixel.
const MULTIPLY_ADDS: usize = 1 << 28;

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
        // Limits the image width, as a whole row is slow to compute.
        let slow = (plan == Plan::Row && model.image().width > 64) || ahead(model) > MULTIPLY_ADDS;
        if model.state_words_for(plan) <= WORDS && !slow {
            drawn.extend([0, 0x3131_7171].map(|fill| pixels(model, plan, fill)));
        }
    }
    for pair in drawn.windows(2) {
        let [(a, a_stops), (b, b_stops)] = [&pair[0], &pair[1]];
        // Non-finite floats stop the row plan earlier than the pixel plan.
        let both = a.len().min(b.len());
        let same = a[..both] == b[..both] && (a.len() == b.len() || *a_stops || *b_stops);
        assert!(same, "what stood in the buffer, or the plan, makes a difference: {a:?} and {b:?}");
    }
}

/// Bound of the multiply-adds before the first pixel: whole rows, as many as a segment is ahead.
fn ahead(model: Model<'_>) -> usize {
    let rows = model.instructions().flatten().map(|op| match op {
        Instruction::Graph(GraphOp::Segment(segment)) => 1 + usize::from(segment.rows_ahead),
        _ => 0,
    });
    let each = model.multiply_adds() + model.instructions().len();
    rows.max().unwrap_or(0) * model.image().width * each
}

/// Samples the first pixels with a buffer full of `fill`. The flag tells if a non-finite sum stopped the engine.
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
