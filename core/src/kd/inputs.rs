//! The inputs and outputs of a loss term.

use super::align::Align;
use super::auxiliary::Auxiliary;
use super::counts::Counts;
use super::selective::Chosen;
use crate::backend::Train;
use crate::batch::Batch;
use crate::nn::Trace;
use crate::tape::Var;

/// A named value of the loss, for logs and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The key in logs.
    pub name: &'static str,
    /// The title in a report.
    pub title: &'static str,
    /// The unit, or a note on weighting.
    pub note: &'static str,
}

/// A part of an update, for which losses are recorded.
pub struct Part<'a, I> {
    /// The batch.
    pub batch: &'a Batch<I>,
    /// The targets that the teacher's words count for; `None` for all.
    pub chosen: Option<&'a Chosen<I>>,
    /// The counts of the whole update.
    pub update: &'a Counts,
    /// The epoch, from 1.
    pub epoch: u64,
}

/// The inputs of a loss term.
pub struct Inputs<'a, B: Train> {
    /// The batch.
    pub batch: &'a Batch<B::Index>,
    /// Intermediate results of the student.
    pub student: &'a Trace<Var<B::Tensor>>,
    /// What the teacher's did.
    pub teacher: &'a Trace<B::Tensor>,
    /// The fixed mixtures of the student's maps, in place of an alignment.
    pub fixed: Option<&'a Align<B::Tensor>>,
    /// The vectors `[B, W]` of student and teacher, if they are models of vectors.
    pub vectors: Option<(&'a Var<B::Tensor>, &'a B::Tensor)>,
    /// The parameters beside the student.
    pub auxiliary: &'a Auxiliary<Var<B::Tensor>>,
    /// The counts of the whole update that contains the batch.
    pub update: &'a Counts,
    /// The epoch, from 1.
    pub epoch: u64,
}

/// A value that is part of the loss.
pub struct Counted<T> {
    /// The name in logs.
    pub name: &'static str,
    /// `[1]`: the plain sum.
    pub sum: T,
    /// The factor of the sum in the loss.
    pub weight: f64,
}
