//! The subword vocabulary: byte-pair encoding, learnt jointly on both languages.
//!
//! Stored as `tokenizer.json` in the format of Hugging Face's `tokenizers`. A line is read thus:
//!
//! 1. spaces become `▁`, and one `▁` is put in front unless the line already begins with one;
//! 2. the line is cut before every `▁` and around every ASCII punctuation character;
//! 3. the merges of the vocabulary are applied within each piece.
//!
//! None of this needs Unicode tables, so a device can do the same. With byte fallback
//! `decode(encode(line)) == line`, with two exceptions: a literal `▁` comes back as a space, and
//! one leading space (or `▁`) is lost. Runs of spaces are kept. The names of the special tokens
//! (`</s>` …) in a text are plain text.

use crate::error::{Error, Result};
use crate::files::{self, write_whole};
use crate::hash;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use tokenizers::pipeline::{
    EncodeOptions, Model, Override, PipelineModel, PipelineModelScratch, PipelineToken,
    PipelineTokenizer, Span,
};
use tokenizers::trainers::BpeTrainer;
use tokenizers::vocab::bucket_added_vocabulary::AddedToken;

pub use a2d_core::config::token::{BOS, EOS, PAD, UNK};

/// The special tokens, in the order of their ids.
pub const SPECIAL: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];

/// From this size on, characters outside the vocabulary are spelt as bytes unless asked otherwise.
pub const BYTE_FALLBACK_FROM: usize = 2000;

/// The smallest vocabulary beside the special tokens and the 256 bytes.
const LEAST_PIECES: usize = 12;

const SPACE: char = '▁';

/// A subword vocabulary, ready to encode and decode; shared freely between threads.
#[derive(Clone)]
pub struct Vocab {
    tokenizer: PipelineTokenizer,
    options: EncodeOptions,
    json: Vec<u8>,
    size: usize,
    byte_fallback: bool,
}

