//! The subword vocabulary: byte-pair encoding, learnt jointly on both languages.
//!
//! Stored as `tokenizer.json` in the format of Hugging Face's `tokenizers`. Encoding a line:
//!
//! 1. normalise it by the vocabulary's [`LineForm`];
//! 2. replace spaces by `▁`, and prepend one `▁` unless the line already begins with one;
//! 3. cut the line around every symbol, at each character the longest that begins there; a symbol is one token;
//! 4. cut the rest before every `▁` and around every ASCII punctuation character;
//! 5. apply the merges within each piece.
//!
//! Symbols are texts that are kept whole, such as the placeholder `%s`. A vocabulary has those that matched the regular
//! expressions of `data.protect` in its training text, and finds them by their text: an unseen placeholder is encoded as
//! other text. They are the last tokens, and stand in `added_tokens` after the special tokens. Other libraries encode such
//! a vocabulary alike, except that they put no `▁` before a symbol at the start of a line.
//!
//! Microcontrollers (`a2d-core`) do the same. With byte fallback `decode(encode(line))` is the normalised line. With
//! [`LineForm::None`] there are two exceptions: a literal `▁` or a control character decodes to a space, and one
//! leading space (or `▁`) is lost. The names of special tokens (`</s>` …) in a text are plain text.

mod decode;

use a2d_core::allow::Forbidden;
use a2d_system::error::{Error, Result};
use a2d_system::files::{self, write_whole};
use a2d_system::hash;
use a2d_system::program;
use a2d_system::signals;
use clap::ValueEnum;
use decode::Pieces;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use tokenizers::pipeline::{
    EncodeOptions, Model, Override, PipelineModel, PipelineModelScratch, PipelineToken,
    PipelineTokenizer, Span,
};

mod learn;
mod normal;
mod protect;
mod symbols;
mod words;

pub use a2d_core::config::token::{BOS, EOS, PAD, UNK};
pub use normal::{LineForm, Touched};
pub use protect::{BadPattern, Matches, Patterns};
pub use symbols::{LONGEST_SYMBOL, Symbols};
pub use words::{LONGEST_TOKEN, Words};

use learn::learn_merges;
use words::{mark, pieces};

/// The special tokens, in the order of their ids.
pub const SPECIAL: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];

/// The smallest vocabulary with byte fallback by default.
pub const BYTE_FALLBACK_FROM: usize = 2000;

/// The fewest tokens besides the special tokens and the 256 bytes.
const LEAST_PIECES: usize = 12;

const SPACE: char = '▁';

/// Regular expressions for the characters that [`LineForm`] drops and those it replaces by a space, in a syntax that
/// every library for `tokenizer.json` accepts.
const INVISIBLE: &str =
    r"[\u0000-\u0008\u000E-\u001F\u007F-\u0084\u0086-\u009F\u00AD\u200B\u2060\uFEFF]";
const SPACES: &str =
    r"[\u0009-\u000D\u0020\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u2581\u3000]";

/// A subword vocabulary that encodes and decodes. It can be shared between threads.
#[derive(Clone)]
pub struct Vocab {
    tokenizer: PipelineTokenizer,
    options: EncodeOptions,
    json: Vec<u8>,
    size: usize,
    kind: Kind,
    pieces: Arc<Pieces>,
    symbols: Arc<Symbols>,
}

