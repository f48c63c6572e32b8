//! `host translate`: text to text, order kept.

use crate::backend::device::{Backend, Chosen, Device, Work};
use crate::cli::{DeviceArgs, Globals, SearchArgs, TranslateArgs};
use crate::config::Precision;
use crate::data::sentences;
use crate::data::text;
use crate::run::partial::Partial;
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::system::hash;
use crate::system::output;
use crate::system::signals;
use crate::translate::image::{Runner, Words, is_image};
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
    check_model(&args.run, &args.device, args.int8_cache)?;
    if args.resume && is_image(&args.run) {
        let path = args.run.display();
        return Err(Error::misuse(format!("{path} is an image: --resume goes on with runs only")));
    }
    let device = args.device.choose(globals)?;
    if !text::is_stdin(&args.output) {
        has_place(&args.output)?;
    }
    let lines = text::read_lines(&args.input)?;
    signals::install()?;
    let work = Lines {
        model: &args.run,
        lines: &lines,
        options: args.search.options(n_best, args.max_tokens),
        split: args.split_sentences,
        int8_cache: args.int8_cache,
    };
    let found = if args.resume {
        device.run(Precision::F32, Resumed { work, output: &args.output, quiet: globals.quiet })?
    } else {
        work.translate(&device)?
    };
    if !globals.quiet {
        let hint = "--split-sentences translates each sentence by itself";
        found.note_lengths((!args.split_sentences).then_some(hint));
    }
    let numbered = args.n_best.is_some();
    if text::is_stdin(&args.output) {
        return write(&found.lines, numbered, out)
            .map_err(|e| Error::output("write", Path::new("the translations"), &e));
    }
    write_output(&args.output, |out| write(&found.lines, numbered, out))?;
    found.partial.map_or(Ok(()), Partial::remove)
}

/// Whether `path` is a run or an image that can be used so.
///
/// Errors (misuse): it is neither, or cannot.
pub(super) fn check_model(path: &Path, device: &DeviceArgs, int8_cache: bool) -> Result<()> {
    if !is_image(path) {
        if int8_cache {
            return Err(Error::misuse("--int8-cache is for images that `host export` wrote"));
        }
        return RunDir::open(path).map(drop);
    }
    let other = device.device.is_some_and(|device| device != Device::Cpu);
    if device.backend == Backend::Gpu || other {
        let path = path.display();
        return Err(Error::misuse(format!("{path} is an image: it runs on the CPU only")));
    }
    Ok(())
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

/// What was found for each line.
pub(super) struct Found {
    /// Its translations, best first.
    pub lines: Vec<Vec<Translation>>,
    /// The tokens of its longest sentence, or of all of it.
    lengths: Vec<usize>,
    /// The tokens of the longest source that training saw, where that is known.
    longest: Option<usize>,
    /// Where it is kept, until it is in the output.
    partial: Option<Partial>,
}

/// A line's translations, best first, as they are kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    best: Vec<Translation>,
    #[serde(default)]
    tokens: usize,
}

impl Work for Resumed<'_> {
    type Output = Found;

    fn go<B: Train>(self, b: &mut B) -> Result<Found> {
        let Lines { model, lines, options, split, .. } = self.work;
        let translator = Translator::open(b, model)?;
        let mut recipe = json!({
            "model": translator.fingerprint,
            "text": hash::hex(hash::bytes(lines.join("\n").as_bytes())),
            "search": format!("{options:?}"),
        });
        if split {
            recipe["split"] = json!("sentences");
        }
        let mut partial = Partial::open(&partial(self.output), &recipe, lines.len())?;
        while !partial.next().is_empty() {
            signals::go_on()?;
            let part = Units::of(&lines[partial.next()], split);
            let found = part.translate(b, &translator, &options)?;
            let kept = found.lines.into_iter().zip(found.lengths);
            let kept = kept.map(|(best, tokens)| Kept { best, tokens });
            partial.append(&kept.collect::<Vec<_>>())?;
            if !self.quiet {
                let (done, all) = (partial.done(), lines.len());
                let _ = writeln!(output::stderr(), "translated {done} of {all} lines");
            }
        }
        let (mut found, mut lengths) = (Vec::new(), Vec::new());
        for kept in partial.items::<Kept>()? {
            let Kept { best, tokens } = kept?;
            found.push(best);
            lengths.push(tokens);
        }
        let longest = translator.longest;
        Ok(Found { lines: found, lengths, longest, partial: Some(partial) })
    }
}

impl SearchArgs {
    /// The search that the arguments ask for.
    pub fn options(&self, n_best: usize, max_tokens: usize) -> Options {
        Options {
            search: Search {
                beam: self.beam,
                length_penalty: self.length_penalty as f32,
                ..Search::GREEDY
            },
            max_length_a: self.max_length_a,
            max_length_b: self.max_length_b,
            max_tokens,
            n_best,
        }
    }
}

