//! `host translate`: text to text, order kept.

use crate::cli::{Globals, SearchArgs, TranslateArgs};
use crate::config::Precision;
use crate::device::{self, Work};
use crate::error::{Error, Result};
use crate::export::{Runner, Words, is_image};
use crate::files::{has_place, remove, write_output};
use crate::hash;
use crate::output;
use crate::partial::Partial;
use crate::signals;
use crate::text;
use crate::translate::{
    MOST_TOKENS, Options, Translated, Translation, Translator, translate_lines,
};
use a2d_core::backend::Train;
use a2d_core::search::Search;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Translates the input's lines.
///
/// Errors: a run or an input that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: TranslateArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let n_best = args.wanted()?;
    if args.resume && text::is_stdin(&args.output) {
        return Err(Error::misuse("--resume needs a file to go on with: name it by --output"));
    }
    let options = args.search.options(n_best, args.max_tokens);
    let image = is_image(&args.run);
    if image {
        super::export::check_image_options(&args)?;
    } else if args.int8_cache {
        return Err(Error::misuse("--int8-cache is for images that `host export` wrote"));
    }
    let device = device::choose(&args.device, globals)?;
    if !image {
        crate::run_dir::RunDir::open(&args.run)?;
    }
    if !text::is_stdin(&args.output) {
        has_place(&args.output)?;
    }
    let lines = text::read_lines(&args.input)?;
    signals::install()?;
    let work = Lines { run: &args.run, lines: &lines, options };
    let found = if image {
        let Translated { lines, cut, .. } = translate_by_image(&args, &lines, &options)?;
        Found { lines, cut }
    } else if args.resume {
        device.run(Precision::F32, Resumed { work, output: &args.output, quiet: globals.quiet })?
    } else {
        let Translated { lines, cut, .. } = device.run(Precision::F32, work)?.0;
        Found { lines, cut }
    };
    if !globals.quiet {
        note_cut(&found.cut);
    }
    let numbered = args.n_best.is_some();
    if text::is_stdin(&args.output) {
        return write(&found.lines, numbered, out)
            .map_err(|e| Error::output("write", Path::new("the translations"), &e));
    }
    write_output(&args.output, |out| write(&found.lines, numbered, out))?;
    if args.resume { remove(&partial(&args.output)) } else { Ok(()) }
}

/// Lines translated by an image, in the device's arithmetic.
///
/// Errors (misuse): it is none, or damaged.
fn translate_by_image(
    args: &TranslateArgs,
    lines: &[String],
    options: &Options,
) -> Result<Translated> {
    let path = &args.run;
    let bytes = std::fs::read(path).map_err(|e| Error::input("read", path, &e))?;
    let image = Words::new(&bytes);
    let runner = Runner::new(path, image.bytes(), args.int8_cache)?;
    runner.lines(lines, options, &signals::go_on)
}

/// What is translated of a file that is not yet written.
fn partial(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Lines that are kept as they are translated.
struct Resumed<'a> {
    work: Lines<'a>,
    output: &'a Path,
    quiet: bool,
}

/// What was found for each line, and which lines (from 1) were cut.
struct Found {
    lines: Vec<Vec<Translation>>,
    cut: Vec<usize>,
}

/// A line's translations, best first, as they are kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    best: Vec<Translation>,
    cut: bool,
}

impl Work for Resumed<'_> {
    type Output = Found;

    fn go<B: Train>(self, b: &mut B) -> Result<Found> {
        let Lines { run, lines, options } = self.work;
        let translator = Translator::open(b, run)?;
        let recipe = json!({
            "model": translator.fingerprint,
            "text": hash::hex(hash::bytes(lines.join("\n").as_bytes())),
            "search": format!("{options:?}"),
        });
        let mut partial = Partial::open(&partial(self.output), &recipe, lines.len())?;
        while !partial.next().is_empty() {
            signals::go_on()?;
            let part = &lines[partial.next()];
            let Translator { model, vocab, .. } = &translator;
            let mut go_on = |_| signals::go_on();
            let found = translate_lines(b, model, vocab, part, &options, &mut go_on)?;
            let kept = |(i, best)| Kept { best, cut: found.cut.contains(&(i + 1)) };
            partial.append(&found.lines.into_iter().enumerate().map(kept).collect::<Vec<_>>())?;
            if !self.quiet {
                let (done, all) = (partial.done(), lines.len());
                let _ = writeln!(output::stderr(), "translated {done} of {all} lines");
            }
        }
        let mut found = Found { lines: Vec::new(), cut: Vec::new() };
        for (i, kept) in partial.items::<Kept>()?.enumerate() {
            let Kept { best, cut } = kept?;
            found.lines.push(best);
            found.cut.extend(cut.then_some(i + 1));
        }
        Ok(found)
    }
}

impl SearchArgs {
    /// The search that the arguments ask for.
    pub fn options(&self, n_best: usize, max_tokens: usize) -> Options {
        Options {
            search: Search {
                beam: self.beam,
                length_penalty: self.length_penalty as f32,
                min_length: 1,
            },
            max_length_a: self.max_length_a,
            max_length_b: self.max_length_b,
            max_tokens,
            n_best,
        }
    }
}

/// Lines to be translated by a run's best checkpoint; also gives the size of the model.
pub(super) struct Lines<'a> {
    pub run: &'a Path,
    pub lines: &'a [String],
    pub options: Options,
}

impl Work for Lines<'_> {
    type Output = (Translated, usize);
    fn go<B: Train>(self, b: &mut B) -> Result<Self::Output> {
        let translator = Translator::open(b, self.run)?;
        let mut go_on = |_| signals::go_on();
        let Translator { model, vocab, size, .. } = &translator;
        let found = translate_lines(b, model, vocab, self.lines, &self.options, &mut go_on)?;
        Ok((found, *size))
    }
}

/// Says on standard error which lines were too long.
pub(super) fn note_cut(cut: &[usize]) {
    if let Some(first) = cut.first() {
        let told = match cut.len() {
            1 => format!("line {first} was cut to {MOST_TOKENS} tokens"),
            n => format!("{n} lines were cut to {MOST_TOKENS} tokens, the first is line {first}"),
        };
        let _ = writeln!(output::stderr(), "warning: {told}");
    }
}

fn write(lines: &[Vec<Translation>], numbered: bool, out: &mut dyn Write) -> std::io::Result<()> {
    for (i, line) in lines.iter().enumerate() {
        for translation in line {
            if numbered {
                writeln!(out, "{}\t{:.4}\t{}", i + 1, translation.score, translation.text)?;
            } else {
                writeln!(out, "{}", translation.text)?;
            }
        }
    }
    Ok(())
}
