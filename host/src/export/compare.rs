//! What an image loses against the run that it was made of.

use super::run::Runner;
use crate::cpu::Cpu;
use crate::error::Result;
use crate::prepared::Parallel;
use crate::score;
use crate::signals;
use crate::translate::{Options, Translated, Translator, translate_lines};
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
    run: &Translator<crate::cpu::Tensor>,
    image: &Runner<'_>,
    text: &Parallel,
    options: &Options,
) -> Result<Comparison> {
    let mut go_on = |_| signals::go_on();
    let before = translate_lines(b, &run.model, &run.vocab, &text.source, options, &mut go_on)?;
    let start = Instant::now();
    let after = image.lines(&text.source, options, &signals::go_on)?;
    let seconds = start.elapsed().as_secs_f64();
    let same = before.lines.iter().zip(&after.lines).filter(|(x, y)| x[0].text == y[0].text);
    Ok(Comparison {
        sentences: text.source.len(),
        agreement: same.count() as f64 / text.source.len().max(1) as f64,
        tokens_per_second: after.tokens as f64 / seconds,
        bleu_before: bleu(&before, text)?,
        bleu_after: bleu(&after, text)?,
    })
}

fn bleu(found: &Translated, text: &Parallel) -> Result<f64> {
    let hypotheses: Vec<&str> = found.lines.iter().map(|line| line[0].text.as_str()).collect();
    let references: Vec<&str> = text.target.iter().map(String::as_str).collect();
    Ok(score::bleu(&hypotheses, &[references])?.score)
}
