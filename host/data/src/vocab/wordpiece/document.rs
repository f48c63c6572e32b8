//! The `tokenizer.json` of a WordPiece vocabulary, in the format of Hugging Face's `tokenizers`.
//!
//! What is written here has the ids of this program, so that other libraries give the same tokens. What is read may have
//! others.

use super::model::{GLUE, Model, NAMES, Rules};
use a2d_system::error::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The unknown token.
const UNKNOWN: &str = NAMES[3];

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Normalizer,
    model: Pieces,
}

#[derive(Deserialize)]
struct Normalizer {
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    lowercase: bool,
}

#[derive(Deserialize)]
struct Pieces {
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: Map<String, Value>,
}

#[derive(Deserialize)]
struct Added {
    id: usize,
    content: String,
    special: bool,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
}

/// Whether a document is of this kind.
pub(in crate::vocab) fn is_in(document: &Value) -> bool {
    document["model"]["type"] == "WordPiece"
}

impl Model {
    /// From a `tokenizer.json`. Truncation and padding are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for another kind of tokenizer, and for what is not supported, by its key.
    pub fn from_json(document: &[u8]) -> Result<Self> {
        let document = serde_json::from_slice(document)
            .map_err(|e| Error::misuse(format!("not a tokenizer.json: {e}")))?;
        Self::from_document(document)
    }

    pub(in crate::vocab) fn from_document(document: Value) -> Result<Self> {
        for (part, kind) in [
            ("model", "WordPiece"),
            ("normalizer", "BertNormalizer"),
            ("pre_tokenizer", "BertPreTokenizer"),
        ] {
            supported(&format!("{part}.type"), &document[part]["type"], &kind.into())?;
        }
        check_frame(&document["post_processor"])?;
        let document = serde_json::from_value(document)
            .map_err(|e| Error::misuse(format!("not a WordPiece tokenizer.json: {e}")))?;
        read(document)
    }

    /// The `tokenizer.json`.
    pub(in crate::vocab) fn to_bytes(&self) -> Vec<u8> {
        let ids = || self.pieces.iter().zip(0_usize..);
        let added = ids().filter(|(text, _)| self.special.contains(text)).map(|(text, id)| {
            json!({"id": id, "content": text, "single_word": false, "lstrip": false,
                   "rstrip": false, "normalized": false, "special": true})
        });
        let [bos, _, eos, _] = NAMES;
        let token = |id: &str, kind: usize| json!({"SpecialToken": {"id": id, "type_id": kind}});
        let text = |id: &str, kind: usize| json!({"Sequence": {"id": id, "type_id": kind}});
        let named = |name: &str| {
            let id = ids().find(|(text, _)| *text == name).map(|(_, id)| id);
            json!({"id": name, "ids": [id], "tokens": [name]})
        };
        let Rules { lowercase, strip_accents, ideographs } = self.rules;
        let vocab: Map<String, Value> = ids().map(|(text, id)| (text.clone(), id.into())).collect();
        let document = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added.collect::<Vec<_>>(),
            "normalizer": {
                "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": ideographs,
                "strip_accents": strip_accents, "lowercase": lowercase,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [token(bos, 0), text("A", 0), token(eos, 0)],
                "pair": [token(bos, 0), text("A", 0), token(eos, 0), text("B", 1), token(eos, 1)],
                "special_tokens": {bos: named(bos), eos: named(eos)},
            },
            "decoder": {"type": "WordPiece", "prefix": GLUE, "cleanup": false},
            "model": {
                "type": "WordPiece", "unk_token": UNKNOWN, "continuing_subword_prefix": GLUE,
                "max_input_chars_per_word": self.longest_word, "vocab": vocab,
            },
        });
        document.to_string().into_bytes()
    }
}

/// Refuses what a key says, unless it is supported.
fn supported(key: &str, found: &Value, expected: &Value) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::misuse(format!("`{key}` is {found}: only {expected} is supported"))),
    }
}

fn read(Document { added_tokens, normalizer: rules, model }: Document) -> Result<Model> {
    supported("normalizer.clean_text", &rules.clean_text.into(), &true.into())?;
    supported("model.unk_token", &model.unk_token.into(), &UNKNOWN.into())?;
    let prefix = model.continuing_subword_prefix.into();
    supported("model.continuing_subword_prefix", &prefix, &GLUE.into())?;
    let mut ids = model.vocab;
    for token in &added_tokens {
        check_added(token)?;
        ids.entry(&token.content).or_insert(token.id.into());
    }
    let model = Model {
        pieces: by_id(ids)?,
        special: added_tokens.into_iter().map(|token| token.content).collect(),
        rules: Rules {
            lowercase: rules.lowercase,
            strip_accents: rules.strip_accents.unwrap_or(rules.lowercase),
            ideographs: rules.handle_chinese_chars,
        },
        longest_word: model.max_input_chars_per_word,
    };
    model.check(|id| format!("token {id}"))?;
    Ok(model)
}

/// An added token is found as it is written, wherever it stands.
fn check_added(token: &Added) -> Result<()> {
    let Added { content, special, single_word, lstrip, rstrip, normalized, .. } = token;
    let flags = [
        ("special", *special, true),
        ("single_word", *single_word, false),
        ("lstrip", *lstrip, false),
        ("rstrip", *rstrip, false),
        ("normalized", *normalized, false),
    ];
    for (name, found, expected) in flags {
        let key = format!("{name}` of the added token `{content}");
        supported(&key, &found.into(), &expected.into())?;
    }
    Ok(())
}

/// A text is put between `[CLS]` and `[SEP]`, or there is nothing around it.
fn check_frame(post_processor: &Value) -> Result<()> {
    let [bos, _, eos, _] = NAMES;
    let part = |part: &Value| {
        let id = |key: &str| part[key]["id"].as_str().map(str::to_owned);
        id("SpecialToken").or(id("Sequence")).unwrap_or_default()
    };
    let parts = |parts: &Value| parts.as_array().map(|all| all.iter().map(part).collect());
    let frame: Vec<String> = match post_processor["type"].as_str() {
        None => return Ok(()),
        Some("TemplateProcessing") => parts(&post_processor["single"]).unwrap_or_default(),
        Some("BertProcessing") => {
            let name = |key: &str| post_processor[key][0].as_str().unwrap_or_default().to_owned();
            vec![name("cls"), "A".into(), name("sep")]
        }
        Some(other) => vec![other.to_owned()],
    };
    supported("post_processor", &frame.into(), &json!([bos, "A", eos]))
}

/// The texts, by id.
fn by_id(ids: Map<String, Value>) -> Result<Vec<String>> {
    let mut pieces = vec![String::new(); ids.len()];
    for (text, id) in ids {
        let slot = id.as_u64().and_then(|id| pieces.get_mut(usize::try_from(id).ok()?));
        match slot {
            Some(slot) if slot.is_empty() => *slot = text,
            Some(other) => {
                let both = format!("{other:?} and {text:?}");
                return Err(Error::misuse(format!("the tokens {both} have the same id, {id}")));
            }
            None => {
                return Err(Error::misuse(format!(
                    "the token {text:?} has the id {id}, but the ids of {} tokens are expected to have no gap",
                    pieces.len()
                )));
            }
        }
    }
    Ok(pieces)
}
