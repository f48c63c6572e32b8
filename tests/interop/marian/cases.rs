//! Which values belong to which model: `expected{X}.safetensors` and the lists `greedy{_X}` to the folder `model{X}`.

use super::Marian;
use crate::folders;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A folder with values of transformers.
pub struct Case {
    pub folder: PathBuf,
    /// `expected.json`
    pub expected: Value,
    pub models: Vec<Named>,
}

/// A model, and the end of the names of its values.
pub struct Named {
    /// Such as `-bin`.
    pub end: String,
    pub marian: Marian,
}

impl Named {
    /// The end of the names of lists, such as `_bin`.
    pub fn list_end(&self) -> String {
        self.end.replace('-', "_")
    }
}

/// Every folder of a Marian model with its weights.
pub fn models() -> Vec<&'static Path> {
    folders::all()
        .iter()
        .map(PathBuf::as_path)
        .filter(|folder| folders::is_marian(folder))
        .collect()
}

/// Every folder with values of transformers for Marian models.
pub fn all() -> &'static [Case] {
    static ALL: OnceLock<Vec<Case>> = OnceLock::new();
    ALL.get_or_init(found)
}

fn found() -> Vec<Case> {
    let models = models();
    let case = |(folder, expected): (PathBuf, Value)| {
        let beside = |model: &&&Path| **model == folder || model.parent() == Some(&folder);
        let beside: Vec<_> = models.iter().filter(beside).collect();
        let end = |model: &Path| match model.strip_prefix(&folder).unwrap().to_str().unwrap() {
            _ if beside.len() == 1 => String::new(),
            name => name.strip_prefix("model").map_or(format!("-{name}"), String::from),
        };
        let named = |model: &&&Path| Named { end: end(model), marian: Marian::read(model) };
        let models: Vec<_> = beside.iter().map(named).collect();
        (!models.is_empty()).then_some(Case { folder, expected, models })
    };
    folders::expected(|value| value["runs"].is_null()).into_iter().filter_map(case).collect()
}

impl Case {
    /// The model of a list of `expected.json`, and what its name says before the name of the model.
    pub fn model_of<'c>(&'c self, list: &'c str) -> Option<(&'c Marian, &'c str)> {
        let ends = self.models.iter().filter_map(|named| {
            let before = list.strip_suffix(&named.list_end())?;
            Some((&named.marian, before))
        });
        ends.min_by_key(|(_, before)| before.len())
    }
}
