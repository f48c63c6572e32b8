//! The head of a text model: the rows of a text become one, from which labels or a vector are made.

use super::basic::Linear;
use crate::backend::{Attend, Backend, Embed, Kv};
use crate::batch::{Grid, Tokens};
use crate::config::{Activation, EncoderConfig, Head as HeadConfig, Positions};
use crate::params::{Init, Path, Spec, Visit};

/// Pooling, and the linear maps after it.
#[derive(Clone, Debug)]
pub struct Head<P> {
    /// `[D, D]`, before a hyperbolic tangent: BERT's pooler.
    pub dense: Option<Linear<P>>,
    /// `[O, D]`: to logits of labels, or to a vector of another width.
    pub output: Option<Linear<P>>,
    heads: usize,
    dropout: f32,
}

impl<P> Head<P> {
    /// Makes every parameter, in canonical order.
    pub(super) fn try_new<E>(
        config: &HeadConfig,
        encoder: &EncoderConfig,
        at: Path<'_>,
        f: &mut Visit<'_, Spec, P, E>,
    ) -> Result<Self, E> {
        let width = encoder.stack.d_model;
        let init = Init::fan_in(width);
        let linear = |out| Linear::new(out, width, init, init);
        let dense = config.dense.then(|| linear(width));
        let output = config.output.is_mapped(width).then(|| linear(config.output.width()));
        let specs = Head {
            dense,
            output,
            heads: encoder.stack.attention_heads,
            dropout: encoder.block.dropout,
        };
        specs.try_map(at, f)
    }

    /// `memory` `[N, D]` to one row for each text `[B, D]`. `queries` has one row of padding for each text; `grid` leads
    /// from it to the pooled rows.
    ///
    /// A query of zeros attends to all its keys alike, so that its context is their mean.
    pub(super) fn pool<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        table: &P,
        queries: &Tokens<B::Index>,
        memory: &B::Tensor,
        grid: &Grid<B::Index>,
    ) -> B::Tensor {
        let q = b.embed(table, queries, Embed::of(Positions::Learned));
        let how = Attend { heads: self.heads, map: false, dropout: 0.0, key: None };
        let pooled = b.attend(&q, Kv { k: memory, v: memory }, grid, how).context;
        let pooled = match &self.dense {
            Some(dense) => b.linear_activate(&pooled, dense.map(), Activation::Tanh),
            None => pooled,
        };
        b.dropout(pooled, self.dropout)
    }

    /// Maps the parameters in canonical order.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(&self, at: Path<'_>, f: &mut Visit<'_, P, Q, E>) -> Result<Head<Q>, E> {
        let (dense, output) = (at.then("dense"), at.then("output"));
        Ok(Head {
            dense: self.dense.as_ref().map(|of| of.try_map(dense, f)).transpose()?,
            output: self.output.as_ref().map(|of| of.try_map(output, f)).transpose()?,
            heads: self.heads,
            dropout: self.dropout,
        })
    }
}
