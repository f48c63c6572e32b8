//! The vocabulary of a run: text to token ids and back.
//!
//! Source and target text may have different [`Subwords`] over one set of ids, or over two. What `a2d prepare` learns is
//! one byte-pair encoding of both languages ([`bpe`]); other vocabularies are SentencePiece models ([`spm`]) and WordPiece
//! vocabularies ([`wordpiece`]). A text model has the [`Labels`] of its texts in place of target subwords.
//!
//! Ids 0 to 3 are the special tokens ([`SPECIAL`]) in every vocabulary, except labels. A vocabulary is stored as one file,
//! `tokenizer.json`, and identified by a hash of that file.

use a2d_core::allow::Forbidden;
use a2d_system::error::{Error, Result};
use a2d_system::files::{self, write_whole};
use a2d_system::hash;
use a2d_system::signals;
use bpe::Bpe;
use rayon::prelude::*;
use serde_json::Value;
use spm::{Convention, Model, Side, Sides, Spm};
use std::fmt;
use std::num::ParseIntError;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use texts::Texts;

pub mod bpe;
mod decode;
mod device;
mod document;
mod labels;
mod learn;
mod normal;
mod protect;
pub mod spm;
mod symbols;
mod tables;
mod texts;
pub mod wordpiece;
mod words;

pub use a2d_core::config::token::{BOS, EOS, PAD, UNK};
pub use bpe::LARGEST;
pub use labels::Labels;
pub use normal::{LineForm, Touched};
pub use protect::{BadPattern, Matches, Patterns};
pub use symbols::{LONGEST_SYMBOL, Symbols};
pub use words::{LONGEST_TOKEN, Words};

/// The special tokens, in the order of their ids.
pub const SPECIAL: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];

/// The smallest vocabulary with byte fallback by default.
pub const BYTE_FALLBACK_FROM: usize = 2000;

const SPACE: char = '▁';

/// Text to ids and back, for the text of one side.
#[allow(clippy::len_without_is_empty)] // the special tokens are always there
pub trait Subwords: Send + Sync {
    /// The number of tokens, special tokens included.
    fn len(&self) -> usize;

    /// The text of a token, as it is stored; `None` outside the vocabulary.
    fn piece(&self, id: u32) -> Option<&str>;

    /// How lines are normalised before an [`Encoder`] gets them.
    fn normalization(&self) -> LineForm;

    /// Whether characters outside the vocabulary are encoded as bytes.
    fn has_byte_fallback(&self) -> bool;

    /// The texts that are kept whole.
    fn symbols(&self) -> &Symbols;

    /// The tokens that a search must not generate.
    fn forbidden(&self) -> Forbidden;

    /// The ids of a line, without a final [`EOS`]. A line that is empty after normalisation has no ids.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a line of 4 GiB or more.
    fn encode(&self, line: &str) -> Result<Vec<u32>>;

    /// An encoder of many lines on one thread.
    fn encoder(&self) -> Box<dyn Encoder + '_>;

    /// The text of `ids`, one line.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for an id outside the vocabulary.
    fn decode(&self, ids: &[u32]) -> Result<String>;

    /// The tables that `a2d_core::token` reads in place. Equal vocabularies give equal bytes on every machine.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a vocabulary that no device can use.
    fn tables(&self) -> Result<Vec<u8>>;
}

/// Encodes many lines on one thread.
pub trait Encoder: Send {
    /// How lines are normalised.
    fn normalization(&self) -> LineForm;

    /// Appends the ids of a normalised line, equal to those of [`Subwords::encode`].
    ///
    /// # Errors
    ///
    /// As [`Subwords::encode`].
    fn encode_normal(&mut self, line: &str, ids: &mut Vec<u32>) -> Result<()>;

