//! Graphs that no converter would write: what the reader accepts has a single meaning, under all plans.

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::blob::{NumberFormat, RECORD_BYTES};
use pixelrnn::{BlobError, Cost, FromImage, Model, Plan, Sample, StepError, Temperature};
use pixelrnn_converter::{Blob, Description};
use pixelrnn_tests::forward::{self, PLANS};
use pixelrnn_tests::integer_model::IntegerModel;
use pixelrnn_tests::integer_model::bytes::{offset_at, u8_at, u16_at, u32_at};
use pixelrnn_tests::integer_model::header::Header;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{graphs, models, mutate, targets};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::Mutex;

/// Kinds of records that only graphs have.
const KINDS: std::ops::RangeInclusive<u8> = 13..=23;

/// A random graph or a gated preset, by its seed.
fn graph(seed: u64, weights: NumberFormat) -> Option<Blob> {
    let make = if seed.is_multiple_of(4) { graphs::gated_blob } else { graphs::random_blob };
    let (_, blob) = make(seed, weights)?;
    let header = Header::parse(blob.bytes()).unwrap();
    // Some random graphs are chains.
    (blob.bytes()[header.ops] == 13).then_some(blob)
}

/// Runs a blob that was changed. Returns the error if the reader refuses it; else the drawn and the scored pixels depend only on the
/// blob's bytes, all plans agree, and the page says the same.
fn outcome(bytes: &[u8]) -> Result<(), BlobError> {
    let blob = Blob::new(bytes);
    let model = Model::new(blob.bytes())?;
    (targets::named("blob").run)(bytes);
    let (label, image) = ((model.classes() > 0).then_some(0), Random::new(7).image(&model.image()));
    let [by_pixel, by_row] = PLANS.map(|plan| forward::score_under(plan, model, &image, label));
    assert_eq!(by_pixel, by_row, "the plan makes a difference");
    let page = IntegerModel::parse(bytes).unwrap();
    assert_eq!(by_pixel.logits, page.logits(&image, label), "the page says something else");
    batched(model, label, &image, by_pixel.cost);
    Ok(())
}

/// Checks that the batched executor scores `image` at `cost`, and draws as the engine does.
fn batched(model: Model<'_>, label: Option<usize>, image: &[u8], cost: Cost) {
    let Some(packed) = PackedModel::new(model) else { return };
    let scored = Scorer::new(&packed).unwrap().score(label, image).unwrap();
    assert_eq!(scored, cost, "the row scorer makes a difference");
    for count in [1, 2] {
        let values = model.image().values();
        let (mut images, mut costs) = (vec![0; count * values], vec![Cost::default(); count]);
        let mut sources: Vec<_> = (0..count).map(|n| Sample::seeded(n as u64, Temperature::ONE)).collect();
        Batch::new(&packed, count).unwrap().run(label, &mut sources, &mut images, &mut costs).unwrap();
        for (n, image) in images.chunks(values).enumerate() {
            let drawn = forward::sample(model, n as u64, 1000, label);
            assert_eq!((image, costs[n]), (&drawn.image[..], drawn.cost), "a batch of {count} makes a difference");
        }
    }
}

/// [`outcome`]; if only the places of what the ops keep are wrong, with other places. Checks that come later are reached so.
fn placed_outcome(bytes: &[u8]) -> Result<(), BlobError> {
    match outcome(bytes) {
        Err(BlobError::State { .. } | BlobError::Op { field: "state" | "at" | "map_bytes", .. }) => {
            outcome(&mutate::placed(bytes))
        }
        other => other,
    }
}

/// Changes of blobs that do harm, by what was changed.
#[derive(Default)]
struct Harm(Mutex<Vec<String>>);

