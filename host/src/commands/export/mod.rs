//! `a2d export`: a run as an image, and an image as constants of a Rust program.

mod leave;
mod texts;
mod written;

use crate::cli::{ExportArgs, Globals, Quantise, Target};
use crate::data::vocab::LineForm;
use crate::export::{Comparison, Constants, ExportRequest, Exported, Room, open, relative_path};
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::system::program;
use crate::translate::MOST_BATCH;
use crate::translate::image::{Words, is_image};
use a2d_core::micro::Limits;
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// The tokens of a sentence that an arena has room for by default.
const LONGEST: usize = 64;

/// Writes the image, once it is compared with its run, and its constants.
///
/// # Errors
///
/// A run, an image or a text that cannot be used (misuse), a worse image than wanted, an output that cannot be written.
pub fn run(args: &ExportArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    if args.format != Target::A2d {
        return leave::run(args, out);
    }
    let image = image_path(args)?;
    for path in args.out.iter().chain(&args.emit_rust) {
        has_place(path)?;
    }
    let rust = Rust::of(args, image)?;
    if super::evaluate_texts::task(&args.run)?.is_some() {
        return texts::run(args, image, rust, globals.count(), out);
    }
    let found = match args.out {
        Some(_) => request(args, image, globals.count())?.export()?,
        None => open(image, &limits(args))?,
    };
    if args.out.is_some() {
        write_output(image, |file| file.write_all(found.image.bytes()))?;
    }
    if let Some(rust) = rust {
        let quality = found.comparison.as_ref().map(Comparison::comment);
        rust.write(&found.image, Room::Translation(limits(args)), found.arena, quality)?;
    }
    tell(args, image, &found, out).map_err(|e| Error::output("write", Path::new("the result"), &e))
}

/// A Rust source file to write.
struct Rust<'a> {
    source: &'a Path,
    image: &'a Path,
    /// The path of the image from it.
    include: String,
}

impl<'a> Rust<'a> {
    /// The one that is asked for.
    ///
    /// # Errors
    ///
    /// Misuse: it cannot name the image.
    fn of(args: &'a ExportArgs, image: &'a Path) -> Result<Option<Self>> {
        let Some(source) = args.emit_rust.as_deref() else { return Ok(None) };
        Ok(Some(Self { source, image, include: relative_path(source, image)? }))
    }

    /// Writes the constants of an image.
    ///
    /// # Errors
    ///
    /// Misuse: the image is rejected. The file cannot be written.
    fn write(
        self,
        words: &Words,
        limits: Room,
        arena: usize,
        quality: Option<String>,
    ) -> Result<()> {
        let Self { source, image, include } = self;
        let bytes = words.bytes();
        let of = Constants { bytes, image, include, limits, arena, quality, command: command() };
        let text = of.text()?;
        write_output(source, |file| file.write_all(text.as_bytes()))
    }
}

/// The image to write, or the existing one.
///
/// # Errors
///
/// Misuse: a run without `--out`; an image with an option that is for runs.
fn image_path(args: &ExportArgs) -> Result<&Path> {
    let run = args.run.display();
    if args.emit_rust.is_none() || !is_image(&args.run) {
        if let Some(out) = &args.out {
            return Ok(out);
        }
        RunDir::open(&args.run)?;
        return Err(Error::misuse(format!("{run} is a run: name the image to write by --out")));
    }
    let given = [
        ("--out", args.out.is_some()),
        ("--quantize", args.quantize.is_some()),
        ("--max-bleu-drop", args.max_bleu_drop.is_some()),
        ("--source", args.source.is_some()),
        ("--sentences", args.sentences.is_some()),
        ("--shortlist", args.shortlist.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Error::misuse(format!("{run} is an image: {name} is for runs"))),
        None => Ok(&args.run),
    }
}

fn limits(args: &ExportArgs) -> Limits {
    Limits {
        source: args.max_source.unwrap_or(LONGEST),
        target: args.max_target.unwrap_or(LONGEST),
        beam: args.search.beam,
        int8_cache: args.int8_cache,
    }
}

fn request(args: &ExportArgs, out: &Path, threads: usize) -> Result<ExportRequest> {
    let text = args.source.clone().zip(args.reference.clone());
    let format = args.quantize.unwrap_or(Quantise::Int8).of_image();
    let format =
        format.ok_or_else(|| Error::misuse("--quantize: an image has f32, int8 or int4"))?;
    Ok(ExportRequest {
        run: args.run.clone(),
        format,
        out: out.to_owned(),
        max_bleu_drop: args.max_bleu_drop,
        text: text.map(<[_; 2]>::from),
        sentences: args.sentences,
        limits: limits(args),
        shortlist: args.shortlist,
        options: args.search.options(1, MOST_BATCH),
        threads,
    })
}

/// The command line of this process, as it would be typed.
fn command() -> String {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| program::quoted(&word.display().to_string()));
    [program::name().to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn tell(
    args: &ExportArgs,
    image: &Path,
    found: &Exported,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let Exported { arena, comparison, normalization, .. } = found;
    let size = found.image.bytes().len();
    let Limits { source, target, beam, int8_cache } = limits(args);
    let path = image.display();
    if args.json {
        let limits = json!({"source": source, "target": target, "beam": beam,
                            "int8_cache": int8_cache});
        let rust = args.emit_rust.as_ref().map(|path| path.display().to_string());
        let all = json!({"image": path.to_string(), "bytes": size, "arena_bytes": arena,
                         "limits": limits, "comparison": comparison, "rust": rust});
        return writeln!(out, "{all}");
    }
    match comparison {
        Some(found) => writeln!(
            out,
            "BLEU of {} sentences ({}): {:.2} before, {:.2} after; chrF: {:.2} before, {:.2} after; \
             {:.1} % translated alike",
            found.sentences,
            found.bleu_tokenizer.name(),
            found.bleu_before,
            found.bleu_after,
            found.chrf_before,
            found.chrf_after,
            100.0 * found.agreement
        )?,
        None if args.out.is_none() => {}
        None => writeln!(out, "not compared: the run's validation text is gone")?,
    }
    writeln!(out, "{path}: {size} bytes")?;
    if *normalization == LineForm::Nfkc {
        writeln!(out, "text for a device must come in NFKC: it composes to NFC only")?;
    }
    let cache = if int8_cache { ", keys and values in bytes" } else { "" };
    writeln!(out, "arena: {arena} bytes for {source} tokens to {target}, beam {beam}{cache}")?;
    if let Some(source) = &args.emit_rust {
        let names = "IMAGE, LIMITS, ARENA_BYTES, STREAM_BYTES, LAYERS";
        writeln!(out, "{}: {names}", source.display())?;
    }
    Ok(())
}
