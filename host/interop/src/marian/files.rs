//! The files of a model: those that lie beside its weights.

use super::vocabulary;
use crate::model::SentencePiece;
use a2d_data::vocab::spm::Model;
use a2d_system::error::{Error, Result};
use a2d_system::files;
use prost::Message;
use std::path::{Path, PathBuf};

/// The SentencePiece models of source and target.
const SIDES: [&str; 2] = ["source.spm", "target.spm"];

/// A folder, and its files in order.
pub struct Beside {
    folder: PathBuf,
    names: Vec<String>,
}

impl Beside {
    /// The folder of a model: `path`, or where the file `path` lies.
    ///
    /// # Errors
    ///
    /// Misuse: the folder cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let folder = if path.is_dir() { Some(path) } else { path.parent() };
        let folder =
            folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let entries = std::fs::read_dir(folder).map_err(|e| Error::input("read", folder, &e))?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        Ok(Self { folder: folder.to_owned(), names })
    }

    /// The weights: `path` if it is a file, or else the one `.npz` file of the folder.
    ///
    /// # Errors
    ///
    /// Misuse: there is none, or several.
    pub fn weights(&self, path: &Path) -> Result<PathBuf> {
        if !path.is_dir() {
            return Ok(path.to_owned());
        }
        let found: Vec<&str> = self.ending(".npz").collect();
        match found.as_slice() {
            [name] => Ok(self.folder.join(name)),
            [] => Err(self.error("has no `.npz` file")),
            several => {
                Err(self.error(&format!("has several models: name one of {}", several.join(", "))))
            }
        }
    }

    fn ending(&self, end: &str) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(move |name| name.ends_with(end))
    }

    fn error(&self, text: &str) -> Error {
        Error::misuse(format!("{} {text}", self.folder.display()))
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.folder.join(name);
        files::read(&path).map_err(|e| Error::input("read", &path, &e))
    }

    /// The SentencePiece models: `source.spm` and `target.spm`, or one for both.
    ///
    /// # Errors
    ///
    /// Misuse: there are none, or it is not known which is whose.
    pub fn sentencepiece(&self) -> Result<SentencePiece> {
        let found: Vec<&str> = self.ending(".spm").collect();
        match found.as_slice() {
            [one] if !SIDES.contains(one) => {
                let source = self.bytes(one)?;
                Ok(SentencePiece { target: source.clone(), source })
            }
            [] => Err(self.error("has no `.spm` file")),
            several if SIDES.iter().all(|name| several.contains(name)) => Ok(SentencePiece {
                source: self.bytes("source.spm")?,
                target: self.bytes("target.spm")?,
            }),
            several => {
                let several = several.join(", ");
                Err(self.error(&format!(
                    "has {several}: expected source.spm and target.spm, or one for both"
                )))
            }
        }
    }

    /// The tokens: those of the one `vocab.yml`, or else the pieces of the one SentencePiece model.
    ///
    /// # Errors
    ///
    /// Misuse: there is neither, or the sides have vocabularies of their own.
    pub fn tokens(&self, sentencepiece: &SentencePiece) -> Result<Vec<String>> {
        let found: Vec<&str> = self.ending("vocab.yml").collect();
        match found.as_slice() {
            [one] => {
                let path = self.folder.join(one);
                let tokens = vocabulary::read(&self.bytes(one)?);
                tokens.map_err(|why| Error::misuse(format!("{} {why}", path.display())))
            }
            [] if sentencepiece.source == sentencepiece.target => {
                let model = Model::decode(&sentencepiece.source[..]);
                let model = model.map_err(|why| {
                    self.error(&format!("has an `.spm` file that is no SentencePiece model: {why}"))
                })?;
                Ok(model.pieces.into_iter().map(|piece| piece.text).collect())
            }
            [] => Err(self.error("has two `.spm` files, but no `vocab.yml`")),
            several => Err(self.error(&format!(
                "has {}: only one vocabulary can be imported",
                several.join(", ")
            ))),
        }
    }

    /// `decoder.yml`, if there is one.
    pub fn decoder(&self) -> Option<String> {
        let bytes = self.ending("decoder.yml").next().and_then(|name| self.bytes(name).ok())?;
        String::from_utf8(bytes).ok()
    }
}
