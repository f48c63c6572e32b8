//! `a2d export`: a run as an image.

use crate::cli::{ExportArgs, Globals};
use crate::data::vocab::LineForm;
use crate::export::{ExportRequest, Exported};
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::translate::MOST_BATCH;
use a2d_core::micro::Limits;
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Writes the image, once it is compared with its run.
///
/// # Errors
///
/// A run or a text that cannot be used (misuse), a worse image than wanted, an output that cannot be written.
pub fn run(args: &ExportArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    has_place(&args.out)?;
    let found = request(args, globals.count()).export()?;
    write_output(&args.out, |file| file.write_all(found.image.bytes()))?;
    tell(args, &found, out).map_err(|e| Error::output("write", Path::new("the result"), &e))
}

fn request(args: &ExportArgs, threads: usize) -> ExportRequest {
    let limits = Limits {
        source: args.max_source,
        target: args.max_target,
        beam: args.search.beam,
        int8_cache: args.int8_cache,
    };
    let text = args.source.clone().zip(args.reference.clone());
    ExportRequest {
        run: args.run.clone(),
        format: args.quantize.into(),
        out: args.out.clone(),
        max_bleu_drop: args.max_bleu_drop,
        text: text.map(<[_; 2]>::from),
        sentences: args.sentences,
        limits,
        shortlist: args.shortlist,
        options: args.search.options(1, MOST_BATCH),
        threads,
    }
}

fn tell(args: &ExportArgs, found: &Exported, out: &mut dyn Write) -> std::io::Result<()> {
    let Exported { image, arena, comparison, normalization } = found;
    let size = image.bytes().len();
    let ExportArgs { max_source: source, max_target: target, .. } = args;
    let (path, beam) = (args.out.display(), args.search.beam);
    if args.json {
        let limits = json!({"source": source, "target": target, "beam": beam,
                            "int8_cache": args.int8_cache});
        let all = json!({"image": path.to_string(), "bytes": size, "arena_bytes": arena,
                         "limits": limits, "comparison": comparison});
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
        None => writeln!(out, "not compared: the run's validation text is gone")?,
    }
    writeln!(out, "{path}: {size} bytes")?;
    if *normalization == LineForm::Nfkc {
        writeln!(out, "text for a device must come in NFKC: it composes to NFC only")?;
    }
    let cache = if args.int8_cache { ", keys and values in bytes" } else { "" };
    writeln!(out, "arena: {arena} bytes for {source} tokens to {target}, beam {beam}{cache}")
}
