//! The file of a study as text: its tables, and the line of each key.

use a2d_run::config::{Setting, Task, line_of, read_text, syntax};
use a2d_system::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// The tables of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tables {
    #[serde(default)]
    pub task: Task,
    pub study: StudyTable,
    pub tuning: Option<TuningTable>,
    #[serde(default)]
    pub model: Table,
    #[serde(default)]
    pub train: Table,
    #[serde(default)]
    pub distill: Table,
    #[serde(default)]
    pub data: BTreeMap<String, Table>,
    #[serde(default)]
    pub teacher: BTreeMap<String, TeacherTable>,
    #[serde(default)]
    pub student: BTreeMap<String, StudentTable>,
    #[serde(default)]
    pub method: BTreeMap<String, Table>,
}

/// `[study]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyTable {
    pub seeds: Vec<u32>,
    pub updates: Option<u64>,
    pub minutes: Option<f64>,
    pub baseline: Option<String>,
    pub metrics: Option<Vec<String>>,
    pub resamples: Option<usize>,
    pub jobs: Option<usize>,
}

/// `[tuning]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningTable {
    pub trials: usize,
    pub seed: Option<u32>,
    pub student: Option<String>,
    pub updates: Option<u64>,
    pub minutes: Option<f64>,
    #[serde(default)]
    pub search: Table,
}

/// `[teacher.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherTable {
    pub data: Option<Vec<String>>,
    pub run: Option<String>,
    #[serde(default)]
    pub model: Table,
    #[serde(default)]
    pub train: Table,
}

/// `[student.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudentTable {
    pub data: Option<Vec<String>>,
    #[serde(default)]
    pub model: Table,
    #[serde(default)]
    pub train: Table,
}

/// The file, and where its keys are.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    /// The text of the file.
    pub text: String,
    /// Where each key begins, in bytes.
    places: BTreeMap<Vec<String>, usize>,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Misuse, naming file and line: the file cannot be read, is not TOML, or a key of the study is unknown or has a value
    /// of another type.
    pub fn read(path: &Path) -> Result<(Self, Tables)> {
        let text = read_text(path, "study")?;
        let wrong = |e: toml::de::Error| syntax(path, &text, &e);
        let parsed = DeTable::parse(&text).map_err(wrong)?;
        let mut places = BTreeMap::new();
        locate(&[], parsed.get_ref(), &mut places);
        let document = Self { path: path.to_owned(), text: text.clone(), places };
        let tables = Tables::deserialize(toml::Deserializer::from(parsed)).map_err(wrong)?;
        Ok((document, tables))
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a key begins, in bytes; for an absent key, the table that it would be in.
    fn place(&self, path: &[&str]) -> usize {
        let path: Vec<_> = path.iter().map(|part| (*part).to_owned()).collect();
        let found = (1..=path.len()).rev().find_map(|end| self.places.get(&path[..end]));
        found.copied().unwrap_or(0)
    }

    /// The line of a key, or of the table that it would be in.
    pub fn line(&self, path: &[&str]) -> usize {
        line_of(&self.text, self.place(path))
    }

    /// The error that the key at `path` is wrong.
    pub fn wrong(&self, path: &[&str], text: impl std::fmt::Display) -> Error {
        let (file, line, key) = (self.path.display(), self.line(path), path.join("."));
        Error::misuse(format!("{file}:{line}: `{key}` {text}"))
    }

    /// The entries of the table at `path`, such as `method`, in the order of the file.
    pub fn ordered<T>(
        &self,
        path: &[&str],
        entries: impl IntoIterator<Item = (String, T)>,
    ) -> Vec<(String, T)> {
        let mut all: Vec<_> = entries.into_iter().collect();
        all.sort_by_key(|(name, _)| self.place(&[path, &[name]].concat()));
        all
    }

    /// The settings in a table: the key `from.a.b` of the file sets `to.a.b`.
    pub fn settings(&self, from: &[&str], to: &str, table: &Table) -> Vec<Setting> {
        let mut settings = Vec::new();
        for Leaf { path, line, value } in self.leaves(from, table) {
            settings.push(Setting::line(&self.path, line, &format!("{to}.{path}"), value));
        }
        settings
    }

    /// The values in a table and the tables below it, in the order of the file.
    pub fn leaves(&self, from: &[&str], table: &Table) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.collect(from, "", table, &mut leaves);
        leaves.sort_by_key(|leaf| leaf.line);
        leaves
    }

    fn collect(&self, from: &[&str], above: &str, table: &Table, leaves: &mut Vec<Leaf>) {
        for (name, value) in table {
            let place = [from, &[name]].concat();
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            match value {
                Value::Table(inner) => self.collect(&place, &path, inner, leaves),
                value => {
                    let line = self.line(&place);
                    leaves.push(Leaf { path, line, value: value.clone() });
                }
            }
        }
    }
}

/// A value of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// The names above it and its own, joined by dots.
    pub path: String,
    /// Its line.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// Records where every key begins.
fn locate(above: &[String], table: &DeTable<'_>, places: &mut BTreeMap<Vec<String>, usize>) {
    for (name, value) in table {
        let path = [above, &[name.get_ref().to_string()]].concat();
        if let DeValue::Table(inner) = value.get_ref() {
            locate(&path, inner, places);
        }
        places.insert(path, name.span().start);
    }
}
