//! `data.json`: records how a folder was prepared, to detect changes.

use super::report::{is_translation, unnormalized};
use super::{Given, PrepareRequest, Report, TOKENIZER_JSON};
use crate::task::Task;
use crate::vocab::{LineForm, Vocab};
use a2d_system::error::{Error, Result};
use a2d_system::files;
use a2d_system::hash;
use a2d_system::program;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The version of the folder layout. Folders with another version are out of date.
const LAYOUT: u32 = 2;
const OTHER_VERSION: &str = "it was prepared by another version of the program";
pub(super) const MANIFEST: &str = "data.json";

/// The state of a request's `out` folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// No finished preparation.
    Absent,
    /// The files that [`run`](super::run) would write.
    Current,
    /// As `Current`, but a file is missing or has another size.
    Incomplete,
    /// Prepared with other settings or texts; describes the difference.
    Other(String),
}

/// The state of `out`, from its manifest and the texts.
pub fn state(request: &PrepareRequest) -> Freshness {
    let manifest = match Manifest::read(&request.out) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Freshness::Other(OTHER_VERSION.to_owned()),
        // The file may belong to another program.
        Err(error) if request.out.join(MANIFEST).exists() => {
            return Freshness::Other(error.to_string());
        }
        Err(_) => return Freshness::Absent,
    };
    if let Some(why) = manifest.other_than(Choices::of(request)) {
        return Freshness::Other(why);
    }
    match Inputs::of(request) {
        Ok(inputs) => {
            let other = other_file(&manifest.inputs, &inputs.texts);
            if let Some(why) = other.or_else(|| manifest.other_vocabulary(request, &inputs)) {
                return Freshness::Other(why);
            }
        }
        Err(error) => return Freshness::Other(error.to_string()),
    }
    match manifest.missing(&request.out) {
        None => Freshness::Current,
        Some(_) => Freshness::Incomplete,
    }
}

/// Whether `out` is current: same settings, same texts, no missing file.
pub fn up_to_date(request: &PrepareRequest) -> bool {
    state(request) == Freshness::Current
}

/// Checks that the folder `data` still has every file that [`run`](super::run) wrote.
///
/// # Errors
///
/// [`Error::Misuse`], naming the first file that is missing or has another size, or a damaged manifest.
pub fn check_files(data: &Path) -> Result<()> {
    match Manifest::load(data)?.missing(data) {
        None => Ok(()),
        Some(path) => {
            let path = path.display();
            let text = "is missing or cut short; prepare the data again";
            Err(Error::misuse(format!("{path} {text}")))
        }
    }
}

/// Whether every text and SentencePiece model that [`run`](super::run) would read exists.
pub fn texts_exist(request: &PrepareRequest) -> bool {
    let mut texts = request.files().into_iter().flat_map(|(_, paths)| paths);
    let mut models = request.vocabulary.iter().flat_map(Given::model_files);
    texts.all(|path| path.is_file()) && models.all(|path| path.is_file())
}

/// The report of the last [`run`](super::run) for the folder `data`, from its `data.json`.
///
/// # Errors
///
/// [`Error::Misuse`], naming the file, if it is missing or damaged.
pub fn load_report(data: &Path) -> Result<Report> {
    Manifest::load(data).map(|manifest| manifest.report)
}

/// The content of `data.json`.
#[derive(Serialize, Deserialize)]
struct Manifest {
    layout: u32,
    choices: Choices,
    inputs: Vec<Input>,
    /// The SentencePiece models of source and target, if they were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    models: Vec<Input>,
    outputs: Vec<Output>,
    report: Report,
}

/// The part that all manifest versions share.
#[derive(Deserialize)]
struct Layout {
    layout: u32,
}

