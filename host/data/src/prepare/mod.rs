//! From two text files a split to a folder that training reads: vocabulary, token files, manifest.
//!
//! The texts are read three times from beginning to end, and never held in memory: they are
//! surveyed, the vocabulary is learnt, and every pair is judged, encoded and written.

mod check;
mod encode;
mod manifest;
mod pairs;
mod report;
mod runs;
mod script;
mod survey;

pub use check::Check;
pub use manifest::{
    Chosen, State, check_files, chosen, load_report, state, texts_exist, up_to_date,
};
pub use report::{Finding, Normalized, Report, Sample, Split, Vocabulary};
pub use script::Script;

use crate::vocab::{Normalization, Vocab, Words};
use a2d_system::display::Wait;
use a2d_system::error::{Error, Result};
use a2d_system::files::{is_part_of_run, make_folder, remove, sweep, write_whole};
use a2d_system::lock::Held;
use a2d_system::signals;
use check::Flags;
use encode::{Encoded, Encoders, encode};
use manifest::{MANIFEST, inputs, write_manifest};
use pairs::{Buffers, Text};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use survey::Survey;

/// Of more text than so many bytes, both sides together, an even sample is what the vocabulary is
/// learnt from: every second pair, every third …
pub const MOST_LEARNT_FROM: u64 = 64 << 20;

/// The name of the report in a prepared folder.
const REPORT: &str = "report.json";

/// What to prepare, and from what.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The ending of the source files: `de` for `PREFIX.de`.
    pub source_lang: String,
    /// The ending of the target files.
    pub target_lang: String,
    /// The prefix of the training text.
    pub train: String,
    /// The prefix of the text that training is watched on.
    pub valid: String,
    /// The prefix of the text for the final scores.
    pub test: Option<String>,
    /// How many subwords to learn, for both languages together.
    pub vocab_size: usize,
    /// The vocabulary to use, in place of one that is learnt.
    pub vocabulary: Option<PathBuf>,
    /// How lines are normalised before they become subwords; with [`Request::vocabulary`], that decides.
    pub normalization: Normalization,
    /// Whether unknown characters are spelt as bytes; decided by the size where not given.
    pub byte_fallback: Option<bool>,
    /// Pairs with more tokens than this on either side are left out.
    pub max_length: usize,
    /// Whether pairs of the training text that have a flaw are left out.
    pub clean: bool,
    /// Fail if more than this percentage of the pairs of a split has a flaw and is not left out
    /// by `clean`.
    pub strict: Option<f64>,
    /// Whether work that takes long is shown on standard error.
    pub progress: bool,
    /// The folder to write.
    pub out: PathBuf,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            source_lang: String::new(),
            target_lang: String::new(),
            train: String::new(),
            valid: String::new(),
            test: None,
            vocab_size: 8000,
            vocabulary: None,
            normalization: Normalization::Nfc,
            byte_fallback: None,
            max_length: 250,
            clean: false,
            strict: None,
            progress: false,
            out: PathBuf::new(),
        }
    }
}

impl Request {
    /// The splits by name, with their prefixes. The training text comes first.
    fn splits(&self) -> Vec<(&'static str, &str)> {
        let mut splits = vec![("train", self.train.as_str()), ("valid", &self.valid)];
        splits.extend(self.test.as_deref().map(|test| ("test", test)));
        splits
    }

    /// Whether pairs with flaws are left out of a text. What is measured on stays as it is.
    fn cleans(&self, text: &Text) -> bool {
        self.clean && text.name == "train"
    }
}

