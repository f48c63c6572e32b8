//! `host export`: a run as an image.

use crate::backend::cpu::{Cpu, Tensor};
use crate::cli::{ExportArgs, Globals};
use crate::config::Run;
use crate::data::text;
use crate::data::vocab::{Normalization, Vocab};
use crate::export::{self, Beside, Comparison, Weights};
use crate::run::model::Model;
use crate::run::prepared::{self, Parallel, Prepared};
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::system::signals;
use crate::translate::Translator;
use crate::translate::image::{Runner, Words};
use a2d_core::backend::Backend as _;
use a2d_core::micro::Limits;
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Writes the image, once it is compared with its run.
///
/// Errors: a run or a text that cannot be used (misuse), a worse image than wanted, an output that cannot be written.
pub fn run(args: &ExportArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    has_place(&args.out)?;
    let run = RunDir::open(&args.run)?.load_config()?;
    let text = text(args, &run)?;
    signals::install()?;
    let mut b = Cpu::new(globals.count());
    let translator = Translator::open(&mut b, &args.run)?;
    let weights = weights(&mut b, &translator.model)?;
    let tokenizer = export::tables(&translator.vocab)?;
    let config = translator.model.config;
    let beside = Beside {
        shortlist: shortlist(args, &run, &translator.vocab)?,
        longest_source: translator.longest,
    };
    let format = args.quantize.into();
    let image = export::write_with(&config, &weights, &tokenizer, &beside, format)?;
    let image = Words::new(&image);
    let runner = Runner::new(&args.out, image.bytes(), args.int8_cache)?;
    let limits = Limits {
        source: args.max_source,
        target: args.max_target,
        beam: args.search.beam,
        int8_cache: args.int8_cache,
    };
    let arena = runner.model.arena_bytes(&limits);
    if arena == usize::MAX {
        let text = "--max-source, --max-target and --beam: no memory holds so much";
        return Err(Error::misuse(text));
    }
    let options = args.search.options(1, 4096);
    let tokenizer = run.data.tokenizer();
    let compared = match &text {
        Some(text) => {
            Some(export::compare(&mut b, &translator, &runner, text, tokenizer, &options)?)
        }
        None => None,
    };
    if let (Some(most), Some(found)) = (args.max_bleu_drop, &compared) {
        found.check(most)?;
    }
    write_output(&args.out, |file| file.write_all(image.bytes()))?;
    let form = translator.vocab.normalization();
    tell(args, image.bytes().len(), arena, compared, form, out)
        .map_err(|e| Error::output("write", Path::new("the result"), &e))
}

/// What the image is compared on; nothing where the run's validation text is gone and nothing depends on it.
fn text(args: &ExportArgs, run: &Run) -> Result<Option<Parallel>> {
    let mut found = match (&args.source, &args.reference) {
        (Some(source), Some(reference)) => {
            let (source, target) = (text::read_lines(source)?, text::read_lines(reference)?);
            Some(Parallel { source, target })
        }
        _ => prepared::text_of(run, &args.run, "valid")?,
    };
    if let Some(Parallel { source, target }) = &mut found {
        if source.len() != target.len() || source.is_empty() {
            let (source, target) = (source.len(), target.len());
            let text = "cannot be compared on: lines of the source and of the reference";
            return Err(Error::misuse(format!("{source} and {target} {text}")));
        }
        let count = args.sentences.unwrap_or(usize::MAX);
        source.truncate(count);
        target.truncate(count);
    }
    if found.is_none() && args.max_bleu_drop.is_some() {
        let folder = args.run.display();
        return Err(Error::misuse(format!(
            "--max-bleu-drop: the validation text of {folder} is gone; name one by --source and --reference"
        )));
    }
    Ok(found)
}

/// The shortlist of the run's training data, where one is wanted.
///
/// Errors (misuse): the data are gone, or not those of the run.
fn shortlist(args: &ExportArgs, run: &Run, vocab: &Vocab) -> Result<Vec<u8>> {
    let Some(count) = args.shortlist else { return Ok(Vec::new()) };
    let folder = prepared::folder_of(run, &args.run);
    let data = Prepared::open(&folder)?;
    if data.vocab.fingerprint() != vocab.fingerprint() {
        let folder = folder.display();
        return Err(Error::misuse(format!("--shortlist: {folder} has another vocabulary")));
    }
    export::shortlist(&data.train, count, &signals::go_on)
}

/// The parameters in canonical order.
fn weights(b: &mut Cpu, model: &Model<Tensor>) -> Result<Weights> {
    let mut weights = Vec::new();
    model.try_map::<(), Error>(&mut |_, tensor| {
        let mut data = vec![0.0; b.shape(tensor).len()];
        b.read(tensor, &mut data)?;
        weights.push(data);
        Ok(())
    })?;
    Ok(weights)
}

fn tell(
    args: &ExportArgs,
    size: usize,
    arena: usize,
    compared: Option<Comparison>,
    form: Normalization,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let ExportArgs { max_source: source, max_target: target, .. } = args;
    let (path, beam) = (args.out.display(), args.search.beam);
    if args.json {
        let limits = json!({"source": source, "target": target, "beam": beam,
                            "int8_cache": args.int8_cache});
        let all = json!({"image": path.to_string(), "bytes": size, "arena_bytes": arena,
                         "limits": limits, "comparison": compared});
        return writeln!(out, "{all}");
    }
    match compared {
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
    if form == Normalization::Nfkc {
        writeln!(out, "text for a device must come in NFKC: it composes to NFC only")?;
    }
    let cache = if args.int8_cache { ", keys and values in bytes" } else { "" };
    writeln!(out, "arena: {arena} bytes for {source} tokens to {target}, beam {beam}{cache}")
}
