//! The Attention Alignment Module (arXiv 2403.01479, section 3): a 1x1 convolution from all student heads to all
//! teacher heads.

use crate::backend::Train;
use crate::batch::Batch;
use crate::config::Config;
use crate::nn::Trace;
use crate::params::{Init, Path, Spec, Visit};
use crate::shape::Shape;
use crate::tape::{Tape, Var};
use alloc::vec;

/// Every teacher map as a learned mixture of all student maps. Channel `layer * H + head`.
#[derive(Clone, Debug)]
pub struct HeadMix<P> {
    /// `[M, C]`
    pub weight: P,
    /// `[M]`. Its exact gradient is zero, since a softmax follows; kept for the files' sake.
    pub bias: P,
}

impl HeadMix<Spec> {
    /// From C student maps to M teacher maps, begun as PyTorch begins a convolution.
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
    /// Decoder self-attention.
    pub decoder: HeadMix<P>,
    /// Decoder to encoder.
    pub cross: HeadMix<P>,
}

/// `(encoder maps, decoder maps)` of a model: layers times heads.
fn maps(config: &Config) -> (usize, usize) {
    let count = |stack: &crate::config::Stack| stack.layers * stack.attention_heads;
    (count(&config.encoder), count(&config.decoder))
}

impl Align<Spec> {
    /// For any numbers of layers and heads on either side.
    pub fn new(student: &Config, teacher: &Config) -> Self {
        let (student, teacher) = (maps(student), maps(teacher));
        Self {
            encoder: HeadMix::new(teacher.0, student.0),
            decoder: HeadMix::new(teacher.1, student.1),
            cross: HeadMix::new(teacher.1, student.1),
        }
    }
}

impl<P> Align<P> {
    /// Maps every parameter under the name that the authors' code gives it.
    pub fn try_map<Q, E>(&self, f: &mut Visit<'_, P, Q, E>) -> Result<Align<Q>, E> {
        let root = Path::ROOT;
        let (encoder, decoder) = (root.then("encoder"), root.then("decoder"));
        Ok(Align {
            encoder: self.encoder.try_map(encoder.then("alignment_module"), f)?,
            decoder: self.decoder.try_map(decoder.then("self_alignment_module"), f)?,
            cross: self.cross.try_map(decoder.then("cross_alignment_module"), f)?,
        })
    }
}

impl<T: Clone> Align<Var<T>> {
    /// A student's maps, aligned: encoder, decoder, cross, each `[M, A]`.
    pub fn forward<B: Train<Tensor = T>>(
        &self,
        tape: &mut Tape<'_, B>,
        maps: &Trace<Var<T>>,
        batch: &Batch<B::Index>,
    ) -> [Var<T>; 3] {
        [
            (&self.encoder, &maps.encoder, &batch.encoder_grid),
            (&self.decoder, &maps.decoder, &batch.decoder_grid),
            (&self.cross, &maps.cross, &batch.cross_grid),
        ]
        .map(|(mix, maps, grid)| tape.align(maps, &mix.weight, &mix.bias, grid))
    }
}

impl<T> Align<T> {
    /// Puts a teacher's maps through a frozen alignment of its own: what the authors' training script distils from.
    pub fn mix<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        maps: &mut Trace<T>,
        batch: &Batch<B::Index>,
    ) where
        T: Clone,
    {
        let mut mixed =
            |mix: &HeadMix<T>, maps: &[T], grid| vec![b.align(maps, &mix.weight, &mix.bias, grid)];
        maps.encoder = mixed(&self.encoder, &maps.encoder, &batch.encoder_grid);
        maps.decoder = mixed(&self.decoder, &maps.decoder, &batch.decoder_grid);
        maps.cross = mixed(&self.cross, &maps.cross, &batch.cross_grid);
    }
}