impl Harm {
    /// Runs a changed blob. Returns true if it was accepted; fails for a refusal that names no field.
    fn run(&self, bytes: &[u8], what: impl Fn() -> String) -> bool {
        match catch_unwind(|| placed_outcome(bytes)) {
            Ok(Ok(())) => return true,
            Ok(Err(
                BlobError::Op { .. } | BlobError::State { .. } | BlobError::Work { .. } | BlobError::Header { .. },
            )) => {}
            Ok(Err(error)) => self.0.lock().unwrap().push(format!("{}: {error}", what())),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map_or("a panic", |text| text);
                let first = text.lines().next().unwrap_or_default();
                self.0.lock().unwrap().push(format!("{}: {}", what(), first.chars().take(120).collect::<String>()));
            }
        }
        false
    }

    fn none(self) {
        let harm = self.0.into_inner().unwrap();
        assert!(harm.is_empty(), "{} changes do harm:\n{}", harm.len(), harm[..harm.len().min(40)].join("\n"));
    }
}

/// Other values of a field that has `now`.
fn others(now: u32, bytes: usize, header: &Header) -> BTreeSet<u32> {
    let near = [1, 2, 4].into_iter().flat_map(|by| [now.wrapping_sub(by), now.wrapping_add(by)]);
    let ends = [0, 1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 127, 128, 255, 0x7fff, 0xffff, i32::MAX as u32, u32::MAX];
    let sizes = [header.width, header.height, header.pixels(), header.register_bytes, header.op_count];
    let mask = if bytes == 4 { u32::MAX } else { (1 << (8 * bytes)) - 1 };
    let all = near.chain(ends).chain(sizes.map(|size| size as u32));
    all.map(|value| value & mask).filter(|value| *value != now).collect()
}

fn field(blob: &[u8], at: usize, bytes: usize) -> u32 {
    match bytes {
        1 => u8_at(blob, at).into(),
        2 => u16_at(blob, at).into(),
        _ => u32_at(blob, at),
    }
}

/// Small graphs that together have all kinds of records.
fn small() -> Vec<(u64, Blob)> {
    let mut missing: BTreeSet<u8> = KINDS.collect();
    let mut found = Vec::new();
    for seed in 0..400 {
        let weights = if seed % 5 == 0 { NumberFormat::I8A16 } else { NumberFormat::I8 };
        let Some(blob) = graph(seed, weights) else { continue };
        let header = Header::parse(blob.bytes()).unwrap();
        let kinds: BTreeSet<u8> = (0..header.op_count).map(|op| header.record(blob.bytes(), op)[0]).collect();
        if header.op_count < 40 && (found.len() < 12 || kinds.iter().any(|kind| missing.contains(kind))) {
            missing.retain(|kind| !kinds.contains(kind));
            found.push((seed, blob));
        }
    }
    assert!(missing.is_empty(), "no graph has {missing:?}");
    found
}

#[test]
fn each_field_of_each_record_is_refused_or_harmless() {
    let harm = Harm::default();
    let accepted: usize = small()
        .into_par_iter()
        .map(|(seed, blob)| {
            let blob = mutate::roomy(blob.bytes());
            assert!(Model::new(Blob::new(&blob).bytes()).is_ok(), "graph {seed} with room");
            let header = Header::parse(&blob).unwrap();
            let mut accepted = 0;
            for op in 0..header.op_count {
                let record = header.ops + RECORD_BYTES * op;
                for (name, at, bytes) in mutate::fields(blob[record]) {
                    for value in others(field(&blob, record + at, bytes), bytes, &header) {
                        let mut changed = blob.clone();
                        mutate::field(&mut changed, record + at, bytes, value);
                        let what = || format!("graph {seed}, op {op} of kind {}: `{name}` is {value}", blob[record]);
                        accepted += usize::from(harm.run(&changed, what));
                    }
                }
            }
            accepted
        })
        .sum();
    println!("{accepted} changed blobs were accepted");
    harm.none();
}

/// Value outside of any blob and registers.
const OUTSIDE: u32 = 0x7fff_fff0;

