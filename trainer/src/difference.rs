//! Comparison of a checkpoint's recipe with the current one, by keys.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Keys that may change between stopping and resuming. They affect only the length of the run.
pub(crate) const CHANGEABLE: [&str; 2] = ["training.epochs", "training.patience"];

/// Number of differences listed; further ones are only counted.
const NAMED: usize = 6;

/// A recipe as flat keys, such as `training.rate` or `model.ops[2].out`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Keys(BTreeMap<String, Value>);

impl Keys {
    /// Keys of a checkpoint: its `settings` (JSON of the model and of its training) and the identities of its images.
    /// `None` if the settings have another format.
    pub(crate) fn new(settings: &str, data: &BTreeMap<String, String>) -> Option<Self> {
        let mut parts = serde_json::Deserializer::from_str(settings).into_iter::<Map<String, Value>>();
        let mut keys = BTreeMap::new();
        for table in ["model", "training"] {
            flatten(table, &Value::Object(parts.next()?.ok()?), &mut keys);
        }
        keys.extend(data.iter().map(|(key, value)| (format!("data.{key}"), value.as_str().into())));
        parts.next().is_none().then_some(Self(keys))
    }

    /// Number of epochs.
    pub(crate) fn epochs(&self) -> Option<u64> {
        self.0.get("training.epochs")?.as_u64()
    }

    /// Message about fixed keys that differ from `here`, or `None`. Checkpoints without image identities predate them
    /// and are accepted.
    pub(crate) fn difference(&self, here: &Self) -> Option<String> {
        let has_data = self.0.keys().any(|key| key.starts_with("data."));
        let keys = self.0.keys().chain(here.0.keys().filter(|key| !self.0.contains_key(*key)));
        let differs = |key: &&String| self.0.get(*key) != here.0.get(*key);
        let fixed = |key: &&String| !CHANGEABLE.contains(&key.as_str()) && (has_data || !key.starts_with("data."));
        let say = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "not set".to_string(),
        };
        let mut said: Vec<String> = keys
            .filter(differs)
            .filter(fixed)
            .map(|key| format!("`{key}` is {} there and {} here", say(self.0.get(key)), say(here.0.get(key))))
            .collect();
        let more = said.len().saturating_sub(NAMED);
        said.truncate(NAMED);
        if more > 0 {
            said.push(format!("{more} more differ"));
        }
        (!said.is_empty()).then(|| said.join(", "))
    }
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, into)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| flatten(&format!("{path}[{n}]"), value, into));
        }
        value => {
            into.insert(path.to_string(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(settings: &str, train: Option<&str>) -> Keys {
        let data = train.map(|train| ("train".to_string(), train.to_string()));
        Keys::new(settings, &data.into_iter().collect()).unwrap()
    }

    #[test]
    fn keys_that_differ_are_named_with_both_values() {
        let then =
            keys(r#"{"hidden":3,"image":{"levels":2},"ops":[{"out":1}]} {"rate":0.02,"epochs":4}"#, Some("8 images"));
        let difference = |settings, train| then.difference(&keys(settings, train));
        let same = r#"{"hidden":3,"image":{"levels":2},"ops":[{"out":1}]} {"rate":0.02,"epochs":9,"patience":3}"#;
        assert_eq!(difference(same, Some("8 images")), None);
        let other = r#"{"hidden":3,"image":{"levels":4},"ops":[{"out":2}]} {"rate":0.5,"clip":1,"epochs":4}"#;
        let said = difference(other, Some("6 images")).unwrap();
        for words in [
            "`model.image.levels` is 2 there and 4 here",
            "`model.ops[0].out` is 1 there and 2 here",
            "`training.rate` is 0.02 there and 0.5 here",
            "`training.clip` is not set there and 1 here",
            "`data.train` is 8 images there and 6 images here",
        ] {
            assert!(said.contains(words), "{said}");
        }
        assert!(!said.contains("hidden") && !said.contains("epochs"), "{said}");
        assert_eq!((then.epochs(), Keys::new("{}", &BTreeMap::new())), (Some(4), None));
    }

    #[test]
    fn a_checkpoint_that_does_not_know_its_images_goes_on_with_any() {
        let settings = r#"{"hidden":3} {"rate":0.02}"#;
        assert_eq!(keys(settings, None).difference(&keys(settings, Some("8 images"))), None);
    }
}