impl Vocab {
    /// Learns at most `size` subwords from `lines`, with byte fallback from
    /// [`BYTE_FALLBACK_FROM`] on. The same lines, in any order, give the same vocabulary.
    ///
    /// # Errors
    /// [`Error::Misuse`] when `size` is too small to hold anything.
    pub fn learn<'a>(lines: impl Iterator<Item = &'a str>, size: usize) -> Result<Self> {
        Self::learn_with(lines, size, Self::wants_bytes(size))
    }

    /// [`Vocab::learn`], with the choice of byte fallback: 256 more tokens, and no text is lost.
    ///
    /// # Errors
    /// As [`Vocab::learn`].
    pub fn learn_with<'a>(
        lines: impl Iterator<Item = &'a str>,
        size: usize,
        byte_fallback: bool,
    ) -> Result<Self> {
        let mut words = Words::default();
        lines.for_each(|line| words.add(line));
        Self::learn_words(words, size, byte_fallback)
    }

    /// Whether a vocabulary of `size` spells characters outside it as bytes unless asked otherwise.
    pub fn wants_bytes(size: usize) -> bool {
        size >= BYTE_FALLBACK_FROM
    }

    /// [`Vocab::learn_with`] of lines that are counted already.
    ///
    /// # Errors
    /// As [`Vocab::learn`].
    pub fn learn_words(words: Words, size: usize, byte_fallback: bool) -> Result<Self> {
        let reserved = reserved(byte_fallback);
        let least = reserved.len() + LEAST_PIECES;
        if size < least {
            let with = if byte_fallback { " with byte fallback" } else { "" };
            return Err(Error::misuse(format!(
                "a vocabulary of {size} is too small: at least {least}{with}"
            )));
        }
        let words = words.most_frequent();
        // Half for characters, so that a text of many rare ones still gets subwords.
        let alphabet = alphabet(&words, (size - reserved.len()) / 2);
        let (ids, merges) = learn_merges(&words, &alphabet, &reserved, size)?;
        let document = document(ids, merges, byte_fallback);
        Self::from_bytes(document.to_string().as_bytes())
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Misuse`], naming the file, when it cannot be read or is no vocabulary of ours.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read(path).map_err(|e| Error::input("read", path, &e))?;
        Self::from_bytes(&bytes).map_err(|e| Error::misuse(format!("{}: {e}", path.display())))
    }

    /// A vocabulary from the bytes of a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Misuse`] for anything but what [`Vocab::to_bytes`] gives, laid out in any way.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let document: Value = serde_json::from_slice(bytes)
            .map_err(|e| Error::misuse(format!("not a tokenizer.json: {e}")))?;
        let (size, byte_fallback) = checked(&document)?;
        let tokenizer = tokenizers::from_json(&runnable(document).to_string())
            .map_err(|e| Error::misuse(format!("not a usable tokenizer.json: {e}")))?;
        let options = EncodeOptions {
            add_special_tokens: false,
            encode_special_tokens: true,
            padding: Override::Off,
            truncation: Override::Off,
        };
        Ok(Self { tokenizer, options, json: bytes.to_vec(), size, byte_fallback })
    }

    /// The bytes of the `tokenizer.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.json.clone()
    }

    /// Writes the `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Failed`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, |out| out.write_all(&self.json))
    }

    /// The number of tokens, special ones included. Smaller than asked where the text is short.
    #[allow(clippy::len_without_is_empty)] // the special tokens are always there
    pub fn len(&self) -> usize {
        self.size
    }

    /// Whether characters outside the vocabulary are spelt as bytes.
    pub fn has_byte_fallback(&self) -> bool {
        self.byte_fallback
    }

    /// The ids of a line, without a final [`EOS`]. An empty line has none.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a line of 4 GiB or more.
    pub fn encode(&self, line: &str) -> Result<Vec<u32>> {
        let mut tokens = Vec::with_capacity(line.len() / 3 + 2);
        self.tokenizer
            .encode_into(line, &self.options, &mut tokens)
            .map_err(|e| Error::misuse(format!("cannot encode a line: {e}")))?;
        Ok(tokens.into_iter().map(u32::from).collect())
    }

    /// [`Vocab::encode`] for many lines, on all threads; the order is kept.
    ///
    /// # Errors
    /// As [`Vocab::encode`].
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, lines: &[S]) -> Result<Vec<Vec<u32>>> {
        let lines = lines.par_iter().with_min_len(256);
        let encode = |encoder: &mut Encoder<'_>, line: &S| {
            let mut ids = Vec::new();
            encoder.encode(line.as_ref(), &mut ids).map(|()| ids)
        };
        lines.map_init(|| self.encoder(), encode).collect()
    }

    /// What encodes many lines on one thread.
    pub fn encoder(&self) -> Encoder<'_> {
        Encoder::new(self.tokenizer.get_model())
    }

    /// The text of `ids`; special tokens are skipped, bytes that make no UTF-8 become `�`.
    ///
    /// # Errors
    /// [`Error::Misuse`] for an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        if let Some(id) = ids.iter().find(|&&id| id as usize >= self.size) {
            return Err(Error::misuse(format!(
                "token {id} is outside the vocabulary of {}",
                self.size
            )));
        }
        self.tokenizer
            .decode(ids, true)
            .map_err(|e| Error::misuse(format!("cannot decode a line: {e}")))
    }

    /// 16 hexadecimal digits that tell this vocabulary from any other.
    pub fn fingerprint(&self) -> String {
        hash::hex(self.hash())
    }

    /// The fingerprint as a number.
    pub(crate) fn hash(&self) -> u64 {
        hash::bytes(&self.json)
    }
}

/// What one thread needs to encode many lines: the cuts between pieces in one pass, not 33, and
/// the library's memory of words that were met.
pub struct Encoder<'a> {
    model: &'a PipelineModel,
    scratch: PipelineModelScratch,
    marked: String,
    spans: Vec<Span>,
    tokens: Vec<PipelineToken>,
}

impl<'a> Encoder<'a> {
    fn new(model: &'a PipelineModel) -> Self {
        let scratch = model.init_scratch();
        Self { model, scratch, marked: String::new(), spans: Vec::new(), tokens: Vec::new() }
    }

