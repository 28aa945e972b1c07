//! Graphs that no converter would write: what the reader accepts has a single meaning, under all plans.

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::blob::{NumberFormat, RECORD_BYTES};
use pixelrnn::{BlobError, Cost, Model, Sample, Temperature};
use pixelrnn_converter::Blob;
use pixelrnn_tests::forward::{self, PLANS};
use pixelrnn_tests::integer_model::IntegerModel;
use pixelrnn_tests::integer_model::bytes::{u8_at, u16_at, u32_at};
use pixelrnn_tests::integer_model::header::Header;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{graphs, mutate, targets};
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
            let rounds = std::env::var("ROUNDS").map_or(100, |r| r.parse().unwrap());
            Some((0..rounds).filter(|round| run(*round)).count())
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
            let rounds = std::env::var("ROUNDS").map_or(20, |r| r.parse().unwrap());
            Some((0..rounds).filter(|round| run(*round)).count())
        })
        .sum();
    println!("{accepted} changed blobs were accepted");
    harm.none();
}

#[test]
#[ignore = "debug"]
fn show() {
    let env = |name: &str| std::env::var(name).unwrap();
    let [seed, round] = ["SEED", "ROUND"].map(|name| env(name).parse::<u64>().unwrap());
    let mode = env("MODE");
    let weights = if mode == "s" && seed % 5 == 0 { NumberFormat::I8A16 } else { NumberFormat::I8 };
    let blob = graph(seed, weights).unwrap();
    let print = |bytes: &[u8]| {
        let blob = Blob::new(bytes);
        let model = Model::new(blob.bytes()).unwrap();
        eprintln!("{:?} groups {} {:?}", model.image(), model.groups(), model.header().register_bytes);
        for (n, op) in model.instructions().enumerate() {
            let text = format!("{:?}", op.unwrap());
            let text = text.split(" reserved").next().unwrap().replace("pad: 0, ", "").replace("pad2: 0, ", "");
            eprintln!("{n:3} {text}");
        }
    };
    print(blob.bytes());
    let mut random = Random::new(seed << 16 | round);
    let changed = if mode == "s" {
        mutate::structure(blob.bytes(), &mut random)
    } else {
        let mut bytes = blob.bytes().to_vec();
        if round % 2 == 0 {
            eprintln!("{:?}", mutate::register(&mut bytes, &mut random));
        } else {
            mutate::offset(&mut bytes, &mut random);
        }
        bytes
    };
    print(&changed);
    outcome(&changed).unwrap();
}
