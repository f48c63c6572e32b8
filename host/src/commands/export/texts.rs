//! `a2d export` of a text model.

use super::{LONGEST, Rust};
use crate::cli::{ExportArgs, Quantise};
use crate::export::{Room, TextExport, TextExported, TextLoss, open_text};
use crate::system::error::{Error, Result};
use crate::system::files::write_output;
use a2d_core::micro::TextLimits;
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;

/// Writes the image `out` of a run, once it is compared with it.
///
/// # Errors
///
/// A run that cannot be used (misuse), a worse image than wanted, an output that cannot be written.
pub(super) fn run(
    args: &ExportArgs,
    image: &Path,
    rust: Option<Rust<'_>>,
    threads: usize,
    out: &mut dyn Write,
) -> Result<()> {
    let given = [
        ("--source", args.source.is_some()),
        ("--max-target", args.max_target.is_some()),
        ("--shortlist", args.shortlist.is_some()),
    ];
    if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
        let run = args.run.display();
        return Err(Error::misuse(format!("{name} is for translators: {run} reads texts")));
    }
    let tokens = args.max_source.unwrap_or(LONGEST);
    let limits = TextLimits { tokens, int8_cache: args.int8_cache };
    let found = match args.out {
        Some(_) => request(args, image, limits, threads)?.export()?,
        None => open_text(image, &limits)?,
    };
    if args.out.is_some() {
        write_output(image, |file| file.write_all(found.image.bytes()))?;
    }
    if let Some(rust) = rust {
        let quality = found.loss.as_ref().map(TextLoss::comment);
        rust.write(&found.image, Room::Text(limits), found.arena, quality)?;
    }
    tell(args, image, &found, out).map_err(|e| Error::output("write", Path::new("the result"), &e))
}

fn request(
    args: &ExportArgs,
    out: &Path,
    limits: TextLimits,
    threads: usize,
) -> Result<TextExport> {
    let format = args.quantize.unwrap_or(Quantise::Int8).of_image();
    let format =
        format.ok_or_else(|| Error::misuse("--quantize: an image has f32, int8 or int4"))?;
    Ok(TextExport {
        run: args.run.clone(),
        format,
        out: out.to_owned(),
        max_drop: args.max_bleu_drop,
        texts: args.sentences,
        limits,
        threads,
    })
}

fn tell(
    args: &ExportArgs,
    image: &Path,
    found: &TextExported,
    out: &mut dyn Write,
) -> io::Result<()> {
    let tokens = args.max_source.unwrap_or(LONGEST);
    let (path, bytes, arena) = (image.display(), found.image.bytes().len(), found.arena);
    if args.json {
        let limits = json!({"tokens": tokens, "int8_cache": args.int8_cache});
        let rust = args.emit_rust.as_ref().map(|path| path.display().to_string());
        let all = json!({"image": path.to_string(), "bytes": bytes, "arena_bytes": arena,
                         "limits": limits, "comparison": found.loss, "rust": rust});
        return writeln!(out, "{all}");
    }
    match &found.loss {
        None if args.out.is_none() => {}
        loss => tell_loss(loss.as_ref(), out)?,
    }
    writeln!(out, "{path}: {bytes} bytes")?;
    writeln!(out, "arena: {arena} bytes for {tokens} tokens")?;
    match &args.emit_rust {
        Some(source) => {
            writeln!(out, "{}: IMAGE, LIMITS, ARENA_BYTES, OUTPUTS, LAYERS", source.display())
        }
        None => Ok(()),
    }
}

fn tell_loss(loss: Option<&TextLoss>, out: &mut dyn Write) -> io::Result<()> {
    match loss {
        None => writeln!(out, "not compared: the run's validation text is gone"),
        Some(TextLoss::Accuracy { texts, before, after, agreement }) => writeln!(
            out,
            "accuracy on {texts} texts: {before:.2} before, {after:.2} after; {:.1} % labelled alike",
            100.0 * agreement
        ),
        Some(TextLoss::Cosine { texts, cosine }) => {
            writeln!(out, "mean cosine with the run on {texts} texts: {cosine:.4}")
        }
    }
}
