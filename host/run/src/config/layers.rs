//! Single settings and their origins: a line of a file, the environment, a flag.

use super::{nearest, schema, text};
use a2d_data::prepare::{self, DataChoices};
use a2d_system::error::{Error, Result};
use serde::Deserialize as _;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// Prefix of the environment variables that set keys.
const PREFIX: &str = "A2D_";

/// The origin of a setting, named in errors about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a config file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A command-line option as typed.
    Flag(String),
    /// The rules that choose by the data.
    Data,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(text) => f.write_str(text),
            Self::Data => f.write_str("derived from the data"),
        }
    }
}

/// A key, its value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub(super) path: String,
    pub(super) value: Given,
    pub(super) origin: Origin,
}

/// A value before conversion to the type of its key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    /// A typed TOML value.
    Typed(Value),
    /// Text, to be parsed by the type of the key.
    Text(String),
}

impl Setting {
    /// Parses the argument of `--set KEY=VALUE`.
    ///
    /// # Errors
    ///
    /// Misuse: the text has no `=`.
    pub fn parse(text: &str) -> Result<Self> {
        let origin = Origin::Flag(format!("--set {text}"));
        let (path, value) = text.split_once('=').ok_or_else(|| {
            Error::misuse(format!("{origin}: expected KEY=VALUE, as in --set train.lr=1e-3"))
        })?;
        let value = Given::Text(value.trim().to_owned());
        Ok(Self { path: path.trim().to_owned(), value, origin })
    }

    /// A flag that sets a key to a path: `--teacher RUN` for `teacher.run`.
    ///
    /// # Errors
    ///
    /// Misuse: the path is not UTF-8, which TOML requires.
    pub fn path(flag: &str, key: &str, path: &Path) -> Result<Self> {
        let text = path.to_str();
        let wrong = || Error::misuse(format!("{flag} {}: not valid UTF-8", path.display()));
        Ok(Self::flag(flag, key, text.ok_or_else(wrong)?))
    }

    /// A value that line `line` of `file` gives to a key. Paths are relative to the file's folder.
    pub fn line(file: &Path, line: usize, path: &str, value: Value) -> Self {
        let origin = Origin::File(file.to_owned(), line);
        Self { path: path.to_owned(), value: Given::Typed(value), origin }
    }

    /// A value that is derived from the data.
    pub fn derived(path: &str, value: Value) -> Self {
        Self { path: path.to_owned(), value: Given::Typed(value), origin: Origin::Data }
    }

    /// The path of the key.
    pub fn path_of_key(&self) -> &str {
        &self.path
    }

    /// The same value for the key at the same path below `table`.
    pub fn moved_below(self, table: &str) -> Self {
        Self { path: format!("{table}.{}", self.path), ..self }
    }

    /// A flag that sets a key: `--seed 3` for `train.seed`.
    pub fn flag(flag: &str, path: &str, value: impl fmt::Display) -> Self {
        let origin = Origin::Flag(format!("{flag} {value}"));
        Self { path: path.to_owned(), value: Given::Text(value.to_string()), origin }
    }
}

/// Prefixes of variables that are not settings: those of tests and scripts, of the processes of a study, the switches of
/// libraries and the folder of a cache.
const NO_SETTINGS: [&str; 17] = [
    "A2D_CACHE",
    "A2D_COMMIT",
    "A2D_CUBLASLT",
    "A2D_CUDA_",
    "A2D_GOLDEN",
    "A2D_IMAGE",
    "A2D_INTEROP",
    "A2D_LANGUAGES",
    "A2D_MK_",
    "A2D_NCCL",
    "A2D_SENTENCES",
    "A2D_SHOTS",
    "A2D_SOAK_",
    "A2D_STUDY_",
    "A2D_TEST_",
    "A2D_TEXT_IMAGE",
    "A2D_TOOLCHAIN",
];

