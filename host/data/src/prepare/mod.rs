//! Prepares training data: from the text files of each split, two parallel ones or one of texts, to a folder with
//! vocabulary, token files and manifest.
//!
//! The texts are read three times and never held in memory: to survey them, to learn the vocabulary, and to check,
//! encode and write every pair.

mod check;
mod encode;
mod given;
mod labelled;
mod labels;
mod manifest;
mod outline;
mod pairs;
mod report;
mod runs;
mod script;
mod summary;
mod survey;
mod tell;

pub use check::Check;
pub use given::Given;
pub use labelled::read;
pub use manifest::{
    DataChoices, Freshness, check_files, chosen, load_report, state, texts_exist, up_to_date,
};
pub use outline::{Counts, Excerpt, Outline, excerpt};
pub use report::{Finding, Normalized, Report, Sample, Split, Vocabulary};
pub use script::Script;

use crate::task::Task;
use crate::vocab::{LineForm, Matches, Patterns, Vocab, Words};
use a2d_system::display::Wait;
use a2d_system::error::{Error, Result};
use a2d_system::files::{is_part_of_run, make_folder, remove, sweep, write_whole};
use a2d_system::lock::Held;
use a2d_system::signals;
use check::Flags;
use encode::{Encoded, Encoders, encode};
use manifest::{Inputs, MANIFEST, write_manifest};
use pairs::{Buffers, Form, SplitText};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use survey::Survey;

/// The vocabulary of a larger text, in bytes of both sides together, is learnt from an even sample: every second pair,
/// every third …
pub const MOST_LEARNT_FROM: u64 = 64 << 20;

/// At most one in so many tokens is a symbol.
const SYMBOL_SHARE: usize = 4;

/// The name of the vocabulary in a prepared folder.
const TOKENIZER_JSON: &str = "tokenizer.json";
/// The name of the report in a prepared folder.
const REPORT: &str = "report.json";
/// The name of the report as text.
const FINDINGS: &str = "findings.txt";

/// The settings of a preparation.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareRequest {
    /// What the data are for.
    pub task: Task,
    /// The extension of the source files: `de` for `PREFIX.de`. The language of texts, which may be empty.
    pub source_lang: String,
    /// The extension of the target files; empty for texts.
    pub target_lang: String,
    /// The prefix of the training text; the file of texts.
    pub train: String,
    /// The prefix of the validation text, or the file.
    pub valid: String,
    /// The prefix of the test text, or the file.
    pub test: Option<String>,
    /// The number of subwords to learn, for both languages together.
    pub vocab_size: usize,
    /// An existing vocabulary to use instead of learning one.
    pub vocabulary: Option<Given>,
    /// How lines are normalised. The normalisation of [`PrepareRequest::vocabulary`] takes precedence.
    pub normalization: LineForm,
    /// Regular expressions of texts that are kept whole, one token each. Not with [`PrepareRequest::vocabulary`], whose
    /// own symbols apply.
    pub protect: Vec<String>,
    /// Whether unknown characters are encoded as bytes. The default depends on the vocabulary's size.
    pub byte_fallback: Option<bool>,
    /// Pairs with more tokens than this on either side are excluded, texts are cut.
    pub max_length: usize,
    /// Whether training pairs with a flaw are excluded.
    pub clean: bool,
    /// Fail if more than this percentage of the pairs of a split has a flaw and is not excluded by `clean`.
    pub strict: Option<f64>,
    /// Whether progress is displayed on standard error.
    pub progress: bool,
    /// The folder to write.
    pub out: PathBuf,
}

impl Default for PrepareRequest {
    fn default() -> Self {
        Self {
            task: Task::Translate,
            source_lang: String::new(),
            target_lang: String::new(),
            train: String::new(),
            valid: String::new(),
            test: None,
            vocab_size: 8000,
            vocabulary: None,
            normalization: LineForm::Nfc,
            protect: Vec::new(),
            byte_fallback: None,
            max_length: 250,
            clean: false,
            strict: None,
            progress: false,
            out: PathBuf::new(),
        }
    }
}

