//! Sources, from text to the input of the encoder.

use crate::backend::Packed;
use a2d_core::backend::Device;
use a2d_core::batch::{Grid, Run, Span, Tokens};
use a2d_core::micro::{Error, Model};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

/// The tokens of a line, without EOS; none of a blank line.
pub(crate) fn encoded<const N: usize>(model: &Model<'_, N>, text: &str) -> Result<Vec<u32>, Error> {
    let vocabulary = model.source().ok_or(Error::Tokenizer)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut tokens = vec![0; vocabulary.room(text.len())];
    let len = vocabulary.encode(text, &mut tokens)?;
    tokens.truncate(len);
    Ok(tokens)
}

/// The limits of a source.
#[derive(Clone, Copy)]
pub(crate) struct Fit {
    /// The most tokens, the ends included.
    pub most: usize,
    /// The tokens that are not of its text.
    pub ends: usize,
    /// Whether a longer one is cut; otherwise it is an error.
    pub cuts: bool,
}

impl Fit {
    /// The tokens that are kept, and whether the source is cut.
    pub fn apply<'s, const N: usize>(
        &self,
        model: &Model<'_, N>,
        source: &'s [u32],
    ) -> Result<(&'s [u32], bool), Error> {
        let (found, most) = (source.len().saturating_add(self.ends), self.most);
        let cut = found > most;
        if cut && !self.cuts {
            return Err(Error::TooLong { found, most });
        }
        let source = &source[..source.len().min(most - self.ends)];
        let vocabulary = model.config().source_vocabulary;
        match source.iter().find(|id| **id as usize >= vocabulary) {
            Some(id) => Err(Error::Token { id: *id }),
            None => Ok((source, cut)),
        }
    }
}

/// A source, the ends included.
pub(crate) fn tokens(b: &mut Packed<'_>, ids: &[u32]) -> Tokens<Rc<[u32]>> {
    let positions: Vec<u32> = (0..ids.len() as u32).collect();
    let (rows, positions) = (ids.len(), b.index(&positions));
    Tokens { ids: b.index(ids), positions, rows, types: None, zero_padding: true, first: 0 }
}

/// A grid of one sentence: all queries attend to all keys.
pub(crate) fn grid(b: &mut Packed<'_>, query: Run, key: Run) -> Grid<Rc<[u32]>> {
    let span = Span { query, key, before: 0 };
    Grid {
        spans: b.index(&span.encode()),
        sentences: 1,
        queries: query.len,
        keys: key.len,
        area: span.area(),
        causal: false,
        first: 0,
    }
}