impl Manifest {
    fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        Self::read(folder)?.ok_or_else(|| {
            let path = path.display();
            Error::misuse(format!("{path}: {OTHER_VERSION}; prepare the data again"))
        })
    }

    /// The manifest, or `None` if it has another version.
    fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        let bytes = files::read(&path).map_err(|e| Error::input("read", &path, &e))?;
        let foreign = |e| {
            let (path, prepare) = (path.display(), program::command("prepare"));
            Error::misuse(format!("{path}: not a manifest of {prepare}: {e}"))
        };
        match serde_json::from_slice(&bytes).map_err(foreign)? {
            Layout { layout: LAYOUT } => serde_json::from_slice(&bytes).map(Some).map_err(foreign),
            Layout { .. } => Ok(None),
        }
    }

    /// Describes the first choice that differs from `wanted`. Either number of tokens is right for a given vocabulary:
    /// the one that it has, or the one that stands in the manifest.
    fn other_than(&self, mut wanted: Choices) -> Option<String> {
        let size = self.report.vocabulary.size;
        if self.choices.given && wanted.given && wanted.vocab_size != self.choices.vocab_size {
            if wanted.vocab_size != size {
                let is = wanted.vocab_size;
                return Some(format!(
                    "it was prepared with a given vocabulary of {size} tokens, `data.vocab_size` is {is}"
                ));
            }
            wanted.vocab_size = self.choices.vocab_size;
        }
        self.choices.other_than(&wanted)
    }

    /// Describes a difference of the vocabulary from the one that is given now. A file that cannot be read is none.
    fn other_vocabulary(&self, request: &PrepareRequest, now: &Inputs) -> Option<String> {
        match request.vocabulary.as_ref()? {
            Given::Models(_) => other_file(&self.models, &now.models),
            given @ (Given::Tokenizer(path) | Given::Subwords(path)) => {
                let (_, hash) = hash_file(path).ok()?;
                let other =
                    hash != self.report.vocabulary.fingerprint && !is_made_of(given, request);
                other.then(|| {
                    format!("it was prepared with another vocabulary than {}", path.display())
                })
            }
        }
    }

    /// The first file that is missing in `folder` or has another size.
    fn missing(&self, folder: &Path) -> Option<PathBuf> {
        let there = |path: &Path, bytes| std::fs::metadata(path).is_ok_and(|f| f.len() == bytes);
        let mut files = self.outputs.iter().map(|file| (folder.join(&file.name), file.bytes));
        files.find(|(path, bytes)| !there(path, *bytes)).map(|(path, _)| path)
    }
}

/// The settings of a prepared folder that a configuration can specify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataChoices {
    /// [`PrepareRequest::vocab_size`].
    pub vocab_size: usize,
    /// [`PrepareRequest::max_length`].
    pub max_length: usize,
    /// [`PrepareRequest::clean`].
    pub clean: bool,
    /// [`PrepareRequest::normalization`]; not meaningful with an existing vocabulary.
    pub normalization: LineForm,
    /// [`PrepareRequest::protect`].
    pub protect: Vec<String>,
    /// Whether an existing vocabulary was used, [`PrepareRequest::vocabulary`].
    pub given: bool,
}

/// The settings that the folder `data` was prepared with; `None` if it is not prepared.
pub fn chosen(data: &Path) -> Option<DataChoices> {
    let Choices { vocab_size, max_length, clean, normalization, protect, given, .. } =
        Manifest::read(data).ok().flatten()?.choices;
    Some(DataChoices { vocab_size, max_length, clean, normalization, protect, given })
}

/// All settings of a request that affect the result, except the texts.
#[derive(PartialEq, Serialize, Deserialize)]
struct Choices {
    #[serde(default, skip_serializing_if = "is_translation")]
    task: Task,
    source_lang: String,
    target_lang: String,
    vocab_size: usize,
    /// Whether an existing vocabulary was used.
    #[serde(default)]
    given: bool,
    byte_fallback: Option<bool>,
    /// [`LineForm::None`] with an existing vocabulary, whose own normalisation applies.
    #[serde(default = "unnormalized")]
    normalization: LineForm,
    max_length: usize,
    clean: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    protect: Vec<String>,
}

impl Choices {
    fn of(request: &PrepareRequest) -> Self {
        let normalization = match request.vocabulary {
            Some(_) => unnormalized(),
            None => request.normalization,
        };
        Self {
            task: request.task,
            source_lang: request.source_lang.clone(),
            target_lang: request.target_lang.clone(),
            vocab_size: request.vocab_size,
            given: request.vocabulary.is_some(),
            byte_fallback: request.byte_fallback,
            normalization,
            max_length: request.max_length,
            clean: request.clean,
            protect: request.protect.clone(),
        }
    }

    /// Describes the first difference from `wanted`.
    fn other_than(&self, wanted: &Self) -> Option<String> {
        if self.task != wanted.task {
            let (was, is) = (self.task, wanted.task);
            return Some(format!("it was prepared with `task` {was}, not {is}"));
        }
        if self.given != wanted.given {
            let how = |given| if given { "that was given" } else { "of its own" };
            let (was, is) = (how(self.given), how(wanted.given));
            return Some(format!("it was prepared with a vocabulary {was}, not one {is}"));
        }
        let sizes = [
            ("data.vocab_size", self.vocab_size, wanted.vocab_size),
            ("data.max_length", self.max_length, wanted.max_length),
        ];
        let size = sizes.into_iter().find(|(_, was, is)| was != is);
        match size {
            Some((key, was, is)) => Some(format!("it was prepared with `{key}` {was}, not {is}")),
            None if self == wanted => None,
            None if self.normalization != wanted.normalization => {
                let (was, is) = (self.normalization, wanted.normalization);
                Some(format!("it was prepared with `data.normalization` {was}, not {is}"))
            }
            None if self.clean != wanted.clean => {
                let (was, is) = (self.clean, wanted.clean);
                Some(format!("it was prepared with `data.clean` {was}, not {is}"))
            }
            None if self.protect != wanted.protect => {
                let (was, is) = (&self.protect, &wanted.protect);
                Some(format!("it was prepared with `data.protect` {was:?}, not {is:?}"))
            }
            None => Some("it was prepared for other languages or another alphabet".to_owned()),
        }
    }
}

