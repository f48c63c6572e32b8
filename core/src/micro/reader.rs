//! A model and the arena that it reads sources in.

use super::backend::words;
use super::compute::{Compute, Portable};
use super::error::Error;
use super::memory::integers;
use super::model::Model;
use super::slices;
use crate::config::{TEXT, Task};
use crate::token::is_space;

/// The model and the memory of a translator, or of what reads texts.
pub(super) struct Reader<'m, 'a, const N: usize> {
    pub model: &'m Model<'a, N>,
    pub words: &'m mut [f32],
    pub compute: &'m dyn Compute,
    pub place: Place,
}

/// Where a source goes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Words of the arena before the source.
    pub fixed: usize,
    /// Maximum tokens of a source, both ends included.
    pub most: usize,
    /// Whether a longer source is cut; otherwise it is an error.
    pub cuts: bool,
    /// The token before the first, if any. EOS follows the last.
    pub begin: Option<u32>,
}

impl Place {
    /// The tokens of a source that are not of its text.
    fn ends(&self) -> usize {
        1 + usize::from(self.begin.is_some())
    }
}

/// A source in its place in the arena.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// The number of tokens, both ends included.
    pub len: usize,
    /// Whether it was cut.
    pub cut: bool,
}

impl<'m, 'a, const N: usize> Reader<'m, 'a, N> {
    /// A reader in an arena of at least `needed` bytes.
    ///
    /// # Errors
    ///
    /// The model is for another task, or the arena is misaligned or too small.
    pub fn new(
        model: &'m Model<'a, N>,
        arena: &'m mut [u8],
        needed: usize,
        wanted: Task,
        place: Place,
    ) -> Result<Self, Error> {
        let found = model.config().task();
        if TEXT && found != wanted {
            return Err(Error::Task { found, wanted });
        }
        if place.most < place.ends() {
            return Err(Error::Limits);
        }
        let missing = needed.saturating_sub(arena.len());
        if missing > 0 {
            return Err(Error::Arena { missing });
        }
        Ok(Self { model, words: words(arena)?, compute: &Portable, place })
    }

    /// Encodes a line. A blank line has no tokens but the ends.
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, or the line is too long.
    pub fn text(&mut self, text: &str) -> Result<Source, Error> {
        let vocabulary = self.model.source().ok_or(Error::Tokenizer)?;
        if text.chars().all(is_space) {
            return self.put(0, 0);
        }
        let (len, needed) = vocabulary.encode_front(text, integers(self.words)?);
        self.put(len, needed.unwrap_or(len))
    }

    /// Takes tokens, without the ends.
    ///
    /// # Errors
    ///
    /// The source is too long, or has a token outside the vocabulary.
    pub fn tokens(&mut self, source: &[u32]) -> Result<Source, Error> {
        let vocabulary = self.model.config().source_vocabulary;
        let fits = source.get(..self.fit(source.len(), source.len())?.0).ok_or(Error::Fault)?;
        if let Some(id) = fits.iter().find(|id| **id as usize >= vocabulary) {
            return Err(Error::Token { id: *id });
        }
        let to = integers(self.words)?;
        to.iter_mut().zip(fits).for_each(|(to, id)| *to = *id);
        self.put(source.len(), source.len())
    }

    /// The tokens that are kept of `len` tokens out of `all`, and whether the source is cut.
    fn fit(&self, len: usize, all: usize) -> Result<(usize, bool), Error> {
        let (Place { most, cuts, .. }, ends) = (self.place, self.place.ends());
        let found = all.saturating_add(ends);
        if found > most && !cuts {
            return Err(Error::TooLong { found, most });
        }
        Ok((len.min(most.saturating_sub(ends)), found > most))
    }

    /// Moves `len` tokens out of `all` from the front of the arena to their place, and adds the ends.
    fn put(&mut self, len: usize, all: usize) -> Result<Source, Error> {
        let (len, cut) = self.fit(len, all)?;
        let (Place { fixed, begin, .. }, ends) = (self.place, self.place.ends());
        let start = fixed.saturating_add(ends).saturating_sub(1);
        let end = start.saturating_add(len);
        if end >= self.words.len() {
            return Err(Error::Fault);
        }
        slices::move_up(self.words.get_mut(..end).unwrap_or_default(), start);
        let words = integers(self.words)?;
        for (at, id) in [(fixed, begin), (end, Some(self.model.config().special.eos))] {
            if let (Some(word), Some(id)) = (words.get_mut(at), id) {
                *word = id;
            }
        }
        Ok(Source { len: len.saturating_add(ends), cut })
    }
}