    /// Appends the ids of a line: those of [`Vocab::encode`].
    ///
    /// # Errors
    /// As [`Vocab::encode`].
    pub fn encode(&mut self, line: &str, ids: &mut Vec<u32>) -> Result<()> {
        mark(line, &mut self.marked);
        if u32::try_from(self.marked.len()).is_err() {
            return Err(Error::misuse("cannot encode a line of 4 GiB"));
        }
        self.spans.clear();
        self.tokens.clear();
        let mut start = 0;
        for piece in pieces(&self.marked) {
            let end = start + piece.len() as u32;
            self.spans.push(Span { start, end });
            start = end;
        }
        self.model
            .tokenize_spans(&self.marked, &self.spans, &mut self.scratch, &mut self.tokens)
            .map_err(|e| Error::misuse(format!("cannot encode a line: {e}")))?;
        ids.extend_from_slice(PipelineToken::cast_slice(&self.tokens));
        Ok(())
    }
}

/// Tokens whose ids are fixed before anything is learnt.
fn reserved(byte_fallback: bool) -> Vec<String> {
    let bytes = (0..=255).filter(|_| byte_fallback).map(|byte: u8| format!("<0x{byte:02X}>"));
    SPECIAL.iter().map(ToString::to_string).chain(bytes).collect()
}

/// Every piece of some lines and how often it occurs: what a vocabulary is learnt from.
///
/// Of more than 524,288 different pieces, the rarest so far are forgotten; a vocabulary is
/// learnt from the 262,144 most frequent. Ordinary text of two languages has so many after some
/// 30 million words.
#[derive(Default)]
pub struct Words {
    counts: HashMap<String, u64>,
    marked: String,
}

/// How many different pieces are counted, and of how many a vocabulary is learnt.
const MOST_COUNTED: usize = 1 << 19;
const MOST_LEARNT: usize = 1 << 18;

impl Words {
    /// Counts the pieces of one more line.
    pub fn add(&mut self, line: &str) {
        mark(line, &mut self.marked);
        for piece in pieces(&self.marked) {
            match self.counts.get_mut(piece) {
                Some(count) => *count += 1,
                None => drop(self.counts.insert(piece.to_owned(), 1)),
            }
        }
        let mut rare = 1;
        while self.counts.len() > MOST_COUNTED {
            self.counts.retain(|_, count| *count > rare);
            rare *= 2;
        }
    }

    /// Those that a vocabulary is learnt from; of equally frequent ones, the first by name.
    fn most_frequent(self) -> HashMap<String, u64> {
        if self.counts.len() <= MOST_LEARNT {
            return self.counts;
        }
        let mut words: Vec<_> = self.counts.into_iter().collect();
        words.sort_unstable_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        words.truncate(MOST_LEARNT);
        words.into_iter().collect()
    }
}

/// Step 1 of the module's description, into a buffer that is used again.
fn mark(line: &str, marked: &mut String) {
    marked.clear();
    if !line.is_empty() && !line.starts_with([' ', SPACE]) {
        marked.push(SPACE);
    }
    marked.extend(line.chars().map(|c| if c == ' ' { SPACE } else { c }));
}

