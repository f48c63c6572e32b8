//! From two text files a split to a folder that training reads: vocabulary, token files, manifest.

use crate::corpus::Writer;
use crate::error::{Error, Result};
use crate::files::{make_folder, write_whole};
use crate::hash;
use crate::text;
use crate::vocab::{UNK, Vocab};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The layout of the folder; another number makes every folder out of date.
const LAYOUT: u32 = 2;
const MANIFEST: &str = "data.json";

/// What to prepare, and from what.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Whether unknown characters are spelt as bytes; decided by the size where not given.
    pub byte_fallback: Option<bool>,
    /// Pairs with more tokens than this on either side are left out.
    pub max_length: usize,
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
            byte_fallback: None,
            max_length: 250,
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
}

/// What was found and written; in `data.json` as it stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The ending of the source files.
    pub source_lang: String,
    /// The ending of the target files.
    pub target_lang: String,
    /// The vocabulary as it came out.
    pub vocabulary: Vocabulary,
    /// Train, valid and perhaps test.
    pub splits: Vec<Split>,
}

/// The vocabulary of a prepared folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// The number of tokens; may be less than asked.
    pub size: usize,
    /// Whether unknown characters are spelt as bytes.
    pub byte_fallback: bool,
    /// [`Vocab::fingerprint`].
    pub fingerprint: String,
}

/// What was found in a split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// `train`, `valid` or `test`.
    pub name: String,
    /// Pairs of lines read.
    pub lines: usize,
    /// Pairs written to the token file.
    pub kept: usize,
    /// Source tokens kept, ends of sentences not counted.
    pub source_tokens: usize,
    /// Target tokens kept, ends of sentences not counted.
    pub target_tokens: usize,
    /// Tokens that stand for an unknown character.
    pub unknown: usize,
    /// Left out: a side is empty or blank.
    pub empty: Finding,
    /// Left out: a side is longer than allowed.
    pub too_long: Finding,
    /// Kept: one side has more than three times the tokens of the other, and five more.
    pub unbalanced: Finding,
    /// Kept: the pair equals an earlier one.
    pub duplicates: Finding,
    /// Kept: the source sentence is also one of the training text. Not counted for train.
    pub overlap: Finding,
}

/// How many lines something is true of, and the first few of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How many lines.
    pub count: usize,
    /// The numbers of the first five, from 1.
    pub lines: Vec<usize>,
}

impl Finding {
    fn note(&mut self, index: usize) {
        self.count += 1;
        if self.lines.len() < 5 {
            self.lines.push(index + 1);
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines.iter().map(ToString::to_string).collect();
        let plural = if lines.len() > 1 { "s" } else { "" };
        let more = if self.count > lines.len() { " …" } else { "" };
        write!(f, "{} (line{plural} {}{more})", self.count, lines.join(", "))
    }
}

/// Reads, checks, learns and writes; what was found goes to `report` in plain words.
///
/// # Errors
/// [`Error::Misuse`] for texts that are missing, empty, not UTF-8 or of different length, naming
/// file and line; [`Error::Failed`] where `out` cannot be written. No `data.json` is then left.
pub fn run(request: &Request, report: &mut dyn Write) -> Result<Report> {
    if request.source_lang == request.target_lang {
        let lang = &request.source_lang;
        return Err(Error::misuse(format!("source and target language are both {lang:?}")));
    }
    let inputs = inputs(request)?;
    let texts = request
        .splits()
        .into_iter()
        .map(|(name, prefix)| Text::read(name, prefix, request))
        .collect::<Result<Vec<_>>>()?;
    let vocab = learn(request, &texts[0])?;
    let encoded = texts
        .iter()
        .map(|text| encode_split(text, &texts[0], &vocab, request))
        .collect::<Result<Vec<_>>>()?;

    make_folder(&request.out)?;
    clear(&request.out)?;
    vocab.save(&request.out.join("tokenizer.json"))?;
    let mut splits = Vec::new();
    for (text, (corpus, split)) in texts.iter().zip(encoded) {
        write_split(text, &corpus, &vocab, &request.out)?;
        splits.push(split);
    }
    let found = Report {
        source_lang: request.source_lang.clone(),
        target_lang: request.target_lang.clone(),
        vocabulary: Vocabulary {
            size: vocab.len(),
            byte_fallback: vocab.has_byte_fallback(),
            fingerprint: vocab.fingerprint(),
        },
        splits,
    };
    tell(&found, request, report)
        .map_err(|e| Error::failed(format!("cannot write the report: {e}")))?;
    write_manifest(request, inputs, &found)?;
    Ok(found)
}

/// What the folder `out` of a request holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing that [`run`] has finished.
    Absent,
    /// What [`run`] would write.
    Current,
    /// That, but a file of it is gone or of another size.
    Incomplete,
    /// The work of other choices or texts; says how it differs.
    Other(String),
}

