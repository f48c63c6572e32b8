//! Unigram models: the pieces with the largest sum of scores.

use super::super::utf8;
use super::normal::Normal;
use super::tables::{Scored, SentencePiece};
use super::tokens::Tokens;

/// The bit of a step over an unknown character, whose code the other bits are.
const UNKNOWN: u32 = 1 << 31;

/// The best step to each place of a window: a score, and the step in a word. Four words a place; the other two are
/// for the tokens.
struct Lattice<'w> {
    words: &'w mut [u32],
}

/// A window: all places from `at` to `reach` can be reached.
#[derive(Default)]
struct Window {
    at: usize,
    reach: usize,
    /// The sum of scores before the window.
    before: f32,
}

impl SentencePiece<'_> {
    /// Appends the tokens of a text; the error is the number of characters that did not fit.
    pub(super) fn cut(
        &self,
        mut text: Normal<'_>,
        tokens: &mut Tokens<'_, '_>,
    ) -> Result<(), usize> {
        let mut window = Window::default();
        loop {
            let mut ahead = text.clone();
            if text.next().is_none() {
                return Ok(());
            }
            if self.offer(&mut ahead, &mut window, tokens).is_none() {
                // One character was read.
                let rest = text.count().saturating_add(1);
                return Err(window.at.saturating_add(rest));
            }
            window.at = window.at.saturating_add(1);
            if window.at == window.reach {
                window = Window { before: self.close(&window, tokens), ..Window::default() };
            }
        }
    }

    /// Offers every piece at the front of `text` as a step; `None` if a step does not fit.
    fn offer(
        &self,
        text: &mut Normal<'_>,
        window: &mut Window,
        tokens: &mut Tokens<'_, '_>,
    ) -> Option<()> {
        let mut lattice = Lattice { words: tokens.free(window.at)? };
        let before = if window.at == 0 { window.before } else { lattice.score(window.at) };
        let (mut walk, mut bytes, mut single, mut first) = (self.trie.root(), 0_usize, false, None);
        for (count, c) in (1..).zip(text) {
            first = first.or(Some(c));
            let mut buffer = [0; 4];
            let spelt = utf8(c, &mut buffer);
            let Some(next) = self.trie.steps(walk, spelt) else { break };
            (walk, bytes) = (next, bytes.saturating_add(spelt.len()));
            let Some(piece) = self.trie.piece(walk) else { continue };
            single |= count == 1;
            let sum = self.scored(piece).map(|piece| self.score(piece, bytes))? + before;
            lattice = Lattice { words: tokens.free(window.at.saturating_add(count))? };
            lattice.step(window, count, sum, u32::from(piece) | (count as u32) << 16);
        }
        if !single {
            let sum = self.unknown + before;
            lattice = Lattice { words: tokens.free(window.at.saturating_add(1))? };
            lattice.step(window, 1, sum, UNKNOWN | u32::from(first?));
        }
        Some(())
    }

    /// The score of a piece of `bytes` bytes. Ties depend on single precision, as in SentencePiece.
    fn score(&self, piece: Scored, bytes: usize) -> f32 {
        match piece.defined {
            0 => piece.score,
            _ => bytes.saturating_sub(1) as f32 * self.defined,
        }
    }

    /// Appends the tokens of a window; returns the sum of scores.
    fn close(&self, window: &Window, tokens: &mut Tokens<'_, '_>) -> f32 {
        let start = tokens.len;
        let Some(words) = tokens.free(window.reach) else { return window.before };
        let end = start.saturating_add(words.len());
        let mut lattice = Lattice { words };
        let (score, count) = (lattice.score(window.reach), lattice.gather(window.reach));
        for at in end.saturating_sub(count)..end {
            match tokens.out.get(at).copied().unwrap_or_default() {
                step if step & UNKNOWN != 0 => {
                    tokens.push_unknown(char::from_u32(step & !UNKNOWN).unwrap_or_default());
                }
                step => tokens.push_piece(step as u16),
            }
        }
        score
    }
}

impl Lattice<'_> {
    fn score(&self, at: usize) -> f32 {
        f32::from_bits(self.words.get(at.saturating_mul(2)).copied().unwrap_or_default())
    }

    /// Offers a step of `count` characters.
    fn step(&mut self, window: &mut Window, count: usize, sum: f32, step: u32) {
        let to = window.at.saturating_add(count);
        while window.reach < to {
            window.reach = window.reach.saturating_add(1);
            self.set(window.reach, 0.0, 0);
        }
        let empty = self.words.get(to.saturating_mul(2).saturating_add(1)) == Some(&0);
        if empty || sum > self.score(to) {
            self.set(to, sum, step);
        }
    }

    fn set(&mut self, at: usize, score: f32, step: u32) {
        let place =
            self.words.get_mut(at.saturating_mul(2)..).and_then(|rest| rest.first_chunk_mut());
        if let Some(place) = place {
            *place = [score.to_bits(), step];
        }
    }

    /// Writes the steps to place `end` at the end of the words; returns their number.
    fn gather(&mut self, end: usize) -> usize {
        let (mut at, mut count, mut to) = (end, 0_usize, self.words.len());
        while at > 0 {
            let step =
                self.words.get(at.saturating_mul(2).saturating_add(1)).copied().unwrap_or(UNKNOWN);
            let back = if step & UNKNOWN != 0 { 1 } else { (step >> 16) as usize };
            to = to.saturating_sub(1);
            if let Some(slot) = self.words.get_mut(to) {
                *slot = step;
            }
            at = at.saturating_sub(back.max(1));
            count = count.saturating_add(1);
        }
        count
    }
}
