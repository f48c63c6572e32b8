//! The search of one batch.

use super::{Hypothesis, SearchOptions};
use a2d_core::backend::Decode;
use a2d_core::batch::{Layout, Run, Source};
use a2d_core::search::Sentence;
use a2d_run::model::Model;
use a2d_system::error::Result;

/// Translates sentences of token ids, each ended by EOS, in one batch. Returns the hypotheses of each sentence, best
/// first. `stepped` is called after each step of the search.
///
/// # Errors
///
/// The device was lost.
pub fn search<B: Decode>(
    b: &mut B,
    model: &Model<B::Param>,
    sources: &[&[u32]],
    options: &SearchOptions,
    stepped: &mut dyn FnMut(),
) -> Result<Vec<Vec<Hypothesis>>> {
    let source = Source::new(b, &model.config.special, sources, Layout::Packed);
    let memory = model.encode(b, &source.tokens, &source.grid, &mut ());
    let sentence =
        |memory: &Run| Sentence { memory: *memory, max_length: options.max_length(memory.valid) };
    let sentences: Vec<Sentence> = source.runs.iter().map(sentence).collect();
    let longest = sentences.iter().map(|s| s.max_length).max().unwrap_or(0);
    let (words, floats) = options.search.workspace(sentences.len(), longest);
    let (mut words, mut floats) = (vec![0; words], vec![0.0; floats]);
    let room = (&mut words[..], &mut floats[..]);
    let found = options.search.watched(b, model, &memory, &sentences, room, stepped)?;
    let hypothesis = |sentence, rank| {
        let mut tokens = vec![0; found.length(sentence, rank)];
        found.tokens(sentence, rank, &mut tokens);
        tokens.pop();
        Hypothesis { tokens, score: found.score(sentence, rank) }
    };
    let best = |s| (0..found.count(s).min(options.n_best)).map(|k| hypothesis(s, k)).collect();
    Ok((0..sentences.len()).map(best).collect())
}
