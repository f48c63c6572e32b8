//! The history and the results of a search.

use super::cut;

/// Token and parent of every beam at every step, `[steps, rows]` each. The place of a beam is `sentence * K + k`.
pub(super) struct History<'w> {
    rows: usize,
    tokens: &'w mut [u32],
    parents: &'w mut [u32],
}

impl<'w> History<'w> {
    pub fn new(rows: usize, steps: usize, words: &mut &'w mut [u32]) -> Self {
        let cells = rows * steps;
        Self { rows, tokens: cut(words, cells), parents: cut(words, cells) }
    }

    /// The token at `place` after step `at`, and the place of its parent.
    pub fn get(&self, at: usize, place: u32) -> Option<(u32, u32)> {
        let cell = at * self.rows + place as usize;
        Some((*self.tokens.get(cell)?, *self.parents.get(cell)?))
    }

    pub fn set(&mut self, at: usize, place: u32, token: u32, parent: u32) -> Option<()> {
        let cell = at * self.rows + place as usize;
        *self.tokens.get_mut(cell)? = token;
        *self.parents.get_mut(cell)? = parent;
        Some(())
    }
}

/// A hypothesis that ended with EOS.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub score: f32,
    /// The step of EOS.
    pub step: u32,
    /// The place of the beam before EOS.
    pub place: u32,
}

/// Ended hypotheses of each sentence, best first. Counts are `[B]`, the other tables `[B, K]`.
pub(super) struct Finished<'w> {
    beam: usize,
    counts: &'w mut [u32],
    steps: &'w mut [u32],
    places: &'w mut [u32],
    scores: &'w mut [f32],
}

impl<'w> Finished<'w> {
    pub fn new(
        beam: usize,
        sentences: usize,
        words: &mut &'w mut [u32],
        floats: &mut &'w mut [f32],
    ) -> Self {
        let rows = sentences * beam;
        Self {
            beam,
            counts: cut(words, sentences),
            steps: cut(words, rows),
            places: cut(words, rows),
            scores: cut(floats, rows),
        }
    }

    pub fn count(&self, sentence: usize) -> Option<usize> {
        self.counts.get(sentence).map(|count| *count as usize)
    }

    /// Inserts a hypothesis by its score. If there are K already, the worst drops out.
    pub fn push(&mut self, sentence: usize, ended: Ended) -> Option<()> {
        let (count, start) = (self.count(sentence)?, sentence * self.beam);
        let slots = start..start + self.beam;
        let scores = self.scores.get_mut(slots.clone())?;
        let less = scores.get(..count)?.iter().rev().take_while(|score| **score < ended.score);
        let rank = count - less.count();
        insert(scores, rank, ended.score);
        insert(self.steps.get_mut(slots.clone())?, rank, ended.step);
        insert(self.places.get_mut(slots)?, rank, ended.place);
        *self.counts.get_mut(sentence)? = self.beam.min(count + 1) as u32;
        Some(())
    }

    fn get(&self, sentence: usize, rank: usize) -> Option<Ended> {
        let slot = (rank < self.count(sentence)?).then(|| sentence * self.beam + rank)?;
        Some(Ended {
            score: *self.scores.get(slot)?,
            step: *self.steps.get(slot)?,
            place: *self.places.get(slot)?,
        })
    }
}

/// Inserts `x` at index `at`; the elements behind move up, and the last drops out.
fn insert<T>(list: &mut [T], at: usize, x: T) {
    let mut next = x;
    for slot in list.iter_mut().skip(at) {
        core::mem::swap(slot, &mut next);
    }
}

/// The hypotheses of a search, best first for each sentence.
pub struct Found<'w> {
    pub(super) history: History<'w>,
    pub(super) finished: Finished<'w>,
    pub(super) eos: u32,
}

