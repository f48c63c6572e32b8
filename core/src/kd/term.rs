//! The list of the terms that a method adds to the token losses.

use super::align::Align;
use super::alp::Alp;
use super::auxiliary::{Auxiliary, Side};
use super::ckd::Ckd;
use super::inputs::{Counted, Inputs, Named};
use super::layers::LayerSet;
use super::mapping::Mapping;
use super::maps::{MapTerms, OwnOptimiser};
use super::minilm::MiniLm;
use super::pkd::Pkd;
use super::rail::Rail;
use super::rdrop::RDrop;
use super::selective::Selective;
use super::tinybert::TinyBert;
use super::vectors::Vectors;
use crate::backend::Train;
use crate::batch::Layout;
use crate::config::{Config, Impossible};
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
    let states = Pkd::NAMES.into_iter().chain(Ckd::NAMES).chain(Rail::NAMES).chain(Alp::NAMES);
    let relations = TinyBert::NAMES.into_iter().chain(MiniLm::NAMES).chain(RDrop::NAMES);
    let words = WORDS.into_iter().chain(Vectors::NAMES);
    words.chain(MapTerms::NAMES).chain(states).chain(relations)
}

/// The terms of a method beside the token losses. A new method is a new variant, with its formulas in a file of its
/// own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    /// Align-to-Distill: divergence of aligned attention maps.
    Maps(MapTerms),
    /// Patient Knowledge Distillation: each layer follows one of the teacher's.
    Pkd(Pkd),
    /// Combinatorial Knowledge Distillation: each layer follows several together.
    Ckd(Ckd),
    /// RAIL-KD: layers follow layers that are drawn in each epoch.
    Rail(Rail),
    /// ALP-KD: each layer follows a mixture.
    Alp(Alp),
    /// TinyBERT: embeddings, hidden states and attention scores.
    TinyBert(TinyBert),
    /// MiniLM and MiniLMv2: relations of queries, keys and values.
    MiniLm(MiniLm),
    /// R-Drop: two passes of the student agree. The objective computes it, since it needs no teacher.
    RDrop(RDrop),
    /// Selective distillation: the teacher's words count for some targets. It changes the token losses.
    Selective(Selective),
    /// The vectors of texts follow the teacher's.
    Vectors(Vectors),
}

impl Term {
    /// The data that the term needs.
    pub const fn needs(&self) -> Needs {
        match self {
            Self::Maps(_) => Needs { maps: true, ..Needs::NONE },
            Self::Pkd(_) | Self::Rail(_) | Self::Alp(_) => Needs { hidden: true, ..Needs::NONE },
            Self::Ckd(of) => of.needs(),
            Self::TinyBert(of) => {
                Needs { hidden: of.states, projections: of.scores, ..Needs::NONE }
            }
            Self::MiniLm(_) => Needs { projections: true, ..Needs::NONE },
            Self::RDrop(_) | Self::Selective(_) | Self::Vectors(_) => Needs::NONE,
        }
    }

    /// The layout of batches that the term needs.
    pub fn layout(&self) -> Layout {
        match self {
            Self::Maps(of) => of.layout(),
            _ => Layout::Packed,
        }
    }

    /// The values that the term adds to the loss.
    pub fn names(&self) -> impl Iterator<Item = Named> + use<> {
        let one = |names: [Named; 2], side: Side| Vec::from([names[side as usize]]);
        let names = match self {
            Self::Maps(_) => MapTerms::NAMES.into(),
            Self::Pkd(of) => one(Pkd::NAMES, of.side),
            Self::Ckd(of) => of.names().collect(),
            Self::Rail(of) => one(Rail::NAMES, of.side),
            Self::Alp(of) => one(Alp::NAMES, of.side),
            Self::TinyBert(of) => of.names().collect(),
            Self::MiniLm(of) => of.names().collect(),
            Self::RDrop(_) => RDrop::NAMES.into(),
            Self::Selective(_) => Vec::new(),
            Self::Vectors(of) => of.names().collect(),
        };
        names.into_iter()
    }

    /// Checks that the term can compare a student with a teacher.
    ///
    /// # Errors
    ///
    /// What is in the way.
    fn check(&self, student: &Config, teacher: &Config) -> Result<(), Impossible> {
        match self {
            Self::Maps(_) | Self::Rail(_) | Self::TinyBert(_) => Ok(()),
            Self::RDrop(_) | Self::Selective(_) | Self::Vectors(_) => Ok(()),
            Self::Pkd(of) => of.check(student, teacher),
            Self::Ckd(of) => of.check(student, teacher),
            Self::Alp(of) => of.check(student, teacher),
            Self::MiniLm(of) => of.check(student, teacher),
        }
    }

    /// The agreement of two passes, if it is this term.
    pub const fn two_passes(&self) -> Option<&RDrop> {
        match self {
            Self::RDrop(of) => Some(of),
            _ => None,
        }
    }

