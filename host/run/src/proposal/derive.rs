//! A configuration whose open keys are derived from its data.

use super::Corpus;
use super::choose::complete;
use super::start;
use super::tiers::vocab_size;
use crate::config::reference::{Key, keys, toml_text};
use crate::config::{self, Layers, Merged, Origin, RunConfig, Setting, Task};
use crate::prepared::Prepared;
use crate::run_dir::RunDir;
use a2d_data::prepare::{self, PrepareRequest};
use a2d_system::error::Result;
use a2d_system::output::thousands;
use a2d_system::program;
use std::path::Path;
use toml::Value;

/// What is known besides the settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The folder of the run, if it is not the configuration's.
    pub out: Option<&'a Path>,
    /// The device determines the batches. Epochs are then few updates, so their number is not limited.
    pub fills: bool,
    /// Whether no progress is displayed.
    pub quiet: bool,
}

/// A configuration with the values that were derived.
pub struct Derived {
    /// The configuration.
    pub merged: Merged,
    /// What they were derived from, if any were.
    corpus: Option<Corpus>,
}

/// Reads a configuration as [`Layers::read`]. Keys that no setting determines have the values of the run that
/// `model.init` names; else those of the run that was begun in its folder; else those that the rules of [`super::choose`]
/// derive from the text or the prepared data; else, without data, their defaults.
///
/// # Errors
///
/// As [`Layers::merge`]. Misuse: the run of `model.init` cannot be used, or a key contradicts it; the text is blank,
/// unreadable, or has another number of lines in the target than in the source.
pub fn load(path: &Path, flags: &[Setting], known: Known<'_>) -> Result<Derived> {
    let layers = Layers::read(path, flags)?;
    let draft = layers.draft()?;
    let folder = draft.out_folder(known.out, path);
    let layers = start::with_sizes(layers, &draft, &folder)?;
    let remembered = remembered(&draft, &folder, &layers)?;
    let layers = layers.above(remembered);
    let of_device = |key: &str| BY_DEVICE.iter().any(|name| key.ends_with(name));
    let is_open = |key: &str| layers.leaves_open(key) && !(known.fills && of_device(key));
    let mut open: Vec<_> = config::derivable().into_iter().filter(|key| is_open(key)).collect();
    let corpus = if open.is_empty() { None } else { survey(&layers, &folder, known.quiet)? };
    let Some(corpus) = corpus else {
        return Ok(Derived { merged: layers.merge()?, corpus: None });
    };
    open.retain(|key| key != VOCAB_SIZE || corpus.vocab.is_some());
    let chosen = complete(layers.draft()?, &is_open, &corpus).run;
    let derived = |key: String| Some(Setting::derived(&key, chosen.value(&key)?));
    let derived = open.into_iter().filter_map(derived).collect();
    Ok(Derived { merged: layers.above(derived).merge()?, corpus: Some(corpus) })
}

const VOCAB_SIZE: &str = "data.vocab_size";
/// Keys that only translation has a use for.
const TRANSLATION: [&str; 4] =
    ["decoder_layers", "decoder_attention_heads", "beam", "valid_bleu_sentences"];
/// Keys of trainings that are not derived where the device determines the batches.
const BY_DEVICE: [&str; 2] = ["train.max_tokens", "train.max_epoch"];

/// The values of keys that `layers` leave open in the runs that were begun earlier: the student in `folder`, the student
/// alone, the teacher.
fn remembered(run: &RunConfig, folder: &Path, layers: &Layers) -> Result<Vec<Setting>> {
    let mut found = match &run.teacher.run {
        Some(teacher) if run.distill.method.needs().teacher_beside() => vocabulary(teacher)?,
        Some(_) => Vec::new(),
        None => begun(&folder.join("teacher"))?.into_iter().filter_map(of_teacher).collect(),
    };
    found.extend(begun(&folder.join("alone"))?);
    found.extend(begun(folder)?);
    let keys = config::derivable();
    let is_open = |key: &str| keys.iter().any(|other| other == key) && layers.leaves_open(key);
    found.retain(|setting| is_open(setting.path_of_key()));
    Ok(found)
}

/// The size of the vocabulary of a teacher, which its student shares.
fn vocabulary(teacher: &Path) -> Result<Vec<Setting>> {
    let settings = begun(teacher)?.into_iter();
    Ok(settings.filter(|setting| setting.path_of_key() == VOCAB_SIZE).collect())
}

