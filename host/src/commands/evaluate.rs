//! `a2d evaluate`: translate, then score.

use super::translate::{check_model, device};
use crate::cli::{EvaluateArgs, Globals};
use crate::run::run_dir::RunDir;
use crate::score::{self, Bleu, MetricOptions, command};
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::system::signals;
use crate::system::text;
use crate::translate::image::is_image;
use crate::translate::lines::SourceLines;
use std::io::Write;
use std::path::Path;

/// Translates the source and scores it against the references.
///
/// # Errors
///
/// A run or a text that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: EvaluateArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    // Before the model is looked at: a metric that there is not is misuse of this command.
    MetricOptions::default().metrics(&args.metrics)?;
    check_model(&args.run, &args.device, args.int8_cache)?;
    let device = device(&args.run, &args.device, globals)?;
    let tokenizer = match args.tokenize {
        Some(tokenizer) => tokenizer,
        // An image does not say what language it translates to.
        None if is_image(&args.run) => Default::default(),
        None => RunDir::open(&args.run)?.load_config()?.data.tokenizer(),
    };
    let bleu = Bleu { tokenizer, ..Bleu::default() };
    let metrics = MetricOptions { bleu, ..MetricOptions::default() }.metrics(&args.metrics)?;
    command::check_stdin(args.reference.iter().chain([&args.source]))?;
    args.output.as_deref().map_or(Ok(()), has_place)?;
    let source = text::read_lines(&args.source)?;
    if source.is_empty() {
        return Err(Error::misuse(format!("nothing to translate in {}", text::name(&args.source))));
    }
    let references = args
        .reference
        .iter()
        .map(|path| {
            let lines = text::read_lines(path)?;
            if lines.len() == source.len() {
                return Ok(lines);
            }
            let (source_name, name) = (text::name(&args.source), text::name(path));
            Err(Error::misuse(format!(
                "{source_name} has {} lines, {name} has {}",
                source.len(),
                lines.len()
            )))
        })
        .collect::<Result<Vec<_>>>()?;
    signals::install()?;
    let options = args.search.options(1, args.max_tokens);
    let work = SourceLines { model: &args.run, lines: &source, options, split: false };
    let found = match device {
        None => work.by_image(args.int8_cache)?,
        Some(device) => work.by_run(&device)?,
    };
    if !globals.quiet {
        found.note_lengths(None);
    }
    let lines: Vec<String> =
        found.translated.lines.into_iter().map(|mut l| l.swap_remove(0).text).collect();
    if let Some(path) = &args.output {
        write_output(path, |out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))?;
    }
    let scores = metrics
        .iter()
        .map(|metric| score::corpus(&**metric, &lines, &references))
        .collect::<Result<Vec<_>>>()?;
    let written = if args.json {
        command::write_json(&scores, out)
    } else {
        command::write_lines(&scores, out)
    };
    written.map_err(|e| Error::output("write", Path::new("the scores"), &e))
}
