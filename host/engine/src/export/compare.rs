//! Quality of an image compared with the run that it was exported from.

use crate::translate::image::Runner;
use crate::translate::{SearchOptions, Translated, Translator, translate_lines};
use a2d_cpu::Cpu;
use a2d_run::prepared::Parallel;
use a2d_score::tokenize::Tokenizer;
use a2d_score::{Bleu, Judge, Quality, judge};
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use serde::Serialize;
use std::time::Instant;

/// Scores of a text translated by a run and by its image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Number of lines.
    pub sentences: usize,
    /// BLEU of the run.
    pub bleu_before: f64,
    /// BLEU of the image.
    pub bleu_after: f64,
    /// chrF of the run.
    pub chrf_before: f64,
    /// chrF of the image.
    pub chrf_after: f64,
    /// The tokenizer used for BLEU.
    pub bleu_tokenizer: Tokenizer,
    /// Whether BLEU is meaningful on this text: at least one reference has four words.
    pub bleu_judges: bool,
    /// Share of lines with identical translations, 0 to 1.
    pub agreement: f64,
    /// Tokens per second written by the image, on all threads.
    pub tokens_per_second: f64,
}

/// Translates `text` by the run (on the CPU, in f32) and by the image, and scores both.
///
/// # Errors
///
/// A signal; weights that contain NaN.
pub fn compare(
    b: &mut Cpu,
    run: &Translator<a2d_cpu::Tensor>,
    image: &Runner<'_>,
    text: &Parallel,
    tokenizer: Tokenizer,
    options: &SearchOptions,
) -> Result<Comparison> {
    let go_on = |_| signals::go_on();
    let before = translate_lines(b, &run.model, &run.vocab, &text.source, options, &go_on)?;
    let start = Instant::now();
    let after = image.lines(&text.source, options, &go_on)?;
    let seconds = start.elapsed().as_secs_f64();
    let same = before.lines.iter().zip(&after.lines).filter(|(x, y)| x[0].text == y[0].text);
    let (same, tokens) = (same.count(), after.tokens);
    let bleu = Bleu { tokenizer, ..Bleu::default() };
    let before = quality(&bleu, &before, text)?;
    let after = quality(&bleu, &after, text)?;
    Ok(Comparison {
        sentences: text.source.len(),
        agreement: same as f64 / text.source.len().max(1) as f64,
        tokens_per_second: tokens as f64 / seconds,
        bleu_before: before.bleu.score,
        bleu_after: after.bleu.score,
        chrf_before: before.chrf.score,
        chrf_after: after.chrf.score,
        bleu_tokenizer: tokenizer,
        bleu_judges: bleu.can_judge(&text.target),
    })
}

fn quality(bleu: &Bleu, found: &Translated, text: &Parallel) -> Result<Quality> {
    let hypotheses: Vec<&str> = found.lines.iter().map(|line| line[0].text.as_str()).collect();
    let references = [text.target.iter().map(String::as_str).collect()];
    Quality::of(bleu, &hypotheses, &references)
}

impl Comparison {
    /// The scores as a line of a comment.
    pub fn comment(&self) -> String {
        let Self { sentences, bleu_before, bleu_after, .. } = self;
        format!(
            "BLEU of {sentences} sentences: {bleu_after:.2}, before quantisation {bleu_before:.2}."
        )
    }

    /// Checks that BLEU falls by at most `most` points from run to image. If BLEU is 0 or no reference has four words,
    /// chrF is compared. If chrF is 0 too, all translations must be identical.
    ///
    /// # Errors
    ///
    /// The score falls by more than `most`.
    pub fn check(&self, most: f64) -> Result<()> {
        let bleu = self.bleu_judges.then_some(self.bleu_before);
        let (name, before, after) = match judge(&[(bleu, Some(self.chrf_before))]) {
            Some(Judge::Bleu) => ("BLEU", self.bleu_before, self.bleu_after),
            Some(Judge::Chrf) => ("chrF", self.chrf_before, self.chrf_after),
            None if self.agreement == 1.0 => return Ok(()),
            None => {
                let text = "BLEU and chrF of the run are 0, and its image translates otherwise";
                return Err(Error::failed(format!("{text}: no image was written")));
            }
        };
        if before - after <= most {
            return Ok(());
        }
        Err(Error::failed(format!(
            "{name} falls from {before:.2} to {after:.2}, by more than {most}: no image was written; quantise less"
        )))
    }
}
