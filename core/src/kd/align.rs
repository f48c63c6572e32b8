//! The Attention Alignment Module (arXiv 2403.01479, section 3): a 1x1 convolution from all student heads to all
//! teacher heads.

use crate::backend::{MapInput, Train};
use crate::batch::Batch;
use crate::config::{Config, Stack};
use crate::nn::Trace;
use crate::params::{Init, Path, Spec, Visit};
use crate::shape::Shape;
use crate::tape::{Tape, Var};
use core::convert::Infallible;

/// Maps every teacher head to a learned mixture of all student maps. The channel of a head is `layer * H + head`.
#[derive(Clone, Debug)]
pub struct HeadMix<P> {
    /// `[M, C]`
    pub weight: P,
    /// `[M]`. Its gradient is exactly zero, as a softmax follows; kept for compatibility of checkpoints.
    pub bias: P,
}

impl HeadMix<Spec> {
    /// From C student maps to M teacher maps, initialised like a PyTorch convolution.
    pub fn new(teacher_maps: usize, student_maps: usize) -> Self {
        let init = Init::fan_in(student_maps);
        Self {
            weight: Spec { shape: Shape::matrix(teacher_maps, student_maps), init },
            bias: Spec { shape: Shape::vector(teacher_maps), init },
        }
    }
}

impl<P> HeadMix<P> {
    fn try_map<Q, E>(&self, at: Path<'_>, f: &mut Visit<'_, P, Q, E>) -> Result<HeadMix<Q>, E> {
        Ok(HeadMix {
            weight: f(at.then("weight"), &self.weight)?,
            bias: f(at.then("bias"), &self.bias)?,
        })
    }
}

/// One alignment for each kind of attention.
#[derive(Clone, Debug)]
pub struct Align<P> {
    /// Encoder self-attention.
    pub encoder: HeadMix<P>,
    /// Decoder self-attention; `None` without a decoder.
    pub decoder: Option<HeadMix<P>>,
    /// Cross-attention; `None` without a decoder.
    pub cross: Option<HeadMix<P>>,
}

impl Align<Spec> {
    /// The alignment of two models with any numbers of layers and heads.
    pub fn new(student: &Config, teacher: &Config) -> Self {
        let mix = |own: &Stack, other: &Stack| HeadMix::new(other.maps(), own.maps());
        let decoder = student.head.is_none().then(|| mix(&student.decoder, &teacher.decoder));
        Self { encoder: mix(&student.encoder, &teacher.encoder), cross: decoder.clone(), decoder }
    }
}

impl<P> Align<P> {
    /// Maps every parameter, with its name in the authors' code.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(&self, f: &mut Visit<'_, P, Q, E>) -> Result<Align<Q>, E> {
        let root = Path::ROOT;
        let (encoder, decoder) = (root.then("encoder"), root.then("decoder"));
        Ok(Align {
            encoder: self.encoder.try_map(encoder.then("alignment_module"), f)?,
            decoder: maybe(self.decoder.as_ref(), decoder.then("self_alignment_module"), f)?,
            cross: maybe(self.cross.as_ref(), decoder.then("cross_alignment_module"), f)?,
        })
    }
}

fn maybe<P, Q, E>(
    mix: Option<&HeadMix<P>>,
    at: Path<'_>,
    f: &mut Visit<'_, P, Q, E>,
) -> Result<Option<HeadMix<Q>>, E> {
    mix.map(|mix| mix.try_map(at, f)).transpose()
}

impl<T: Clone> Align<Var<T>> {
    /// Aligns the student's maps: encoder, decoder, cross, each `[M, A]`, if the model has them.
    pub fn forward<B: Train<Tensor = T>>(
        &self,
        tape: &mut Tape<'_, B>,
        maps: &Trace<Var<T>>,
        batch: &Batch<B::Index>,
        input: MapInput,
    ) -> [Option<Var<T>>; 3] {
        [
            (Some(&self.encoder), &maps.encoder, &batch.encoder_grid),
            (self.decoder.as_ref(), &maps.decoder, &batch.decoder_grid),
            (self.cross.as_ref(), &maps.cross, &batch.cross_grid),
        ]
        .map(|(mix, maps, grid)| {
            mix.map(|mix| tape.align(maps, &mix.weight, &mix.bias, grid, input))
        })
    }
}

impl<T: Clone> Align<T> {
    /// The alignment on a tape, without gradients.
    pub fn constant<B: Train<Tensor = T>>(&self, tape: &mut Tape<'_, B>) -> Align<Var<T>> {
        let constant = self.try_map::<_, Infallible>(&mut |_, x| Ok(tape.constant(x.clone())));
        let Ok(constant) = constant;
        constant
    }
}

impl<T> Align<T> {
    /// Replaces maps by their mixtures under a frozen alignment. The authors' training script does so with a teacher's
    /// probabilities.
    pub fn mix<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        maps: &mut Trace<T>,
        batch: &Batch<B::Index>,
        input: MapInput,
    ) where
        T: Clone,
    {
        let mut mixed = |mix: Option<&HeadMix<T>>, maps: &[T], grid| {
            mix.map(|mix| b.align(maps, &mix.weight, &mix.bias, grid, input)).into_iter().collect()
        };
        maps.encoder = mixed(Some(&self.encoder), &maps.encoder, &batch.encoder_grid);
        maps.decoder = mixed(self.decoder.as_ref(), &maps.decoder, &batch.decoder_grid);
        maps.cross = mixed(self.cross.as_ref(), &maps.cross, &batch.cross_grid);
    }
}
