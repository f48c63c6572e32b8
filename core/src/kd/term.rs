//! The list of the terms that a method adds to the token losses.

use super::align::Align;
use super::auxiliary::Auxiliary;
use super::inputs::{Counted, Inputs, Named};
use super::maps::MapTerms;
use crate::backend::Train;
use crate::batch::Layout;
use crate::config::Config;
use crate::needs::Needs;
use crate::params::Spec;
use crate::tape::Tape;
use alloc::vec::Vec;

/// The token losses, which every method has, and the sum of all terms.
pub const WORDS: [Named; 3] = [
    Named { name: "loss", title: "Loss", note: "training, all terms" },
    Named { name: "ce", title: "Cross-entropy", note: "nats per token" },
    Named { name: "kd", title: "Teacher's words", note: "kd" },
];

/// The terms of all methods, in the order of display.
pub fn names() -> impl Iterator<Item = Named> {
    WORDS.into_iter().chain(MapTerms::NAMES)
}

/// The terms of a method beside the token losses. A new method is a new variant, with its formulas in a file of its
/// own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    /// Align-to-Distill: divergence of aligned attention maps.
    Maps(MapTerms),
}

impl Term {
    /// The data that the term needs.
    pub const fn needs(&self) -> Needs {
        match self {
            Self::Maps(_) => Needs { maps: true, ..Needs::NONE },
        }
    }

    /// The layout of batches that the term needs.
    pub fn layout(&self) -> Layout {
        match self {
            Self::Maps(of) => of.layout(),
        }
    }

    /// The values that the term adds to the loss.
    pub fn names(&self) -> impl Iterator<Item = Named> + use<> {
        match self {
            Self::Maps(_) => MapTerms::NAMES.into_iter(),
        }
    }

    /// Adds the parameters that the term needs to compare a student with a teacher.
    pub(super) fn auxiliary(&self, student: &Config, teacher: &Config, all: &mut Auxiliary<Spec>) {
        match self {
            Self::Maps(_) => all.align = Some(Align::new(student, teacher)),
        }
    }

    /// Computes the term on the tape: each of its values as a plain sum, with its weight.
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

/// A list of terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms([Option<Term>; Self::MOST]);

impl Terms {
    /// The maximum number of terms.
    pub const MOST: usize = 4;

    /// These terms.
    pub fn new<const N: usize>(terms: [Term; N]) -> Self {
        const { assert!(N <= Self::MOST, "too many terms") };
        Self(core::array::from_fn(|i| terms.get(i).copied()))
    }

    /// The terms in order.
    pub fn iter(&self) -> impl Iterator<Item = &Term> {
        self.0.iter().flatten()
    }
}

impl From<Option<MapTerms>> for Terms {
    fn from(maps: Option<MapTerms>) -> Self {
        maps.map_or(Self::default(), |maps| Self::new([Term::Maps(maps)]))
    }
}