/// Kind, offset and bytes of a field, a value out of range, and the name in the error.
type Refused = (u8, usize, usize, u32, &'static str);

const REFUSED: &[Refused] = &[
    (13, 1, 1, 2, "ungrouped"),
    (13, 4, 4, OUTSIDE, "map_bytes"),
    (13, 8, 4, OUTSIDE, "map_bytes"),
    (14, 1, 1, 5, "phase"),
    (14, 2, 2, 0, "ops"),
    (14, 4, 2, 0xffff, "columns_ahead"),
    (14, 6, 2, 0xffff, "rows_ahead"),
    (14, 8, 4, OUTSIDE, "state"),
    (14, 12, 4, OUTSIDE, "state"),
    (15, 1, 1, 2, "dtype"),
    (15, 4, 4, OUTSIDE, "input"),
    (15, 8, 2, 0, "input"),
    (15, 12, 4, 0, "pixels"),
    (15, 16, 4, OUTSIDE, "pixels"),
    (15, 20, 4, OUTSIDE, "at"),
    (15, 24, 4, OUTSIDE, "at"),
    (16, 2, 2, 0, "map"),
    (16, 4, 4, OUTSIDE, "output"),
    (16, 12, 1, 2, "dtype"),
    (16, 14, 2, 0, "output"),
    (17, 1, 1, 4, "destination"),
    (17, 3, 1, 32, "left_shift"),
    (17, 4, 1, 128, "dilation"),
    (17, 5, 1, 128, "dilation"),
    (17, 6, 1, 0, "dilation"),
    (17, 6, 1, 128, "dilation"),
    (17, 44, 1, 128, "dilation"),
    (17, 8, 4, OUTSIDE, "input"),
    (17, 18, 2, 0, "output"),
    (17, 22, 1, 17, "logit_shift"),
    (17, 24, 4, OUTSIDE, "weights"),
    (17, 28, 4, OUTSIDE, "bias"),
    (17, 32, 4, OUTSIDE, "multipliers"),
    (17, 36, 4, OUTSIDE, "class_bias"),
    (17, 42, 2, 0, "map"),
    (18, 1, 1, 3, "index"),
    (18, 2, 2, 0, "output"),
    (18, 4, 4, OUTSIDE, "output"),
    (18, 8, 4, OUTSIDE, "table"),
    (19, 2, 2, 0, "output"),
    (19, 4, 4, OUTSIDE, "input"),
    (19, 12, 2, 0, "input"),
    (19, 16, 4, OUTSIDE, "output"),
    (19, 20, 4, 0, "rescale"),
    (19, 30, 2, 0xffff, "spans"),
    (19, 42, 2, 0xffff, "spans"),
    (20, 4, 4, OUTSIDE, "a"),
    (20, 8, 4, OUTSIDE, "b"),
    (20, 12, 4, OUTSIDE, "output"),
    (20, 20, 4, u32::MAX, "multiplier"),
    (21, 1, 1, 6, "fraction"),
    (21, 1, 1, 15, "fraction"),
    (21, 2, 1, 15, "fraction_b"),
    (21, 4, 4, OUTSIDE, "input"),
    (21, 8, 4, OUTSIDE, "output"),
    (21, 16, 4, 0, "rescale"),
    (22, 2, 1, 6, "fraction_b"),
    (22, 20, 4, 0, "rescale"),
    (22, 24, 4, u32::MAX, "multiplier"),
    (23, 1, 1, 17, "logit_shift"),
    (23, 2, 2, 0, "input"),
    (23, 4, 4, OUTSIDE, "input"),
    (23, 8, 4, 0, "rescale"),
];

/// True if a `conv` has taps, from a map.
fn has_taps(record: &[u8]) -> bool {
    (record[4] > 0 || record[44] > 0) && record[5] > 0 || record[23] > 0
}

#[test]
fn a_field_of_a_graph_out_of_range_is_named() {
    let mut named = BTreeSet::new();
    for (seed, blob) in small() {
        let blob = mutate::roomy(blob.bytes());
        let header = Header::parse(&blob).unwrap();
        for op in 0..header.op_count {
            let record = header.record(&blob, op);
            for (n, (kind, at, bytes, value, field)) in REFUSED.iter().copied().enumerate() {
                // Without taps there is no map.
                if kind != record[0] || (field == "map" && kind == 17 && !has_taps(record)) {
                    continue;
                }
                let mut changed = blob.clone();
                mutate::field(&mut changed, header.ops + RECORD_BYTES * op + at, bytes, value);
                let error = Model::new(Blob::new(&changed).bytes()).err();
                // An earlier op may read the map of a segment or `keep` that is wrong.
                let refused = matches!(error, Some(BlobError::Op { op: at, .. }) if at <= op);
                assert!(refused, "graph {seed}, op {op}: {value} at {at} of kind {kind}: {error:?}");
                if error == Some(BlobError::Op { op, field }) {
                    named.insert(n);
                }
            }
        }
    }
    let missing: Vec<_> = (0..REFUSED.len()).filter(|n| !named.contains(n)).map(|n| REFUSED[n]).collect();
    assert!(missing.is_empty(), "never named: {missing:?}");
}

#[test]
fn graphs_of_another_structure_are_refused_or_harmless() {
    let harm = Harm::default();
    let accepted: usize = (0..200u64)
        .into_par_iter()
        .filter_map(|seed| {
            let weights = if seed % 5 == 0 { NumberFormat::I8A16 } else { NumberFormat::I8 };
            let blob = graph(seed, weights)?;
            let run = |round: u64| {
                let changed = mutate::structure(blob.bytes(), &mut Random::new(seed << 16 | round));
                harm.run(&changed, || format!("graph {seed}, round {round}"))
            };
            Some((0..100).filter(|round| run(*round)).count())
        })
        .sum();
    println!("{accepted} changed blobs were accepted");
    harm.none();
}

#[test]
fn registers_and_offsets_of_graphs_are_refused_or_harmless() {
    let harm = Harm::default();
    let accepted: usize = (0..200u64)
        .into_par_iter()
        .filter_map(|seed| {
            let blob = graph(seed, NumberFormat::I8)?;
            let run = |round: u64| {
                let (mut bytes, mut random) = (blob.bytes().to_vec(), Random::new(seed << 16 | round));
                if round.is_multiple_of(2) {
                    mutate::register(&mut bytes, &mut random);
                } else {
                    mutate::offset(&mut bytes, &mut random);
                }
                harm.run(&bytes, || format!("graph {seed}, round {round}"))
            };
            Some((0..20).filter(|round| run(*round)).count())
        })
        .sum();
    println!("{accepted} changed blobs were accepted");
    harm.none();
}

/// No likelihood comes from an overflow, also where no weighted sum makes the logits.
#[test]
fn logits_that_are_not_finite_stop_the_engine() {
    let description = Description::from_json(
        r#"{"image":{"height":2,"width":2,"channels":1,"levels":2},"output":"softmax","ops":[
            {"op":"masked_conv","name":"a","mask":"A","kernel":[3,3],"out":2},
            {"op":"scale","factor":2},
            {"op":"scale","factor":2}]}"#,
    )
    .unwrap();
    let (_, blob) = models::converted(models::of(&description, 1), 1, NumberFormat::F32).unwrap();
    let mut bytes = blob.bytes().to_vec();
    let (ops, count) = (offset_at(&bytes, 44), usize::from(u16_at(&bytes, 38)));
    for op in (0..count).map(|op| ops + RECORD_BYTES * op) {
        if bytes[op] == 5 {
            mutate::field(&mut bytes, op + 20, 4, 1e30_f32.to_bits());
        }
    }
    let blob = Blob::new(&bytes);
    let model = blob.model().unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = forward::engine(model, &mut state, Plan::Pixel);
    let mut image = FromImage::new(&[1; 4], model.image());
    assert_eq!(engine.run(None, &mut image, &mut [0; 4]), Err(StepError::NotFinite));
}