/// The size and hash of a file when it was read.
#[derive(Serialize, Deserialize)]
struct Input {
    /// The key of `[data]` that names it.
    split: String,
    path: String,
    bytes: u64,
    hash: String,
}

#[derive(Serialize, Deserialize)]
struct Output {
    name: String,
    bytes: u64,
}

/// The key of SentencePiece models.
const TOKENIZER: &str = "tokenizer";

/// The files that a preparation reads.
pub(super) struct Inputs {
    texts: Vec<Input>,
    models: Vec<Input>,
}

impl Inputs {
    /// The current sizes and hashes of a request's files.
    ///
    /// # Errors
    ///
    /// Misuse: a file cannot be read.
    pub fn of(request: &PrepareRequest) -> Result<Self> {
        let mut texts = Vec::new();
        for (split, paths) in request.files() {
            for path in paths {
                texts.push(Input::read(split, &path)?);
            }
        }
        let models = request.vocabulary.iter().flat_map(Given::model_files);
        let models = models.map(|path| Input::read(TOKENIZER, path)).collect::<Result<_>>()?;
        Ok(Self { texts, models })
    }
}

fn hash_file(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hash = hash::Running::new(size);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((size, hash::hex(hash.end())));
        }
        hash.add(&buffer[..read]);
    }
}

/// Whether the prepared vocabulary of a request is the `given` one, with labels.
fn is_made_of(given: &Given, request: &PrepareRequest) -> bool {
    let both = Vocab::load(&request.out.join(TOKENIZER_JSON)).ok().zip(given.load().ok());
    both.is_some_and(|(own, given)| own.is_made_of(&given))
}

/// Describes the first difference between the files that a folder was prepared from and those that are asked for now.
/// Sizes and hashes are compared, not the paths.
fn other_file(then: &[Input], now: &[Input]) -> Option<String> {
    let mut files = (0..then.len().max(now.len())).map(|i| (then.get(i), now.get(i)));
    files.find_map(|(then, now)| Input::difference(then, now))
}

impl Input {
    fn read(split: &str, path: &Path) -> Result<Self> {
        let (bytes, hash) = hash_file(path).map_err(|e| Error::input("read", path, &e))?;
        Ok(Self { split: split.to_owned(), path: path.display().to_string(), bytes, hash })
    }

    fn difference(then: Option<&Self>, now: Option<&Self>) -> Option<String> {
        let split = &now.or(then)?.split;
        let key = format!("`data.{split}`");
        let kind = if split == TOKENIZER { "model" } else { "text" };
        match (then, now) {
            (Some(then), Some(now)) if (then.bytes, &then.hash) == (now.bytes, &now.hash) => None,
            (Some(then), Some(now)) if then.name() == now.name() => Some(format!(
                "the {kind} of {key}, {}, has changed since it was prepared",
                now.path
            )),
            (Some(then), Some(now)) => {
                Some(format!("it was prepared from {}, {key} names {}", then.path, now.path))
            }
            (Some(then), None) => {
                Some(format!("it was prepared with {}, {key} names no {kind}", then.path))
            }
            (None, _) => Some(format!("it was prepared without the {kind} of {key}")),
        }
    }

    /// The name of the file, without its folder.
    fn name(&self) -> Option<&OsStr> {
        Path::new(&self.path).file_name()
    }
}

/// Writes the manifest, after all other files.
///
/// # Errors
///
/// The manifest cannot be written.
pub(super) fn write_manifest(
    request: &PrepareRequest,
    inputs: Inputs,
    report: &Report,
) -> Result<()> {
    let mut outputs = Vec::new();
    let mut names = vec![TOKENIZER_JSON.to_owned()];
    for (split, _) in request.splits() {
        let endings = ["bin"].into_iter().chain(request.copies(split).iter().copied());
        names.extend(endings.map(|ending| format!("{split}.{ending}")));
    }
    for name in names {
        let path = request.out.join(&name);
        let bytes = std::fs::metadata(&path).map_err(|e| Error::output("read", &path, &e))?.len();
        outputs.push(Output { name, bytes });
    }
    let (choices, report) = (Choices::of(request), report.clone());
    let Inputs { texts: inputs, models } = inputs;
    let manifest = Manifest { layout: LAYOUT, choices, inputs, models, outputs, report };
    super::write_json(&request.out.join(MANIFEST), &manifest)
}