/// The settings of a vocabulary, besides its tokens and merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    byte_fallback: bool,
    normalization: LineForm,
}

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
        let reserved = reserved(byte_fallback);
        let symbols = words.symbols().texts().to_vec();
        let least = reserved.len() + LEAST_PIECES + symbols.len();
        if size < least {
            let with = if byte_fallback { " with byte fallback" } else { "" };
            return Err(Error::misuse(format!(
                "a vocabulary of {size} is too small: at least {least}{with}"
            )));
        }
        let kind = Kind { byte_fallback, normalization: words.normalization() };
        let words = words.most_frequent();
        let size = size - symbols.len();
        // Half for characters, so that a text of many rare characters still gets merges.
        let letters = (size - reserved.len()) / 2;
        let (ids, merges) = learn_merges(&words, letters, &reserved, size, go_on)?;
        let document = document(ids, merges, kind, &symbols);
        Self::from_bytes(document.to_string().as_bytes())
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
        let document: Value = serde_json::from_slice(bytes)
            .map_err(|e| Error::misuse(format!("not a tokenizer.json: {e}")))?;
        let (ids, kind, symbols) = checked(&document)?;
        let (size, pieces) = (ids.len(), Arc::new(Pieces::new(ids, kind.byte_fallback)));
        let tokenizer = tokenizers::from_json(&runnable(document).to_string())
            .map_err(|e| Error::misuse(format!("not a usable tokenizer.json: {e}")))?;
        let options = EncodeOptions {
            add_special_tokens: false,
            encode_special_tokens: true,
            padding: Override::Off,
            truncation: Override::Off,
        };
        Ok(Self {
            tokenizer,
            options,
            json: bytes.to_vec(),
            size,
            kind,
            pieces,
            symbols: Arc::new(symbols),
        })
    }

    /// The bytes of the `tokenizer.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.json.clone()
    }

    /// Writes the `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, |out| out.write_all(&self.json))
    }

    /// The number of tokens, including special tokens. It can be smaller than the requested size if the text is short.
    #[allow(clippy::len_without_is_empty)] // the special tokens are always there
    pub fn len(&self) -> usize {
        self.size
    }

    /// Whether characters outside the vocabulary are encoded as bytes.
    pub fn has_byte_fallback(&self) -> bool {
        self.kind.byte_fallback
    }

    /// How lines are normalised before they are encoded.
    pub fn normalization(&self) -> LineForm {
        self.kind.normalization
    }

    /// The texts that are kept whole. Their ids are the last.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// The ids of a line, without a final [`EOS`]. A line that is empty after normalisation has no ids.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a line of 4 GiB or more.
    pub fn encode(&self, line: &str) -> Result<Vec<u32>> {
        if !self.symbols.is_empty() {
            // The library would prepend `▁` to the text after a symbol too.
            let mut ids = Vec::new();
            return self.encoder().encode(line, &mut ids).map(|()| ids);
        }
        let mut tokens = Vec::with_capacity(line.len() / 3 + 2);
        let mut buffer = String::new();
        let line = self.normalization().apply(line, &mut buffer);
        self.tokenizer
            .encode_into(line, &self.options, &mut tokens)
            .map_err(|e| Error::misuse(format!("cannot encode a line: {e}")))?;
        Ok(tokens.into_iter().map(u32::from).collect())
    }

    /// [`Vocab::encode`] of many lines on all threads, in order.
    ///
    /// # Errors
    ///
    /// As [`Vocab::encode`].
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, lines: &[S]) -> Result<Vec<Vec<u32>>> {
        let lines = lines.par_iter().with_min_len(256);
        let encode = |encoder: &mut Encoder<'_>, line: &S| {
            let mut ids = Vec::new();
            encoder.encode(line.as_ref(), &mut ids).map(|()| ids)
        };
        lines.map_init(|| self.encoder(), encode).collect()
    }

    /// An encoder of many lines on one thread.
    pub fn encoder(&self) -> Encoder<'_> {
        Encoder::new(self)
    }

    /// The tokens that a search must not generate, see [`a2d_core::token::forbidden`].
    pub fn forbidden(&self) -> Forbidden {
        a2d_core::token::forbidden(self.kind.byte_fallback)
    }

    /// The text of `ids`, one line, by the rules of [`a2d_core::token::Speller`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.pieces.decode(ids).map_err(|id| {
            Error::misuse(format!("token {id} is outside the vocabulary of {}", self.size))
        })
    }

    /// A hash that identifies this vocabulary: 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hash::hex(self.hash())
    }

    /// The fingerprint as a number.
    pub(crate) fn hash(&self) -> u64 {
        hash::bytes(&self.json)
    }
}

/// Encodes many lines on one thread: it cuts pieces in one pass instead of 33 and keeps the library's cache of words.
pub struct Encoder<'a> {
    model: &'a PipelineModel,
    symbols: &'a Symbols,
    /// The id of the first symbol.
    first: u32,
    scratch: PipelineModelScratch,
    normalization: LineForm,
    normal: String,
    marked: String,
    spans: Vec<Span>,
    tokens: Vec<PipelineToken>,
}

impl<'a> Encoder<'a> {
    fn new(vocab: &'a Vocab) -> Self {
        let model = vocab.tokenizer.get_model();
        Self {
            model,
            symbols: &vocab.symbols,
            first: (vocab.len() - vocab.symbols.len()) as u32,
            scratch: model.init_scratch(),
            normalization: vocab.normalization(),
            normal: String::new(),
            marked: String::new(),
            spans: Vec::new(),
            tokens: Vec::new(),
        }
    }