/// Lines to be translated by a run's best checkpoint, or by an image.
pub(super) struct Lines<'a> {
    pub model: &'a Path,
    pub lines: &'a [String],
    pub options: Options,
    /// Whether each sentence of a line is translated by itself.
    pub split: bool,
    /// Whether an image keeps its cache in bytes.
    pub int8_cache: bool,
}

impl Lines<'_> {
    /// What they come to: by a run on `device`, by an image in the device's arithmetic.
    ///
    /// Errors: a model that is damaged (misuse); the device was lost; a signal.
    pub fn translate(self, device: &Chosen) -> Result<Found> {
        if !is_image(self.model) {
            return device.run(Precision::F32, self);
        }
        let bytes = std::fs::read(self.model).map_err(|e| Error::input("read", self.model, &e))?;
        let image = Words::new(&bytes);
        let runner = Runner::new(self.model, image.bytes(), self.int8_cache)?;
        let units = Units::of(self.lines, self.split);
        let found = runner.lines(&units.texts, &self.options, &signals::go_on)?;
        Ok(units.found(found, runner.longest()))
    }
}

impl Work for Lines<'_> {
    type Output = Found;

    fn go<B: Train>(self, b: &mut B) -> Result<Found> {
        let translator = Translator::open(b, self.model)?;
        Units::of(self.lines, self.split).translate(b, &translator, &self.options)
    }
}

/// What is translated by itself: lines, or their sentences.
struct Units<'a> {
    texts: Vec<&'a str>,
    /// How many of them each line has.
    counts: Vec<usize>,
}

impl<'a> Units<'a> {
    fn of(lines: &'a [String], split: bool) -> Self {
        let of =
            |line: &'a String| if split { sentences::split(line) } else { vec![line.as_str()] };
        let parts: Vec<_> = lines.iter().map(of).collect();
        let counts = parts.iter().map(Vec::len).collect();
        Self { texts: parts.concat(), counts }
    }

    fn translate<B: Train>(
        &self,
        b: &mut B,
        translator: &Translator<B::Tensor>,
        options: &Options,
    ) -> Result<Found> {
        let Translator { model, vocab, longest, .. } = translator;
        let mut go_on = |_| signals::go_on();
        let found = translate_lines(b, model, vocab, &self.texts, options, &mut go_on)?;
        Ok(self.found(found, *longest))
    }

    /// What was found of each unit, put together by lines. The score of several is their mean.
    fn found(&self, found: Translated, longest: Option<usize>) -> Found {
        let mut units = found.lines.into_iter().zip(found.lengths);
        let (mut lines, mut lengths) = (Vec::new(), Vec::new());
        for &count in &self.counts {
            let (mut parts, tokens): (Vec<_>, Vec<_>) = units.by_ref().take(count).unzip();
            lengths.push(tokens.into_iter().max().unwrap_or(0));
            lines.push(if count == 1 { parts.swap_remove(0) } else { vec![whole(&parts)] });
        }
        Found { lines, lengths, longest, partial: None }
    }
}

/// The best translations of some sentences as one.
fn whole(parts: &[Vec<Translation>]) -> Translation {
    let best: Vec<_> = parts.iter().filter_map(|part| part.first()).collect();
    let score = best.iter().map(|one| one.score).sum::<f32>() / best.len().max(1) as f32;
    Translation { text: sentences::join(best.iter().map(|one| one.text.as_str())), score }
}

impl Found {
    /// Says on standard error which lines were too long: to be translated whole, and for what training saw, with what
    /// helps.
    pub fn note_lengths(&self, hint: Option<&str>) {
        let of = |holds: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..self.lengths.len()).filter(|&i| holds(self.lengths[i])).collect()
        };
        let tell = |text: String| drop(writeln!(output::stderr(), "warning: {text}"));
        let cut = of(&|tokens| tokens >= MOST_TOKENS);
        match cut[..] {
            [] => {}
            [one] => tell(format!("line {} was cut to {MOST_TOKENS} tokens", one + 1)),
            [first, ..] => tell(format!(
                "{} lines were cut to {MOST_TOKENS} tokens, the first is line {}",
                cut.len(),
                first + 1
            )),
        }
        let Some(longest) = self.longest else { return };
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        let long = of(&|tokens| tokens > longest && tokens < MOST_TOKENS);
        match long[..] {
            [] => {}
            [one] => tell(format!(
                "line {} has {} tokens, and training saw no more than {longest}{hint}",
                one + 1,
                self.lengths[one]
            )),
            [first, ..] => tell(format!(
                "{} lines have more tokens than training saw ({longest}), the first is line {}{hint}",
                long.len(),
                first + 1
            )),
        }
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
