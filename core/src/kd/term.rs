//! The terms that a method adds to the loss of words: the one list of them.

use super::inputs::{Counted, Inputs, Named};
use super::maps::MapTerms;
use crate::backend::Train;
use crate::batch::Layout;
use crate::needs::Needs;
use crate::tape::Tape;
use alloc::vec::Vec;

/// The loss of words, which every method has, and the sum of all terms.
pub const WORDS: [Named; 3] = [
    Named { name: "loss", title: "Loss", note: "training, all terms" },
    Named { name: "ce", title: "Cross-entropy", note: "nats per token" },
    Named { name: "kd", title: "Teacher's words", note: "kd" },
];

/// Every number of any method's loss, in the order in which they are shown.
pub fn names() -> impl Iterator<Item = Named> {
    WORDS.into_iter().chain(MapTerms::NAMES)
}

/// Terms of the loss beside those of words. A new method is a new variant, with its formulas in a file of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    /// Align-to-Distill's: divergence of aligned attention maps.
    Maps(MapTerms),
}

impl Term {
    /// What it is computed from.
    pub const fn needs(&self) -> Needs {
        match self {
            Self::Maps(_) => Needs { maps: true, ..Needs::NONE },
        }
    }

    /// The layout that it wants batches in.
    pub fn layout(&self) -> Layout {
        match self {
            Self::Maps(of) => of.layout(),
        }
    }

    /// The numbers that it adds.
    pub fn names(&self) -> impl Iterator<Item = Named> + use<> {
        match self {
            Self::Maps(_) => MapTerms::NAMES.into_iter(),
        }
    }

    /// Counts it in: each of its numbers as a plain sum, with its weight.
    pub(super) fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        match self {
            Self::Maps(terms) => terms.record(tape, of),
        }
    }
}

/// Some terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms([Option<Term>; Self::MOST]);

impl Terms {
    /// How many there can be.
    pub const MOST: usize = 4;

    /// These terms, at most [`Terms::MOST`].
    pub fn new(terms: impl IntoIterator<Item = Term>) -> Self {
        let mut terms = terms.into_iter();
        Self(core::array::from_fn(|_| terms.next()))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Term> {
        self.0.iter().flatten()
    }
}

impl From<Option<MapTerms>> for Terms {
    fn from(maps: Option<MapTerms>) -> Self {
        Self::new(maps.map(Term::Maps))
    }
}
