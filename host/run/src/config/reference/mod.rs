//! The reference of all keys: meaning, type, allowed values, default.
//!
//! Meanings are the doc comments of the structs that the parser fills, so each is declared once, beside its field.

mod explain;
mod markdown;
mod text;

pub use explain::explain;
pub use markdown::markdown;
pub use text::commented;

use super::{RunConfig, layers, load, schema};
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

/// A table of the configuration. The first one, with an empty path, holds the keys outside any table.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The path: `train`, `teacher.train`.
    pub path: String,
    /// What the table is about.
    pub meaning: String,
    /// The keys, in order of declaration.
    pub keys: Vec<Key>,
}

/// A key of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Key {
    /// The path: `train.lr`.
    #[serde(rename = "key")]
    pub path: String,
    /// What the key sets.
    pub meaning: String,
    /// The type of its value, in words.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The allowed values, if only a few are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Allowed>,
    /// The value if no key is set, if there is one.
    pub default: Option<Value>,
    /// Whether the default depends on other keys, or on the data.
    pub derived: bool,
    /// Whether an absent key is derived from the data where there are data; `default` is the value without data.
    pub from_data: bool,
    /// The key that an absent key takes its value from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherits: Option<String>,
    /// The environment variable that sets the key.
    pub environment: String,
    /// A valid value: the default, if there is one and it is not empty.
    pub example: Value,
}

/// An allowed value of a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Allowed {
    /// The value.
    pub value: String,
    /// What it means.
    pub meaning: String,
}

impl Key {
    /// The name without its table.
    pub fn name(&self) -> &str {
        schema::name(&self.path)
    }

    /// The value that absent keys have, independent of other keys.
    fn fixed(&self) -> Option<&Value> {
        self.default.as_ref().filter(|_| !self.derived)
    }
}

/// Every table with its keys, in order of declaration.
pub fn sections() -> Vec<Section> {
    let described = describe();
    let mut sections = Vec::new();
    Walk::new().table("", &described, &mut sections);
    sections
}

/// Every key, in order of declaration.
pub fn keys() -> Vec<Key> {
    sections().into_iter().flat_map(|section| section.keys).collect()
}

/// The JSON Schema of a run, whose descriptions are the doc comments.
fn describe() -> Map<String, Json> {
    let settings = SchemaSettings::draft2020_12().with(|how| how.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<RunConfig>();
    schema.as_object().cloned().unwrap_or_default()
}

/// The values that keys are described with.
struct Walk {
    example: Table,
    defaults: Table,
    complete: Table,
}

impl Walk {
    fn new() -> Self {
        let complete = schema::table(&RunConfig::default().complete());
        Self { example: schema::example(), defaults: schema::defaults(), complete }
    }

    fn table(&self, path: &str, described: &Map<String, Json>, out: &mut Vec<Section>) {
        let at = out.len();
        let meaning = meaning(described);
        out.push(Section { path: path.to_owned(), meaning, keys: Vec::new() });
        for (name, property) in properties(described) {
            let path = schema::join(path, name);
            if properties(property).next().is_some() {
                self.table(&path, property, out);
            } else {
                out[at].keys.extend(self.key(path, property));
            }
        }
    }

    /// The key at `path`, or `None` if the parser does not know it.
    fn key(&self, path: String, property: &Map<String, Json>) -> Option<Key> {
        let example = schema::find(&self.example, &path)?.clone();
        let default = schema::find(&self.complete, &path).cloned();
        let inherits = schema::inherited_from(&path);
        let from_data = schema::is_from_data(&path);
        let fixed = schema::find(&self.defaults, &path).is_some() && inherits.is_none();
        Some(Key {
            meaning: meaning(property),
            kind: load::kind(&example),
            values: allowed(property),
            derived: default.is_some() && (from_data || !fixed),
            from_data,
            environment: layers::variable(&path),
            example: default.clone().filter(|value| value.as_str() != Some("")).unwrap_or(example),
            default,
            inherits,
            path,
        })
    }
}

/// The description as one line.
fn meaning(described: &Map<String, Json>) -> String {
    let text = described.get("description").and_then(Json::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn properties(described: &Map<String, Json>) -> impl Iterator<Item = (&str, &Map<String, Json>)> {
    let all = described.get("properties").and_then(Json::as_object).into_iter().flatten();
    all.filter_map(|(name, property)| Some((name.as_str(), property.as_object()?)))
}

/// The constants among the alternatives of a schema, those of an optional value included.
fn allowed(described: &Map<String, Json>) -> Vec<Allowed> {
    let list = |key| described.get(key).and_then(Json::as_array).into_iter().flatten();
    let mut found = Vec::new();
    for choice in list("oneOf").chain(list("anyOf")).filter_map(Json::as_object) {
        match choice.get("const").and_then(Json::as_str) {
            Some(value) => {
                found.push(Allowed { value: value.to_owned(), meaning: meaning(choice) });
            }
            None => found.append(&mut allowed(choice)),
        }
    }
    found
}

/// Columns of a line of a configuration.
const WIDTH: usize = 100;

/// Appends `text` as comment lines.
pub(crate) fn comment(out: &mut String, text: &str) {
    wrap(text, WIDTH - 2).iter().for_each(|line| out.push_str(&format!("# {line}\n")));
}

/// A value as TOML; small numbers as `1e-8`.
pub(crate) fn toml_text(value: &Value) -> String {
    match value {
        Value::Float(number) => format!("{number:?}"),
        value => value.to_string(),
    }
}

/// Breaks `text` between words into lines of at most `width` characters, where words allow it.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The table before `section` that has the same keys with the same meanings, if any.
fn same_keys<'a>(earlier: &'a [Section], section: &Section) -> Option<&'a Section> {
    let described = |section: &Section| {
        let keys = section.keys.iter().map(|key| (key.name().to_owned(), key.meaning.clone()));
        keys.collect::<Vec<_>>()
    };
    let keys = described(section);
    earlier.iter().find(|other| !keys.is_empty() && described(other) == keys)
}

/// The sentence about a table that has the keys of `earlier`.
fn repeats(section: &Section, earlier: &Section) -> String {
    let earlier = &earlier.path;
    match section.keys.iter().any(|key| key.inherits.is_some()) {
        true => format!(
            "The keys of [{earlier}]. An absent key has the value that it has in [{earlier}]."
        ),
        false => format!(
            "The keys of [{earlier}], of which no value is taken. What is derived from the data is larger than in [{earlier}]."
        ),
    }
}
