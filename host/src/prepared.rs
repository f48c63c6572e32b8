//! A prepared folder, open: vocabulary, token files, and the text to score on.

use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::prepare;
use crate::text::read_lines;
use crate::vocab::Vocab;
use std::path::{Path, PathBuf};

/// What training and scoring read.
pub struct Prepared {
    /// The folder.
    pub folder: PathBuf,
    /// The language of the targets.
    pub target_lang: String,
    /// Of both languages.
    pub vocab: Vocab,
    /// To learn from.
    pub train: Corpus,
    /// To choose the best checkpoint by.
    pub valid: Corpus,
}

/// Sentences and their translations, as text.
#[derive(Debug)]
pub struct Parallel {
    /// To translate.
    pub source: Vec<String>,
    /// What it should come to.
    pub target: Vec<String>,
}

impl Prepared {
    /// Opens a folder that `host prepare` wrote.
    ///
    /// Errors (misuse): something is missing or damaged, or the files do not belong together.
    pub fn open(folder: &Path) -> Result<Self> {
        if !folder.join("data.json").is_file() {
            let how = "prepare it with `host prepare`, or name the text in the config's [data]";
            return Err(Error::misuse(format!("{} holds no data: {how}", folder.display())));
        }
        prepare::check_files(folder)?;
        let vocab = Vocab::load(&folder.join("tokenizer.json"))?;
        let open = |split: &str| {
            let path = folder.join(split).with_extension("bin");
            let corpus = Corpus::open(&path)?;
            if corpus.fingerprint() != vocab.fingerprint() {
                let text = "was written with another vocabulary; prepare the data again";
                return Err(Error::misuse(format!("{} {text}", path.display())));
            }
            if corpus.is_empty() {
                return Err(Error::misuse(format!("{} holds no sentence", path.display())));
            }
            Ok(corpus)
        };
        let (train, valid) = (open("train")?, open("valid")?);
        let target_lang = prepare::load_report(folder)?.target_lang;
        Ok(Self { folder: folder.to_owned(), target_lang, vocab, train, valid })
    }

    /// The text of `valid` or `test`; nothing if the folder has no such split.
    ///
    /// Errors (misuse): it cannot be read.
    pub fn text(&self, split: &str) -> Result<Option<Parallel>> {
        text(&self.folder, split)
    }
}

/// The text of a split of the prepared `folder`, whatever else is there; nothing if there is no such split.
///
/// Errors (misuse): it cannot be read.
pub fn text(folder: &Path, split: &str) -> Result<Option<Parallel>> {
    let path = |side: &str| folder.join(format!("{split}.{side}"));
    if !path("source").is_file() {
        return Ok(None);
    }
    let (source, target) = (read_lines(&path("source"))?, read_lines(&path("target"))?);
    Ok(Some(Parallel { source, target }))
}
