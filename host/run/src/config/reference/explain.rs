//! The reference of one key or table, for a terminal.

use super::{Key, Section, keys, sections, toml_text, wrap};
use crate::config::{layers, nearest};
use a2d_system::error::{Error, Result};
use a2d_system::program::quoted;
use serde_json::{Value as Json, json};
use std::fmt;
use toml::Value;

/// Columns of a line, and of the labels at its start.
const WIDTH: usize = 80;
const LABEL: usize = 13;

/// A key or a table, to be shown as text or as JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Explained {
    /// A key.
    Key(Key),
    /// A table.
    Table(Section),
}

/// The key or table at `path`.
///
/// # Errors
///
/// Misuse: there is none; the message names the nearest.
pub fn explain(path: &str) -> Result<Explained> {
    let key = keys().into_iter().find(|key| key.path == path).map(Explained::Key);
    let is_asked = |section: &Section| section.path == path && !path.is_empty();
    let table = || sections().into_iter().find(is_asked).map(Explained::Table);
    key.or_else(table).ok_or_else(|| Error::misuse(nearest::unknown(path)))
}

impl Explained {
    /// As JSON: an object for a key, a list of them for a table.
    pub fn json(&self) -> Json {
        match self {
            Self::Key(key) => json!(key),
            Self::Table(section) => json!(section.keys),
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key_text(key, f),
            Self::Table(section) => table_text(section, f),
        }
    }
}

fn key_text(key: &Key, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}\n{}\n", key.path, wrap(&key.meaning, WIDTH).join("\n"))?;
    labelled(f, "type", key.kind)?;
    for (i, allowed) in key.values.iter().enumerate() {
        let label = if i == 0 { "values" } else { "" };
        labelled(f, label, &format!("{}: {}", allowed.value, allowed.meaning))?;
    }
    labelled(f, "default", &default(key))?;
    let set = |name: &str| format!("{name}={}", quoted(&plain(&key.example)));
    labelled(f, "environment", &set(&key.environment))?;
    labelled(f, "option", &format!("--set {}", set(&key.path)))
}

fn default(key: &Key) -> String {
    match (&key.inherits, &key.default, key.derived) {
        (Some(from), Some(value), _) => format!("the value of {from} ({})", plain(value)),
        (None, Some(value), true) if key.from_data => {
            format!("derived from the data; {} without data", plain(value))
        }
        (None, Some(value), true) => {
            format!("depends on other keys; {} with their defaults", plain(value))
        }
        (None, Some(value), false) if value.as_str() == Some("") => "empty".to_owned(),
        (None, Some(value), false) => plain(value),
        (_, None, _) => "none".to_owned(),
    }
}

/// A value as `--set` and the environment take it: text without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| toml_text(value), str::to_owned)
}

fn labelled(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    let lines = wrap(text, WIDTH - LABEL).join(&format!("\n{:LABEL$}", ""));
    writeln!(f, "{label:LABEL$}{lines}")
}

fn table_text(section: &Section, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "[{}]\n{}\n", section.path, wrap(&section.meaning, WIDTH).join("\n"))?;
    let longest = section.keys.iter().map(|key| key.name().len()).max().unwrap_or(0);
    for key in &section.keys {
        let first = key.meaning.split_inclusive(". ").next().unwrap_or_default();
        writeln!(f, "{:longest$}  {}", key.name(), first.trim_end())?;
    }
    writeln!(
        f,
        "\nenvironment: {}__KEY; one key: --explain {}.KEY",
        layers::variable(&section.path),
        section.path
    )
}
