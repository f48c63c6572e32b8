//! The time that a single sentence takes.

use a2d_system::error::Result;
use std::fmt;
use std::time::Instant;

/// Most sentences that are measured.
const SENTENCES: usize = 100;

/// Times of sentences that are translated one by one, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// The number of sentences.
    pub sentences: usize,
    /// Until the first token is chosen; with a beam, the first token of each hypothesis.
    pub first_token: Quantiles,
    /// Until the translation is complete.
    pub sentence: Quantiles,
}

/// Quantiles of a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// Nineteen of twenty times are no longer.
    pub p95: f64,
}

impl Latency {
    /// Measures sentences of all lengths, after a warm-up. `sentences` is sorted by length, and has one or more; `one`
    /// translates a sentence, and calls its argument after each step.
    ///
    /// # Errors
    ///
    /// Errors of `one`.
    pub fn of(
        sentences: &[Vec<u32>],
        mut one: impl FnMut(&[u32], &mut dyn FnMut()) -> Result<()>,
    ) -> Result<Self> {
        one(&sentences[0], &mut || {})?;
        let count = sentences.len().min(SENTENCES);
        let (mut first, mut whole) = (Vec::new(), Vec::new());
        for sentence in (0..count).map(|i| &sentences[i * sentences.len() / count]) {
            let (start, mut stepped) = (Instant::now(), None);
            one(sentence, &mut || {
                stepped.get_or_insert_with(|| start.elapsed());
            })?;
            let took = start.elapsed();
            whole.push(took.as_secs_f64());
            first.push(stepped.unwrap_or(took).as_secs_f64());
        }
        Ok(Self {
            sentences: count,
            first_token: Quantiles::of(first),
            sentence: Quantiles::of(whole),
        })
    }

    /// The times, each with its name.
    pub fn named(&self) -> [(&'static str, Quantiles); 2] {
        [("first_token", self.first_token), ("sentence", self.sentence)]
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sentences, first_token: first, sentence } = self;
        let ms = |seconds: f64| 1e3 * seconds;
        write!(
            f,
            "one sentence: {:.2} ms, p95 {:.2} ms; first token: {:.2} ms, p95 {:.2} ms  (median of {sentences})",
            ms(sentence.p50),
            ms(sentence.p95),
            ms(first.p50),
            ms(first.p95)
        )
    }
}

impl Quantiles {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
        Self { p50: at(50), p95: at(95) }
    }
}
