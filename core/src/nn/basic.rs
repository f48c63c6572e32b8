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
}

impl Norm<Spec> {
    /// Of width D.
    pub fn new(d_model: usize) -> Self {
        let shape = Shape::vector(d_model);
        let [weight, bias] = [Init::Ones, Init::Zeros].map(|init| Spec { shape, init });
        Self { weight, bias }
    }
}

impl<P> Norm<P> {
    /// `[N, D]` -> `[N, D]`, with the epsilon of `block`.
    pub fn forward<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        x: &B::Tensor,
        block: &Block,
    ) -> B::Tensor {
        b.layer_norm(x, self.of(block))
    }

    /// The arguments of the operation.
    fn of(&self, block: &Block) -> LayerNorm<'_, P> {
        LayerNorm { gain: &self.weight, bias: &self.bias, epsilon: block.norm_epsilon() }
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
        })
    }
}

/// Adds a block to the residual stream. With `y = last(f(x))`: `norm(x + dropout(y))`; with pre-norm `x + dropout(y)`,
/// where the input of `f` is `norm(x)`.
pub(super) fn around<B: Backend>(
    block: &Block,
    b: &mut B,
    x: B::Tensor,
    last: &Linear<B::Param>,
    norm: &Norm<B::Param>,
    f: impl FnOnce(&mut B, &B::Tensor) -> B::Tensor,
) -> B::Tensor {
    b.advance(x, |b, x| {
        if block.normalize_before {
            let normed = norm.forward(b, x, block);
            let inner = f(b, &normed);
            let y = last.forward(b, &inner);
            let y = b.dropout(y, block.dropout);
            b.add(y, x)
        } else {
            let inner = f(b, x);
            b.linear_join(&inner, last.map(), x, block.dropout, norm.of(block))
        }
    })
}