/// A setting of a teacher's run as one of its student's run.
fn of_teacher(setting: Setting) -> Option<Setting> {
    let key = setting.path_of_key();
    match key.split_once('.')?.0 {
        "data" => Some(setting),
        "model" | "train" => Some(setting.moved_below("teacher")),
        _ => None,
    }
}

/// The settings of the run in `folder`, if it was begun.
pub(super) fn begun(folder: &Path) -> Result<Vec<Setting>> {
    let dir = RunDir::at(folder);
    let is_begun = dir.config().is_file() && (dir.last().is_file() || dir.best().is_file());
    if is_begun { config::stored(&dir.config()) } else { Ok(Vec::new()) }
}

/// What there is to choose by; `None` without data.
fn survey(layers: &Layers, folder: &Path, quiet: bool) -> Result<Option<Corpus>> {
    layers.check_data()?;
    let run = layers.draft()?;
    let Some(request) = request(&run).filter(prepare::texts_exist) else {
        return prepared(&run, folder);
    };
    let excerpt = prepare::excerpt(&request)?;
    let learns = run.data.tokenizer.is_empty();
    let size = match layers.leaves_open(VOCAB_SIZE) {
        true => vocab_size(excerpt.pairs(), excerpt.alphabet()),
        false => run.data.vocab_size,
    };
    let corpus = Corpus::from(&excerpt.outline(&request, size, quiet)?);
    let vocab = corpus.vocab.filter(|_| learns);
    Ok(Some(Corpus { vocab, ..corpus }))
}

/// The texts, if they are named.
fn request(run: &RunConfig) -> Option<PrepareRequest> {
    let data = &run.data;
    let text = |path: &Path| path.to_str().map(str::to_owned);
    Some(PrepareRequest {
        task: run.task,
        source_lang: data.source_lang.clone(),
        target_lang: data.target_lang.clone(),
        train: text(data.train.as_ref()?)?,
        valid: text(data.valid.as_ref()?)?,
        test: data.test.as_deref().and_then(text),
        clean: data.clean,
        normalization: data.normalization,
        ..PrepareRequest::default()
    })
}

/// The prepared data of a run in `folder`, if there are any.
fn prepared(run: &RunConfig, folder: &Path) -> Result<Option<Corpus>> {
    let data = run.data_folder(folder);
    if !data.join("data.json").is_file() {
        return Ok(None);
    }
    let Prepared { train, valid, .. } = Prepared::open(&data)?;
    let longer = train.mean(|&(source, target)| source.max(target));
    Ok(Some(Corpus { train: train.len(), valid: valid.len(), longer, vocab: None }))
}

impl Derived {
    /// The derived values on lines for people, a table each; those of a teacher if one is to be trained (`teacher`).
    /// Empty if there are none.
    pub fn lines(&self, teacher: bool) -> Vec<String> {
        let Some(corpus) = &self.corpus else { return Vec::new() };
        let keys: Vec<_> = keys().into_iter().filter(|key| self.is_told(key, teacher)).collect();
        let tables = keys.chunk_by(|a, b| table(a) == table(b)).map(|keys| self.line(keys));
        let (count, tokens, init) =
            (thousands(corpus.train), corpus.longer, program::command("init"));
        let items = self.merged.run.task.items();
        let head = format!(
            "derived from {count} {items} of {tokens:.1} tokens, by the rules of {init}; keys that are set are kept:"
        );
        let mut lines: Vec<_> = tables.collect();
        if !lines.is_empty() {
            lines.insert(0, head);
        }
        lines
    }

    fn line(&self, keys: &[Key]) -> String {
        let value = |key: &Key| self.merged.run.value(&key.path).map(|value| toml_text(&value));
        let values = keys.iter().filter_map(|key| Some(format!("{} {}", key.name(), value(key)?)));
        format!("  [{}] {}", table(&keys[0]), values.collect::<Vec<_>>().join(", "))
    }

    /// Whether a person is told of the key: it was derived, has a use, and is not switched off or as in another table.
    fn is_told(&self, key: &Key, teacher: bool) -> bool {
        let value = |path: &String| self.merged.run.value(path);
        let told = value(&key.path).filter(|value| *value != Value::Integer(0));
        let used = self.merged.run.task == Task::Translate || !TRANSLATION.contains(&key.name());
        used && self.merged.origins.get(&key.path) == Some(&Origin::Data)
            && (teacher || !key.path.starts_with("teacher."))
            && told.is_some()
            && told != key.inherits.as_ref().and_then(value)
    }
}

fn table(key: &Key) -> &str {
    key.path.rsplit_once('.').map_or("", |(table, _)| table)
}
