//! The document of a byte-pair encoding: a `tokenizer.json` of Hugging Face's `tokenizers`.

use super::symbols::Symbols;
use super::{LineForm, SPACE, SPECIAL, UNK};
use a2d_system::error::{Error, Result};
use a2d_system::program;
use clap::ValueEnum;
use serde_json::{Map, Value, json};

/// Regular expressions for the characters that [`LineForm`] drops and those it replaces by a space, in a syntax that
/// every library for `tokenizer.json` accepts.
const INVISIBLE: &str =
    r"[\u0000-\u0008\u000E-\u001F\u007F-\u0084\u0086-\u009F\u00AD\u200B\u2060\uFEFF]";
const SPACES: &str =
    r"[\u0009-\u000D\u0020\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u2581\u3000]";

/// The settings of a vocabulary, besides its tokens and merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub byte_fallback: bool,
    pub normalization: LineForm,
}

/// Tokens with fixed ids: the special tokens, then the 256 bytes with byte fallback.
pub(super) fn reserved(byte_fallback: bool) -> Vec<String> {
    let bytes = (0..=255).filter(|_| byte_fallback).map(|byte: u8| format!("<0x{byte:02X}>"));
    SPECIAL.iter().map(ToString::to_string).chain(bytes).collect()
}

/// The `tokenizer.json` of the learnt tokens and merges, and of the symbols after them.
pub(super) fn document(
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
pub(super) fn checked(document: &Value) -> Result<(&Map<String, Value>, Kind, Symbols)> {
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
pub(super) fn runnable(mut document: Value) -> Value {
    document["version"] = json!("2.0");
    // Lines are cut at symbols before the library sees them.
    document["added_tokens"].as_array_mut().into_iter().for_each(|a| a.truncate(SPECIAL.len()));
    document["normalizer"] = json!({"type": "MetaspaceNormalizer", "replacement": SPACE,
                                    "prepend": "always", "drop_whitespace": false});
    document["pre_tokenizer"]["pretokenizers"][0] = split(SPACE, "MergedWithNext");
    document["model"]["byte_level"] = json!(false);
    document
}
