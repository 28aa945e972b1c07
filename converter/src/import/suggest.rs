//! Descriptions that the tensors of a file suggest: a preset whose names and shapes fit, else a list of convolutions.

mod chain;
mod preset;

use super::parts::Source;
use super::stored::Contents;
use crate::description::Description;
use std::collections::BTreeMap;

/// A description to begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// JSON, one line for each op.
    pub json: String,
    /// Key to give with it, if the file has several parts with such names.
    pub key: Option<String>,
    /// True if names and shapes are those of a preset, or of a chain without gaps; false for a draft that does not fit yet.
    pub fits: bool,
    /// Sentences about the things that the tensors do not tell, each a thing to check.
    pub guesses: Vec<String>,
}

/// A float tensor with its name below the part of the file that is looked at.
#[derive(Clone, Debug)]
struct Candidate {
    name: String,
    shape: Vec<usize>,
    source: Source,
}

/// Keys of dictionaries and wrappers that lead to a state dict, those that usually hold the final weights first.
const KEYS: [&str; 11] = [
    "ema_state_dict",
    "ema_model",
    "ema",
    "state_dict",
    "model_state_dict",
    "model_state",
    "net_state_dict",
    "params",
    "weights",
    "module",
    "_orig_mod",
];

/// Keys of dictionaries that are as often the names of modules.
const MODULES: [&str; 4] = ["model", "net", "network", "generator"];

/// Keys of an optimizer's state, which has the shapes of the weights.
const OTHERS: [&str; 5] = ["optimizer", "optimizer_state_dict", "optimizer_states", "optim", "opt"];

fn is_key(segment: &str) -> bool {
    KEYS.contains(&segment) || MODULES.contains(&segment)
}

pub(super) fn first_segment(name: &str) -> &str {
    name.split_once('.').map_or(name, |(first, _)| first)
}

/// Looks for a network in `all`, the tensors of the file or of the part that the user chose.
pub(super) fn suggest(contents: &Contents, all: &BTreeMap<String, Source>) -> Option<Suggestion> {
    let mut sources: Vec<(&String, &Source)> =
        all.iter().filter(|(name, _)| !OTHERS.contains(&first_segment(name))).collect();
    sources.sort_by_key(|(_, source)| source.shaped());
    let mut names: Vec<(String, Source)> = sources.into_iter().map(|(name, source)| (name.clone(), *source)).collect();
    // Descends through dictionaries and wrappers. Those without a choice are no part of the key: the import finds them by itself.
    let (mut key, mut chosen) = (String::new(), false);
    let below = |name: &str, key: &str| Some(name.strip_prefix(key)?.strip_prefix('.')?.to_string());
    let is_weight = |(_, source): &(String, Source)| contents.tensors[source.shaped()].1.shape.len() == 4;
    loop {
        let weights: Vec<&str> = names.iter().filter(|entry| is_weight(entry)).map(|(name, _)| name.as_str()).collect();
        let holds = |key: &&&str| weights.iter().any(|name| below(name, key).is_some());
        let alone = |key: &str| weights.iter().all(|name| below(name, key).is_some());
        let first = KEYS.iter().find(holds);
        // Beside other keys with weights, the name of a module is that of a dictionary.
        let beside = |key: &&&str| !alone(key) && weights.iter().all(|name| is_key(first_segment(name)));
        let Some(first) = first.or_else(|| MODULES.iter().filter(holds).find(beside)).copied() else { break };
        chosen |= !alone(first);
        key = format!("{key}{first}.");
        names = names.iter().filter_map(|(name, source)| Some((below(name, first)?, *source))).collect();
    }
    let candidates: Vec<Candidate> = names
        .into_iter()
        .map(|(name, source)| Candidate {
            shape: contents.tensors[source.shaped()].1.shape.clone(),
            name: name.split('.').filter(|part| !["module", "_orig_mod"].contains(part)).collect::<Vec<_>>().join("."),
            source,
        })
        .collect();
    let mut suggestion = preset::fit(&candidates).or_else(|| chain::draft(contents, &candidates))?;
    suggestion.key = chosen.then(|| key.trim_end_matches('.').to_string());
    Some(suggestion)
}

/// Size of an image that the weights do not tell, in rows and columns.
fn usual_size(channels: usize) -> [usize; 2] {
    if channels == 3 { [32, 32] } else { [28, 28] }
}

/// Output and levels of a network with `logits` outputs for a pixel: `None` for a number that fits neither output.
fn output_of(logits: usize, channels: usize) -> Option<(pixelrnn::network::Output, usize)> {
    use pixelrnn::network::Output;
    let each = logits.checked_div(channels).filter(|each| each * channels == logits)?;
    match each {
        1 => Some((Output::Bernoulli, 2)),
        2..=256 => Some((Output::Softmax, each)),
        _ => None,
    }
}

/// The guesses that every suggestion shares.
fn usual_guesses(description: &Description) -> Vec<String> {
    let image = description.image;
    let mut guesses = vec![
        format!("the image's height and width, {} and {}", image.height, image.width),
        format!(
            "the input map: value / {}; a network that was trained on other numbers wants \"input\": {{\"scale\": …, \
             \"shift\": …}}",
            image.levels - 1
        ),
    ];
    if image.channels == 3 {
        guesses.push(
            "the features' colours, \"colour_groups\": \"cyclic\", \"contiguous\" or, for a network that predicts all three \
             values of a pixel at once, \"none\""
                .to_string(),
        );
    }
    guesses
}
