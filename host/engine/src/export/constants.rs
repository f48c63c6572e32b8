//! An image and its sizes as constants of a Rust source file.

use crate::texts::reader::width;
use crate::translate::image;
use a2d_core::config::{Config, Task};
use a2d_core::image::{Format, stream_bytes};
use a2d_core::micro::{Limits, Model, TextLimits};
use a2d_system::error::{Error, Result};
use a2d_system::output::thousands;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

/// A Rust source file with the constants that firmware needs of an image.
pub struct Constants<'a> {
    /// The bytes of the image.
    pub bytes: &'a [u8],
    /// Path of the image, used in messages.
    pub image: &'a Path,
    /// Path of the image from the source file: [`relative_path`].
    pub include: String,
    /// What the arena has room for.
    pub limits: Room,
    /// Arena size in bytes within the limits.
    pub arena: usize,
    /// Quality of the image, if measured.
    pub quality: Option<String>,
    /// The command that makes the file, for its first line.
    pub command: String,
}

/// What an arena has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// A translation.
    Translation(Limits),
    /// A text that is classified or embedded.
    Text(TextLimits),
}

impl Constants<'_> {
    /// The source text. It can be a module of a program, or be included in one.
    ///
    /// # Errors
    ///
    /// Misuse: the image is rejected.
    pub fn text(&self) -> Result<String> {
        let model = image::model(self.image, self.bytes)?;
        let config = model.config();
        let quality = self.quality.as_ref().map(|text| format!("\n///\n/// {text}"));
        let tokens = match self.limits {
            Room::Translation(_) => config.target_vocabulary,
            Room::Text(_) => config.source_vocabulary,
        };
        let mut text = format!(
            "// Written by `{}`. Do not edit.\n\n\
             /// The image: {}, {} bytes of flash, a vocabulary of {tokens} tokens.{}\n\
             pub static IMAGE: &[u8] = a2d_core::include_image!({:?});\n\n",
            self.command.replace(char::is_control, " "),
            format_name(&model),
            thousands(self.bytes.len()),
            quality.unwrap_or_default(),
            self.include,
        );
        let layers = config.encoder.layers.max(config.decoder.layers);
        text += &match self.limits {
            Room::Translation(limits) => self.translation(&limits, layers),
            Room::Text(limits) => self.of_text(&limits, config, layers),
        };
        let _ = write!(
            text,
            "\n// The checksum of the image that these constants were computed from.\n\
             const _: () = assert!(\n    \
                 matches!(IMAGE.as_chunks().0, [_, _, _, _, [{}], ..]),\n    \
                 \"the image has changed: write this file again\"\n\
             );\n",
            checksum(self.bytes)
        );
        Ok(text)
    }

    fn translation(&self, limits: &Limits, layers: usize) -> String {
        let Limits { source, target, beam, int8_cache } = limits;
        format!(
            "/// The largest translation.\n\
             #[allow(dead_code)]\n\
             pub const LIMITS: a2d_core::micro::Limits = a2d_core::micro::Limits {{\n    \
                 source: {source}, // tokens, EOS included\n    \
                 target: {target}, // tokens, without EOS\n    \
                 beam: {beam},\n    \
                 int8_cache: {int8_cache},\n\
             }};\n\n{}\n{}\n{}",
            self.arena_bytes("a translation"),
            size(
                "Maximum bytes of the text of one token, for [`a2d_core::token::Stream`].",
                "STREAM_BYTES",
                stream_bytes(self.bytes)
            ),
            size(
                "Layers of the larger side, for [`a2d_core::micro::Model`] and `Translator`.",
                "LAYERS",
                layers
            ),
        )
    }

    fn of_text(&self, limits: &TextLimits, config: &Config, layers: usize) -> String {
        let TextLimits { tokens, int8_cache } = limits;
        let (reader, what) = match config.task() {
            Task::Embed => ("Embedder", "Elements of a vector"),
            _ => ("Classifier", "Number of labels, and of their probabilities"),
        };
        let outputs = width(config);
        format!(
            "/// The longest text.\n\
             #[allow(dead_code)]\n\
             pub const LIMITS: a2d_core::micro::TextLimits = a2d_core::micro::TextLimits {{\n    \
                 tokens: {tokens}, // begin and end included\n    \
                 int8_cache: {int8_cache},\n\
             }};\n\n{}\n{}\n{}",
            self.arena_bytes("a text"),
            size(&format!("{what}."), "OUTPUTS", outputs),
            size(
                &format!("Layers, for [`a2d_core::micro::Model`] and `{reader}`."),
                "LAYERS",
                layers
            ),
        )
    }

    fn arena_bytes(&self, of: &str) -> String {
        let doc =
            format!("Working memory of {of} within [`LIMITS`], for [`a2d_core::micro::Arena`].");
        size(&doc, "ARENA_BYTES", self.arena)
    }
}

/// A constant that a program may do without.
fn size(doc: &str, name: &str, value: usize) -> String {
    let value = thousands(value).replace(',', "_");
    format!("/// {doc}\n#[allow(dead_code)]\npub const {name}: usize = {value};\n")
}

/// The path of `image` from the folder of `source`, with `/` between its parts. Both folders exist.
///
/// # Errors
///
/// Misuse: both are the same file, there is no relative path, or the path is not Unicode.
pub fn relative_path(source: &Path, image: &Path) -> Result<String> {
    let refused = |text: &str| {
        let (source, image) = (source.display(), image.display());
        Err(Error::misuse(format!("--emit-rust {source}: {text} of the image {image}")))
    };
    let (to, from) = (folder(image)?, folder(source)?);
    let shared = to.components().zip(from.components()).take_while(|(x, y)| x == y).count();
    if shared == 0 {
        return refused("there is no relative path");
    }
    if to == from && source.file_name() == image.file_name() {
        return refused("this is the file");
    }
    let up = from.components().skip(shared).map(|_| "..".as_ref());
    let down = to.components().skip(shared).map(Component::as_os_str);
    let parts = up.chain(down).chain(image.file_name());
    match parts.map(OsStr::to_str).collect::<Option<Vec<_>>>() {
        Some(parts) => Ok(parts.join("/")),
        None => refused("Rust cannot name the path"),
    }
}

/// The folder of a file, without links.
fn folder(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    folder.canonicalize().map_err(|e| Error::input("read", folder, &e))
}

/// The format of the matrices. In an int4 image, some are int8.
fn format_name<const N: usize>(model: &Model<'_, N>) -> &'static str {
    let weights = model.image().weights();
    let has =
        |format| (0..weights.count()).any(|i| weights.get(i).is_some_and(|w| w.format() == format));
    match (has(Format::Int4), has(Format::Int8)) {
        (true, _) => "int4",
        (false, true) => "int8",
        (false, false) => "f32",
    }
}

/// The bytes of the checksum, which are those at 16.
fn checksum(image: &[u8]) -> String {
    let bytes = image.iter().skip(16).take(4);
    bytes.map(|byte| format!("{byte:#04x}")).collect::<Vec<_>>().join(", ")
}
