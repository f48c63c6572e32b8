//! Merges the settings of all layers into a validated [`RunConfig`].

use super::layers::{self, Given, Origin, Setting};
use super::merged::Merged;
use super::{RunConfig, check, nearest, schema};
use a2d_system::error::{Error, Result};
use a2d_system::program;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Keys with paths, relative to the folder of the config file.
const PATHS: [&str; 10] = [
    "data.train",
    "data.valid",
    "data.test",
    "data.monolingual",
    "data.tokenizer",
    "data.dir",
    "model.init",
    "distill.translations",
    "teacher.run",
    "teacher.model.init",
];

/// The settings of a file, the environment and flags; later ones override earlier ones.
#[derive(Debug, Clone)]
pub struct Layers {
    pub(super) path: PathBuf,
    pub(super) settings: Vec<Setting>,
}

impl Layers {
    /// Reads `path`, then the environment, then `flags`. If `data.dir` names prepared data beside the text, their settings
    /// replace the defaults.
    ///
    /// # Errors
    ///
    /// Misuse, naming the file and line, the variable or the flag, and the key: a file cannot be read, a key is unknown,
    /// or a value has the wrong type.
    pub fn read(path: &Path, flags: &[Setting]) -> Result<Self> {
        let settings = given(path, program::environment(), flags)?;
        let layers = Self { path: path.to_owned(), settings };
        let data = layers.draft()?.data;
        let prepared = data.dir.as_ref().filter(|_| data.train.is_some());
        let below = prepared.map(|dir| layers::prepared(dir, data.tokenizer.is_empty()));
        Ok(layers.above(below.unwrap_or_default()))
    }

    /// These settings, which override those `below`.
    pub fn above(mut self, mut below: Vec<Setting>) -> Self {
        below.append(&mut self.settings);
        Self { settings: below, ..self }
    }

    /// Whether no setting determines the key at `path`, neither its own nor one that it takes its value from.
    pub fn leaves_open(&self, path: &str) -> bool {
        let is_set = |path: &str| self.settings.iter().any(|setting| setting.path == path);
        !is_set(path) && !schema::inherited_from(path).is_some_and(|from| is_set(&from))
    }

    /// The run, whose values may be out of range.
    ///
    /// # Errors
    ///
    /// As [`Layers::read`].
    pub fn draft(&self) -> Result<RunConfig> {
        merge_unchecked(&self.path, self.settings.clone()).map(|merged| merged.run)
    }

    /// Checks the values of `[data]`, which must hold before any text is read.
    ///
    /// # Errors
    ///
    /// As [`Layers::merge`].
    pub fn check_data(&self) -> Result<()> {
        let Merged { run, origins } = merge_unchecked(&self.path, self.settings.clone())?;
        check::of_data(&run).map_err(|problem| problem.locate(&self.path, &origins))
    }

    /// The run, and the origins of its values.
    ///
    /// # Errors
    ///
    /// As [`Layers::read`], and for a value that is out of range.
    pub fn merge(self) -> Result<Merged> {
        merge(&self.path, self.settings)
    }
}

/// The settings of a run's stored configuration, in the file `path`.
///
/// # Errors
///
/// As [`Layers::read`].
pub fn stored(path: &Path) -> Result<Vec<Setting>> {
    layers::file(path).map(|settings| with_map_input(path, settings))
}

/// Adds the value of `distill.map_input` of configurations that were stored before there was such a key. What is stored
/// is complete and has `distill.map_mask`.
fn with_map_input(path: &Path, mut settings: Vec<Setting>) -> Vec<Setting> {
    let [key, other] = ["distill.map_input", "distill.map_mask"];
    let has = |key| settings.iter().any(|setting| setting.path == key);
    if has(other) && !has(key) {
        settings.push(Setting::line(path, 1, key, Value::String("probabilities".to_owned())));
    }
    settings
}