impl Found<'_> {
    /// The number of hypotheses of `sentence`, at most K.
    pub fn count(&self, sentence: usize) -> usize {
        self.finished.count(sentence).unwrap_or(0)
    }

    /// The score of hypothesis `rank` (0 is the best): the mean log-probability if the length penalty is 1. Minus
    /// infinity if there is no such hypothesis.
    pub fn score(&self, sentence: usize, rank: usize) -> f32 {
        self.finished.get(sentence, rank).map_or(f32::NEG_INFINITY, |ended| ended.score)
    }

    /// The number of tokens of hypothesis `rank`, EOS included; 0 if there is no such hypothesis.
    pub fn length(&self, sentence: usize, rank: usize) -> usize {
        self.finished.get(sentence, rank).map_or(0, |ended| ended.step as usize + 1)
    }

    /// Token `at` of hypothesis `rank`, EOS included; `None` after the end.
    pub fn token(&self, sentence: usize, rank: usize, at: usize) -> Option<u32> {
        let ended = self.finished.get(sentence, rank)?;
        if at == ended.step as usize {
            return Some(self.eos);
        }
        self.back(ended).find(|(step, _)| *step == at).map(|(_, token)| token)
    }

    /// Writes hypothesis `rank`, EOS included, into `out`, as far as it fits. Returns the length of the hypothesis, 0
    /// if there is no such hypothesis.
    pub fn tokens(&self, sentence: usize, rank: usize, out: &mut [u32]) -> usize {
        let Some(ended) = self.finished.get(sentence, rank) else { return 0 };
        let end = ended.step as usize;
        let mut first = end;
        for (at, token) in core::iter::once((end, self.eos)).chain(self.back(ended)) {
            if let Some(slot) = out.get_mut(at) {
                *slot = token;
            }
            first = at;
        }
        if first == 0 { end + 1 } else { 0 }
    }

    /// Steps and tokens of a hypothesis before EOS, in reverse order.
    fn back(&self, ended: Ended) -> impl Iterator<Item = (usize, u32)> {
        let mut place = ended.place;
        (0..ended.step as usize).rev().map_while(move |at| {
            let (token, parent) = self.history.get(at, place)?;
            place = parent;
            Some((at, token))
        })
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::token::EOS;

    /// Two beams of one sentence: the first writes 7 and 8, the second continues the first with 9.
    fn found<'w>(mut words: &'w mut [u32], mut floats: &'w mut [f32]) -> Option<Found<'w>> {
        let mut history = History::new(2, 3, &mut words);
        history.set(0, 0, 7, 0)?;
        history.set(1, 0, 8, 0)?;
        history.set(1, 1, 9, 0)?;
        let mut finished = Finished::new(2, 1, &mut words, &mut floats);
        finished.push(0, Ended { score: -2.0, step: 1, place: 0 })?;
        finished.push(0, Ended { score: -1.0, step: 2, place: 1 })?;
        Some(Found { history, finished, eos: EOS })
    }

    #[test]
    fn the_best_comes_first() {
        let (mut words, mut floats) = ([0; 17], [0.0; 2]);
        let found = found(&mut words, &mut floats).expect("a workspace that is large enough");
        assert_eq!(found.count(0), 2);
        let mut out = [0; 3];
        assert_eq!((found.tokens(0, 0, &mut out), out), (3, [7, 9, EOS]));
        assert_eq!((found.tokens(0, 1, &mut out), out), (2, [7, EOS, EOS]));
        assert_eq!(
            [0, 1, 2, 3].map(|at| found.token(0, 0, at)),
            [Some(7), Some(9), Some(EOS), None]
        );
    }

    #[test]
    fn a_missing_hypothesis_is_empty() {
        let (mut words, mut floats) = ([0; 17], [0.0; 2]);
        let found = found(&mut words, &mut floats).expect("a workspace that is large enough");
        for (sentence, rank) in [(0, 2), (1, 0), (usize::MAX, 0)] {
            assert_eq!((found.length(sentence, rank), found.token(sentence, rank, 0)), (0, None));
            assert_eq!(found.tokens(sentence, rank, &mut [0; 3]), 0);
            assert_eq!(found.score(sentence, rank), f32::NEG_INFINITY);
        }
        assert_eq!(found.count(1), 0);
    }

    #[test]
    fn a_workspace_too_small_holds_nothing() {
        let (mut words, mut floats) = ([0; 16], [0.0; 2]);
        assert!(found(&mut words, &mut floats).is_none());
    }
}
