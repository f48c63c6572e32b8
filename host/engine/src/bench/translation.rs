//! Benchmark of translation by a student with random weights. All translations have the same length.

use super::latency::Latency;
use super::measurement::{Measurement, Timing};
use super::timed::Clock;
use super::{Bench, Input, work};
use crate::translate::{Hypothesis, MOST_BATCH, SearchOptions, batch, translate_tokens};
use a2d_core::backend::Train;
use a2d_core::config::Config;
use a2d_core::search::Search;
use a2d_run::model::{Model, plan};
use a2d_system::error::{Error, Result};
use a2d_system::memory;
use serde_json::json;

/// Length of every translation in tokens, EOS included; equal to the number of decoder steps.
pub(super) const LENGTH: usize = 15;

/// Measures translation of all sentences.
///
/// # Errors
///
/// The device was lost.
pub fn measure<B: Train>(
    bench: &Bench<'_>,
    b: &mut B,
    beam: usize,
    clock: Option<&Clock>,
) -> Result<Measurement> {
    let (request, config) = (bench.request, bench.request.shape.models().student);
    let Input::Sentences(sentences) = &bench.input else {
        return Err(Error::failed("translation needs sentences"));
    };
    let decoding = Decoding::new(b, &config, beam, LENGTH, request.seed)?;
    let timing = Timing::of(request.repeats, clock, || decoding.translate(b, sentences))?;
    let latency = Latency::of(sentences, |one, stepped| decoding.one(b, one, stepped))?;
    Ok(Measurement {
        what: "translate",
        choices: [("shape", json!(request.shape.name())), ("beam", json!(beam))]
            .into_iter()
            .chain(bench.place())
            .chain([("length", json!(LENGTH))])
            .collect(),
        unit: "sentences",
        units: sentences.len(),
        flop: work::translation(&config, sentences, beam, LENGTH),
        peak_gflops: 0.0,
        timing,
        latency: Some(latency),
        peak_memory: b.memory().or_else(|| memory::peak(None)),
    })
}

/// A model with random weights, whose translations have a fixed length.
pub(super) struct Decoding<P> {
    model: Model<P>,
    options: SearchOptions,
    length: usize,
}

impl<P: Clone> Decoding<P> {
    /// `length` counts EOS.
    pub fn new<B: Train<Tensor = P, Param = P>>(
        b: &mut B,
        config: &Config,
        beam: usize,
        length: usize,
        seed: u64,
    ) -> Result<Self> {
        let plan = plan(config, None)?;
        let model = plan.bind(plan.init(b, seed)).model;
        Ok(Self { model, options: options(beam, length), length })
    }

    /// Translates all sentences.
    pub fn translate<B: Train<Tensor = P, Param = P>>(
        &self,
        b: &mut B,
        sentences: &[Vec<u32>],
    ) -> Result<()> {
        let found = translate_tokens(b, &self.model, sentences, &self.options, &|_| Ok(()))?;
        let fits = |best: &Vec<Hypothesis>| best[0].tokens.len() + 1 == self.length;
        assert!(found.iter().all(fits), "the search was told how long a translation is");
        Ok(())
    }

    /// Translates one sentence; `stepped` is called after each step.
    fn one<B: Train<Tensor = P, Param = P>>(
        &self,
        b: &mut B,
        sentence: &[u32],
        stepped: &mut dyn FnMut(),
    ) -> Result<()> {
        batch::search(b, &self.model, &[sentence], &self.options, stepped).map(drop)
    }
}

pub(super) fn options(beam: usize, length: usize) -> SearchOptions {
    SearchOptions {
        search: Search { beam, min_length: length - 1, ..Search::GREEDY },
        max_length_a: 0.0,
        max_length_b: (length - 1) as f64,
        max_tokens: MOST_BATCH,
        n_best: 1,
    }
}
