//! Folders of CTranslate2: `model.bin`, `config.json`, vocabularies; beside them what text is cut into tokens by.

mod binary;
mod leaving;
mod quantize;
mod readme;
mod variables;

use crate::folder::Folder;
use crate::json;
use crate::model::Portable;
use crate::start::{EOS, START, UNK};
use a2d_system::error::Result;
use leaving::Leaving;
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;

/// The numbers that weights are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantization {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats, all but single numbers.
    F16,
    /// 8-bit integers with a scale for each row.
    Int8,
    /// 16-bit integers with a scale for each matrix.
    Int16,
}

/// How a folder is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The numbers of weights.
    pub quantization: Quantization,
    /// Tokens for which positions are written: longer sentences are an error when they are translated.
    pub positions: usize,
    /// Whether CTranslate2 adds `</s>` to the source; otherwise the user's tokenizer does.
    pub add_source_eos: bool,
}

impl Default for Options {
    /// 32-bit floats, 1024 positions, which is the most that CTranslate2 reads by default, and no added `</s>`.
    fn default() -> Self {
        Self { quantization: Quantization::default(), positions: 1024, add_source_eos: false }
    }
}

/// The files of a folder, checked but not yet written.
pub struct Files {
    variables: variables::Variables,
    quantization: Quantization,
    config: String,
    vocabularies: Vec<(&'static str, String)>,
    readme: String,
}

impl Files {
    /// The files of `model`.
    ///
    /// # Errors
    ///
    /// Misuse: the model has no parameters that fit its configuration, or something that the format cannot say.
    pub fn new(model: &Portable<'_>, options: &Options) -> Result<Self> {
        model.check()?;
        let leaving = Leaving::new(model);
        Ok(Self {
            variables: variables::all(model, &leaving, options.positions)?,
            quantization: options.quantization,
            config: config(&leaving, options),
            vocabularies: vocabularies(model, &leaving),
            readme: readme::text(model.sentencepiece.is_some(), options.add_source_eos),
        })
    }

    /// The names of the files that CTranslate2 reads beside `model.bin`, and their contents.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let vocabularies = self.vocabularies.iter().map(|(name, text)| (*name, text.as_str()));
        [("config.json", self.config.as_str())].into_iter().chain(vocabularies)
    }

    /// Writes `model.bin`.
    ///
    /// # Errors
    ///
    /// `out` cannot be written.
    pub fn model(&self, out: &mut dyn Write) -> io::Result<()> {
        binary::write(out, &self.variables, self.quantization)
    }
}

/// The name of the file of weights.
pub const MODEL: &str = "model.bin";

/// Writes `model` into the new folder `path`.
///
/// # Errors
///
/// As [`Files::new`], then nothing is written. Misuse: the folder is not empty. The folder cannot be written.
pub fn write(model: &Portable<'_>, path: &Path, options: &Options) -> Result<()> {
    let files = Files::new(model, options)?;
    let folder = Folder::create(path)?;
    for (name, text) in files.texts() {
        folder.put(name, text.as_bytes())?;
    }
    folder.put("README.md", files.readme.as_bytes())?;
    if let Some(sentencepiece) = model.sentencepiece {
        folder.put("source.spm", &sentencepiece.source)?;
        folder.put("target.spm", &sentencepiece.target)?;
    }
    folder.write(MODEL, |out| files.model(out))
}

fn config(leaving: &Leaving, options: &Options) -> String {
    let config = json!({
        "add_source_bos": false,
        "add_source_eos": options.add_source_eos,
        "bos_token": START,
        "decoder_start_token": leaving.start,
        "eos_token": EOS,
        "layer_norm_epsilon": null,
        "multi_query_attention": false,
        "unk_token": UNK,
    });
    json::text(&config) + "\n"
}

fn vocabularies(model: &Portable<'_>, leaving: &Leaving) -> Vec<(&'static str, String)> {
    let text = |pieces: &[String]| json::text(&leaving.pieces(pieces).collect::<Vec<_>>());
    let pieces = model.pieces;
    match pieces.source == pieces.target {
        true => vec![("shared_vocabulary.json", text(&pieces.source))],
        false => vec![
            ("source_vocabulary.json", text(&pieces.source)),
            ("target_vocabulary.json", text(&pieces.target)),
        ],
    }
}
