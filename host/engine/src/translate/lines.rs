//! Translation of the lines of a text by a run or an image: whole lines or single sentences, with optional saving of
//! finished lines.

use super::image::{Runner, Words};
use super::{MOST_TOKENS, SearchOptions, Translated, Translation, Translator, translate_lines};
use crate::backend::device::Chosen;
use crate::backend::work::Work;
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

/// Lines to translate by a run's best checkpoint or by an image.
pub struct SourceLines<'a> {
    /// The folder of the run, or the image.
    pub model: &'a Path,
    /// The lines.
    pub lines: &'a [String],
    /// Search options.
    pub options: SearchOptions,
    /// Whether each sentence of a line is translated separately.
    pub split: bool,
}

impl SourceLines<'_> {
    /// Translates the lines by a run on `device`.
    ///
    /// # Errors
    ///
    /// Misuse: a damaged run. The device was lost; a signal.
    pub fn by_run(self, device: &Chosen) -> Result<TranslatedLines> {
        device.run(Precision::F32, self)
    }

    /// Translates the lines by an image in the arithmetic of a board. `int8_cache` selects an int8 key-value cache.
    ///
    /// # Errors
    ///
    /// Misuse: a damaged image. Weights that contain NaN; a signal.
    pub fn by_image(self, int8_cache: bool) -> Result<TranslatedLines> {
        let bytes = std::fs::read(self.model).map_err(|e| Error::input("read", self.model, &e))?;
        let image = Words::new(&bytes);
        let runner = Runner::new(self.model, image.bytes(), int8_cache)?;
        let units = Units::of(self.lines, self.split);
        let found = runner.lines(&units.texts, &self.options, &signals::go_on)?;
        Ok(TranslatedLines::new(units.join(found), runner.longest()))
    }

    /// Translates the lines by a run on `device`. Finished lines are saved beside `output`; a later call with the same
    /// lines and run skips them. Prints progress unless `quiet`.
    ///
    /// # Errors
    ///
    /// As [`SourceLines::by_run`]. Misuse: the saved translations belong to other lines or another run. They cannot be
    /// written.
    pub fn resume(self, device: &Chosen, output: &Path, quiet: bool) -> Result<TranslatedLines> {
        device.run(Precision::F32, Resumed { work: self, output, quiet })
    }
}

impl Work for SourceLines<'_> {
    type Output = TranslatedLines;

    fn go<B: Train>(self, b: &mut B) -> Result<TranslatedLines> {
        let translator = Translator::open(b, self.model)?;
        Units::of(self.lines, self.split).translate(b, &translator, &self.options)
    }
}

/// The units of translation: lines or their sentences.
struct Units<'a> {
    texts: Vec<&'a str>,
    /// Number of units in each line.
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
        options: &SearchOptions,
    ) -> Result<TranslatedLines> {
        let Translator { model, vocab, longest, .. } = translator;
        let mut go_on = |_| signals::go_on();
        let found = translate_lines(b, model, vocab, &self.texts, options, &mut go_on)?;
        Ok(TranslatedLines::new(self.join(found), *longest))
    }

    /// Joins the translations of the units to lines. The score of a line of several units is their mean.
    fn join(&self, found: Translated) -> Translated {
        let mut units = found.lines.into_iter().zip(found.lengths);
        let (mut lines, mut lengths) = (Vec::new(), Vec::new());
        for &count in &self.counts {
            let (mut parts, tokens): (Vec<_>, Vec<_>) = units.by_ref().take(count).unzip();
            lengths.push(tokens.into_iter().max().unwrap_or(0));
            lines.push(if count == 1 { parts.swap_remove(0) } else { vec![whole(&parts)] });
        }
        Translated { lines, lengths, tokens: found.tokens }
    }
}

/// Joins the best translations of several sentences.
fn whole(parts: &[Vec<Translation>]) -> Translation {
    let best: Vec<_> = parts.iter().filter_map(|part| part.first()).collect();
    let score = best.iter().map(|one| one.score).sum::<f32>() / best.len().max(1) as f32;
    Translation { text: sentences::join(best.iter().map(|one| one.text.as_str())), score }
}

