//! The `tokenizer.json` of SentencePiece models: a document of this program.
//!
//! ```json
//! {
//!   "type": "a2d-sentencepiece", "version": 1, "semantics": "plain",
//!   "source": {"model": "the .spm, base64", "pieces": ["<s>", "<pad>", "</s>", "<unk>", "▁the"]},
//!   "target": {"model": "…", "pieces": ["…"]}
//! }
//! ```
//!
//! `target` is omitted if both sides are equal, and its `pieces` if both sides have the same.

use super::side::Side;
use super::tables::Convention;
use a2d_system::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const TYPE: &str = "a2d-sentencepiece";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    r#type: String,
    version: u32,
    semantics: Convention,
    source: Stored,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<Stored>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pieces: Option<Vec<String>>,
}

/// The subwords of both sides.
pub(in crate::vocab) struct Sides {
    pub source: Side,
    /// `None` if it equals the source.
    pub target: Option<Side>,
    pub convention: Convention,
}

impl Sides {
    /// Whether a document is of this kind.
    pub fn is_in(document: &Value) -> bool {
        document["type"] == TYPE
    }

    /// From a document.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] unless [`Sides::to_bytes`] could have written it.
    pub fn new(document: Value) -> Result<Self> {
        let document: Document = serde_json::from_value(document)
            .map_err(|e| Error::misuse(format!("not a SentencePiece vocabulary: {e}")))?;
        if document.version != VERSION {
            let version = document.version;
            return Err(Error::misuse(format!(
                "a SentencePiece vocabulary of version {version}: this program reads version {VERSION}"
            )));
        }
        let missing = || Error::misuse("a SentencePiece vocabulary without `source.pieces`");
        let pieces = document.source.pieces.ok_or_else(missing)?;
        let source = Side { model: bytes(&document.source.model, "source")?, pieces };
        let target = match document.target {
            Some(target) => Some(Side {
                model: bytes(&target.model, "target")?,
                pieces: target.pieces.unwrap_or_else(|| source.pieces.clone()),
            }),
            None => None,
        };
        Ok(Self { source, target, convention: document.semantics })
    }

    /// The document of the source alone.
    pub fn of_source(self) -> Value {
        Self { target: None, ..self }.document()
    }

    /// The bytes of the document.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.document().to_string().into_bytes()
    }

    fn document(&self) -> Value {
        let stored = |side: &Side, pieces: bool| Stored {
            model: STANDARD.encode(&side.model),
            pieces: pieces.then(|| side.pieces.clone()),
        };
        let target = |side: &Side| stored(side, side.pieces != self.source.pieces);
        let document = Document {
            r#type: TYPE.into(),
            version: VERSION,
            semantics: self.convention,
            source: stored(&self.source, true),
            target: self.target.as_ref().map(target),
        };
        serde_json::json!(document)
    }
}

fn bytes(text: &str, side: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|e| Error::misuse(format!("`{side}.model` is not base64: {e}")))
}
