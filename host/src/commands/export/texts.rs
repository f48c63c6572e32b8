//! `a2d export` of a text model.

use super::LONGEST;
use crate::cli::{ExportArgs, Quantise};
use crate::export::{TextExport, TextLoss};
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
    threads: usize,
    out: &mut dyn Write,
) -> Result<()> {
    let given = [
        ("--emit-rust", args.emit_rust.is_some()),
        ("--source", args.source.is_some()),
        ("--max-target", args.max_target.is_some()),
        ("--shortlist", args.shortlist.is_some()),
    ];
    if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
        let run = args.run.display();
        return Err(Error::misuse(format!("{name} is for translators: {run} reads texts")));
    }
    let format = args.quantize.unwrap_or(Quantise::Int8).of_image();
    let format =
        format.ok_or_else(|| Error::misuse("--quantize: an image has f32, int8 or int4"))?;
    let tokens = args.max_source.unwrap_or(LONGEST);
    let limits = TextLimits { tokens, int8_cache: args.int8_cache };
    let request = TextExport {
        run: args.run.clone(),
        format,
        out: image.to_owned(),
        max_drop: args.max_bleu_drop,
        texts: args.sentences,
        limits,
        threads,
    };
    let found = request.export()?;
    write_output(image, |file| file.write_all(found.image.bytes()))?;
    let (path, bytes, arena) = (image.display(), found.image.bytes().len(), found.arena);
    let written = match args.json {
        true => {
            let limits = json!({"tokens": tokens, "int8_cache": limits.int8_cache});
            let all = json!({"image": path.to_string(), "bytes": bytes, "arena_bytes": arena,
                             "limits": limits, "comparison": found.loss});
            writeln!(out, "{all}")
        }
        false => tell(found.loss.as_ref(), out)
            .and_then(|()| writeln!(out, "{path}: {bytes} bytes"))
            .and_then(|()| writeln!(out, "arena: {arena} bytes for {tokens} tokens")),
    };
    written.map_err(|e| Error::output("write", Path::new("the result"), &e))
}

fn tell(loss: Option<&TextLoss>, out: &mut dyn Write) -> io::Result<()> {
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
