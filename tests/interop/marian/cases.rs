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
        let beside: Vec<_> =
            models.iter().filter(|model| model.parent() == Some(&folder)).collect();
        let named = |model: &&&'static Path| {
            let name = model.file_name().unwrap().to_str().unwrap();
            let only = if beside.len() == 1 { "" } else { name };
            let end = name.strip_prefix("model").unwrap_or(only).to_owned();
            Named { end, marian: Marian::read(model) }
        };
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
