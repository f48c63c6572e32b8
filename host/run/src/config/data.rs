//! `[data]`: the corpus and its vocabulary.

use a2d_data::task::Task;
use a2d_data::vocab::LineForm;
use a2d_score::tokenize::Tokenizer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The corpus: text files named `PREFIX.LANG`, or one file of a split with `task = "classify"` and `"embed"`, and how they
/// are filtered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The source language, also the extension of the source files. With `task = "classify"` or `"embed"` the language of the
    /// texts, and optional.
    pub source_lang: String,
    /// The target language, also the extension of the target files. Only of translation.
    pub target_lang: String,
    /// Prefix of the training files: `train` for `train.de` and `train.en`. With `task = "classify"` a file of lines
    /// `LABEL<TAB>TEXT`, with `"embed"` of lines of text; each plain or gzipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<PathBuf>,
    /// Prefix of the validation files, which select the best checkpoint; or the file, as `train`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<PathBuf>,
    /// Prefix of the test files, which score the finished model; or the file, as `train`.
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
    /// Size of the joint vocabulary, including special tokens. Labels are not part of it.
    pub vocab_size: usize,
    /// How lines are normalised before encoding.
    pub normalization: LineForm,
    /// Regular expressions of texts that are kept whole: each text that matches in the training text is one token, on a
    /// device too. For example `['\{[^{}]*\}', '%([0-9]+\$)?[sSd@]', '</?[a-zA-Z][^<>]*>', '&[a-zA-Z0-9#]+;']`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protect: Vec<String>,
    /// Pairs with more subwords than this on either side are excluded and counted. Texts to classify or embed are cut
    /// instead.
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

    /// Sets the BLEU tokeniser for `language`, which is empty without translations, if the configuration has neither
    /// tokeniser nor target language.
    pub fn suit(&mut self, language: &str) {
        if self.target_lang.is_empty() && !language.is_empty() {
            self.bleu_tokenizer.get_or_insert(Tokenizer::of_language(language));
        }
    }

    /// Fills in every key with a default that `task` has a use for.
    pub(super) fn complete(&self, task: Task) -> Self {
        let translates = task == Task::Translate;
        Self { bleu_tokenizer: translates.then(|| self.tokenizer()), ..self.clone() }
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