/// What `out` holds, as far as its manifest and the texts tell.
pub fn state(request: &Request) -> State {
    let Ok(manifest) = Manifest::load(&request.out) else { return State::Absent };
    if manifest.layout != LAYOUT {
        return State::Other("it was prepared by another version of the program".to_owned());
    }
    if let Some(why) = manifest.choices.other_than(&Choices::of(request)) {
        return State::Other(why);
    }
    match inputs(request) {
        Ok(inputs) if same_texts(&inputs, &manifest.inputs) => {}
        Ok(_) => return State::Other("the text has changed since it was prepared".to_owned()),
        Err(error) => return State::Other(error.to_string()),
    }
    match manifest.missing(&request.out) {
        None => State::Current,
        Some(_) => State::Incomplete,
    }
}

/// Whether `out` already holds what [`run`] would write: same choices, same texts, nothing lost.
pub fn up_to_date(request: &Request) -> bool {
    state(request) == State::Current
}

/// Whether the folder `data` still has every file that [`run`] wrote.
///
/// # Errors
/// [`Error::Misuse`], naming the first file that is gone or of another size, or a damaged manifest.
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

/// Whether every text that [`run`] would read is there.
pub fn texts_exist(request: &Request) -> bool {
    let langs = [&request.source_lang, &request.target_lang];
    let mut files =
        request.splits().into_iter().flat_map(|(_, prefix)| langs.map(|l| find(prefix, l)));
    files.all(|path| path.is_file())
}

/// What [`run`] last found for the folder `data`: from its `data.json`.
///
/// # Errors
/// [`Error::Misuse`], naming the file, when it is missing or damaged.
pub fn load_report(data: &Path) -> Result<Report> {
    Manifest::load(data).map(|manifest| manifest.report)
}

/// `data.json`.
#[derive(Serialize, Deserialize)]
struct Manifest {
    layout: u32,
    choices: Choices,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    report: Report,
}

impl Manifest {
    fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let bytes = std::fs::read(&path).map_err(|e| Error::input("read", &path, &e))?;
        serde_json::from_slice(&bytes).map_err(|e| {
            let path = path.display();
            Error::misuse(format!("{path}: not a manifest of `host prepare`: {e}"))
        })
    }

    /// The first file that is gone from `folder` or has another size.
    fn missing(&self, folder: &Path) -> Option<PathBuf> {
        let there = |path: &Path, bytes| std::fs::metadata(path).is_ok_and(|f| f.len() == bytes);
        let mut files = self.outputs.iter().map(|file| (folder.join(&file.name), file.bytes));
        files.find(|(path, bytes)| !there(path, *bytes)).map(|(path, _)| path)
    }
}

/// Everything in a request that shapes the result, apart from the texts.
#[derive(PartialEq, Serialize, Deserialize)]
struct Choices {
    source_lang: String,
    target_lang: String,
    vocab_size: usize,
    byte_fallback: Option<bool>,
    max_length: usize,
}

impl Choices {
    fn of(request: &Request) -> Self {
        Self {
            source_lang: request.source_lang.clone(),
            target_lang: request.target_lang.clone(),
            vocab_size: request.vocab_size,
            byte_fallback: request.byte_fallback,
            max_length: request.max_length,
        }
    }

    /// What sets these apart from `wanted`, if anything.
    fn other_than(&self, wanted: &Self) -> Option<String> {
        let sizes = [
            ("data.vocab_size", self.vocab_size, wanted.vocab_size),
            ("data.max_length", self.max_length, wanted.max_length),
        ];
        let size = sizes.into_iter().find(|(_, was, is)| was != is);
        match size {
            Some((key, was, is)) => Some(format!("it was prepared with `{key}` {was}, not {is}")),
            None if self == wanted => None,
            None => Some("it was prepared for other languages or another alphabet".to_owned()),
        }
    }
}

