//! `[data]`: the corpus and its vocabulary.

use a2d_data::vocab::Normalization;
use a2d_score::tokenize::Tokenizer;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The corpus: text files named `PREFIX.LANG`, and what is kept of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The language translated from: the ending of the source files.
    pub source_lang: String,
    /// The language translated to: the ending of the target files.
    pub target_lang: String,
    /// Prefix of the training files: `train` for `train.de` and `train.en`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<PathBuf>,
    /// Prefix of the files that choose the best checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<PathBuf>,
    /// Prefix of the files that the finished model is scored on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Subwords in the joint vocabulary, special tokens included.
    pub vocab_size: usize,
    /// How lines are normalised before they become subwords.
    pub normalization: Normalization,
    /// Pairs with more subwords than this on either side are dropped and counted.
    pub max_length: usize,
    /// Leave out the training pairs that have a flaw: copies, duplicates, pairs of other splits, garbled text.
    pub clean: bool,
    /// What splits translations into the words of BLEU; without it, what suits the target language: `zh` for Chinese,
    /// `char` for Japanese and Korean, `13a` for all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bleu_tokenizer: Option<Tokenizer>,
    /// The folder of the prepared data; without it, `OUT/data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            source_lang: String::new(),
            target_lang: String::new(),
            train: None,
            valid: None,
            test: None,
            vocab_size: 8000,
            normalization: Normalization::Nfc,
            max_length: 250,
            clean: false,
            bleu_tokenizer: None,
            dir: None,
        }
    }
}

impl Data {
    /// What splits translations into the words of BLEU.
    pub fn tokenizer(&self) -> Tokenizer {
        self.bleu_tokenizer.unwrap_or_else(|| Tokenizer::of_language(&self.target_lang))
    }

    /// Scores translations into `language` as suits it, where no key says which language that is.
    pub fn suit(&mut self, language: &str) {
        if self.target_lang.is_empty() {
            self.bleu_tokenizer.get_or_insert(Tokenizer::of_language(language));
        }
    }

    /// Every key that has a default filled in.
    pub(super) fn complete(&self) -> Self {
        Self { bleu_tokenizer: Some(self.tokenizer()), ..self.clone() }
    }

    /// Every optional key present: what the schema is read from.
    pub(super) fn filled(self) -> Self {
        let path = || Some(PathBuf::from("prefix"));
        Self { train: path(), valid: path(), test: path(), dir: path(), ..self }
    }
}