    /// Appends the ids of a line.
    ///
    /// # Errors
    ///
    /// As [`Subwords::encode`].
    fn encode(&mut self, line: &str, ids: &mut Vec<u32>) -> Result<()> {
        let mut buffer = String::new();
        self.encode_normal(self.normalization().apply(line, &mut buffer), ids)
    }

    /// Appends the ids of a normalised text as the encoder of a text model reads it, without the final [`EOS`]: [`BOS`] and
    /// the first `most` subwords. Returns the number of all its subwords.
    ///
    /// # Errors
    ///
    /// As [`Subwords::encode`].
    fn encode_text(&mut self, text: &str, most: usize, ids: &mut Vec<u32>) -> Result<usize> {
        ids.push(BOS);
        let start = ids.len();
        self.encode_normal(text, ids)?;
        let whole = ids.len() - start;
        ids.truncate(start + most);
        Ok(whole)
    }
}

impl dyn Subwords + '_ {
    /// [`Subwords::encode`] of many lines on all threads, in order.
    ///
    /// # Errors
    ///
    /// As [`Subwords::encode`].
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, lines: &[S]) -> Result<Vec<Vec<u32>>> {
        let lines = lines.par_iter().with_min_len(256);
        let encode = |encoder: &mut Box<dyn Encoder + '_>, line: &S| {
            let mut ids = Vec::new();
            encoder.encode(line.as_ref(), &mut ids).map(|()| ids)
        };
        lines.map_init(|| self.encoder(), encode).collect()
    }
}

/// The numbers of tokens of a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// V of the source.
    pub source: usize,
    /// V of the target.
    pub target: usize,
}

impl Sizes {
    /// One vocabulary for both sides.
    pub const fn joint(size: usize) -> Self {
        Self { source: size, target: size }
    }

    /// The larger number.
    pub fn most(self) -> usize {
        self.source.max(self.target)
    }
}

/// One number, or two with a `+` between them if they differ.
impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, target } = self;
        if source == target { write!(f, "{source}") } else { write!(f, "{source}+{target}") }
    }
}

impl FromStr for Sizes {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (source, target) = text.split_once('+').unwrap_or((text, text));
        Ok(Self { source: source.parse()?, target: target.parse()? })
    }
}

/// The vocabulary of a run. It is cheap to copy and can be shared between threads.
#[derive(Clone)]
pub struct Vocab {
    source: Arc<dyn Subwords>,
    target: Arc<dyn Subwords>,
    /// The target again, of a text model.
    labels: Option<Arc<Labels>>,
    document: Arc<[u8]>,
}

/// The subwords of source and target.
type Both = [Arc<dyn Subwords>; 2];

