//! Hints for missing tensors: similar names in the file, and how to rename them.

/// Suffixes of weights stored in parts, with the call that joins them.
const PARTS: [(&str, &str); 5] = [
    (".weight_g", "`torch.nn.utils.remove_weight_norm(layer)`"),
    (".weight_v", "`torch.nn.utils.remove_weight_norm(layer)`"),
    (
        ".weight_orig",
        "`torch.nn.utils.prune.remove(layer, \"weight\")` or `torch.nn.utils.remove_spectral_norm(layer)`",
    ),
    (".parametrizations.weight.original0", PARAMETRIZED),
    (".parametrizations.weight.original1", PARAMETRIZED),
];

const PARAMETRIZED: &str = "`torch.nn.utils.parametrize.remove_parametrizations(layer, \"weight\")`";

/// Suffix of a parametrization of a single tensor.
const ORIGINAL: &str = ".parametrizations.weight.original";

/// Difference between a tensor of the file and a missing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness<'a> {
    /// An extra prefix, including its dot.
    Prefix(&'a str),
    /// Parts of a weight, joined by this call.
    Parts(&'static str),
    /// Different case or separators.
    Spelling,
}

/// Maximum number of missing tensors to search for. Messages name few, and files may be large.
const LOOKED_FOR: usize = 16;

/// A clause, from a semicolon on, that names left-over tensors similar to `missing` ones and the fix. Empty if there
/// are none.
pub(super) fn hint(missing: &[String], left_over: &[String]) -> String {
    for name in missing.iter().take(LOOKED_FOR) {
        let mut found: Vec<(&str, Likeness<'_>)> =
            left_over.iter().filter_map(|there| Some((there.as_str(), likeness(there, name)?))).collect();
        // The shortest name is the closest.
        found.sort_by_key(|(there, _)| there.len());
        let Some((_, first)) = found.first().copied() else { continue };
        found.retain(|(_, likeness)| *likeness == first);
        let names: Vec<String> = found.iter().take(2).map(|(there, _)| format!("`{there}`")).collect();
        let (names, look) = (names.join(" and "), if names.len() > 1 { "look" } else { "looks" });
        let what = match first {
            Likeness::Prefix(prefix) => format!(
                "save it without the prefix: `{{k.removeprefix({prefix:?}): v for k, v in model.state_dict().items()}}`"
            ),
            Likeness::Parts(call) => format!("call {call} before `model.state_dict()`"),
            Likeness::Spelling => "rename the tensor when saving, or the op".to_string(),
        };
        return format!("; the file has {names}, which {look} like `{name}`: {what}");
    }
    String::new()
}

/// Difference between `there` and `missing`, if they are similar.
fn likeness<'a>(there: &'a str, missing: &str) -> Option<Likeness<'a>> {
    let whole = |ending: &str| there.strip_suffix(ending).map(|stem| format!("{stem}.weight"));
    let parts = PARTS.iter().chain([&(ORIGINAL, PARAMETRIZED)]);
    for (ending, call) in parts {
        if whole(ending).is_some_and(|whole| ends_like(&whole, missing)) {
            return Some(Likeness::Parts(call));
        }
    }
    match there.strip_suffix(missing) {
        Some(prefix) if prefix.ends_with('.') => Some(Likeness::Prefix(prefix)),
        _ => ends_like(there, missing).then_some(Likeness::Spelling),
    }
}

/// True if `there` ends with the words of `missing`, regardless of case and separators.
fn ends_like(there: &str, missing: &str) -> bool {
    let letters = |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect() };
    let words = |text: &str| -> Vec<String> {
        // Output index of `TensorFlow`.
        let text = text.strip_suffix(":0").unwrap_or(text).to_ascii_lowercase();
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).map(letters).collect()
    };
    let (there, missing) = (words(there), words(missing).concat());
    !missing.is_empty() && (0..there.len()).any(|first| there[first..].concat() == missing)
}
