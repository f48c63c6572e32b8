//! What a term of the loss is computed from, and what it gives.

use super::align::Align;
use super::counts::Counts;
use crate::backend::Train;
use crate::batch::Batch;
use crate::nn::Trace;
use crate::tape::Var;

/// A number of the loss, as it is logged and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its key in logs.
    pub name: &'static str,
    /// Its title in a report.
    pub title: &'static str,
    /// Its unit, or how it is counted.
    pub note: &'static str,
}

/// What a term is computed from.
pub struct Inputs<'a, B: Train> {
    /// The batch.
    pub batch: &'a Batch<B::Index>,
    /// What the student's pass handed out.
    pub student: &'a Trace<Var<B::Tensor>>,
    /// What the teacher's did.
    pub teacher: &'a Trace<B::Tensor>,
    /// The student's alignment modules, where it has any.
    pub align: Option<&'a Align<Var<B::Tensor>>>,
    /// Of the whole update that the batch is part of.
    pub update: &'a Counts,
    /// From 1.
    pub epoch: u64,
}

/// A term's plain sum and its weight; none where it is not counted.
pub(super) type Counted<T> = (&'static str, Option<(T, f64)>);
