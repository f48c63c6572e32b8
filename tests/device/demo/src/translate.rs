//! Translates the sentences one after the other.

use crate::error::Error;
use crate::sink::{Sink, decimal};
use crate::summary::{FEW, Summary};
use crate::verify::verify;
pub use a2d_core::micro::Limits;
use a2d_core::micro::{self, Job, Model, Options, Translator};
use a2d_dsp::Dsp;
use core::task::Poll;

/// What the ticks of a summary are counted for.
pub const UNIT: &str = "token";

/// The limits of a translation; all device programs construct them here.
pub const fn limits(source: usize, target: usize, beam: usize, int8_cache: bool) -> Limits {
    Limits { source, target, beam, int8_cache }
}

/// The maximum bytes of a translation.
const TEXT: usize = 160;

/// Translates `sentences` with an image of a model with up to N layers on each side, within `arena`. Writes one line
/// for each: the source, the translation, its tokens.
///
/// # Errors
///
/// The target computes otherwise than others, the image, the arena or the limits are rejected, or a sentence cannot be
/// translated.
pub fn run<const N: usize>(
    image: &[u8],
    arena: &mut [u8],
    sentences: &[&str],
    limits: Limits,
    out: &mut impl Sink,
) -> Result<Summary, Error> {
    if !verify() {
        return Err(Error::Arithmetic);
    }
    // Large values are borrowed from their `Result`: moving them would put a second copy on the stack.
    let model = Model::<N>::new(image);
    let model = model.as_ref().map_err(|error| Error::Begin((*error).into()))?;
    let translator = Translator::new(model, arena, limits, Options::default());
    let mut translator = translator.map_err(Error::Begin)?.computing(&Dsp);
    let mut summary = Summary::default();
    for (number, line) in (1..).zip(sentences) {
        one(&mut translator, line, &limits, &mut summary, out)
            .map_err(|error| Error::Sentence { number, error })?;
        if number <= FEW {
            summary.first = summary.all;
        }
    }
    Ok(summary)
}

/// Translates one sentence.
fn one<const N: usize>(
    translator: &mut Translator<'_, '_, N>,
    line: &str,
    limits: &Limits,
    summary: &mut Summary,
    out: &mut impl Sink,
) -> Result<(), micro::Error> {
    let begin = out.ticks();
    let mut job = start(translator, line);
    let job = job.as_mut().map_err(|error| *error)?;
    step(job, out)?;
    summary.ticks = summary.ticks.saturating_add(out.ticks().saturating_sub(begin));
    summary.peak = summary.peak.max(job.peak(limits));
    summary.sentences = summary.sentences.saturating_add(1);
    out.write(line.as_bytes());
    out.write(b" -> ");
    tell(job, summary, out)
}

/// Starts a sentence. Not inlined, so that its stack frame is gone while the job runs.
#[inline(never)]
fn start<'t, 'a, const N: usize>(
    translator: &'t mut Translator<'_, 'a, N>,
    line: &str,
) -> Result<Job<'t, 'a, N>, micro::Error> {
    translator.start(line)
}

/// Runs the steps until the search is complete. An empty sentence ends at once.
fn step<const N: usize>(job: &mut Job<'_, '_, N>, out: &mut impl Sink) -> Result<(), micro::Error> {
    while job.found().is_none() {
        out.feed();
        if let Poll::Ready(None) = job.poll()? {
            break;
        }
    }
    Ok(())
}

/// Writes the translation and its tokens. Not inlined, to keep its stack frame apart.
#[inline(never)]
fn tell<const N: usize>(
    job: &mut Job<'_, '_, N>,
    summary: &mut Summary,
    out: &mut impl Sink,
) -> Result<(), micro::Error> {
    out.write(job.text(&mut [0; TEXT])?.as_bytes());
    out.write(b" [");
    for at in 0..job.length() {
        let Some(token) = job.found().and_then(|found| found.token(0, 0, at)) else { break };
        summary.all.push(token);
        summary.tokens = summary.tokens.saturating_add(1);
        out.write(if at == 0 { b"" } else { b" " });
        decimal(out, u64::from(token));
    }
    out.write(b"]\n");
    Ok(())
}