impl TranslatedLines {
    fn new(translated: Translated, longest: Option<usize>) -> Self {
        Self { translated, longest, partial: None }
    }

    /// Warns on standard error of lines that were cut, and of lines longer than the longest training sentence. `hint`
    /// is appended to the second warning.
    pub fn note_lengths(&self, hint: Option<&str>) {
        let of = |holds: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..self.translated.lengths.len())
                .filter(|&i| holds(self.translated.lengths[i]))
                .collect()
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
                self.translated.lengths[one]
            )),
            [first, ..] => tell(format!(
                "{} lines have more tokens than training saw ({longest}), the first is line {}{hint}",
                long.len(),
                first + 1
            )),
        }
    }
}

/// Path of the translations saved before `output` is complete.
fn partial(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// The search options as text in the recipe of saved translations. The text must not change: it identifies the
/// translations that earlier versions saved.
fn recipe_of(options: &SearchOptions) -> String {
    let SearchOptions { search, max_length_a, max_length_b, max_tokens, n_best } = options;
    let lengths = format!("max_length_a: {max_length_a:?}, max_length_b: {max_length_b:?}");
    let rest = format!("max_tokens: {max_tokens}, n_best: {n_best}");
    format!("Options {{ search: {search:?}, {lengths}, {rest} }}")
}

/// A translation that saves finished lines.
struct Resumed<'a> {
    work: SourceLines<'a>,
    output: &'a Path,
    quiet: bool,
}

/// Translations of lines.
pub struct TranslatedLines {
    /// The translations. The length of a line is that of its longest unit. The token count excludes lines that were
    /// loaded rather than translated.
    pub translated: Translated,
    /// Length of the longest source sentence in training, in tokens, if known.
    longest: Option<usize>,
    /// The saved translations, for removal once the output is written.
    pub partial: Option<Partial>,
}

/// The saved translations of a line, best first.
#[derive(Serialize, Deserialize)]
struct Kept {
    best: Vec<Translation>,
    #[serde(default)]
    tokens: usize,
}

impl Work for Resumed<'_> {
    type Output = TranslatedLines;

    fn go<B: Train>(self, b: &mut B) -> Result<TranslatedLines> {
        let SourceLines { model, lines, options, split } = self.work;
        let translator = Translator::open(b, model)?;
        let mut recipe = json!({
            "model": translator.fingerprint,
            "text": hash::hex(hash::bytes(lines.join("\n").as_bytes())),
            "search": recipe_of(&options),
        });
        if split {
            recipe["split"] = json!("sentences");
        }
        let mut partial = Partial::open(&partial(self.output), &recipe, lines.len())?;
        let mut tokens = 0;
        while !partial.next().is_empty() {
            signals::go_on()?;
            let part = Units::of(&lines[partial.next()], split);
            let found = part.translate(b, &translator, &options)?;
            tokens += found.translated.tokens;
            let kept = found.translated.lines.into_iter().zip(found.translated.lengths);
            let kept = kept.map(|(best, tokens)| Kept { best, tokens });
            partial.append(&kept.collect::<Vec<_>>())?;
            if !self.quiet {
                let (done, all) = (partial.done(), lines.len());
                let _ = writeln!(output::stderr(), "translated {done} of {all} lines");
            }
        }
        let (mut translations, mut lengths) = (Vec::new(), Vec::new());
        for kept in partial.items::<Kept>()? {
            let Kept { best, tokens } = kept?;
            translations.push(best);
            lengths.push(tokens);
        }
        let longest = translator.longest;
        let translated = Translated { lines: translations, lengths, tokens };
        Ok(TranslatedLines { translated, longest, partial: Some(partial) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use a2d_run::config::BeamSearch;

    #[test]
    fn kept_translations_of_earlier_versions_are_recognised() {
        let options = SearchOptions::new(BeamSearch::DEFAULT, 4096, 1);
        assert_eq!(
            recipe_of(&options),
            "Options { search: Search { beam: 5, length_penalty: 1.0, min_length: 1, forbidden: \
             Forbidden { ranges: [[0, 0], [0, 0], [0, 0], [0, 0]] } }, max_length_a: 1.2, max_length_b: 10.0, \
             max_tokens: 4096, n_best: 1 }"
        );
    }
}
