//! Packages of Argos Translate and LibreTranslate: a zip archive of one folder with a description, a CTranslate2 model and
//! one SentencePiece model for both sides.

use crate::ct2::{self, Files, Quantization};
use crate::json;
use crate::model::{Portable, SentencePiece};
use a2d_system::error::{Error, Result};
use a2d_system::files::Unfinished;
use serde_json::json;
use std::io::{self, Seek, Write};
use std::path::Path;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

/// A language of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    /// Its code in ISO 639: `de`.
    pub code: String,
    /// Its English name: `German`.
    pub name: String,
}

/// How a package is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The numbers of weights.
    pub quantization: Quantization,
    /// The language of the source.
    pub source: Language,
    /// The language of the target.
    pub target: Language,
    /// The version of the package: `1.0`.
    pub version: String,
}

/// The version of Argos Translate that reads such a package.
const ARGOS: &str = "1.9";

/// Writes `model` as the package `path`.
///
/// # Errors
///
/// Misuse: the model has no SentencePiece model or different ones for both sides, a language code or a version is
/// unusable, or as [`Files::new`]. The file cannot be written.
pub fn write(model: &Portable<'_>, path: &Path, options: &Options) -> Result<()> {
    let sentencepiece = joint(model)?;
    let folder = folder(options)?;
    // Argos gives the pieces of a text and nothing else.
    let how = ct2::Options {
        quantization: options.quantization,
        add_source_eos: true,
        ..ct2::Options::default()
    };
    let files = Files::new(model, &how)?;
    let mut unfinished = Unfinished::begin(path)?;
    let package = Package { zip: ZipWriter::new(&mut unfinished.file), folder };
    let written = package.fill(&files, sentencepiece, options);
    written.map_err(|e| Error::output("write", path, &e))?;
    unfinished.finish()
}

fn joint<'a>(model: &Portable<'a>) -> Result<&'a [u8]> {
    let only = "Argos takes one SentencePiece model for both sides";
    match model.sentencepiece {
        Some(SentencePiece { source, target }) if source == target => Ok(source),
        Some(_) => {
            Err(Error::misuse(format!("{only}, but this model has two: export it for CTranslate2")))
        }
        None => Err(Error::misuse(format!("{only}, but this model has a tokenizer of its own"))),
    }
}

/// The name of the folder in the archive.
fn folder(options: &Options) -> Result<String> {
    let Options { source, target, version, .. } = options;
    for text in [&source.code, &target.code, version] {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.is_empty() || !text.chars().all(plain) || text.starts_with('.') {
            let expected = "expected letters, digits, '.', '_' and '-'";
            return Err(Error::misuse(format!(
                "{text:?} is no language code or version: {expected}"
            )));
        }
    }
    Ok(format!("translate-{}_{}-{}", source.code, target.code, version.replace('.', "_")))
}

struct Package<W: Write + Seek> {
    zip: ZipWriter<W>,
    folder: String,
}

impl<W: Write + Seek> Package<W> {
    fn fill(mut self, files: &Files, sentencepiece: &[u8], options: &Options) -> io::Result<()> {
        self.put("metadata.json", description(options).as_bytes())?;
        self.put("README.md", readme(options).as_bytes())?;
        for (name, text) in files.texts() {
            self.put(&format!("model/{name}"), text.as_bytes())?;
        }
        self.begin(&format!("model/{}", ct2::MODEL))?;
        files.model(&mut self.zip)?;
        self.put("sentencepiece.model", sentencepiece)?;
        self.zip.finish()?.flush()
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.begin(name)?;
        self.zip.write_all(bytes)
    }

    /// Begins a file of a fixed time, so that equal models give equal packages.
    fn begin(&mut self, name: &str) -> io::Result<()> {
        let how = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(true);
        Ok(self.zip.start_file(format!("{}/{name}", self.folder), how)?)
    }
}

fn description(options: &Options) -> String {
    let Options { source, target, version, .. } = options;
    let description = json!({
        "package_version": version,
        "argos_version": ARGOS,
        "from_code": source.code,
        "from_name": source.name,
        "to_code": target.code,
        "to_name": target.name,
    });
    json::text(&description) + "\n"
}

fn readme(options: &Options) -> String {
    let Options { source, target, version, .. } = options;
    format!(
        "# {} - {}\n\nVersion {version}, for Argos Translate and LibreTranslate.\n",
        source.name, target.name
    )
}
