//! The part of a file that holds the network: the names of the description below some prefix.

use super::error::{ImportError, Lacking, Named, SHOWN};
use super::parts::{Source, named};
use super::stored::Contents;
use crate::error::Error;
use std::collections::{BTreeMap, BTreeSet};

/// A tensor that the description asks for.
pub(super) struct Wanted {
    /// Name by the description.
    pub name: String,
    /// Shape by the description.
    pub shape: Vec<usize>,
    /// False if the file may lack it.
    pub required: bool,
}

/// The network's tensors in a file.
pub(super) struct Place {
    /// Prefix of their names, with its dot; empty for a plain state dict.
    pub prefix: String,
    /// Tensors below the prefix, by their names without it.
    pub tensors: BTreeMap<String, Source>,
    /// Number of tensors elsewhere, and the keys that they are below.
    pub elsewhere: (usize, Vec<String>),
}

/// Segments of names that wrappers of modules add: `DataParallel`, and `torch.compile`.
const WRAPPERS: [&str; 2] = ["module", "_orig_mod"];

/// Maximum number of near names for each missing one.
const NEAREST: usize = 2;

/// Finds the part of the file that has all required tensors. `key` is the user's choice of a part.
///
/// # Errors
/// [`ImportError::NoSuchKey`], [`ImportError::Missing`] with the nearest tensors of the part that fits best, and
/// [`ImportError::Ambiguous`] when several parts fit.
pub(super) fn find(
    contents: &Contents,
    mut all: BTreeMap<String, Source>,
    wanted: &[Wanted],
    key: Option<&str>,
) -> Result<Place, Error> {
    let mut before = String::new();
    if let Some(key) = key {
        before = format!("{}.", key.trim_end_matches('.'));
        let keys = keys(all.keys());
        all = below(&all, &before);
        if all.is_empty() {
            return Err(ImportError::NoSuchKey { key: key.to_string(), keys }.into());
        }
    }
    let required: BTreeSet<&str> = wanted.iter().filter(|w| w.required).map(|w| w.name.as_str()).collect();
    for names in [all.clone(), unwrapped(&all)] {
        let found = prefixes(&names, &required);
        let mut complete: Vec<&String> =
            found.iter().filter(|(_, count)| **count == required.len()).map(|(prefix, _)| prefix).collect();
        // Names that fit as they are need no prefix.
        if complete.iter().any(|prefix| prefix.is_empty()) {
            complete.retain(|prefix| prefix.is_empty());
        }
        // The plainer of two readings has precedence, if its shapes fit at all.
        match complete[..] {
            [] => {}
            [prefix] => return Ok(place(contents, &names, prefix, &before)),
            [..] => {
                let keys = complete.iter().map(|p| format!("{before}{}", p.trim_end_matches('.'))).collect();
                return Err(ImportError::Ambiguous { keys }.into());
            }
        }
    }
    let names = unwrapped(&all);
    let found = prefixes(&names, &required);
    // Of several that fit equally well, the shortest prefix.
    let best = found.iter().max_by_key(|(prefix, count)| (**count, std::cmp::Reverse(prefix.len())));
    let prefix = best.map_or("", |(prefix, _)| prefix.as_str());
    Err(missing(contents, &below(&names, prefix), &names, wanted))
}

/// Number of required names below each prefix that has any.
fn prefixes(names: &BTreeMap<String, Source>, required: &BTreeSet<&str>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for name in names.keys() {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(at, _)| at + 1));
        for start in starts.filter(|start| required.contains(&name[*start..])) {
            *found.entry(name[..start].to_string()).or_insert(0) += 1;
        }
    }
    found
}

/// Tensors below a prefix, without it.
fn below(names: &BTreeMap<String, Source>, prefix: &str) -> BTreeMap<String, Source> {
    let tensors = names.iter().filter_map(|(name, source)| Some((name.strip_prefix(prefix)?.to_string(), *source)));
    tensors.collect()
}

/// Names without the segments of wrappers, as far as they stay different.
fn unwrapped(names: &BTreeMap<String, Source>) -> BTreeMap<String, Source> {
    let mut plain: BTreeMap<String, Vec<(&String, Source)>> = BTreeMap::new();
    for (name, source) in names {
        let parts: Vec<_> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
        plain.entry(parts.join(".")).or_default().push((name, *source));
    }
    let mut all = BTreeMap::new();
    for (short, sources) in plain {
        match sources[..] {
            [(_, source)] => drop(all.insert(short, source)),
            [..] => all.extend(sources.into_iter().map(|(name, source)| (name.clone(), source))),
        }
    }
    all
}

fn place(contents: &Contents, names: &BTreeMap<String, Source>, prefix: &str, before: &str) -> Place {
    let tensors = below(names, prefix);
    let inside: BTreeSet<usize> = tensors.values().flat_map(|source| source.indices()).collect();
    let outside = contents.tensors.iter().enumerate().filter(|(n, _)| !inside.contains(n)).map(|(_, (name, _))| name);
    let outside: Vec<&String> = outside.collect();
    Place { prefix: format!("{before}{prefix}"), tensors, elsewhere: (outside.len(), keys(outside)) }
}

/// First segments of names, in order, each once.
fn keys<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let first = |name: &String| name.split_once('.').map_or(name.as_str(), |(first, _)| first).to_string();
    names.into_iter().map(first).collect::<BTreeSet<_>>().into_iter().collect()
}

fn missing(
    contents: &Contents,
    names: &BTreeMap<String, Source>,
    everywhere: &BTreeMap<String, Source>,
    wanted: &[Wanted],
) -> Error {
    let absent: Vec<&Wanted> = wanted.iter().filter(|w| w.required && !names.contains_key(&w.name)).collect();
    let taken: BTreeSet<&str> = wanted.iter().map(|w| w.name.as_str()).collect();
    let lacking = absent.iter().take(SHOWN).map(|wanted| {
        let free = names.iter().filter(|(name, _)| !taken.contains(name.as_str()));
        let mut nearest: Vec<_> = free.collect();
        if nearest.is_empty() {
            nearest = everywhere.iter().collect();
        }
        let mut nearest: Vec<(f64, Named)> = nearest
            .into_iter()
            .map(|(name, source)| {
                let Named { shape, .. } = named(contents, source.shaped());
                (likeness(name, &shape, wanted), Named { name: name.clone(), shape })
            })
            .collect();
        nearest.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        // Neither the same shape nor a name that has much in common helps anybody.
        let nearest = nearest.into_iter().take(NEAREST).filter(|(likeness, _)| *likeness > 0.5).map(|(_, named)| named);
        Lacking { wanted: Named { name: wanted.name.clone(), shape: wanted.shape.clone() }, nearest: nearest.collect() }
    });
    ImportError::Missing { lacking: lacking.collect(), more: absent.len().saturating_sub(SHOWN) }.into()
}

/// Likeness of a tensor to a wanted one: 1 for the shape, and up to 1 for the name.
fn likeness(name: &str, shape: &[usize], wanted: &Wanted) -> f64 {
    let same = if *shape == *wanted.shape { 1.0 } else { 0.0 };
    same + strsim::sorensen_dice(&name.to_ascii_lowercase(), &wanted.name.to_ascii_lowercase())
}
