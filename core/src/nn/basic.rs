//! Linear layers, layer norms, and the residual block.

use crate::backend::{Backend, LayerNorm};
use crate::config::Block;
use crate::params::{Init, Path, Spec, Visit};
use crate::shape::Shape;

/// `y = x weight^T + bias`
#[derive(Clone, Debug)]
pub struct Linear<P> {
    /// `[O, I]`
    pub weight: P,
    /// `[O]`
    pub bias: P,
}

impl Linear<Spec> {
    /// From I to O features, with initial values `weight` and `bias`.
    pub fn new(out: usize, input: usize, weight: Init, bias: Init) -> Self {
        Self {
            weight: Spec { shape: Shape::matrix(out, input), init: weight },
            bias: Spec { shape: Shape::vector(out), init: bias },
        }
    }
}

impl<P> Linear<P> {
    /// `[N, I]` -> `[N, O]`
    pub fn forward<B: Backend<Param = P>>(&self, b: &mut B, x: &B::Tensor) -> B::Tensor {
        b.linear(x, &self.weight, Some(&self.bias))
    }

    /// `[weight, bias]`
    pub fn map(&self) -> [&P; 2] {
        [&self.weight, &self.bias]
    }

    /// Maps the parameters in canonical order.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(&self, at: Path<'_>, f: &mut Visit<'_, P, Q, E>) -> Result<Linear<Q>, E> {
        Ok(Linear {
            weight: f(at.then("weight"), &self.weight)?,
            bias: f(at.then("bias"), &self.bias)?,
        })
    }
}

/// Layer normalisation.
#[derive(Clone, Debug)]
pub struct Norm<P> {
    /// `[D]`, the gain.
    pub weight: P,
    /// `[D]`
    pub bias: P,
    /// Added to a row's variance before the square root.
    pub epsilon: f32,
}

impl Norm<Spec> {
    /// Of width D.
    pub fn new(d_model: usize, epsilon: f32) -> Self {
        let shape = Shape::vector(d_model);
        let [weight, bias] = [Init::Ones, Init::Zeros].map(|init| Spec { shape, init });
        Self { weight, bias, epsilon }
    }
}

impl<P> Norm<P> {
    /// `[N, D]` -> `[N, D]`
    pub fn forward<B: Backend<Param = P>>(&self, b: &mut B, x: &B::Tensor) -> B::Tensor {
        b.layer_norm(x, self.of())
    }

    /// The arguments of the operation.
    pub(super) fn of(&self) -> LayerNorm<'_, P> {
        LayerNorm { gain: &self.weight, bias: &self.bias, epsilon: self.epsilon }
    }

    /// Maps the parameters in canonical order.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(&self, at: Path<'_>, f: &mut Visit<'_, P, Q, E>) -> Result<Norm<Q>, E> {
        Ok(Norm {
            weight: f(at.then("weight"), &self.weight)?,
            bias: f(at.then("bias"), &self.bias)?,
            epsilon: self.epsilon,
        })
    }
}

/// How a block is added to the residual stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Residual {
    pub normalize_before: bool,
    pub dropout: f32,
}

impl Residual {
    pub fn of(block: &Block) -> Self {
        Self { normalize_before: block.normalize_before, dropout: block.dropout }
    }

    /// With `y = last(f(x))`: `norm(x + dropout(y))`; with pre-norm `x + dropout(y)`, where the input of `f` is
    /// `norm(x)`.
    pub fn around<B: Backend>(
        self,
        b: &mut B,
        x: B::Tensor,
        last: &Linear<B::Param>,
        norm: &Norm<B::Param>,
        f: impl FnOnce(&mut B, &B::Tensor) -> B::Tensor,
    ) -> B::Tensor {
        b.advance(x, |b, x| {
            if self.normalize_before {
                let normed = norm.forward(b, x);
                let inner = f(b, &normed);
                let y = last.forward(b, &inner);
                let y = b.dropout(y, self.dropout);
                b.add(y, x)
            } else {
                let inner = f(b, x);
                b.linear_join(&inner, last.map(), x, self.dropout, norm.of())
            }
        })
    }
}