/// A text as it was when it was read.
#[derive(Serialize, Deserialize)]
struct Input {
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

fn inputs(request: &Request) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for (split, prefix) in request.splits() {
        for lang in [&request.source_lang, &request.target_lang] {
            let path = find(prefix, lang);
            let bytes = std::fs::read(&path).map_err(|e| Error::input("read", &path, &e))?;
            inputs.push(Input {
                split: split.into(),
                path: path.display().to_string(),
                bytes: bytes.len() as u64,
                hash: hash::hex(hash::bytes(&bytes)),
            });
        }
    }
    Ok(inputs)
}

/// Where the texts lie does not matter.
fn same_texts(a: &[Input], b: &[Input]) -> bool {
    let key = |input: &Input| (input.split.clone(), input.bytes, input.hash.clone());
    a.iter().map(key).eq(b.iter().map(key))
}

/// `PREFIX.de`, or `PREFIX.de.gz` where only that is there.
fn find(prefix: &str, lang: &str) -> PathBuf {
    let plain = PathBuf::from(format!("{prefix}.{lang}"));
    let packed = PathBuf::from(format!("{prefix}.{lang}.gz"));
    if !plain.exists() && packed.exists() { packed } else { plain }
}

/// The lines of a split, both sides.
struct Text {
    name: &'static str,
    source: Vec<String>,
    target: Vec<String>,
}

impl Text {
    fn read(name: &'static str, prefix: &str, request: &Request) -> Result<Self> {
        let paths = [&request.source_lang, &request.target_lang].map(|lang| find(prefix, lang));
        let source = text::read_lines(&paths[0])?;
        let target = text::read_lines(&paths[1])?;
        let [from, to] = paths.each_ref().map(|path| path.display());
        if source.len() != target.len() {
            let (s, t) = (source.len(), target.len());
            return Err(Error::misuse(format!(
                "{from} has {s} lines and {to} has {t}: line N of both must belong together"
            )));
        }
        if source.is_empty() {
            return Err(Error::misuse(format!("{from} and {to} are empty")));
        }
        Ok(Self { name, source, target })
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.source.iter().map(String::as_str).zip(self.target.iter().map(String::as_str))
    }
}

fn learn(request: &Request, train: &Text) -> Result<Vocab> {
    let lines = train.source.iter().chain(&train.target).map(String::as_str);
    match request.byte_fallback {
        Some(choice) => Vocab::learn_with(lines, request.vocab_size, choice),
        None => Vocab::learn(lines, request.vocab_size),
    }
}

