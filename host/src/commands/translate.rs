//! `host translate`: text to text, order kept.

use crate::cli::{Globals, SearchArgs, TranslateArgs};
use crate::config::Precision;
use crate::device::{self, Work};
use crate::error::{Error, Result};
use crate::files::{has_place, write_output};
use crate::signals;
use crate::text;
use crate::translate::{MOST_TOKENS, Options, Translated, Translator, translate_lines};
use a2d_core::backend::Train;
use a2d_core::search::Search;
use std::io::Write;
use std::path::Path;

/// Translates the input's lines.
///
/// Errors: a run or an input that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: TranslateArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let n_best = args.wanted()?;
    let options = args.search.options(n_best, args.max_tokens);
    let device = device::choose(&args.device, globals)?;
    crate::run_dir::RunDir::open(&args.run)?;
    if !text::is_stdin(&args.output) {
        has_place(&args.output)?;
    }
    let lines = text::read_lines(&args.input)?;
    signals::install()?;
    let work = Lines { run: &args.run, lines: &lines, options };
    let (found, _) = device.run(Precision::F32, work)?;
    if !globals.quiet {
        note_cut(&found);
    }
    let numbered = args.n_best.is_some();
    if text::is_stdin(&args.output) {
        return write(&found, numbered, out)
            .map_err(|e| Error::output("write", Path::new("the translations"), &e));
    }
    write_output(&args.output, |out| write(&found, numbered, out))
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
        let Translator { model, vocab, size } = &translator;
        let found = translate_lines(b, model, vocab, self.lines, &self.options, &mut go_on)?;
        Ok((found, *size))
    }
}

/// Says on standard error which lines were too long.
pub(super) fn note_cut(found: &Translated) {
    if let Some(first) = found.cut.first() {
        let told = match found.cut.len() {
            1 => format!("line {first} was cut to {MOST_TOKENS} tokens"),
            n => format!("{n} lines were cut to {MOST_TOKENS} tokens, the first is line {first}"),
        };
        let _ = writeln!(std::io::stderr(), "warning: {told}");
    }
}

fn write(found: &Translated, numbered: bool, out: &mut dyn Write) -> std::io::Result<()> {
    for (i, line) in found.lines.iter().enumerate() {
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
