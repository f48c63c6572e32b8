//! A model as plain data: what every importer gives and every writer takes.

use a2d_core::config::Config;
use a2d_data::vocab::Sizes;
use a2d_run::checkpoint::Tensor;
use a2d_run::config::{ModelConfig, Task};
use a2d_run::model::core_config;
use std::collections::BTreeMap;

/// Parameters by this program's names, which are fairseq's.
pub type Parameters = BTreeMap<String, Tensor>;

/// The texts of all tokens, by their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// Of the source.
    pub source: Vec<String>,
    /// Of the target; equal to those of the source if there is one vocabulary.
    pub target: Vec<String>,
}

impl Pieces {
    /// The sizes of both vocabularies.
    pub fn sizes(&self) -> Sizes {
        Sizes { source: self.source.len(), target: self.target.len() }
    }
}

/// SentencePiece models, as the bytes of their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentencePiece {
    /// For source text.
    pub source: Vec<u8>,
    /// For target text; equal to that of the source if there is one.
    pub target: Vec<u8>,
}

/// How the model's makers translate with it; what they left open is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Generation {
    /// Hypotheses that are kept.
    pub beam: Option<usize>,
    /// The most tokens of a translation, the start token counted.
    pub max_length: Option<usize>,
    /// The power of the length that scores are divided by.
    pub length_penalty: Option<f64>,
}

/// Names of languages, as a file gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages {
    /// Of the source.
    pub source: Option<String>,
    /// Of the target.
    pub target: Option<String>,
}

/// A translator that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// `[model]` of a run.
    pub model: ModelConfig,
    /// The values of every parameter of `model`.
    pub parameters: Parameters,
    /// The tokens.
    pub pieces: Pieces,
    /// The models that cut text into pieces.
    pub sentencepiece: SentencePiece,
    /// Settings of translation.
    pub generation: Generation,
    /// Names of the languages.
    pub languages: Languages,
    /// The `tokenizer.json` of the vocabulary before it was trimmed, if it was.
    pub untrimmed: Option<Vec<u8>>,
    /// What a user should know of the import, a sentence each.
    pub notes: Vec<String>,
}

impl Imported {
    /// The core's configuration.
    pub fn config(&self) -> Config {
        core_config(&self.model, Task::Translate, self.pieces.sizes())
    }

    /// The model as the writers take it.
    pub fn portable(&self) -> Portable<'_> {
        Portable {
            config: self.config(),
            parameters: &self.parameters,
            pieces: &self.pieces,
            sentencepiece: Some(&self.sentencepiece),
            generation: self.generation,
            languages: &self.languages,
        }
    }
}

/// A model to be written.
#[derive(Clone, Copy, Debug)]
pub struct Portable<'a> {
    /// Its configuration.
    pub config: Config,
    /// Its parameters; others are not looked at.
    pub parameters: &'a Parameters,
    /// Its tokens.
    pub pieces: &'a Pieces,
    /// The models that cut text into pieces; `None` if the run has a tokenizer of its own.
    pub sentencepiece: Option<&'a SentencePiece>,
    /// Settings of translation.
    pub generation: Generation,
    /// Names of the languages.
    pub languages: &'a Languages,
}