impl PrepareRequest {
    /// The splits and their prefixes, the training text first.
    fn splits(&self) -> Vec<(&'static str, &str)> {
        let mut splits = vec![("train", self.train.as_str()), ("valid", &self.valid)];
        splits.extend(self.test.as_deref().map(|test| ("test", test)));
        splits
    }

    /// The splits and their files: source and target, or one file of texts.
    fn files(&self) -> Vec<(&'static str, Vec<PathBuf>)> {
        let langs = [&self.source_lang, &self.target_lang];
        let paths = |text: &str| match self.task {
            Task::Translate => langs.iter().map(|lang| find(text, lang)).collect(),
            Task::Classify | Task::Embed => vec![or_packed(PathBuf::from(text))],
        };
        self.splits().into_iter().map(|(split, text)| (split, paths(text))).collect()
    }

    /// The sides that are copied from a split, to be scored by.
    fn copies(&self, split: &str) -> &'static [&'static str] {
        match self.task {
            _ if split == "train" => &[],
            Task::Translate | Task::Classify => &["source", "target"],
            Task::Embed => &["source"],
        }
    }

    /// How pairs are read until there is a vocabulary.
    fn form(&self) -> Form {
        Form::new(self.task, self.normalization)
    }

    /// Whether pairs with flaws are excluded from a text. Validation and test texts are never cleaned.
    fn cleans(&self, split: &str) -> bool {
        self.clean && split == "train"
    }
}

/// Prepares the data and prints the findings to `report`. `findings.txt` in the folder has them too.
///
/// # Errors
///
/// [`Error::Misuse`] for texts that are missing, empty, not UTF-8 or of different length, naming file and line, and for
/// texts with more flaws than [`PrepareRequest::strict`] allows; only `report.json` is then written. For texts to classify
/// without a label, with a label that the training text does not have, or with one label only. [`Error::Failed`]
/// if `out` cannot be written; `data.json` is then missing. [`Error::Interrupted`]; earlier files then stay.
pub fn run(request: &PrepareRequest, report: &mut dyn Write) -> Result<Report> {
    check_languages(request)?;
    let patterns = patterns(request)?;
    let start = Instant::now();
    let checkpoints = ["last.safetensors", "best.safetensors"];
    if checkpoints.iter().any(|name| is_part_of_run(&request.out.join(name))) {
        let (folder, how) = (request.out.display(), "choose another folder");
        return Err(Error::misuse(format!("{folder} holds a run, not data: {how}")));
    }
    let inputs = Inputs::of(request)?;
    let texts = SplitText::all(request);
    let given = request.vocabulary.as_ref().map(Given::load).transpose()?;
    let normalization =
        given.as_ref().map_or(request.normalization, |vocab| vocab.source().normalization());
    let form = Form::new(request.task, normalization);
    let surveys = survey::all(&texts, &request.out, request.clean, form)?;
    // Labels are checked before a vocabulary is learned, which takes longer.
    let labels = labels::of(request, given.as_ref(), &texts, &surveys)?;
    let (vocab, every) = match given {
        Some(vocab) => (vocab, 0),
        None => learn(request, &patterns, &texts[0], &surveys[0])?,
    };
    let vocab = labels::onto(vocab, labels)?;

    make_folder(&request.out)?;
    let _held = Held::new(&request.out, ".preparing", "prepares data in")?;
    sweep(&request.out);
    let encoding = Instant::now();
    let encoded = encode_all(request, &texts, &surveys, &vocab)?;
    let speed = Speed { start, encoding, encoded: Instant::now() };
    let found = Report {
        task: request.task,
        source_lang: request.source_lang.clone(),
        target_lang: request.target_lang.clone(),
        labels: vocab.labels().map_or(Vec::new(), |labels| labels.names().to_vec()),
        vocabulary: Vocabulary {
            size: tokens(&vocab),
            byte_fallback: vocab.source().has_byte_fallback(),
            normalization,
            symbols: vocab.source().symbols().len(),
            fingerprint: vocab.fingerprint(),
            every,
        },
        warnings: warnings(request, &texts[0], &surveys[0]),
        splits: encoded.iter().map(|encoded| encoded.split.clone()).collect(),
    };
    let told = found.tell(request, report).and_then(|()| speed.tell(&found, report));
    told.map_err(|e| Error::output("write", Path::new("the report"), &e))?;
    let saved = request.out.join(REPORT);
    write_json(&saved, &found)?;
    if let Some(percent) = request.strict {
        found.check(percent, request, &saved)?;
    }
    clear(&request.out)?;
    write_whole(&request.out.join(FINDINGS), |out| found.tell(request, out))?;
    vocab.save(&request.out.join(TOKENIZER_JSON))?;
    encoded.into_iter().try_for_each(Encoded::finish)?;
    write_manifest(request, inputs, &found)?;
    Ok(found)
}