    /// Appends the ids of a line, equal to [`Vocab::encode`].
    ///
    /// # Errors
    ///
    /// As [`Vocab::encode`].
    pub fn encode(&mut self, line: &str, ids: &mut Vec<u32>) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.normal);
        let done = self.encode_normal(self.normalization.apply(line, &mut buffer), ids);
        self.normal = buffer;
        done
    }

    /// [`Encoder::encode`] of a normalised line.
    ///
    /// # Errors
    ///
    /// As [`Vocab::encode`].
    pub(crate) fn encode_normal(&mut self, line: &str, ids: &mut Vec<u32>) -> Result<()> {
        mark(line, &mut self.marked);
        if u32::try_from(self.marked.len()).is_err() {
            return Err(Error::misuse("cannot encode a line of 4 GiB"));
        }
        for (text, symbol) in self.symbols.cut(&self.marked) {
            self.spans.clear();
            self.tokens.clear();
            let mut start = text.start as u32;
            for piece in pieces(&self.marked[text]) {
                let end = start + piece.len() as u32;
                self.spans.push(Span { start, end });
                start = end;
            }
            self.model
                .tokenize_spans(&self.marked, &self.spans, &mut self.scratch, &mut self.tokens)
                .map_err(|e| Error::misuse(format!("cannot encode a line: {e}")))?;
            ids.extend_from_slice(PipelineToken::cast_slice(&self.tokens));
            ids.extend(symbol.map(|symbol| self.first + symbol as u32));
        }
        Ok(())
    }
}

/// Tokens with fixed ids: the special tokens, then the 256 bytes with byte fallback.
fn reserved(byte_fallback: bool) -> Vec<String> {
    let bytes = (0..=255).filter(|_| byte_fallback).map(|byte: u8| format!("<0x{byte:02X}>"));
    SPECIAL.iter().map(ToString::to_string).chain(bytes).collect()
}

/// The `tokenizer.json` of the learnt tokens and merges, and of the symbols after them.
fn document(
    ids: Vec<(String, u32)>,
    merges: Vec<(String, String)>,
    kind: Kind,
    symbols: &[String],
) -> Value {
    let first = ids.len();
    let mut document = skeleton(kind, symbols, first);
    let learnt = ids.into_iter().map(|(token, id)| (token, id.into()));
    let symbols = symbols.iter().cloned().zip((first..).map(Value::from));
    document["model"]["vocab"] = Value::Object(learnt.chain(symbols).collect());
    document["model"]["merges"] = merges.into_iter().map(|(a, b)| json!([a, b])).collect();
    document
}

/// A `tokenizer.json` with empty vocabulary and merges, and symbols from the id `first` on.
fn skeleton(
    Kind { byte_fallback, normalization }: Kind,
    symbols: &[String],
    first: usize,
) -> Value {
    // "first": not after a symbol.
    let scheme = if symbols.is_empty() { "always" } else { "first" };
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true});
    let added = |id: usize, content: &str, special: bool| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": !special, "special": special})
    };
    let special = SPECIAL.iter().enumerate().map(|(id, content)| added(id, content, true));
    let symbols = symbols.iter().zip(first..).map(|(text, id)| added(id, text, false));
    let added = special.chain(symbols);
    let decoder = match byte_fallback {
        true => json!({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, metaspace]}),
        false => metaspace.clone(),
    };
    let punctuation = ('!'..='~').filter(char::is_ascii_punctuation);
    let splits = punctuation.map(|c| split(c, "Isolated"));
    let cuts: Vec<Value> = std::iter::once(metaspace).chain(splits).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": normalizer(normalization),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts},
        "post_processor": null,
        "decoder": decoder,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": SPECIAL[UNK as usize],
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": byte_fallback,
            "ignore_merges": false,
            "vocab": {},
            "merges": [],
        },
    })
}

/// The steps of a [`LineForm`] as a normaliser of `tokenizers`.
fn normalizer(normalization: LineForm) -> Value {
    let form = match normalization {
        LineForm::None => return Value::Null,
        LineForm::Nfc => "NFC",
        LineForm::Nfkc => "NFKC",
    };
    let replace = |pattern: &str, content: &str| json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": content});
    json!({"type": "Sequence", "normalizers": [
        replace(INVISIBLE, ""),
        replace(SPACES, " "),
        {"type": form},
        replace(" +", " "),
        {"type": "Strip", "strip_left": true, "strip_right": true},
    ]})
}

