//! A vocabulary that exists before the data are prepared.

use crate::vocab::Vocab;
use a2d_system::error::Result;
use std::path::{Path, PathBuf};

/// An existing vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// The `tokenizer.json` of a run or of other data.
    Tokenizer(PathBuf),
    /// The subwords of a `tokenizer.json`, whose labels, if it has any, are not those of the texts.
    Subwords(PathBuf),
    /// The SentencePiece models of source and target; one path twice is one model for both.
    Models([PathBuf; 2]),
}

impl Given {
    /// The SentencePiece models of source and target, or one for both; `None` for any other number of paths.
    pub fn models(paths: &[PathBuf]) -> Option<Self> {
        match paths {
            [both] => Some(Self::Models([both.clone(), both.clone()])),
            [source, target] => Some(Self::Models([source.clone(), target.clone()])),
            _ => None,
        }
    }

    /// The vocabulary.
    ///
    /// # Errors
    ///
    /// Misuse, naming the file, if it cannot be read or used.
    pub fn load(&self) -> Result<Vocab> {
        match self {
            Self::Tokenizer(path) => Vocab::load(path),
            Self::Subwords(path) => Vocab::load(path)?.without_labels(),
            Self::Models([source, target]) => Vocab::from_sentencepiece_files(source, target),
        }
    }

    /// The first file.
    pub fn path(&self) -> &Path {
        let (Self::Tokenizer(path) | Self::Subwords(path) | Self::Models([path, _])) = self;
        path
    }

    /// The files of SentencePiece models; none for a `tokenizer.json`.
    pub(super) fn model_files(&self) -> &[PathBuf] {
        match self {
            Self::Tokenizer(_) | Self::Subwords(_) => &[],
            Self::Models(paths) => paths,
        }
    }
}
