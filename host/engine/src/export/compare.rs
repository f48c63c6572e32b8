//! What an image loses against the run that it was made of.

use crate::translate::image::Runner;
use crate::translate::{Options, Translated, Translator, translate_lines};
use a2d_cpu::Cpu;
use a2d_run::prepared::Parallel;
use a2d_score::tokenize::Tokenizer;
use a2d_score::{self as score, Bleu};
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use serde::Serialize;
use std::time::Instant;

/// A text translated by a run and by its image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Lines.
    pub sentences: usize,
    /// BLEU of the run.
    pub bleu_before: f64,
    /// BLEU of the image.
    pub bleu_after: f64,
    /// chrF of the run.
    pub chrf_before: f64,
    /// chrF of the image.
    pub chrf_after: f64,
    /// What split the translations into the words of BLEU.
    pub bleu_tokenizer: Tokenizer,
    /// Whether BLEU can tell translations of this text apart: a reference has four words.
    pub bleu_judges: bool,
    /// Share of lines that both translate alike.
    pub agreement: f64,
    /// Tokens that the image wrote each second, on all threads.
    pub tokens_per_second: f64,
}

/// Translates `text` by the run (on the CPU, in f32) and by the image, and scores both.
///
/// Errors: a signal; weights that are no numbers.
pub fn compare(
    b: &mut Cpu,
    run: &Translator<a2d_cpu::Tensor>,
    image: &Runner<'_>,
    text: &Parallel,
    tokenizer: Tokenizer,
    options: &Options,
) -> Result<Comparison> {
    let mut go_on = |_| signals::go_on();
    let before = translate_lines(b, &run.model, &run.vocab, &text.source, options, &mut go_on)?;
    let start = Instant::now();
    let after = image.lines(&text.source, options, &signals::go_on)?;
    let seconds = start.elapsed().as_secs_f64();
    let same = before.lines.iter().zip(&after.lines).filter(|(x, y)| x[0].text == y[0].text);
    let bleu = Bleu { tokenizer, ..Bleu::default() };
    let [(bleu_before, chrf_before), (bleu_after, chrf_after)] =
        [scores(&bleu, &before, text)?, scores(&bleu, &after, text)?];
    Ok(Comparison {
        sentences: text.source.len(),
        agreement: same.count() as f64 / text.source.len().max(1) as f64,
        tokens_per_second: after.tokens as f64 / seconds,
        bleu_before,
        bleu_after,
        chrf_before,
        chrf_after,
        bleu_tokenizer: tokenizer,
        bleu_judges: bleu.can_judge(&text.target),
    })
}

/// BLEU and chrF.
fn scores(bleu: &Bleu, found: &Translated, text: &Parallel) -> Result<(f64, f64)> {
    let hypotheses: Vec<&str> = found.lines.iter().map(|line| line[0].text.as_str()).collect();
    let references = [text.target.iter().map(String::as_str).collect()];
    let bleu = score::corpus(bleu, &hypotheses, &references)?.score;
    Ok((bleu, score::chrf(&hypotheses, &references)?.score))
}

impl Comparison {
    /// Whether the image is as good as its run, but for `most` points of BLEU. Where BLEU says nothing (it is 0, or no
    /// reference has four words), chrF decides; where that is 0, every line must be translated alike.
    ///
    /// Errors: it is not.
    pub fn check(&self, most: f64) -> Result<()> {
        let (name, before, after) = match () {
            _ if self.bleu_judges && self.bleu_before > 0.0 => {
                ("BLEU", self.bleu_before, self.bleu_after)
            }
            _ if self.chrf_before > 0.0 => ("chrF", self.chrf_before, self.chrf_after),
            _ if self.agreement == 1.0 => return Ok(()),
            _ => {
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
