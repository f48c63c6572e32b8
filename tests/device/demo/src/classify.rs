//! Classifies the sentences one after the other.

use crate::error::Error;
use crate::sink::{Sink, decimal};
use crate::summary::{FEW, Summary};
use crate::verify::verify;
use a2d_core::micro::{self, Classifier, Label, Model, TextJob, ToLabel};
use a2d_dsp::Dsp;

/// The limits of a text.
pub use a2d_core::micro::TextLimits as Limits;

/// What the ticks of a summary are counted for.
pub const UNIT: &str = "text";

/// The maximum number of labels.
const LABELS: usize = 32;

/// Classifies `texts` with an image of a model with up to N layers, within `arena`. Texts that are too long are cut. Writes
/// one line for each: the text, the name or the number of its label, the probabilities of all labels in thousandths.
///
/// # Errors
///
/// The target computes otherwise than others, the image, the arena or the limits are rejected, or a text cannot be
/// classified.
pub fn run<const N: usize>(
    image: &[u8],
    arena: &mut [u8],
    texts: &[&str],
    limits: Limits,
    out: &mut impl Sink,
) -> Result<Summary, Error> {
    if !verify() {
        return Err(Error::Arithmetic);
    }
    // Large values are borrowed from their `Result`: moving them would put a second copy on the stack.
    let model = Model::<N>::new(image);
    let model = model.as_ref().map_err(|error| Error::Begin((*error).into()))?;
    let classifier = Classifier::new(model, arena, limits).map_err(Error::Begin)?;
    let mut classifier = classifier.cutting().computing(&Dsp);
    let mut summary = Summary::default();
    for (number, text) in (1..).zip(texts) {
        one(&mut classifier, text, &mut summary, out)
            .map_err(|error| Error::Sentence { number, error })?;
        if number <= FEW {
            summary.first = summary.all;
        }
    }
    Ok(summary)
}

/// Classifies one text.
fn one<const N: usize>(
    classifier: &mut Classifier<'_, '_, N>,
    text: &str,
    summary: &mut Summary,
    out: &mut impl Sink,
) -> Result<(), micro::Error> {
    let begin = out.ticks();
    let mut probabilities = [0.0; LABELS];
    let mut job = classifier.start(text)?;
    let label = step(&mut job, &mut probabilities, out)?;
    summary.ticks = summary.ticks.saturating_add(out.ticks().saturating_sub(begin));
    summary.peak = summary.peak.max(job.peak());
    out.write(text.as_bytes());
    out.write(b" -> ");
    match label.name {
        "" => decimal(out, label.number as u64),
        name => out.write(name.as_bytes()),
    }
    tell(&label, &probabilities, summary, out);
    Ok(())
}

/// Runs the steps.
fn step<'a, const N: usize>(
    job: &mut TextJob<'_, 'a, ToLabel, N>,
    probabilities: &mut [f32],
    out: &mut impl Sink,
) -> Result<Label<'a>, micro::Error> {
    while job.poll()?.is_pending() {
        out.feed();
    }
    job.label(probabilities)
}

/// Writes the probabilities up to the last that is not 0, as those of labels that the model lacks are.
fn tell(label: &Label<'_>, probabilities: &[f32], summary: &mut Summary, out: &mut impl Sink) {
    record(label.number, probabilities, summary);
    let used = probabilities.iter().rposition(|p| *p > 0.0).map_or(0, |last| last + 1);
    for (i, p) in probabilities.iter().take(used).enumerate() {
        out.write(if i == 0 { b" [" } else { b" " });
        decimal(out, u64::from(thousandths(*p)));
    }
    out.write(b"]\n");
}

/// Adds a label and all probabilities, of [`LABELS`] labels, to the fingerprint.
pub fn record(number: usize, probabilities: &[f32], summary: &mut Summary) {
    summary.all.push(number as u32);
    let all = probabilities.iter().chain(core::iter::repeat(&0.0)).take(LABELS);
    all.for_each(|p| summary.all.push(thousandths(*p)));
    summary.sentences = summary.sentences.saturating_add(1);
    summary.tokens = summary.tokens.saturating_add(1);
}

fn thousandths(p: f32) -> u32 {
    (p * 1000.0 + 0.5) as u32
}
