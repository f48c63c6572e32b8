//! A run with the origins of its values.

use super::reference::{Key, sections, toml_text};
use super::{Origin, RunConfig, schema};
use a2d_system::output;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use toml::{Table, Value};

/// A run and the origins of the keys that are set. Keys without an origin have their defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The run.
    pub run: RunConfig,
    /// The origin of each key.
    pub origins: BTreeMap<String, Origin>,
}

impl Merged {
    /// Every value as TOML that parses to an equal run, with its origin as a comment if it is set. Keys without a value
    /// are omitted.
    pub fn to_toml(&self) -> String {
        let values = self.values();
        let mut out = String::new();
        for section in sections() {
            if !section.path.is_empty() {
                _ = writeln!(out, "\n[{}]", section.path);
            }
            for (key, value) in section.keys.iter().filter_map(|key| valued(key, &values)) {
                let origin =
                    self.origin(key).map_or(String::new(), |origin| format!("  # {origin}"));
                _ = writeln!(out, "{} = {}{origin}", key.name(), toml_text(value));
            }
        }
        out.trim_start().to_owned()
    }

    /// Every key with its value and its origin; `null`: the default.
    pub fn json(&self) -> Json {
        let values = self.values();
        let keys = sections().into_iter().flat_map(|section| section.keys);
        let entry = |key: Key| {
            let (value, origin) = (schema::find(&values, &key.path), self.origin(&key));
            json!({"key": key.path, "value": value, "origin": origin})
        };
        keys.map(entry).collect()
    }

    fn values(&self) -> Table {
        schema::table(&self.run.complete())
    }

    /// The origin on one line.
    fn origin(&self, key: &Key) -> Option<String> {
        let origin = self.origins.get(&key.path)?;
        Some(output::one_line(&origin.to_string()).into_owned())
    }
}

fn valued<'a>(key: &'a Key, values: &'a Table) -> Option<(&'a Key, &'a Value)> {
    Some((key, schema::find(values, &key.path)?))
}
