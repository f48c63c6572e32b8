//! The parameters that the terms of a loss have beside the student. Only training uses them.

use super::align::Align;
use crate::backend::{Backend, Train};
use crate::params::{Init, Path, Spec, Visit};
use crate::shape::Shape;
use crate::tape::{Tape, Var};
use alloc::vec::Vec;

/// The encoder or the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The encoder.
    Encoder,
    /// The decoder.
    Decoder,
}

impl Side {
    /// Both sides, in the order of logs and checkpoints.
    pub const BOTH: [Self; 2] = [Self::Encoder, Self::Decoder];

    /// The name in checkpoints.
    const fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
        }
    }
}

/// The name of a projection: its parameters are `kd.METHOD.SIDE.NUMBER.weight` and `bias`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The method.
    pub method: &'static str,
    /// The stack whose hidden states are projected.
    pub side: Side,
    /// Whether training leaves the parameters as they were initialised. `fixed` then precedes the number.
    pub fixed: bool,
    /// The number among the projections of the method and side, from 0.
    pub number: usize,
}

impl Slot {
    /// The first part of all names.
    const ROOT: &'static str = "kd";

    fn with_path<R>(self, f: impl FnOnce(Path<'_>) -> R) -> R {
        let (model, method, side) = (Path::ROOT, self.method, self.side.name());
        let root = model.then(Self::ROOT);
        let method = root.then(method);
        let side = method.then(side);
        let fixed = side.then("fixed");
        f(if self.fixed { fixed.at(self.number) } else { side.at(self.number) })
    }
}

/// A linear map of hidden states.
#[derive(Clone, Debug)]
pub struct Projection<P> {
    /// The name.
    pub slot: Slot,
    /// `[O, I]`
    pub weight: P,
    /// `[O]`; `None` for all but the first of several maps whose results are added.
    pub bias: Option<P>,
}

impl Projection<Spec> {
    /// From I to O features with a bias, initialised like a linear layer of PyTorch.
    pub fn new(slot: Slot, out: usize, input: usize) -> Self {
        Self::part(slot, out, input, Init::fan_in(input), true)
    }

    /// From I to O features, with these initial values of weight and bias.
    pub fn part(slot: Slot, out: usize, input: usize, init: Init, bias: bool) -> Self {
        Self {
            slot,
            weight: Spec { shape: Shape::matrix(out, input), init },
            bias: bias.then_some(Spec { shape: Shape::vector(out), init }),
        }
    }
}

impl<P> Projection<P> {
    /// `[N, I]` -> `[N, O]`
    pub fn forward<B: Backend<Param = P>>(&self, b: &mut B, x: &B::Tensor) -> B::Tensor {
        b.linear(x, &self.weight, self.bias.as_ref())
    }

    fn try_map<Q, E>(&self, f: &mut Visit<'_, P, Q, E>) -> Result<Projection<Q>, E> {
        self.slot.with_path(|at| {
            Ok(Projection {
                slot: self.slot,
                weight: f(at.then("weight"), &self.weight)?,
                bias: self.bias.as_ref().map(|bias| f(at.then("bias"), bias)).transpose()?,
            })
        })
    }
}

/// All parameters beside the student.
#[derive(Clone, Debug)]
pub struct Auxiliary<P> {
    /// The alignment of attention maps.
    pub align: Option<Align<P>>,
    /// The projections of hidden states; those that training leaves as they are come last.
    pub projections: Vec<Projection<P>>,
}

impl<P> Default for Auxiliary<P> {
    fn default() -> Self {
        Self { align: None, projections: Vec::new() }
    }
}

impl Auxiliary<Spec> {
    /// Adds projections of states of `input` features to `out`, unless these are equal.
    pub(super) fn fit(&mut self, slots: impl Iterator<Item = Slot>, out: usize, input: usize) {
        if out != input {
            self.projections.extend(slots.map(|slot| Projection::new(slot, out, input)));
        }
    }
}

impl<P> Auxiliary<P> {
    /// Only an alignment.
    pub fn aligned(align: Option<Align<P>>) -> Self {
        Self { align, ..Self::default() }
    }

    /// The projection of `slot`.
    ///
    /// # Panics
    ///
    /// There is none: the parameters belong to other terms.
    pub fn projection(&self, slot: Slot) -> &Projection<P> {
        let found = self.projections.iter().find(|projection| projection.slot == slot);
        found.expect("parameters of the terms that are recorded")
    }

    /// The number of parameters, at the end, that training leaves as they are.
    pub(super) fn fixed(&self) -> usize {
        let fixed = self.projections.iter().filter(|projection| projection.slot.fixed);
        fixed.map(|projection| 1 + usize::from(projection.bias.is_some())).sum()
    }

    /// Maps every parameter, with its name.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(&self, f: &mut Visit<'_, P, Q, E>) -> Result<Auxiliary<Q>, E> {
        Ok(Auxiliary {
            align: self.align.as_ref().map(|align| align.try_map(f)).transpose()?,
            projections: self.projections.iter().map(|p| p.try_map(f)).collect::<Result<_, _>>()?,
        })
    }
}

impl<T: Clone> Auxiliary<Var<T>> {
    /// `x` through the projection of `slot`, or as it is if there is none.
    pub(super) fn project<B: Train<Tensor = T>>(
        &self,
        tape: &mut Tape<'_, B>,
        slot: Slot,
        x: &Var<T>,
    ) -> Var<T> {
        match self.projections.iter().find(|projection| projection.slot == slot) {
            Some(projection) => projection.forward(tape, x),
            None => x.clone(),
        }
    }
}

/// Whether a parameter of a checkpoint is one of those beside the student.
pub fn is_auxiliary(name: &str) -> bool {
    let root = name.split('.').next();
    root == Some(Slot::ROOT) || is_alignment(name)
}

/// Whether a parameter belongs to the alignment modules.
pub fn is_alignment(name: &str) -> bool {
    name.contains("alignment_module")
}
