//! `modules.json` of sentence-transformers: the encoder, and how the rows of a text become a vector.

use crate::json;
use crate::line::misuse;
use a2d_data::vocab::wordpiece::Model;
use a2d_run::config::Pooling;
use a2d_system::error::Result;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The name of the list of modules.
const MODULES: &str = "modules.json";

/// The name of the file beside the encoder.
const KEYS: &str = "sentence_bert_config.json";

/// Whether `folder` is one of sentence-transformers.
pub fn is_of_modules(folder: &Path) -> bool {
    folder.join(MODULES).is_file()
}

/// What the modules say.
pub struct Modules {
    /// The folder of the encoder.
    pub encoder: PathBuf,
    /// How the rows become a vector.
    pub pooling: Pooling,
    /// The most tokens of a text.
    pub longest: Option<usize>,
    /// Whether vectors have the length 1.
    pub normalises: bool,
    lowercase: bool,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    r#type: String,
}

impl Module {
    /// Its class, without the modules of Python before it.
    fn class(&self) -> &str {
        self.r#type.rsplit('.').next().unwrap_or_default()
    }
}

/// The keys of [`KEYS`] that are used.
#[derive(Default, Deserialize)]
struct Keys {
    max_seq_length: Option<usize>,
    do_lower_case: Option<bool>,
}

impl Modules {
    /// Reads the modules of `folder`: an encoder, a pooling, and perhaps the normalisation of vectors.
    ///
    /// # Errors
    ///
    /// Misuse: a file cannot be read, there are other modules, or the pooling is neither the mean nor the first token.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MODULES);
        let modules: Vec<Module> = json::read(&path)?;
        let classes: Vec<_> = modules.iter().map(Module::class).collect();
        let normalises = match classes[..] {
            ["Transformer", "Pooling"] => false,
            ["Transformer", "Pooling", "Normalize"] => true,
            _ => {
                let only =
                    "only Transformer, Pooling and Normalize, in this order, can be imported";
                return Err(misuse(&path, &format!("has the modules {classes:?}: {only}")));
            }
        };
        let [encoder, pooled] = [0, 1].map(|at| folder.join(&modules[at].path));
        let keys = encoder.join(KEYS);
        let keys: Keys = if keys.is_file() { json::read(&keys)? } else { Keys::default() };
        Ok(Self {
            pooling: pooling(&pooled.join("config.json"))?,
            encoder,
            longest: keys.max_seq_length,
            normalises,
            lowercase: keys.do_lower_case.unwrap_or(false),
        })
    }

    /// Checks that text becomes lower case only if the tokenizer makes it so too.
    ///
    /// # Errors
    ///
    /// Misuse: it becomes lower case before the tokenizer sees it.
    pub fn check(&self, words: &Model) -> Result<()> {
        match self.lowercase && !words.rules.lowercase {
            true => {
                let text = "has `do_lower_case` = true, but the tokenizer keeps capitals";
                Err(misuse(&self.encoder.join(KEYS), text))
            }
            false => Ok(()),
        }
    }
}

/// The one kind of pooling that a file asks for.
fn pooling(path: &Path) -> Result<Pooling> {
    let keys: Map<String, Value> = json::read(path)?;
    let kinds = keys.iter().filter_map(|(key, on)| {
        let kind = key.strip_prefix("pooling_mode_")?;
        (on == &Value::Bool(true)).then_some(kind)
    });
    let kinds: Vec<&str> = kinds.collect();
    match kinds[..] {
        ["mean_tokens"] => Ok(Pooling::Mean),
        ["cls_token"] => Ok(Pooling::First),
        _ => {
            let only = "only mean_tokens or cls_token can be imported";
            Err(misuse(path, &format!("has the kinds of pooling {kinds:?}: {only}")))
        }
    }
}