/// Step 2 of the module's description.
fn pieces(marked: &str) -> impl Iterator<Item = &str> {
    let mut rest = marked;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        let (_, first) = chars.next()?;
        let end = if first.is_ascii_punctuation() {
            1
        } else {
            chars.find(|&(_, c)| c == SPACE || c.is_ascii_punctuation()).map_or(rest.len(), |f| f.0)
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// The `limit` most frequent characters; of equally frequent ones, the first by code point.
fn alphabet(words: &HashMap<String, u64>, limit: usize) -> HashSet<char> {
    let mut counts: HashMap<char, u64> = HashMap::new();
    for (word, count) in words {
        for c in word.chars() {
            *counts.entry(c).or_default() += count;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    counts.into_iter().take(limit).map(|(c, _)| c).collect()
}

/// Token to id, and the merges in order.
type Learnt = (Vec<(String, u32)>, Vec<(String, String)>);

fn learn_merges(
    words: &HashMap<String, u64>,
    alphabet: &HashSet<char>,
    reserved: &[String],
    size: usize,
) -> Result<Learnt> {
    let special = |token: &String| AddedToken {
        content: token.clone(),
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
    };
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(reserved.iter().map(special).collect())
        .build();
    // Cut at characters outside the alphabet: the trainer would join what stands around them.
    let known = words.iter().flat_map(|(word, count)| {
        word.split(|c| !alphabet.contains(&c))
            .filter(|part| !part.is_empty())
            .map(move |part| (part, *count))
    });
    let mut parts: HashMap<&str, u64> = HashMap::new();
    for (part, count) in known {
        *parts.entry(part).or_default() += count;
    }
    let parts = parts.into_iter().map(|(part, count)| (part.into(), count)).collect();
    let (ids, merges, _) = trainer
        .do_train(&parts)
        .map_err(|e| Error::failed(format!("cannot learn a vocabulary: {e}")))?;
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable_by_key(|(_, id)| *id);
    Ok((ids, merges))
}

/// The `tokenizer.json` of what was learnt.
fn document(ids: Vec<(String, u32)>, merges: Vec<(String, String)>, byte_fallback: bool) -> Value {
    let mut document = skeleton(byte_fallback);
    document["model"]["vocab"] =
        Value::Object(ids.into_iter().map(|(token, id)| (token, id.into())).collect());
    document["model"]["merges"] = merges.into_iter().map(|(a, b)| json!([a, b])).collect();
    document
}

/// Everything in a `tokenizer.json` but the vocabulary and the merges.
fn skeleton(byte_fallback: bool) -> Value {
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    let added = SPECIAL.iter().enumerate().map(|(id, content)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    });
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
        "normalizer": null,
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

fn split(at: char, behavior: &str) -> Value {
    json!({"type": "Split", "pattern": {"String": at}, "behavior": behavior, "invert": false})
}

/// The number of tokens and whether bytes are among them, once all that the program relies on is
/// known to hold.
fn checked(document: &Value) -> Result<(usize, bool)> {
    let foreign = || Error::misuse("not a vocabulary made by `host prepare`");
    let model = document.get("model").and_then(Value::as_object).ok_or_else(foreign)?;
    let ids = model.get("vocab").and_then(Value::as_object).ok_or_else(foreign)?;
    let byte_fallback = model.get("byte_fallback").and_then(Value::as_bool).unwrap_or(false);
    check_reserved(ids, byte_fallback)?;
    check_dense(ids)?;
    let mut rest = document.clone();
    rest["model"]["vocab"] = json!({});
    rest["model"]["merges"] = json!([]);
    if rest != skeleton(byte_fallback) {
        return Err(foreign());
    }
    Ok((ids.len(), byte_fallback))
}

/// The special tokens, and the bytes where they are in use, have their ids.
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

/// Bytes of a token that the library has room for.
const LONGEST_TOKEN: usize = u16::MAX as usize;

/// The tokens are of bearable length, and the ids are 0, 1, 2 … without gap or repetition.
fn check_dense(ids: &Map<String, Value>) -> Result<()> {
    let mut seen = vec![false; ids.len()];
    for (token, id) in ids {
        if token.len() > LONGEST_TOKEN {
            let start: String = token.chars().take(20).collect();
            return Err(Error::misuse(format!(
                "the token {start:?}… has over {LONGEST_TOKEN} bytes"
            )));
        }
        let slot = id.as_u64().and_then(|id| seen.get_mut(usize::try_from(id).ok()?));
        match slot {
            Some(slot) if !*slot => *slot = true,
            _ => return Err(Error::misuse(format!("the token {token:?} has a bad id: {id}"))),
        }
    }
    Ok(())
}

/// The same tokenizer in the newer format, the only one that the library runs.
fn runnable(mut document: Value) -> Value {
    document["version"] = json!("2.0");
    document["normalizer"] = json!({"type": "MetaspaceNormalizer", "replacement": SPACE,
                                    "prepend": "always", "drop_whitespace": false});
    document["pre_tokenizer"]["pretokenizers"][0] = split(SPACE, "MergedWithNext");
    document["model"]["byte_level"] = json!(false);
    document
}
