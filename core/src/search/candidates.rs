//! Candidates for the next token of each row.

use super::{Error, cut};
use crate::allow::Allow;
use crate::backend::Decode;
use crate::config::Special;
use core::ops::Range;

/// The best 2 K next tokens of each row, best first: up to K of them may be EOS, and K others are needed.
pub(super) struct Candidates<'w> {
    special: Special,
    /// 2 K
    width: usize,
    tokens: &'w mut [u32],
    log_probabilities: &'w mut [f32],
}

/// The best remaining candidate of a row.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub token: u32,
    pub log_probability: f32,
}

impl<'w> Candidates<'w> {
    pub fn new(
        special: Special,
        beam: usize,
        rows: usize,
        words: &mut &'w mut [u32],
        floats: &mut &'w mut [f32],
    ) -> Self {
        let width = beam.saturating_mul(2);
        Self {
            special,
            width,
            tokens: cut(words, rows * width),
            log_probabilities: cut(floats, rows * width),
        }
    }

    /// Computes the candidates of the first `rows` rows from their logits.
    pub fn fill<B: Decode>(
        &mut self,
        b: &mut B,
        logits: &B::Tensor,
        allow: Allow,
        rows: usize,
    ) -> Result<(), Error> {
        let all = ..rows * self.width;
        let tokens = self.tokens.get_mut(all).ok_or(Error::Fault)?;
        let log_probabilities = self.log_probabilities.get_mut(all).ok_or(Error::Fault)?;
        Ok(b.top_k(logits, allow, tokens, log_probabilities)?)
    }

    fn slots(&self, row: usize) -> Range<usize> {
        row * self.width..(row + 1) * self.width
    }

    pub fn head(&self, row: usize) -> Option<Head> {
        let at = row * self.width;
        let log_probability = *self.log_probabilities.get(at)?;
        Some(Head { token: *self.tokens.get(at)?, log_probability })
    }

    /// Removes the head of `row`.
    pub fn drop_head(&mut self, row: usize) -> Option<()> {
        let slots = self.slots(row);
        shift(self.tokens.get_mut(slots.clone())?, self.special.pad);
        shift(self.log_probabilities.get_mut(slots)?, f32::NEG_INFINITY);
        Some(())
    }

    /// Leaves EOS as the only candidate of `row`.
    pub fn only_end(&mut self, row: usize, log_probability: f32) -> Option<()> {
        let slots = self.slots(row);
        self.log_probabilities.get_mut(slots.clone())?.fill(f32::NEG_INFINITY);
        *self.log_probabilities.get_mut(slots.start)? = log_probability;
        *self.tokens.get_mut(slots.start)? = self.special.eos;
        Some(())
    }
}

/// Drops the first element, moves the others to the front, and appends `last`.
fn shift<T>(list: &mut [T], last: T) {
    let mut next = last;
    for slot in list.iter_mut().rev() {
        core::mem::swap(slot, &mut next);
    }
}
