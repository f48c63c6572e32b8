//! An image and its sizes as constants of a Rust source file.

use super::request::Exported;
use crate::translate::image;
use a2d_core::image::{Format, stream_bytes};
use a2d_core::micro::{Limits, Model};
use a2d_system::error::{Error, Result};
use a2d_system::output::thousands;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

/// A Rust source file with the constants that firmware needs of an image.
pub struct Constants<'a> {
    /// The image.
    pub exported: &'a Exported,
    /// Path of the image, used in messages.
    pub image: &'a Path,
    /// Path of the image from the source file: [`relative_path`].
    pub include: String,
    /// The limits of translations.
    pub limits: Limits,
    /// The command that makes the file, for its first line.
    pub command: String,
}

impl Constants<'_> {
    /// The source text. It can be a module of a program, or be included in one.
    ///
    /// # Errors
    ///
    /// Misuse: the image is rejected.
    pub fn text(&self) -> Result<String> {
        let bytes = self.exported.image.bytes();
        let model = image::model(self.image, bytes)?;
        let config = model.config();
        let layers = config.encoder.layers.max(config.decoder.layers);
        let Limits { source, target, beam, int8_cache } = self.limits;
        let (arena, stream) =
            (thousands(self.exported.arena).replace(',', "_"), stream_bytes(bytes));
        let command = self.command.replace(char::is_control, " ");
        let mut text = format!("// Written by `{command}`. Do not edit.\n\n");
        let _ = write!(
            text,
            "/// The image: {}, {} bytes of flash, a vocabulary of {} tokens.{}\n\
             pub static IMAGE: &[u8] = a2d_core::include_image!({:?});\n\n\
             /// The largest translation.\n\
             #[allow(dead_code)]\n\
             pub const LIMITS: a2d_core::micro::Limits = a2d_core::micro::Limits {{\n    \
                 source: {source}, // tokens, EOS included\n    \
                 target: {target}, // tokens, without EOS\n    \
                 beam: {beam},\n    \
                 int8_cache: {int8_cache},\n\
             }};\n\n\
             /// Working memory of a translation within [`LIMITS`], for [`a2d_core::micro::Arena`].\n\
             #[allow(dead_code)]\n\
             pub const ARENA_BYTES: usize = {arena};\n\n\
             /// Maximum bytes of the text of one token, for [`a2d_core::token::Stream`].\n\
             #[allow(dead_code)]\n\
             pub const STREAM_BYTES: usize = {stream};\n\n\
             /// Layers of the larger side, for [`a2d_core::micro::Model`] and `Translator`.\n\
             #[allow(dead_code)]\n\
             pub const LAYERS: usize = {layers};\n",
            format_name(&model),
            thousands(bytes.len()),
            config.target_vocabulary,
            self.quality(),
            self.include,
        );
        let _ = write!(
            text,
            "\n// The checksum of the image that these constants were computed from.\n\
             const _: () = assert!(\n    \
                 matches!(IMAGE.as_chunks().0, [_, _, _, _, [{}], ..]),\n    \
                 \"the image has changed: write this file again\"\n\
             );\n",
            checksum(bytes)
        );
        Ok(text)
    }

    /// BLEU of the image, if measured, as a line of a comment.
    fn quality(&self) -> String {
        let Some(found) = &self.exported.comparison else { return String::new() };
        format!(
            "\n///\n/// BLEU of {} sentences: {:.2}, before quantisation {:.2}.",
            found.sentences, found.bleu_after, found.bleu_before
        )
    }
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
