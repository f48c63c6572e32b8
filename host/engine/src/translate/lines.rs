//! The lines of a text, translated by a run or an image: whole or sentence by sentence, at once or kept as they come.

use super::image::{Runner, Words, is_image};
use super::{MOST_TOKENS, Options, Translated, Translation, Translator, translate_lines};
use crate::backend::device::{Chosen, Work};
use a2d_core::backend::Train;
use a2d_data::sentences;
use a2d_run::config::Precision;
use a2d_run::partial::Partial;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::output;
use a2d_system::signals;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Lines to be translated by a run's best checkpoint, or by an image.
pub struct Lines<'a> {
    /// The folder of the run, or the image.
    pub model: &'a Path,
    /// The lines.
    pub lines: &'a [String],
    /// How to search.
    pub options: Options,
    /// Whether each sentence of a line is translated by itself.
    pub split: bool,
    /// Whether an image keeps its cache in bytes.
    pub int8_cache: bool,
}

impl Lines<'_> {
    /// Translates them: by a run on `device`, by an image in the arithmetic of a board.
    ///
    /// # Errors
    /// A damaged model (misuse); the device was lost; a signal.
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

    /// Translates them by a run on `device`; what is translated is kept beside `output`, and what is there is not
    /// translated again. Tells how far it is unless `quiet`.
    ///
    /// # Errors
    /// As [`Lines::translate`]; what is kept is of other lines or another run (misuse), or cannot be written.
    pub fn resume(self, device: &Chosen, output: &Path, quiet: bool) -> Result<Found> {
        device.run(Precision::F32, Resumed { work: self, output, quiet })
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
pub struct Found {
    /// Its translations, best first.
    pub lines: Vec<Vec<Translation>>,
    /// The tokens of its longest sentence, or of all of it.
    lengths: Vec<usize>,
    /// The tokens of the longest source that training saw, where that is known.
    longest: Option<usize>,
    /// Where it is kept, until it is in the output.
    pub partial: Option<Partial>,
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
