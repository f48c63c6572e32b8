//! `a2d evaluate`: translate, then score.

use super::evaluate_texts;
use super::translate::{check_model, device, on};
use crate::backend::device::Chosen;
use crate::cli::{EvaluateArgs, Globals};
use crate::run::run_dir::RunDir;
use crate::score::{self, Bleu, MetricOptions, Watch, command};
use crate::system::display::{Throughput, Total};
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::system::signals;
use crate::system::text;
use crate::translate::image::is_image;
use crate::translate::lengths::Lengths;
use crate::translate::lines::Job;
use crate::translate::sink::Finished;
use crate::translate::source::Held;
use std::io::Write;
use std::path::Path;

/// Translates the source and scores it against the references.
///
/// # Errors
///
/// A run or a text that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: EvaluateArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    if let Some(task) = evaluate_texts::task(&args.run)? {
        return evaluate_texts::run(&args, task, globals, out);
    }
    if args.reference.is_empty() {
        return Err(Error::misuse("--reference is needed: the reference translations of --source"));
    }
    let given = args.source.as_deref();
    let given = given.ok_or_else(|| Error::misuse("--source is needed: the text to translate"))?;
    // Before the model is looked at: a metric that there is not is misuse of this command.
    MetricOptions::default().metrics(&args.metrics)?;
    check_model(&args.run, &args.device, &args.image)?;
    let device = device(&args.run, &args.device, globals)?;
    let tokenizer = match args.tokenize {
        Some(tokenizer) => tokenizer,
        // An image does not say what language it translates to.
        None if is_image(&args.run) => Default::default(),
        None => RunDir::open(&args.run)?.load_config()?.data.tokenizer(),
    };
    let bleu = Bleu { tokenizer, ..Bleu::default() };
    let metrics = MetricOptions { bleu, ..MetricOptions::default() }.metrics(&args.metrics)?;
    command::check_stdin(args.reference.iter().chain(&args.source))?;
    args.output.as_deref().map_or(Ok(()), has_place)?;
    let source = text::read_lines(given)?;
    if source.is_empty() {
        return Err(Error::misuse(format!("nothing to translate in {}", text::name(given))));
    }
    let references = args
        .reference
        .iter()
        .map(|path| {
            let lines = text::read_lines(path)?;
            if lines.len() == source.len() {
                return Ok(lines);
            }
            let (source_name, name) = (text::name(given), text::name(path));
            Err(Error::misuse(format!(
                "{source_name} has {} lines, {name} has {}",
                source.len(),
                lines.len()
            )))
        })
        .collect::<Result<Vec<_>>>()?;
    signals::install()?;
    let lines = translated(&args, device.as_ref(), globals.quiet, &source)?;
    if let Some(path) = &args.output {
        write_output(path, |out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))?;
    }
    let watch = Watch::Command { quiet: globals.quiet };
    let scores = metrics
        .iter()
        .map(|metric| score::corpus_watched(&**metric, &lines, &references, watch))
        .collect::<Result<Vec<_>>>()?;
    let written = if args.json {
        command::write_json(&scores, out)
    } else {
        command::write_lines(&scores, out)
    };
    written.map_err(|e| Error::output("write", Path::new("the scores"), &e))
}

/// The translations of `source`.
fn translated(
    args: &EvaluateArgs,
    device: Option<&Chosen>,
    quiet: bool,
    source: &[String],
) -> Result<Vec<String>> {
    let progress = Throughput::new(quiet, "translated", Total::Lines(source.len()));
    let mut lengths = Lengths::new(&progress, false, None);
    let mut found: Vec<Finished> = Vec::new();
    let done = Job {
        model: &args.run,
        on: on(device, &args.image),
        options: args.search.options(1, args.max_tokens),
        split: false,
        source: &mut Held::new(source),
        sink: &mut found,
        progress: &progress,
        lengths: &mut lengths,
    }
    .run();
    progress.end(&done);
    lengths.tell();
    done.map(|()| found.into_iter().map(|mut line| line.best.swap_remove(0).text).collect())
}