fn split(at: char, behavior: &str) -> Value {
    json!({"type": "Split", "pattern": {"String": at}, "behavior": behavior, "invert": false})
}

/// Checks a document and returns its token ids, its kind and its symbols.
fn checked(document: &Value) -> Result<(&Map<String, Value>, Kind, Symbols)> {
    let made = || format!("not a vocabulary made by {}", program::command("prepare"));
    let foreign = || Error::misuse(made());
    let model = document.get("model").and_then(Value::as_object).ok_or_else(foreign)?;
    let ids = model.get("vocab").and_then(Value::as_object).ok_or_else(foreign)?;
    let byte_fallback = model.get("byte_fallback").and_then(Value::as_bool).unwrap_or(false);
    check_reserved(ids, byte_fallback)?;
    check_dense(ids)?;
    let symbols = symbols(document)?;
    let first = check_symbols(ids, &symbols)?;
    let mut rest = document.clone();
    rest["model"]["vocab"] = json!({});
    rest["model"]["merges"] = json!([]);
    let kinds = LineForm::value_variants().iter();
    let mut kinds = kinds.map(|&normalization| Kind { byte_fallback, normalization });
    let kind = kinds.find(|kind| rest == skeleton(*kind, symbols.texts(), first));
    Ok((ids, kind.ok_or_else(foreign)?, symbols))
}

/// The symbols of a document: the added tokens after the special ones.
fn symbols(document: &Value) -> Result<Symbols> {
    let added =
        document.get("added_tokens").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let texts = added.iter().skip(SPECIAL.len()).filter_map(|token| token.get("content")?.as_str());
    Symbols::new(texts.map(str::to_owned).collect())
}

/// Checks that the symbols are the last tokens, in their order, and returns the id of the first.
fn check_symbols(ids: &Map<String, Value>, symbols: &Symbols) -> Result<usize> {
    let first = ids.len().saturating_sub(symbols.len());
    for (text, id) in symbols.texts().iter().zip(first..) {
        if ids.get(text).and_then(Value::as_u64) != Some(id as u64) {
            return Err(Error::misuse(format!("the protected symbol {text:?} must have id {id}")));
        }
    }
    Ok(first)
}

/// Checks the ids of the special tokens and, with byte fallback, of the bytes.
fn check_reserved(ids: &Map<String, Value>, byte_fallback: bool) -> Result<()> {
    for (id, token) in reserved(byte_fallback).iter().enumerate() {
        let found = ids.get(token).and_then(Value::as_u64);
        if found != Some(id as u64) {
            let found = found.map_or("is missing".into(), |found| format!("has id {found}"));
            return Err(Error::misuse(format!("the token {token} {found}, and must have id {id}")));
        }
    }
    Ok(())
}

/// The longest token in bytes that the library supports.
const MOST_BYTES: usize = u16::MAX as usize;

/// Checks that no token is too long and that the ids are 0, 1, 2 … without gap or repetition.
fn check_dense(ids: &Map<String, Value>) -> Result<()> {
    let mut seen = vec![false; ids.len()];
    for (token, id) in ids {
        if token.len() > MOST_BYTES {
            let start: String = token.chars().take(20).collect();
            return Err(Error::misuse(format!("the token {start:?}… has over {MOST_BYTES} bytes")));
        }
        let slot = id.as_u64().and_then(|id| seen.get_mut(usize::try_from(id).ok()?));
        match slot {
            Some(slot) if !*slot => *slot = true,
            _ => return Err(Error::misuse(format!("the token {token:?} has a bad id: {id}"))),
        }
    }
    Ok(())
}

/// The same tokenizer in the 2.0 format, the only one that the library runs, for normalised lines.
fn runnable(mut document: Value) -> Value {
    document["version"] = json!("2.0");
    // Lines are cut at symbols before the library sees them.
    document["added_tokens"].as_array_mut().into_iter().for_each(|a| a.truncate(SPECIAL.len()));
    document["normalizer"] = json!({"type": "MetaspaceNormalizer", "replacement": SPACE,
                                    "prepend": "always", "drop_whitespace": false});
    document["pre_tokenizer"]["pretokenizers"][0] = split(SPACE, "MergedWithNext");
    document["model"]["byte_level"] = json!(false);
    document
}
