//! `[data]`: the corpus and its vocabulary.

use a2d_data::vocab::LineForm;
use a2d_score::tokenize::Tokenizer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The corpus: text files named `PREFIX.LANG`, and how they are filtered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The source language, also the extension of the source files.
    pub source_lang: String,
    /// The target language, also the extension of the target files.
    pub target_lang: String,
    /// Prefix of the training files: `train` for `train.de` and `train.en`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<PathBuf>,
    /// Prefix of the validation files, which select the best checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<PathBuf>,
    /// Prefix of the test files, which score the finished model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Source text alone, plain or gzipped: with `seq-kd` the teacher translates it, and the student learns from the
    /// translations too. Sentences that are repeated, too long, or in the validation or test text are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monolingual: Option<PathBuf>,
    /// SentencePiece models to use instead of learning a vocabulary: those of source and target, or one for both. The
    /// vocabulary is joint, the tokens of both models. `vocab_size`, `normalization` and `protect` are then left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokenizer: Vec<PathBuf>,
    /// Size of the joint vocabulary, including special tokens.
    pub vocab_size: usize,
    /// How lines are normalised before encoding.
    pub normalization: LineForm,
    /// Regular expressions of texts that are kept whole: each text that matches in the training text is one token, on a
    /// device too. For example `['\{[^{}]*\}', '%([0-9]+\$)?[sSd@]', '</?[a-zA-Z][^<>]*>', '&[a-zA-Z0-9#]+;']`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protect: Vec<String>,
    /// Pairs with more subwords than this on either side are excluded and counted.
    pub max_length: usize,
    /// Exclude training pairs with a flaw: copies, duplicates, pairs of other splits, wrong encoding.
    pub clean: bool,
    /// The tokeniser for BLEU. The default depends on the target language: `zh` for Chinese, `char` for Japanese and
    /// Korean, `13a` for all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bleu_tokenizer: Option<Tokenizer>,
    /// The folder of the prepared data; default `OUT/data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source_lang: String::new(),
            target_lang: String::new(),
            train: None,
            valid: None,
            test: None,
            monolingual: None,
            tokenizer: Vec::new(),
            vocab_size: 8000,
            normalization: LineForm::Nfc,
            protect: Vec::new(),
            max_length: 250,
            clean: false,
            bleu_tokenizer: None,
            dir: None,
        }
    }
}

impl DataConfig {
    /// The tokeniser for BLEU.
    pub fn tokenizer(&self) -> Tokenizer {
        self.bleu_tokenizer.unwrap_or_else(|| Tokenizer::of_language(&self.target_lang))
    }

    /// Sets the BLEU tokeniser for `language` if the configuration has neither tokeniser nor target language.
    pub fn suit(&mut self, language: &str) {
        if self.target_lang.is_empty() {
            self.bleu_tokenizer.get_or_insert(Tokenizer::of_language(language));
        }
    }

    /// Fills in every key with a default.
    pub(super) fn complete(&self) -> Self {
        Self { bleu_tokenizer: Some(self.tokenizer()), ..self.clone() }
    }

    /// Fills in every optional or empty key, for the schema.
    pub(super) fn filled(self) -> Self {
        let path = |name| Some(PathBuf::from(name));
        Self {
            source_lang: "de".to_owned(),
            target_lang: "en".to_owned(),
            train: path("train"),
            valid: path("valid"),
            test: path("test"),
            monolingual: path("news.de"),
            tokenizer: ["source.spm", "target.spm"].map(PathBuf::from).into(),
            dir: path("data"),
            protect: vec!["%s".to_owned()],
            ..self
        }
    }
}