/// Reads `path`, then `environment`, then `flags`, without the settings of prepared data.
///
/// # Errors
///
/// Misuse, naming the file and line, the variable or the flag, and the key: a file cannot be read, a key is unknown, or
/// a value is invalid.
pub fn load_with(
    path: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[Setting],
) -> Result<RunConfig> {
    merge(path, given(path, environment, flags)?).map(|merged| merged.run)
}

/// The settings of all layers; later ones override earlier ones.
fn given(
    path: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[Setting],
) -> Result<Vec<Setting>> {
    let mut settings = layers::file(path)?;
    settings.extend(layers::environment(environment)?);
    settings.extend_from_slice(flags);
    Ok(settings)
}

/// Parses the stored configuration of a run from TOML `text`, called `name` in errors.
///
/// # Errors
///
/// As [`load_with`].
pub fn parse(text: &str, name: &Path) -> Result<RunConfig> {
    of_settings(name, with_map_input(name, layers::settings(name, text)?))
}

/// The run with these settings alone, called `name` in errors about it as a whole. Later settings override earlier ones.
///
/// # Errors
///
/// As [`load_with`].
pub fn of_settings(name: &Path, settings: Vec<Setting>) -> Result<RunConfig> {
    merge(name, settings).map(|merged| merged.run)
}

/// The first environment variable that sets a key, if any.
///
/// # Errors
///
/// Misuse: a variable begins with `A2D_` and sets no key.
pub fn set_by_environment() -> Result<Option<String>> {
    let first = layers::environment(program::environment())?.into_iter().next();
    Ok(first.map(|setting| setting.origin.to_string()))
}

/// Merges `settings` into a valid run. Later settings override earlier ones and the defaults.
fn merge(path: &Path, settings: Vec<Setting>) -> Result<Merged> {
    let merged = merge_unchecked(path, settings)?;
    check::run(&merged.run).map_err(|problem| problem.locate(path, &merged.origins))?;
    Ok(merged)
}

fn merge_unchecked(path: &Path, settings: Vec<Setting>) -> Result<Merged> {
    let mut table = schema::defaults();
    let mut origins = BTreeMap::new();
    for setting in settings {
        schema::put(&mut table, &setting.path, checked(&setting)?);
        origins.insert(setting.path, setting.origin);
    }
    inherit(&mut table, &mut origins);
    let run = RunConfig::deserialize_from(table)
        .map_err(|e| Error::misuse(format!("{}: {e}", path.display())))?;
    Ok(Merged { run, origins })
}

/// Gives the absent keys of `[teacher.train]` the values and origins that they have in `[train]`.
fn inherit(table: &mut Table, origins: &mut BTreeMap<String, Origin>) {
    for path in schema::paths() {
        let Some(from) = schema::inherited_from(&path).filter(|_| !origins.contains_key(&path))
        else {
            continue;
        };
        // A key that is not set is a default, and the defaults of both tables are the same.
        if let Some((origin, value)) =
            origins.get(&from).cloned().zip(schema::find(table, &from).cloned())
        {
            schema::put(table, &path, value);
            origins.insert(path, origin);
        }
    }
}

impl RunConfig {
    fn deserialize_from(table: Table) -> Result<Self, toml::de::Error> {
        table.try_into()
    }
}

/// The value of a setting, converted to the type of its key.
pub(super) fn checked(setting: &Setting) -> Result<Value> {
    let known = schema::example();
    let like = schema::find(&known, &setting.path).ok_or_else(|| unknown(setting))?;
    let several =
        || schema::takes_list(&setting.path).then(|| given_list(&setting.value)).flatten();
    let value = several().or_else(|| convert(&setting.value, like));
    let value = value.ok_or_else(|| mismatch(setting, like))?;
    let value = resolve(setting, value)?;
    // A value is valid if the default run with only this value changed can be deserialised.
    let mut alone = schema::defaults();
    schema::put(&mut alone, &setting.path, value.clone());
    RunConfig::deserialize_from(alone).map_err(|e| unsuitable(setting, &e))?;
    Ok(value)
}

fn unknown(setting: &Setting) -> Error {
    let Setting { path, origin, .. } = setting;
    Error::misuse(format!("{origin}: {}", nearest::unknown(path)))
}

