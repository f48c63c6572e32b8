//! The `tokenizer.json` of a text model: a document of this program.
//!
//! ```json
//! {"type": "a2d-texts", "version": 1, "labels": ["negative", "positive"], "texts": {"…": "the subwords of texts"}}
//! ```
//!
//! `texts` is a `tokenizer.json` of any other kind, whose source side counts. `labels` is omitted if there are none.

use a2d_system::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const TYPE: &str = "a2d-texts";
const VERSION: u32 = 1;

/// The document of a text model.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    r#type: String,
    version: u32,
    /// The names of the labels, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The document of the subwords.
    pub texts: Value,
}

impl Texts {
    /// Subwords from the document `texts`, with `labels`.
    pub fn of(texts: Value, labels: Vec<String>) -> Self {
        Self { r#type: TYPE.into(), version: VERSION, labels, texts }
    }

    /// Whether a document is of this kind.
    pub fn is_in(document: &Value) -> bool {
        document["type"] == TYPE
    }

    /// From a document.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a document of another version or with other keys.
    pub fn new(document: Value) -> Result<Self> {
        let document: Self = serde_json::from_value(document)
            .map_err(|e| Error::misuse(format!("not a vocabulary of a text model: {e}")))?;
        match document.version {
            VERSION => Ok(document),
            version => Err(Error::misuse(format!(
                "a vocabulary of a text model of version {version}: this program reads version {VERSION}"
            ))),
        }
    }

    /// The bytes of the document.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::json!(self).to_string().into_bytes()
    }

    /// The document of the subwords of source text: `document` itself unless it is of this kind.
    ///
    /// # Errors
    ///
    /// As [`Texts::new`].
    pub fn subwords(document: Value) -> Result<Value> {
        if Self::is_in(&document) { Ok(Self::new(document)?.texts) } else { Ok(document) }
    }
}