fn check_languages(request: &PrepareRequest) -> Result<()> {
    let PrepareRequest { task, source_lang, target_lang, .. } = request;
    match task {
        Task::Translate if source_lang == target_lang => {
            Err(Error::misuse(format!("source and target language are both {source_lang:?}")))
        }
        Task::Classify | Task::Embed if !target_lang.is_empty() => {
            let text = format!("the target language {target_lang:?} has no meaning with the task");
            Err(Error::misuse(format!("{text} \"{task}\": leave it out")))
        }
        _ => Ok(()),
    }
}

/// `PREFIX.de`, or `PREFIX.de.gz` if only that exists.
pub fn find(prefix: &str, lang: &str) -> PathBuf {
    or_packed(PathBuf::from(format!("{prefix}.{lang}")))
}

/// A file, or its gzipped form if only that exists.
pub fn or_packed(plain: PathBuf) -> PathBuf {
    let mut packed = plain.clone().into_os_string();
    packed.push(".gz");
    let packed = PathBuf::from(packed);
    if !plain.exists() && packed.exists() { packed } else { plain }
}

/// The tokens of the texts of a vocabulary: of both languages, or without labels.
fn tokens(vocab: &Vocab) -> usize {
    match vocab.labels() {
        Some(_) => vocab.sizes().source,
        None => vocab.sizes().most(),
    }
}

/// The compiled patterns of [`PrepareRequest::protect`].
///
/// # Errors
///
/// Misuse: an invalid pattern, or patterns beside an existing vocabulary.
fn patterns(request: &PrepareRequest) -> Result<Patterns> {
    if let (Some(given), false) = (&request.vocabulary, request.protect.is_empty()) {
        let path = given.path().display();
        let text = "no further text can be protected: its own symbols apply";
        return Err(Error::misuse(format!("the vocabulary {path} exists, so {text}")));
    }
    let patterns = Patterns::new(&request.protect);
    patterns.map_err(|bad| Error::misuse(format!("protected text {bad}")))
}

/// Learns the vocabulary. Also returns the sampling interval: it was learnt from every n-th pair.
fn learn(
    request: &PrepareRequest,
    patterns: &Patterns,
    train: &SplitText,
    survey: &Survey,
) -> Result<(Vocab, usize)> {
    let every = survey.bytes.div_ceil(MOST_LEARNT_FROM).max(1) as usize;
    let mut words = Words::new(request.normalization);
    if !patterns.is_empty() {
        let mut matches = Matches::new(patterns);
        each_learnt(request, train, survey, every, &mut words, |_, line| matches.add(line))?;
        let symbols = matches.symbols(request.vocab_size / SYMBOL_SHARE)?;
        words = Words::with_symbols(request.normalization, symbols);
    }
    each_learnt(request, train, survey, every, &mut words, Words::add_normal)?;
    let size = request.vocab_size;
    let byte_fallback = request.byte_fallback.unwrap_or(Vocab::wants_bytes(size));
    let label = format!("learning {size} subwords from {} pieces", words.len());
    let mut wait = Wait::new(!request.progress, label);
    let mut go_on = || {
        wait.tick();
        signals::go_on()
    };
    Ok((Vocab::learn_words(words, size, byte_fallback, &mut go_on)?, every))
}