fn mismatch(setting: &Setting, like: &Value) -> Error {
    let Setting { path, value, origin } = setting;
    let (expected, found) = (kind(like), describe(value));
    Error::misuse(format!("{origin}: `{path}` expects {expected}, found {found}"))
}

fn unsuitable(setting: &Setting, error: &toml::de::Error) -> Error {
    let Setting { path, origin, .. } = setting;
    let reason = error
        .message()
        .replace("unknown variant", "unknown value")
        .replace("unknown field", "unknown key");
    Error::misuse(format!("{origin}: `{path}`: {reason}"))
}

/// Converts `given` to the type of `like`, or `None`. An integer is also a valid float.
fn convert(given: &Given, like: &Value) -> Option<Value> {
    match (given, like) {
        (Given::Typed(Value::Integer(n)), Value::Integer(_)) if *n < 0 => None,
        (Given::Typed(Value::Integer(n)), Value::Float(_)) => Some(Value::Float(*n as f64)),
        (Given::Typed(value), like) => value.same_type(like).then(|| value.clone()),
        (Given::Text(text), Value::String(_)) => Some(Value::String(text.clone())),
        (Given::Text(text), Value::Boolean(_)) => text.parse().ok().map(Value::Boolean),
        (Given::Text(text), Value::Float(_)) => text.parse().ok().map(Value::Float),
        (Given::Text(text), Value::Integer(_)) => {
            let number = text.parse().ok().filter(|&n: &i64| n >= 0);
            number.map(Value::Integer)
        }
        (Given::Text(text), Value::Array(_)) => list(text),
        (Given::Text(_), _) => None,
    }
}

/// The list that is given, or `None` if it is no list.
fn given_list(given: &Given) -> Option<Value> {
    match given {
        Given::Typed(value) => value.is_array().then(|| value.clone()),
        Given::Text(text) => list(text),
    }
}

/// A list in the syntax of TOML.
fn list(text: &str) -> Option<Value> {
    let mut table: Table = format!("list = {text}").parse().ok()?;
    table.remove("list").filter(|list| list.is_array() && table.is_empty())
}

/// Makes paths and lists of paths absolute, so that the run's copy of the config refers to the same files. Paths in a
/// file are relative to its folder.
fn resolve(setting: &Setting, value: Value) -> Result<Value> {
    match value {
        value if !PATHS.contains(&&*setting.path) => Ok(value),
        Value::String(text) => absolute(setting, &text).map(Value::String),
        Value::Array(list) => {
            let list = list.into_iter().map(|entry| resolve(setting, entry));
            list.collect::<Result<_>>().map(Value::Array)
        }
        value => Ok(value),
    }
}

fn absolute(setting: &Setting, text: &str) -> Result<String> {
    let Setting { path, origin, .. } = setting;
    if text.is_empty() {
        return Err(Error::misuse(format!("{origin}: `{path}` expects a path, found nothing")));
    }
    let from = match origin {
        Origin::File(file, _) => file.parent().unwrap_or(Path::new("")),
        _ => Path::new(""),
    };
    let whole = std::path::absolute(from.join(text)).map_err(|e| Error::input("use", from, &e))?;
    let whole = whole.into_os_string().into_string();
    whole.map_err(|_| Error::misuse(format!("{origin}: `{path}` is not UTF-8")))
}

/// The type of `like` in words.
pub(super) fn kind(like: &Value) -> &'static str {
    match like {
        Value::Integer(_) => "a whole number, 0 or more",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Table(_) => "a table of keys",
        Value::Array(_) => "a list, as in ['one', 'two']",
        _ => "text",
    }
}

fn describe(given: &Given) -> String {
    match given {
        Given::Text(text) => format!("`{text}`"),
        Given::Typed(Value::String(text)) => format!("the text \"{}\"", text.escape_debug()),
        Given::Typed(Value::Table(_)) => "a table".to_owned(),
        Given::Typed(Value::Array(_)) => "a list".to_owned(),
        Given::Typed(value) => format!("`{value}`"),
    }
}