/// Reads, checks, learns and writes; what was found goes to `report` in plain words.
///
/// # Errors
/// [`Error::Misuse`] for texts that are missing, empty, not UTF-8 or of different length, naming
/// file and line, and for texts with more flaws than [`Request::strict`] allows; then only
/// `report.json` is written. [`Error::Failed`] where `out` cannot be written; no `data.json` is
/// then left. [`Error::Interrupted`]; what was there then stays.
pub fn run(request: &Request, report: &mut dyn Write) -> Result<Report> {
    if request.source_lang == request.target_lang {
        let lang = &request.source_lang;
        return Err(Error::misuse(format!("source and target language are both {lang:?}")));
    }
    let start = Instant::now();
    let checkpoints = ["last.safetensors", "best.safetensors"];
    if checkpoints.iter().any(|name| is_part_of_run(&request.out.join(name))) {
        let (folder, how) = (request.out.display(), "choose another folder");
        return Err(Error::misuse(format!("{folder} holds a run, not data: {how}")));
    }
    let inputs = inputs(request)?;
    let texts = Text::all(request);
    let given = request.vocabulary.as_deref().map(Vocab::load).transpose()?;
    let normalization = given.as_ref().map_or(request.normalization, Vocab::normalization);
    let surveys = survey::all(&texts, &request.out, request.clean, normalization)?;
    let (vocab, every) = match given {
        Some(vocab) => (vocab, 0),
        None => learn(request, &texts[0], &surveys[0])?,
    };

    make_folder(&request.out)?;
    let _held = Held::new(&request.out, ".preparing", "prepares data in")?;
    sweep(&request.out);
    let encoding = Instant::now();
    let encoded = encode_all(request, &texts, &surveys, &vocab)?;
    let speed = Speed { start, encoding, encoded: Instant::now() };
    let found = Report {
        source_lang: request.source_lang.clone(),
        target_lang: request.target_lang.clone(),
        vocabulary: Vocabulary {
            size: vocab.len(),
            byte_fallback: vocab.has_byte_fallback(),
            normalization,
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
    vocab.save(&request.out.join("tokenizer.json"))?;
    encoded.into_iter().try_for_each(Encoded::finish)?;
    write_manifest(request, inputs, &found)?;
    Ok(found)
}

/// `PREFIX.de`, or `PREFIX.de.gz` where only that is there.
pub fn find(prefix: &str, lang: &str) -> PathBuf {
    let plain = PathBuf::from(format!("{prefix}.{lang}"));
    let packed = PathBuf::from(format!("{prefix}.{lang}.gz"));
    if !plain.exists() && packed.exists() { packed } else { plain }
}

/// The vocabulary, and that it was learnt from every so many-th pair.
fn learn(request: &Request, train: &Text, survey: &Survey) -> Result<(Vocab, usize)> {
    let every = survey.bytes.div_ceil(MOST_LEARNT_FROM).max(1) as usize;
    let mut words = Words::new(request.normalization);
    let mut buffers = Buffers::default();
    train.each(|chunk| {
        for i in (0..chunk.len()).filter(|i| (chunk.first + i).is_multiple_of(every)) {
            let Some(sides) = buffers.sides(chunk.pair(i), request.normalization) else { continue };
            let bounds = sides.text.map(|line| words.bounds(line));
            let mut flags = match request.clean {
                true => check::judge(chunk.first + i, Some(&sides), survey, survey.most()),
                false => Flags::of_empty(&sides),
            };
            check::judge_bounds(&mut flags, bounds, request.max_length);
            if !flags.any(|check| check.leaves_out(request.clean)) {
                sides.text.into_iter().for_each(|line| words.add(line));
            }
        }
        Ok(())
    })?;
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

fn encode_all(
    request: &Request,
    texts: &[Text],
    surveys: &[Survey],
    vocab: &Vocab,
) -> Result<Vec<Encoded>> {
    let encoders = Encoders::new(vocab);
    let scripts = surveys[0].most();
    let texts = texts.iter().zip(surveys);
    texts.map(|(text, survey)| encode(text, survey, scripts, vocab, request, &encoders)).collect()
}

/// What is wrong with the training text as a whole.
fn warnings(request: &Request, train: &Text, survey: &Survey) -> Vec<String> {
    let langs = [&request.source_lang, &request.target_lang];
    let sides = langs.into_iter().zip(&train.paths).zip(survey.most());
    let warning = |((lang, path), found): ((&String, &PathBuf), Option<Script>)| {
        let (wanted, found) = (Script::of_language(lang)?, found?);
        let (path, wanted, script) = (path.display(), wanted.name(), found.name());
        let text =
            format!("{path} is mostly in {script} script, and {lang} is written in {wanted}");
        (wanted != script).then(|| format!("{text}: are the files swapped?"))
    };
    sides.filter_map(warning).collect()
}

/// Takes away what an earlier run left, the manifest first: a half-written folder has none.
fn clear(out: &Path) -> Result<()> {
    let stale = [MANIFEST, "test.bin", "test.source", "test.target"];
    stale.iter().try_for_each(|name| remove(&out.join(name)))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_whole(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        writeln!(out)
    })
}

/// When what was done.
struct Speed {
    start: Instant,
    encoding: Instant,
    encoded: Instant,
}

impl Speed {
    fn tell(&self, report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
        let lines = 2 * report.splits.iter().map(|split| split.lines).sum::<usize>();
        let seconds = (self.encoded - self.encoding).as_secs_f64().max(1e-9);
        let all = (self.encoded - self.start).as_secs_f64();
        let rate = lines as f64 / seconds;
        writeln!(
            out,
            "{lines} lines in {all:.1} s; checked, encoded and written at {rate:.0} lines/s"
        )
    }
}
