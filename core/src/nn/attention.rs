//! Multi-head attention.

use super::basic::Linear;
use super::{Site, Tap};
use crate::backend::{Attend, Attended, Backend, Kv};
use crate::batch::Grid;
use crate::params::{Init, Path, Spec, Visit};

/// Projections around scaled dot-product attention.
#[derive(Clone, Debug)]
pub struct Attention<P> {
    /// `[D, D]`
    pub k_proj: Linear<P>,
    /// `[D, D]`
    pub v_proj: Linear<P>,
    /// `[D, D]`
    pub q_proj: Linear<P>,
    /// `[D, D]`
    pub out_proj: Linear<P>,
    /// H
    pub heads: usize,
    /// Dropout of attention probabilities.
    pub dropout: f32,
}

impl Attention<Spec> {
    /// Attention of width D over keys of width `memory` (the encoder's width in cross-attention).
    pub fn new(d_model: usize, memory: usize, heads: usize, dropout: f32) -> Self {
        // fairseq's gain depends on whether q, k and v could be one matrix.
        let gain = if memory == d_model { core::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let project = |input| {
            Linear::new(d_model, input, Init::xavier(d_model, input, gain), Init::fan_in(input))
        };
        Self {
            k_proj: project(memory),
            v_proj: project(memory),
            q_proj: project(d_model),
            out_proj: Linear::new(
                d_model,
                d_model,
                Init::xavier(d_model, d_model, 1.0),
                Init::Zeros,
            ),
            heads,
            dropout,
        }
    }
}

impl<P> Attention<P> {
    /// Keys and values of `memory` `[Nk, D]`.
    pub fn kv<B: Backend<Param = P>>(&self, b: &mut B, memory: &B::Tensor) -> Kv<B::Tensor> {
        let [k, v] = b.linears(memory, [self.k_proj.map(), self.v_proj.map()]);
        Kv { k, v }
    }

    /// Queries of `x` `[N, D]`, for cross-attention.
    pub fn q<B: Backend<Param = P>>(&self, b: &mut B, x: &B::Tensor) -> B::Tensor {
        let [q] = b.linears(x, [self.q_proj.map()]);
        q
    }

    /// [`Attention::kv`] and the queries of the same `x` `[N, D]`, for self-attention.
    pub fn kvq<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        x: &B::Tensor,
    ) -> (Kv<B::Tensor>, B::Tensor) {
        let [k, v, q] = b.linears(x, [&self.k_proj, &self.v_proj, &self.q_proj].map(Linear::map));
        (Kv { k, v }, q)
    }

    /// Queries `q` `[Nq, D]` attend to `kv` `[Nk, D]`. Returns the context, the input of `out_proj`. `tap` reads the
    /// projections and the map of `site`.
    pub fn attend<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        q: &B::Tensor,
        kv: &Kv<B::Tensor>,
        grid: &Grid<B::Index>,
        site: Site,
        tap: &mut impl Tap<B::Tensor>,
    ) -> B::Tensor {
        tap.projections(site, q, kv, self.heads);
        let map = tap.wants_maps();
        let how = Attend { heads: self.heads, map, dropout: self.dropout, key: None };
        let Attended { context, map } = b.attend(q, kv.as_ref(), grid, how);
        if let Some(map) = map {
            tap.map(site, map);
        }
        context
    }

    /// Maps the parameters in canonical order.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(
        &self,
        at: Path<'_>,
        f: &mut Visit<'_, P, Q, E>,
    ) -> Result<Attention<Q>, E> {
        Ok(Attention {
            k_proj: self.k_proj.try_map(at.then("k_proj"), f)?,
            v_proj: self.v_proj.try_map(at.then("v_proj"), f)?,
            q_proj: self.q_proj.try_map(at.then("q_proj"), f)?,
            out_proj: self.out_proj.try_map(at.then("out_proj"), f)?,
            heads: self.heads,
            dropout: self.dropout,
        })
    }
}