/// Calls `take` with the lines that a vocabulary is learnt from.
///
/// # Errors
///
/// Those of [`SplitText::each`].
fn each_learnt(
    request: &PrepareRequest,
    train: &SplitText,
    survey: &Survey,
    every: usize,
    words: &mut Words,
    mut take: impl FnMut(&mut Words, &str) + Send,
) -> Result<usize> {
    let mut buffers = Buffers::default();
    train.each(|chunk| {
        for i in (0..chunk.len()).filter(|i| (chunk.first + i).is_multiple_of(every)) {
            let Some(sides) = buffers.sides(chunk.pair(i), request.form()) else { continue };
            let mut flags = match request.clean {
                true => check::judge(chunk.first + i, Some(&sides), survey, survey.most()),
                false => Flags::of_empty(&sides),
            };
            if let &[source, target] = sides.texts() {
                let bounds = [source, target].map(|line| words.bounds(line));
                check::judge_bounds(&mut flags, bounds, request.max_length);
            }
            if !flags.any(|check| check.leaves_out(request.task, request.clean)) {
                sides.texts().iter().for_each(|line| take(words, line));
            }
        }
        Ok(())
    })
}

fn encode_all(
    request: &PrepareRequest,
    texts: &[SplitText],
    surveys: &[Survey],
    vocab: &Vocab,
) -> Result<Vec<Encoded>> {
    let encoders = vocab.sides().map(Encoders::new);
    let scripts = surveys[0].most();
    let texts = texts.iter().zip(surveys);
    texts.map(|(text, survey)| encode(text, survey, scripts, vocab, request, &encoders)).collect()
}

/// Warnings about the training text as a whole.
fn warnings(request: &PrepareRequest, train: &SplitText, survey: &Survey) -> Vec<String> {
    let langs = [&request.source_lang, &request.target_lang];
    let sides = langs.into_iter().zip(&train.paths).zip(survey.most());
    let warning = |((lang, path), found): ((&String, &PathBuf), Option<Script>)| {
        let (wanted, found) = (Script::of_language(lang)?, found?);
        let (path, wanted, script) = (path.display(), wanted.name(), found.name());
        let text =
            format!("{path} is mostly in {script} script, and {lang} is written in {wanted}");
        let why =
            if request.task.is_of_texts() { "is it another file" } else { "are the files swapped" };
        (wanted != script).then(|| format!("{text}: {why}?"))
    };
    sides.filter_map(warning).collect()
}

/// Removes the files of an earlier preparation, the manifest first: an incomplete folder has no manifest.
fn clear(out: &Path) -> Result<()> {
    let stale = [MANIFEST, "test.bin", "test.source", "test.target", "valid.target"];
    stale.iter().try_for_each(|name| remove(&out.join(name)))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_whole(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        writeln!(out)
    })
}

/// The times of the phases.
struct Speed {
    start: Instant,
    encoding: Instant,
    encoded: Instant,
}

impl Speed {
    fn tell(&self, report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
        let lines =
            report.task.texts() * report.splits.iter().map(|split| split.lines).sum::<usize>();
        let seconds = (self.encoded - self.encoding).as_secs_f64().max(1e-9);
        let all = (self.encoded - self.start).as_secs_f64();
        let rate = lines as f64 / seconds;
        writeln!(
            out,
            "{lines} lines in {all:.1} s; checked, encoded and written at {rate:.0} lines/s"
        )
    }
}
