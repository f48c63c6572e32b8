//! Single settings and where each came from: a line of a file, the environment, a flag.

use super::schema;
use a2d_data::prepare::{self, Chosen};
use a2d_system::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// How the names of variables begin that set keys.
const PREFIX: &str = "A2D_";

/// Where a setting came from: what an error about it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a config file.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// An option of the command line, as typed.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(text) => f.write_str(text),
        }
    }
}

/// One key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub(super) path: String,
    pub(super) value: Given,
    pub(super) origin: Origin,
}

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    /// Typed already, by TOML.
    Typed(Value),
    /// Text whose kind the key decides.
    Text(String),
}

impl Setting {
    /// The setting that `--set PATH=VALUE` asks for.
    ///
    /// Errors: there is no `=`.
    pub fn parse(text: &str) -> Result<Self> {
        let origin = Origin::Flag(format!("--set {text}"));
        let (path, value) = text.split_once('=').ok_or_else(|| {
            Error::misuse(format!("{origin}: expected KEY=VALUE, as in --set train.lr=1e-3"))
        })?;
        let value = Given::Text(value.trim().to_owned());
        Ok(Self { path: path.trim().to_owned(), value, origin })
    }

    /// A flag whose path stands for a key: `--teacher RUN` for `teacher.run`.
    ///
    /// Errors: the path is not UTF-8, which a config file must be.
    pub fn path(flag: &str, key: &str, path: &Path) -> Result<Self> {
        let text = path.to_str();
        let wrong = || Error::misuse(format!("{flag} {}: not valid UTF-8", path.display()));
        Ok(Self::flag(flag, key, text.ok_or_else(wrong)?))
    }

    /// A flag that stands for a key: `--seed 3` for `train.seed`.
    pub fn flag(flag: &str, path: &str, value: impl fmt::Display) -> Self {
        let origin = Origin::Flag(format!("{flag} {value}"));
        Self { path: path.to_owned(), value: Given::Text(value.to_string()), origin }
    }
}

/// How the names of variables begin that are no settings: those of tests and of scripts.
const NO_SETTINGS: [&str; 12] = [
    "A2D_COMMIT",
    "A2D_CUDA_",
    "A2D_GOLDEN",
    "A2D_IMAGE",
    "A2D_INTEROP",
    "A2D_LANGUAGES",
    "A2D_MK_",
    "A2D_SENTENCES",
    "A2D_SHOTS",
    "A2D_SOAK_",
    "A2D_TEST_",
    "A2D_TOOLCHAIN",
];

/// The variable that sets the key of this path.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// The settings among variables: `A2D_` and two underscores between levels.
///
/// Errors: a variable that begins so and is neither a setting nor one of [`NO_SETTINGS`]: a slip would go unseen.
pub(super) fn environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<Setting>> {
    let keys = schema::paths();
    let setting = |(name, value): (String, String)| {
        let path = name.strip_prefix(PREFIX)?.replace("__", ".").to_lowercase();
        if NO_SETTINGS.iter().any(|other| name.starts_with(other)) {
            return None;
        }
        // What has levels is looked up, and refused, as any other setting.
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
    let nearest = variable(&schema::nearest(path));
    Error::misuse(format!(
        "environment {name}: it sets no key; did you mean {nearest}? Two underscores stand between levels"
    ))
}

/// The settings that the prepared data in `folder` were made with; none where there are no such data.
pub(super) fn prepared(folder: &Path) -> Vec<Setting> {
    let Some(Chosen { vocab_size, max_length, clean, normalization, given }) =
        prepare::chosen(folder)
    else {
        return Vec::new();
    };
    let number = |size: usize| Value::Integer(size as i64);
    let values = [
        ("data.vocab_size", number(vocab_size)),
        ("data.max_length", number(max_length)),
        ("data.clean", Value::Boolean(clean)),
        ("data.normalization", Value::String(normalization.to_string())),
    ];
    let origin = Origin::File(folder.join("data.json"), 1);
    let setting = |(path, value): (&str, Value)| Setting {
        path: path.to_owned(),
        value: Given::Typed(value),
        origin: origin.clone(),
    };
    // A vocabulary that was given decides by itself.
    let values = values.into_iter().filter(|(key, _)| !given || *key != "data.normalization");
    values.map(setting).collect()
}

/// Bytes of a configuration: what has more is another file, or a device that never ends.
const LONGEST: u64 = 1 << 20;

/// The settings of a config file.
///
/// Errors: the file cannot be read, is not UTF-8 or not TOML.
pub(super) fn file(path: &Path) -> Result<Vec<Setting>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    read.map_err(|e| Error::input("read", path, &e))?;
    if bytes.len() as u64 > LONGEST {
        let path = path.display();
        return Err(Error::misuse(format!("{path} has over 1 MiB: it is no configuration")));
    }
    settings(path, text(path, &bytes)?)
}

/// The settings of the text of a config file called `path`.
///
/// Errors: it is not TOML.
pub(super) fn settings(path: &Path, text: &str) -> Result<Vec<Setting>> {
    let syntax = |e: toml::de::Error| {
        let line = line_of(text, e.span().map_or(0, |span| span.start));
        Error::misuse(format!("{}:{line}: {}", path.display(), one_line(e.message())))
    };
    let table: Table = toml::from_str(text).map_err(syntax)?;
    let mut lines = BTreeMap::new();
    locate("", DeTable::parse(text).map_err(syntax)?.get_ref(), text, &mut lines);
    let mut settings = Vec::new();
    let origin = |key: &str| Origin::File(path.to_owned(), lines.get(key).copied().unwrap_or(1));
    flatten("", table, &origin, &mut settings);
    Ok(settings)
}

fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        Error::misuse(format!("{}:{line}: not valid UTF-8", path.display()))
    })
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&b| b == b'\n').count()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Notes the line of every key.
fn locate(path: &str, table: &DeTable<'_>, text: &str, lines: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let path = schema::join(path, name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            locate(&path, inner, text, lines);
        }
        lines.insert(path, line_of(text, name.span().start));
    }
}

/// The leaves of `table`: a table that the schema does not know is a leaf, to be refused.
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
