//! The settings of a run, by key.

use a2d_run::config::RunConfig;
use serde_json::{Map, Value, json};
use toml::Table;

/// Each key with its value and its default, if any: `[key, value, default]`, as TOML.
pub fn json(run: &RunConfig) -> Value {
    let [given, plain] = [run, &RunConfig::default()].map(flat);
    let entry = |(key, value): (String, Value)| json!([key, value, plain.get(&key)]);
    given.into_iter().map(entry).collect()
}

fn flat(run: &RunConfig) -> Map<String, Value> {
    let mut keys = Map::new();
    collect("", &Table::try_from(run.complete()).unwrap_or_default(), &mut keys);
    keys
}

fn collect(path: &str, table: &Table, keys: &mut Map<String, Value>) {
    for (name, value) in table {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            toml::Value::Table(inner) => collect(&path, inner, keys),
            value => drop(keys.insert(path, json!(value.to_string()))),
        }
    }
}
