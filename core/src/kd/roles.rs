//! Student and teacher.

use super::align::Align;
use super::auxiliary::Auxiliary;
use crate::backend::{Backend, MapInput, Train};
use crate::batch::Batch;
use crate::needs::Needs;
use crate::nn::{Tap, Trace, Transformer};
use crate::params::Visit;

/// The student with the parameters beside it.
#[derive(Clone, Debug)]
pub struct Student<P, const N: usize> {
    /// The model, which is exported.
    pub model: Transformer<P, N>,
    /// The parameters of the terms, used only in training.
    pub auxiliary: Auxiliary<P>,
}

impl<P, const N: usize> From<Transformer<P, N>> for Student<P, N> {
    /// The student alone.
    fn from(model: Transformer<P, N>) -> Self {
        Self { model, auxiliary: Auxiliary::default() }
    }
}

impl<P, const N: usize> Student<P, N> {
    /// Maps every parameter: of the model, then those beside it.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(&self, f: &mut Visit<'_, P, Q, E>) -> Result<Student<Q, N>, E> {
        Ok(Student { model: self.model.try_map(f)?, auxiliary: self.auxiliary.try_map(f)? })
    }
}

/// The teacher, whose parameters are fixed.
#[derive(Clone, Debug)]
pub struct Teacher<T, const N: usize> {
    /// The model.
    pub model: Transformer<T, N>,
    /// A frozen alignment of the teacher's maps, as in the authors' script, or the choice of maps of a fixed mapping;
    /// normally `None`.
    pub align: Option<Align<T>>,
    /// The fixed mixtures of a student's maps, in place of a learned alignment.
    pub fixed: Option<Align<T>>,
}

impl<T, const N: usize> From<Transformer<T, N>> for Teacher<T, N> {
    /// The model alone.
    fn from(model: Transformer<T, N>) -> Self {
        Self { model, align: None, fixed: None }
    }
}

/// What the teacher says of a batch.
pub struct Taught<'a, T, const N: usize> {
    /// The teacher itself.
    pub model: &'a Transformer<T, N>,
    /// `[N, D]`, before the output projection.
    pub hidden: T,
    /// Further results, as in [`Needs`].
    pub seen: Trace<T>,
    /// The fixed mixtures of a student's maps, if any.
    pub fixed: Option<&'a Align<T>>,
}

impl<T: Clone, const N: usize> Teacher<T, N> {
    /// Runs the teacher on a batch. Returns its last hidden states, and the results in `needs`.
    pub fn teach<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        batch: &Batch<B::Index>,
        needs: Needs,
    ) -> Taught<'_, T, N> {
        let mut seen = Trace::of(needs);
        let hidden = forward(&self.model, b, batch, &mut seen);
        if let Some(align) = self.align.as_ref().filter(|_| needs.maps) {
            align.mix(b, &mut seen, batch, MapInput::Probabilities);
        }
        Taught { model: &self.model, hidden, seen, fixed: self.fixed.as_ref() }
    }
}

/// A teacher of the parts of a lesson, which may know what it says of them from earlier epochs.
pub trait TeachParts<B: Train, const N: usize> {
    /// [`Teacher::teach`] of `part`, the part of this number in the lesson.
    fn teach_part(
        &self,
        b: &mut B,
        part: &Batch<B::Index>,
        number: usize,
        needs: Needs,
    ) -> Taught<'_, B::Tensor, N>;
}

impl<T: Clone, B: Train<Tensor = T, Param = T>, const N: usize> TeachParts<B, N> for Teacher<T, N> {
    fn teach_part(
        &self,
        b: &mut B,
        part: &Batch<B::Index>,
        _number: usize,
        needs: Needs,
    ) -> Taught<'_, T, N> {
        self.teach(b, part, needs)
    }
}

/// Source and shifted target to the decoder's hidden states `[N, D]`; of a text model, the pooled rows `[B, D]`.
pub fn forward<B: Backend, W: Tap<B::Tensor>, const N: usize>(
    model: &Transformer<B::Param, N>,
    b: &mut B,
    batch: &Batch<B::Index>,
    tap: &mut W,
) -> B::Tensor {
    let memory = model.encode(b, &batch.source, &batch.encoder_grid, tap);
    let pooled = model
        .config
        .head
        .and_then(|head| model.pool(b, &batch.shifted, &memory, batch.pooling(head.pooling)));
    if let Some(pooled) = pooled {
        return pooled;
    }
    model.decode(b, &batch.shifted, &memory, &batch.decoder_grid, &batch.cross_grid, tap)
}