/// The environment variable for a key.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// The settings among environment variables: `A2D_`, with two underscores between levels.
///
/// # Errors
///
/// Misuse: a variable starts with `A2D_` but is neither a setting nor one of [`NO_SETTINGS`]. Otherwise a typing error
/// would be ignored.
pub(super) fn environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<Setting>> {
    let keys = schema::paths();
    let setting = |(name, value): (String, String)| {
        let path = name.strip_prefix(PREFIX)?.replace("__", ".").to_lowercase();
        if NO_SETTINGS.iter().any(|other| name.starts_with(other)) {
            return None;
        }
        // A path with levels is validated later, as any other setting.
        if !path.contains('.') && !keys.contains(&path) {
            return Some(Err(unknown(&name, &path)));
        }
        let origin = Origin::Environment(name);
        Some(Ok(Setting { path, value: Given::Text(value), origin }))
    };
    let mut settings: Vec<_> = variables.into_iter().filter_map(setting).collect::<Result<_>>()?;
    settings.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(settings)
}

fn unknown(name: &str, path: &str) -> Error {
    let nearest = variable(&nearest::nearest(path));
    Error::misuse(format!(
        "environment {name}: it sets no key; did you mean {nearest}? Two underscores stand between levels"
    ))
}

/// Keys of a vocabulary that is learned.
const LEARNED: [&str; 3] = ["data.vocab_size", "data.normalization", "data.protect"];

/// The settings of the prepared data in `folder`, without those of a learned vocabulary unless the configuration wants
/// one (`learns`); empty if the folder is not prepared.
pub(super) fn prepared(folder: &Path, learns: bool) -> Vec<Setting> {
    let Some(choices) = prepare::chosen(folder) else { return Vec::new() };
    let DataChoices { vocab_size, max_length, clean, normalization, protect, given } = choices;
    let number = |size: usize| Value::Integer(size as i64);
    let values = [
        ("data.vocab_size", number(vocab_size)),
        ("data.max_length", number(max_length)),
        ("data.clean", Value::Boolean(clean)),
        ("data.normalization", Value::String(normalization.to_string())),
        ("data.protect", Value::Array(protect.into_iter().map(Value::String).collect())),
    ];
    let origin = Origin::File(folder.join("data.json"), 1);
    let setting = |(path, value): (&str, Value)| Setting {
        path: path.to_owned(),
        value: Given::Typed(value),
        origin: origin.clone(),
    };
    // An existing vocabulary has its own normalisation.
    let values = values.into_iter().filter(|(key, _)| !given || *key != "data.normalization");
    values.filter(|(key, _)| learns || !LEARNED.contains(key)).map(setting).collect()
}

/// The settings of a config file.
///
/// # Errors
///
/// Misuse: the file cannot be read, is too large, is not UTF-8 or is not TOML.
pub(super) fn file(path: &Path) -> Result<Vec<Setting>> {
    settings(path, &text::read_text(path, "configuration")?)
}

/// The settings in the text `toml`, from a config file called `path`.
///
/// # Errors
///
/// Misuse: the text is not TOML.
pub(super) fn settings(path: &Path, toml: &str) -> Result<Vec<Setting>> {
    let syntax = |e: toml::de::Error| text::syntax(path, toml, &e);
    let parsed = DeTable::parse(toml).map_err(syntax)?;
    let mut lines = BTreeMap::new();
    locate("", parsed.get_ref(), toml, &mut lines);
    let table = Table::deserialize(toml::Deserializer::from(parsed)).map_err(syntax)?;
    let mut settings = Vec::new();
    let origin = |key: &str| Origin::File(path.to_owned(), lines.get(key).copied().unwrap_or(1));
    flatten("", table, &origin, &mut settings);
    Ok(settings)
}

/// Records the line of every key.
fn locate(path: &str, table: &DeTable<'_>, toml: &str, lines: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let path = schema::join(path, name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            locate(&path, inner, toml, lines);
        }
        lines.insert(path, text::line_of(toml, name.span().start));
    }
}

/// Collects the leaves of `table`. A table unknown to the schema is a leaf, and rejected later.
fn flatten(path: &str, table: Table, origin: &dyn Fn(&str) -> Origin, out: &mut Vec<Setting>) {
    let known = schema::example();
    for (name, value) in table {
        let path = schema::join(path, &name);
        match (value, schema::find(&known, &path)) {
            (Value::Table(inner), Some(Value::Table(_))) => flatten(&path, inner, origin, out),
            (value, _) => {
                let origin = origin(&path);
                out.push(Setting { path, value: Given::Typed(value), origin });
            }
        }
    }
}