/// Takes away what an earlier run left, the manifest first: a half-written folder has none.
fn clear(out: &Path) -> Result<()> {
    let stale = [MANIFEST, "test.bin", "test.source", "test.target"];
    for path in stale.map(|name| out.join(name)) {
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::output("remove", &path, &e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Encodes and checks a split.
fn encode_split(
    text: &Text,
    train: &Text,
    vocab: &Vocab,
    request: &Request,
) -> Result<(Vec<[Vec<u32>; 2]>, Split)> {
    let sides = [vocab.encode_batch(&text.source)?, vocab.encode_batch(&text.target)?];
    let mut corpus = Vec::new();
    let mut split = Split { name: text.name.into(), lines: text.source.len(), ..Split::default() };
    let [sources, targets] = sides;
    for (i, (source, target)) in sources.into_iter().zip(targets).enumerate() {
        if text.source[i].trim().is_empty() || text.target[i].trim().is_empty() {
            split.empty.note(i);
        } else if source.len().max(target.len()) > request.max_length {
            split.too_long.note(i);
        } else {
            split.count(i, &source, &target);
            corpus.push([source, target]);
        }
    }
    if corpus.is_empty() {
        let (name, lines) = (text.name, split.lines);
        return Err(Error::misuse(format!("{name}: none of the {lines} pairs is usable")));
    }
    compare(text, train, &mut split);
    Ok((corpus, split))
}

/// Writes a split's token file and, for BLEU, its text.
fn write_split(text: &Text, pairs: &[[Vec<u32>; 2]], vocab: &Vocab, out: &Path) -> Result<()> {
    let path = out.join(format!("{}.bin", text.name));
    let mut corpus = Writer::create(&path, vocab)?;
    pairs.iter().try_for_each(|[source, target]| corpus.push(source, target))?;
    corpus.finish()?;
    if text.name != "train" {
        write_lines(&out.join(format!("{}.source", text.name)), &text.source)?;
        write_lines(&out.join(format!("{}.target", text.name)), &text.target)?;
    }
    Ok(())
}

impl Split {
    fn count(&mut self, i: usize, source: &[u32], target: &[u32]) {
        self.kept += 1;
        self.source_tokens += source.len();
        self.target_tokens += target.len();
        self.unknown += source.iter().chain(target).filter(|id| **id == UNK).count();
        let (short, long) = (source.len().min(target.len()), source.len().max(target.len()));
        if long > 3 * short + 5 {
            self.unbalanced.note(i);
        }
    }
}

/// Looks for pairs that come again, and for sentences that were already trained on.
fn compare(text: &Text, train: &Text, split: &mut Split) {
    let mut seen = HashSet::with_capacity(text.source.len());
    for (i, pair) in text.pairs().enumerate() {
        if !seen.insert(pair) {
            split.duplicates.note(i);
        }
    }
    if std::ptr::eq(text, train) {
        return;
    }
    let known: HashSet<&String> = train.source.iter().collect();
    for (i, source) in text.source.iter().enumerate() {
        if known.contains(source) {
            split.overlap.note(i);
        }
    }
}

fn write_lines(path: &Path, lines: &[String]) -> Result<()> {
    write_whole(path, |out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))
}

fn write_manifest(request: &Request, inputs: Vec<Input>, report: &Report) -> Result<()> {
    let mut outputs = Vec::new();
    let mut names = vec!["tokenizer.json".to_owned()];
    for (split, _) in request.splits() {
        let endings = if split == "train" { &["bin"][..] } else { &["bin", "source", "target"] };
        names.extend(endings.iter().map(|ending| format!("{split}.{ending}")));
    }
    for name in names {
        let path = request.out.join(&name);
        let bytes = std::fs::metadata(&path).map_err(|e| Error::output("read", &path, &e))?.len();
        outputs.push(Output { name, bytes });
    }
    let choices = Choices::of(request);
    let manifest = Manifest { layout: LAYOUT, choices, inputs, outputs, report: report.clone() };
    write_whole(&request.out.join(MANIFEST), |out| {
        serde_json::to_writer_pretty(&mut *out, &manifest)?;
        writeln!(out)
    })
}

fn tell(report: &Report, request: &Request, out: &mut dyn Write) -> std::io::Result<()> {
    let Vocabulary { size, byte_fallback, fingerprint } = &report.vocabulary;
    let bytes = if *byte_fallback { ", byte fallback" } else { "" };
    writeln!(out, "vocabulary: {size} tokens{bytes}, fingerprint {fingerprint}")?;
    if *size < request.vocab_size {
        writeln!(out, "  fewer than the {} asked for: the text has no more", request.vocab_size)?;
    }
    for split in &report.splits {
        tell_split(split, request, out)?;
    }
    Ok(())
}

fn tell_split(split: &Split, request: &Request, out: &mut dyn Write) -> std::io::Result<()> {
    let mean = |tokens: usize| tokens as f64 / split.kept as f64;
    let (source, target) = (mean(split.source_tokens), mean(split.target_tokens));
    let Split { name, kept, lines, .. } = split;
    writeln!(
        out,
        "{name}: {kept} of {lines} pairs, {source:.1} source and {target:.1} target tokens each"
    )?;
    let too_long = format!("left out, longer than {} tokens", request.max_length);
    let findings = [
        (&split.empty, "left out, a side is empty"),
        (&split.too_long, too_long.as_str()),
        (&split.unbalanced, "sides of very different length"),
        (&split.duplicates, "same as an earlier pair"),
        (&split.overlap, "source sentence is in the training text"),
    ];
    for (finding, what) in findings.iter().filter(|(finding, _)| finding.count > 0) {
        writeln!(out, "  {what}: {finding}")?;
    }
    if split.unknown > 0 {
        writeln!(out, "  characters outside the vocabulary: {}", split.unknown)?;
    }
    Ok(())
}
