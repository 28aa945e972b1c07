//! Presets whose tensors have the names and shapes of a file's.

use super::{Candidate, Suggestion, output_of, usual_guesses, usual_size};
use crate::description::Description;
use pixelrnn::network::{Architecture, ColourGroups, Image, Preset};
use std::collections::BTreeMap;

/// Finds the preset with the tensors of `candidates`, without their common prefix.
pub(super) fn fit(candidates: &[Candidate]) -> Option<Suggestion> {
    let ending = ["input.weight", "input.vertical.weight"];
    let found = candidates.iter().find_map(|c| ending.iter().find_map(|ending| c.name.strip_suffix(ending)));
    let prefix = found.filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))?;
    let shapes: BTreeMap<&str, &[usize]> =
        candidates.iter().filter_map(|c| Some((c.name.strip_prefix(prefix)?, c.shape.as_slice()))).collect();
    let preset = preset(&shapes)?;
    let description = Description::from(preset);
    let nodes = description.nodes().ok()?;
    let mut fits = true;
    let mut known = 0;
    for node in &nodes {
        node.tensors(description.classes, |spec| {
            let got = shapes.get(spec.name.as_str());
            known += usize::from(got.is_some());
            fits &= got.map_or(!spec.required, |got| **got == *spec.shape);
        });
    }
    let other = |name: &&str| !name.ends_with("num_batches_tracked") && !name.ends_with("mask");
    if !fits || known != shapes.keys().filter(|name| other(name)).count() {
        return None;
    }
    let mut guesses = usual_guesses(&description);
    // A depth gate needs the residual.
    if !preset.depth_gate && preset.layers > 0 {
        guesses.push("each block adds its input, \"residual\": true".to_string());
    }
    Some(Suggestion { json: description.to_json(), key: None, fits: true, guesses })
}

/// The preset by some of the shapes.
fn preset(shapes: &BTreeMap<&str, &[usize]>) -> Option<Preset> {
    let four = |name: &str| -> Option<[usize; 4]> { (*shapes.get(name)?).try_into().ok() };
    let has = |name: &str| shapes.contains_key(name);
    let gated = four("input.vertical.weight");
    let [features, channels, _, input_kernel] = gated.or_else(|| four("input.weight"))?;
    let layers = (0..=255).take_while(|n| {
        let block = format!("blocks.{n}.");
        shapes.range(block.as_str()..).next().is_some_and(|(name, _)| name.starts_with(&block))
    });
    let layers = layers.count();
    let (architecture, kernel) = if gated.is_some() {
        (Architecture::GatedPixelCnn, four("blocks.0.vertical.weight").map(|shape| shape[3]))
    } else if has("blocks.0.left.input_to_state.weight") {
        (Architecture::DiagonalBilstm, Some(3))
    } else if let Some(shape) = four("blocks.0.input_to_state.weight") {
        (Architecture::RowLstm, Some(shape[3]))
    } else {
        (Architecture::PixelCnn, four("blocks.0.conv.weight").map(|shape| shape[3]))
    };
    let columns = |name: &str| shapes.get(name).and_then(|shape| shape.get(1)).copied();
    let classes = ["blocks.0.reduce.class.weight", "blocks.0.class.weight", "blocks.0.left.class.weight"];
    let classes = classes.into_iter().chain(["input.vertical.class.weight"]).find_map(columns).unwrap_or(0);
    let [logits, head, ..] = four("head.1.weight")?;
    let (output, levels) = output_of(logits, channels)?;
    let [mut height, mut width] = usual_size(channels);
    if let Some(rows) = shapes.get("blocks.0.left.initial.h").and_then(|shape| shape.first()) {
        [height, width] = [*rows; 2];
    }
    let preset = Preset {
        architecture,
        image: Image { height, width, channels, levels },
        hidden: features / 2,
        layers,
        input_kernel,
        // Without blocks nothing reads it.
        kernel: kernel.unwrap_or(3),
        head,
        output,
        residual: true,
        skip: has("blocks.0.skip.weight"),
        depth_gate: has("blocks.0.gate.weight"),
        initial_state: has("blocks.0.initial.h") || has("blocks.0.left.initial.h"),
        classes,
        colour_groups: ColourGroups::default(),
    };
    preset.check().ok()?;
    Some(preset)
}