    /// The selection of targets, if it is this term.
    pub const fn selective(&self) -> Option<&Selective> {
        match self {
            Self::Selective(of) => Some(of),
            _ => None,
        }
    }

    /// How it pairs attention maps, if it compares any.
    pub const fn mapping(&self) -> Option<Mapping> {
        match self {
            Self::Maps(of) => Some(of.mapping),
            _ => None,
        }
    }

    /// The optimiser of its alignment module, where it differs from the student's.
    pub const fn optimiser(&self) -> Option<OwnOptimiser> {
        match self {
            Self::Maps(of) => of.optimiser,
            _ => None,
        }
    }

    /// Adds the parameters that the term needs to compare a student with a teacher.
    pub(super) fn auxiliary(&self, student: &Config, teacher: &Config, all: &mut Auxiliary<Spec>) {
        match self {
            Self::Maps(of) if of.mapping == Mapping::Learned => {
                all.align = Some(Align::new(student, teacher));
            }
            Self::Maps(_) => {}
            Self::Pkd(of) => of.auxiliary(student, teacher, all),
            Self::Ckd(of) => of.auxiliary(student, teacher, all),
            Self::Rail(of) => of.auxiliary(student, teacher, all),
            Self::Alp(of) => of.auxiliary(student, teacher, all),
            Self::TinyBert(of) => of.auxiliary(student, teacher, all),
            Self::MiniLm(_) | Self::RDrop(_) | Self::Selective(_) | Self::Vectors(_) => {}
        }
    }

    /// The teacher's layers that the term draws for `epoch`, and their name in logs; `None` if it draws none.
    pub fn drawn(
        &self,
        epoch: u64,
        student: &Config,
        teacher: &Config,
    ) -> Option<(&'static str, LayerSet)> {
        let Self::Rail(of) = self else { return None };
        let [own, theirs] = [student, teacher].map(|config| of.side.of(config).layers);
        Some((Rail::DRAWN[of.side as usize], of.layers(epoch, own, theirs)))
    }

    /// Computes the term on the tape: each of its values as a plain sum, with its weight.
    pub fn record<B: Train>(
        &self,
        tape: &mut Tape<'_, B>,
        of: &Inputs<'_, B>,
    ) -> Vec<Counted<B::Tensor>> {
        match self {
            Self::Maps(terms) => terms.record(tape, of),
            Self::Pkd(terms) => terms.record(tape, of),
            Self::Ckd(terms) => terms.record(tape, of),
            Self::Rail(terms) => terms.record(tape, of),
            Self::Alp(terms) => terms.record(tape, of),
            Self::TinyBert(terms) => terms.record(tape, of),
            Self::MiniLm(terms) => terms.record(tape, of),
            Self::Vectors(terms) => terms.record(tape, of),
            Self::RDrop(_) | Self::Selective(_) => Vec::new(),
        }
    }
}

/// A list of terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms([Option<Term>; Self::MOST]);

impl Terms {
    /// The maximum number of terms.
    pub const MOST: usize = 16;

    /// These terms.
    pub fn new<const N: usize>(terms: [Term; N]) -> Self {
        const { assert!(N <= Self::MOST, "too many terms") };
        Self(core::array::from_fn(|i| terms.get(i).copied()))
    }

    /// Checks that every term can compare a student with a teacher.
    ///
    /// # Errors
    ///
    /// What is in the way of the first that cannot.
    pub fn check(&self, student: &Config, teacher: &Config) -> Result<(), Impossible> {
        self.iter().try_for_each(|term| term.check(student, teacher))
    }

    /// The parameters that the terms need to compare a student with a teacher, see [`Terms::check`].
    pub fn auxiliary(&self, student: &Config, teacher: &Config) -> Auxiliary<Spec> {
        let mut all = Auxiliary::default();
        self.iter().for_each(|term| term.auxiliary(student, teacher, &mut all));
        all.projections.sort_by_key(|projection| projection.slot.fixed);
        all
    }

    /// The data that the terms need.
    pub fn needs(&self) -> Needs {
        self.iter().fold(Needs::NONE, |all, term| all | term.needs())
    }

    /// The terms in order.
    pub fn iter(&self) -> impl Iterator<Item = &Term> {
        self.0.iter().flatten()
    }
}

impl FromIterator<Term> for Terms {
    /// The first [`Self::MOST`] of these terms.
    fn from_iter<I: IntoIterator<Item = Term>>(terms: I) -> Self {
        let mut terms = terms.into_iter();
        Self(core::array::from_fn(|_| terms.next()))
    }
}

impl From<Option<MapTerms>> for Terms {
    fn from(maps: Option<MapTerms>) -> Self {
        maps.map_or(Self::default(), |maps| Self::new([Term::Maps(maps)]))
    }
}