impl Vocab {
    /// Learns at most `size` subwords from `lines`, normalised by NFC, with byte fallback if `size` is at least
    /// [`BYTE_FALLBACK_FROM`]. The result does not depend on the order of the lines.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] if `size` is too small.
    pub fn learn<'a>(lines: impl Iterator<Item = &'a str>, size: usize) -> Result<Self> {
        Self::learn_with(lines, size, Self::wants_bytes(size))
    }

    /// [`Vocab::learn`] with an explicit choice of byte fallback: 256 more tokens, and every text can be encoded.
    ///
    /// # Errors
    ///
    /// As [`Vocab::learn`].
    pub fn learn_with<'a>(
        lines: impl Iterator<Item = &'a str>,
        size: usize,
        byte_fallback: bool,
    ) -> Result<Self> {
        let mut words = Words::default();
        lines.for_each(|line| words.add(line));
        Self::learn_words(words, size, byte_fallback, &mut signals::go_on)
    }

    /// Whether a vocabulary of `size` has byte fallback by default.
    pub fn wants_bytes(size: usize) -> bool {
        size >= BYTE_FALLBACK_FROM
    }

    /// [`Vocab::learn_with`] from piece counts. `go_on` is called ten times a second.
    ///
    /// # Errors
    ///
    /// As [`Vocab::learn`], and the errors of `go_on`.
    pub fn learn_words(
        words: Words,
        size: usize,
        byte_fallback: bool,
        go_on: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Self> {
        Self::from_bytes(&Bpe::learn(words, size, byte_fallback, go_on)?)
    }

    /// From SentencePiece models. Tokens have the ids of [`Side::pieces`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for models or pieces that cannot be used.
    pub fn sentencepiece(source: Side, target: Side, convention: Convention) -> Result<Self> {
        let target = Some(target).filter(|target| *target != source);
        let sides = Sides { source, target, convention };
        Ok(Self::translating(of_sides(&sides)?, &sides.to_bytes()))
    }

    /// From `.spm` files: one for both sides, or two. The vocabulary is joint: the pieces of all files in order.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`], naming the file, if it cannot be read or used.
    pub fn from_sentencepiece_files(source: &Path, target: &Path) -> Result<Self> {
        let [source, target] = [source, target].map(|path| {
            let bytes = files::read(path).map_err(|e| Error::input("read", path, &e))?;
            let named = |e| Error::misuse(format!("{}: {e}", path.display()));
            Model::new(&bytes).map_err(named).map(|model| (bytes, model))
        });
        let ((source, first), (target, second)) = (source?, target?);
        let pieces = spm::joint(&[first, second]);
        let side = |model| Side { model, pieces: pieces.clone() };
        Self::sentencepiece(side(source), side(target), Convention::Plain)
    }

    /// The vocabulary of texts with these `labels` (none: an empty list) and this one's subwords of source text.
    ///
    /// # Errors
    ///
    /// As [`Labels::new`].
    pub fn with_labels(&self, labels: Vec<String>) -> Result<Self> {
        let texts = Texts::subwords(self.parsed()?)?;
        let texts = if Sides::is_in(&texts) { Sides::new(texts)?.of_source() } else { texts };
        Self::from_bytes(&Texts::of(texts, labels).to_bytes())
    }

    /// The vocabulary without its labels, if it is one of texts.
    ///
    /// # Errors
    ///
    /// As [`Vocab::with_labels`].
    pub fn without_labels(self) -> Result<Self> {
        if self.labels.is_some() { self.with_labels(Vec::new()) } else { Ok(self) }
    }

    /// Whether this is `given`, or the subwords of `given` with the labels of this one. If `given` has other labels, it is
    /// not.
    pub fn is_made_of(&self, given: &Self) -> bool {
        let same = |other: &Self| other.hash() == self.hash();
        let labelled =
            |vocab: &Self| vocab.labels().is_some_and(|labels| !labels.names().is_empty());
        let with_own = || given.with_labels(self.labels()?.names().to_vec()).ok();
        let others = labelled(self) && labelled(given);
        same(given) || !others && with_own().is_some_and(|given| same(&given))
    }

    fn translating([source, target]: Both, document: &[u8]) -> Self {
        Self { source, target, labels: None, document: document.into() }
    }

    /// A WordPiece vocabulary for both sides. Tokens have the ids of [`wordpiece::Model::rows`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a vocabulary that no device can use.
    pub fn wordpiece(model: &wordpiece::Model) -> Result<Self> {
        Self::from_bytes(&model.keep(&model.rows()).to_bytes())
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`], naming the file, if it cannot be read or was not written by this program.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read(path).map_err(|e| Error::input("read", path, &e))?;
        Self::from_bytes(&bytes).map_err(|e| Error::misuse(format!("{}: {e}", path.display())))
    }

    /// Parses the bytes of a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] unless the document equals one from [`Vocab::to_bytes`], in any JSON layout.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let document = parsed(bytes)?;
        if !Texts::is_in(&document) {
            return Ok(Self::translating(subwords(document)?, bytes));
        }
        let Texts { texts, labels, .. } = Texts::new(document)?;
        let ([source, _], labels) = (subwords(texts)?, Arc::new(Labels::new(labels)?));
        Ok(Self { source, target: labels.clone(), labels: Some(labels), document: bytes.into() })
    }

    fn parsed(&self) -> Result<Value> {
        parsed(&self.document)
    }

    /// The bytes of the `tokenizer.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.document.to_vec()
    }

    /// Writes the `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, |out| out.write_all(&self.document))
    }

    /// Whether the subwords were learned from text by this program.
    ///
    /// # Errors
    ///
    /// None for a vocabulary that was read: its document is sound.
    pub fn is_learned(&self) -> Result<bool> {
        let document = Texts::subwords(self.parsed()?)?;
        Ok(!Sides::is_in(&document) && !wordpiece::is_in(&document))
    }

    /// The `.spm` files of source and target, if the vocabulary is of SentencePiece models.
    ///
    /// # Errors
    ///
    /// None for a vocabulary that was read: its document is sound.
    pub fn models(&self) -> Result<Option<[Vec<u8>; 2]>> {
        let document = Texts::subwords(self.parsed()?)?;
        if !Sides::is_in(&document) {
            return Ok(None);
        }
        let Sides { source, target, .. } = Sides::new(document)?;
        let target = target.map_or_else(|| source.model.clone(), |target| target.model);
        Ok(Some([source.model, target]))
    }

    /// The subwords of source text.
    pub fn source(&self) -> &dyn Subwords {
        &*self.source
    }

    /// The subwords of target text; the labels of a text model.
    pub fn target(&self) -> &dyn Subwords {
        &*self.target
    }

    /// The subwords of source and target text.
    pub fn sides(&self) -> [&dyn Subwords; 2] {
        [self.source(), self.target()]
    }

    /// The labels of a text model; `None` for a vocabulary of translations.
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_deref()
    }

    /// The ids of a text as the encoder of a text model reads it: [`BOS`], the first `most` subwords, [`EOS`].
    ///
    /// # Errors
    ///
    /// As [`Subwords::encode`].
    pub fn text(&self, line: &str, most: usize) -> Result<Vec<u32>> {
        let (mut ids, mut buffer) = (Vec::new(), String::new());
        let line = self.source.normalization().apply(line, &mut buffer);
        self.source.encoder().encode_text(line, most, &mut ids)?;
        ids.push(EOS);
        Ok(ids)
    }

    /// The numbers of tokens, including special tokens, and of labels. They can be smaller than requested if the text is
    /// short.
    pub fn sizes(&self) -> Sizes {
        Sizes { source: self.source.len(), target: self.target.len() }
    }

    /// A hash that identifies this vocabulary: 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hash::hex(self.hash())
    }

    /// The fingerprint as a number.
    pub(crate) fn hash(&self) -> u64 {
        hash::bytes(&self.document)
    }
}

fn parsed(document: &[u8]) -> Result<Value> {
    serde_json::from_slice(document)
        .map_err(|e| Error::misuse(format!("not a tokenizer.json: {e}")))
}

/// The subwords in a document of any kind but that of a text model.
fn subwords(document: Value) -> Result<Both> {
    if Sides::is_in(&document) {
        return of_sides(&Sides::new(document)?);
    }
    let both: Arc<dyn Subwords> = match wordpiece::is_in(&document) {
        true => Arc::new(wordpiece::Words::new(&wordpiece::Model::from_document(document)?)?),
        false => Arc::new(Bpe::new(document)?),
    };
    Ok([both.clone(), both])
}

fn of_sides(sides: &Sides) -> Result<Both> {
    let side = |name: &str, side| -> Result<Arc<dyn Subwords>> {
        let subwords = Spm::new(side, sides.convention);
        Ok(Arc::new(subwords.map_err(|e| Error::misuse(format!("{name} side: {e}")))?))
    };
    let source = side("source", &sides.source)?;
    let target = match &sides.target {
        Some(target) => side("target", target)?,
        None => source.clone(),
    };
    Ok([source, target])
}
