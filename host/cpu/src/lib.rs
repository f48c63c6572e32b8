//! The CPU backend: threads, the row formulas of [`a2d_core::rows`] and one matrix product.
//!
//! Results are bit-identical for any number of threads.

#![deny(unsafe_code)]

mod adam;
mod align;
mod attend;
mod decode;
mod embed;
mod gemm;
mod linear;
mod map_loss;
mod norm;
mod pointwise;
mod prefetch;
mod relation_loss;
mod round;
mod state_loss;
mod team;
mod tensor;
mod token_loss;

pub use team::instruction_sets;
pub use tensor::Tensor;

use a2d_core::allow::Allow;
use a2d_core::backend::*;
use a2d_core::batch;
use a2d_core::config::Activation;
use a2d_core::optim::AdamStep;
use a2d_core::rng::Mask;
use a2d_core::shape::Shape;
use embed::Vectors;
use round::Operands;
use std::iter;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use team::Team;
use tensor::Pool;

/// Shared integers.
type Index = Arc<[u32]>;
type Tokens = batch::Tokens<Index>;
type Grid = batch::Grid<Index>;

/// The CPU backend.
pub struct Cpu {
    operands: Operands,
    team: Team,
    pool: Pool,
    vectors: Vectors,
}

impl Cpu {
    /// A backend with `threads` threads, the caller's included; 0: one for each core.
    pub fn new(threads: usize) -> Self {
        Self {
            operands: Operands::F32,
            team: Team::new(threads),
            pool: Pool::default(),
            vectors: Vectors::default(),
        }
    }

    /// A backend that rounds operands of matrix products to bf16 as a GPU does. It shows the effect on quality; it is
    /// no faster.
    pub fn bf16(threads: usize) -> Self {
        Self { operands: Operands::Bf16, ..Self::new(threads) }
    }

    /// A backend of one thread with the same memory.
    fn alone(&self) -> Self {
        Self {
            operands: self.operands,
            team: Team::alone(),
            pool: self.pool.clone(),
            vectors: Vectors::default(),
        }
    }

    /// `x` as an operand of matrix products.
    fn operand<'a>(&self, x: &'a Tensor) -> &'a Tensor {
        self.operands.of(&self.team, x)
    }

    /// Gradients of linear maps `ws` of one `x`. A GPU that rounds holds that of `x` in bf16, before it is added to `into`.
    fn maps_grad(
        &self,
        dys: &[Tensor],
        x: &Tensor,
        ws: &[&Tensor],
        bias: bool,
        into: Option<Tensor>,
    ) -> LinearsGrad<Tensor> {
        let rounds = self.operands != Operands::F32;
        let (mut sum, into) = if rounds { (None, into) } else { (into, None) };
        let mut maps = Vec::with_capacity(ws.len());
        for (dy, &w) in dys.iter().zip(ws).rev() {
            let factors = [dy, x, w].map(|x| self.operand(x));
            let [dx, dw] = linear::linear_grad(&self.team, &self.pool, factors, sum);
            let db = bias.then(|| linear::column_sums(&self.team, &self.pool, factors[0]));
            maps.push((dw, db));
            sum = Some(dx);
        }
        maps.reverse();
        let x = sum.map(|mut dx| {
            self.operands.round(dx.data_mut());
            match into {
                Some(into) => pointwise::add(&self.team, into, &dx),
                None => dx,
            }
        });
        LinearsGrad { x, maps }
    }

    /// Number of threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// Bytes allocated for tensors, current and peak, including free memory kept for reuse.
    pub fn memory(&self) -> (usize, usize) {
        self.pool.memory()
    }

    /// Returns unused memory to the system.
    pub fn trim(&mut self) {
        self.pool.trim();
    }
}

impl Device for Cpu {
    type Tensor = Tensor;
    type Index = Index;

    fn shape(&self, x: &Tensor) -> Shape {
        x.shape()
    }

    fn read(&mut self, x: &Tensor, out: &mut [f32]) -> Result<(), Lost> {
        out.copy_from_slice(x.data());
        Ok(())
    }

    const READS_ARE_FREE: bool = true;

    fn index(&mut self, values: &[u32]) -> Index {
        values.into()
    }

    fn workers(&self) -> usize {
        self.threads()
    }

    /// A single call has all threads; of several, each has one.
    fn share(&mut self, count: usize, work: &(dyn Fn(&mut Self, usize) + Sync)) {
        let workers = self.threads().min(count);
        if workers < 2 {
            return (0..count).for_each(|number| work(self, number));
        }
        let next = AtomicUsize::new(0);
        self.team.each(0..workers, |_| {
            let mut alone = self.alone();
            let numbers = iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            numbers
                .take_while(|&number| number < count)
                .for_each(|number| work(&mut alone, number));
        });
    }
}

impl Backend for Cpu {
    type Param = Tensor;

    fn embed(&mut self, table: &Tensor, tokens: &Tokens, how: Embed) -> Tensor {
        let vectors = self.vectors.of(how.positions, table.shape().cols());
        let y = embed::embed(&self.team, &self.pool, vectors, table, tokens);
        match how.mask() {
            Some((p, key)) => self.mask(y, p, key),
            None => y,
        }
    }

    fn linear(&mut self, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
        let [x, w] = [x, w].map(|x| self.operand(x));
        linear::linear(&self.team, &self.pool, x, w, b)
    }

    /// As in [`Self::linears`], of ReLU alone.
    fn linear_activate(&mut self, x: &Tensor, [w, b]: [&Tensor; 2], f: Activation) -> Tensor {
        let b = if f == Activation::Relu { self.operand(b).clone() } else { b.clone() };
        let y = self.linear(x, w, Some(&b));
        self.activate(y, f)
    }

    /// A GPU that rounds holds the results in bf16, and so takes biases in bf16.
    fn linears<const M: usize>(&mut self, x: &Tensor, maps: [[&Tensor; 2]; M]) -> [Tensor; M] {
        maps.map(|[w, b]| {
            let [x, w, b] = [x, w, b].map(|x| self.operand(x));
            let mut y = linear::linear(&self.team, &self.pool, x, w, Some(b));
            self.operands.round(y.data_mut());
            y
        })
    }

    fn linear_join(
        &mut self,
        x: &Tensor,
        map: [&Tensor; 2],
        residual: &Tensor,
        _: f32,
        norm: LayerNorm<'_, Tensor>,
    ) -> Tensor {
        let [_, y] = self.linear_join_masked(x, map, residual, None, norm);
        y
    }

    fn activate(&mut self, x: Tensor, f: Activation) -> Tensor {
        pointwise::activate(&self.team, x, f)
    }

    fn add(&mut self, x: Tensor, y: &Tensor) -> Tensor {
        pointwise::add(&self.team, x, y)
    }

    fn layer_norm(&mut self, x: &Tensor, norm: LayerNorm<'_, Tensor>) -> Tensor {
        norm::layer_norm(&self.team, &self.pool, x, norm)
    }

    fn attend(
        &mut self,
        q: &Tensor,
        kv: Kv<&Tensor>,
        grid: &Grid,
        how: Attend,
    ) -> Attended<Tensor> {
        let [q, k, v] = [q, kv.k, kv.v].map(|x| self.operand(x));
        attend::attend(&self.team, &self.pool, self.operands, q, Kv { k, v }, grid, how)
    }
}

impl Decode for Cpu {
    fn zeros(&mut self, shape: Shape) -> Tensor {
        self.pool.zeros(shape)
    }

    fn store(&mut self, cache: &mut Tensor, rows: &Tensor, at: usize, stride: usize) {
        decode::store(cache, rows, at, stride);
    }

    fn select(&mut self, cache: &mut Tensor, parents: &[u32], stride: usize, len: usize) {
        decode::select(&self.pool, cache, parents, stride, len);
    }

    fn top_k(
        &mut self,
        logits: &Tensor,
        allow: Allow,
        ids: &mut [u32],
        log_probabilities: &mut [f32],
    ) -> Result<(), Lost> {
        decode::top_k(&self.team, logits, allow, ids, log_probabilities);
        Ok(())
    }
}

impl Train for Cpu {
    fn tensor(&mut self, data: &[f32], shape: Shape) -> Tensor {
        self.pool.filled(data, shape)
    }

    fn scale(&mut self, x: Tensor, s: f32) -> Tensor {
        pointwise::scale(&self.team, x, s)
    }

    fn mask(&mut self, x: Tensor, p: f32, key: u64) -> Tensor {
        pointwise::mask(&self.team, x, Mask::new(p, key))
    }

    /// A GPU that rounds holds the product in bf16, and then adds the bias.
    fn linear_join_masked(
        &mut self,
        x: &Tensor,
        [w, b]: [&Tensor; 2],
        residual: &Tensor,
        mask: Option<(f32, u64)>,
        norm: LayerNorm<'_, Tensor>,
    ) -> [Tensor; 2] {
        let y = match self.operands {
            Operands::F32 => self.linear(x, w, Some(b)),
            Operands::Bf16 => {
                let mut y = self.linear(x, w, None);
                self.operands.round(y.data_mut());
                linear::add_bias(&self.team, y, b)
            }
        };
        join_masked(self, y, residual, mask, norm)
    }

    fn embed_grad(
        &mut self,
        dy: &Tensor,
        tokens: &Tokens,
        how: Embed,
        table: &Tensor,
        into: Option<Tensor>,
    ) -> Tensor {
        let into = into.unwrap_or_else(|| self.zeros(table.shape()));
        embed::embed_grad(&self.team, dy, tokens, how, into)
    }

    fn linear_grad(
        &mut self,
        dy: &Tensor,
        x: &Tensor,
        w: &Tensor,
        bias: bool,
        into: Option<Tensor>,
    ) -> LinearGrad<Tensor> {
        let mut d = self.maps_grad(slice::from_ref(dy), x, &[w], bias, into);
        let (w, b) = d.maps.swap_remove(0);
        LinearGrad { x: d.x.expect("there is a map"), w, b }
    }

    fn linears_grad(
        &mut self,
        dys: &[Tensor],
        x: &Tensor,
        ws: &[&Tensor],
        into: Option<Tensor>,
    ) -> LinearsGrad<Tensor> {
        self.maps_grad(dys, x, ws, true, into)
    }

    fn activate_grad(&mut self, dy: Tensor, y: &Tensor, f: Activation) -> Tensor {
        pointwise::activate_grad(&self.team, dy, y, f)
    }

    fn layer_norm_grad(
        &mut self,
        dy: &Tensor,
        x: &Tensor,
        norm: LayerNorm<'_, Tensor>,
    ) -> NormGrad<Tensor> {
        norm::layer_norm_grad(&self.team, &self.pool, dy, x, norm)
    }

    fn attend_grad(
        &mut self,
        dy: Option<&Tensor>,
        dmap: Option<&Tensor>,
        saved: &SavedAttend<Tensor>,
        grid: &Grid,
        how: Attend,
    ) -> [Tensor; 3] {
        let dy = dy.map(|dy| self.operand(dy));
        let [q, k, v] = [&saved.q, &saved.kv.k, &saved.kv.v].map(|x| self.operand(x).clone());
        let saved = &SavedAttend { q, kv: Kv { k, v }, map: saved.map.clone() };
        attend::attend_grad(&self.team, &self.pool, self.operands, dy, dmap, saved, grid, how)
    }

    fn align(
        &mut self,
        maps: &[Tensor],
        w: &Tensor,
        b: &Tensor,
        grid: &Grid,
        input: MapInput,
    ) -> Tensor {
        align::align(&self.team, &self.pool, maps, w, b, grid, input)
    }

    fn align_grad(
        &mut self,
        dy: &Tensor,
        maps: &[Tensor],
        w: &Tensor,
        grid: &Grid,
        input: MapInput,
    ) -> AlignGrad<Tensor> {
        align::align_grad(&self.team, &self.pool, dy, maps, w, grid, input)
    }

    fn token_loss(&mut self, of: TokenLoss<'_, Self>) -> TokenLosses<Tensor> {
        let [hidden, table] = [of.hidden, of.table].map(|x| self.operand(x));
        let teacher = of.teacher.map(|TeacherRows { hidden, table, bias }| TeacherRows {
            hidden: self.operand(hidden),
            table: self.operand(table),
            bias,
        });
        let of = TokenLoss { hidden, table, teacher, ..of };
        token_loss::token_loss(&self.team, &self.pool, self.operands, &of)
    }

    fn map_loss(
        &mut self,
        student: &Tensor,
        teacher: &[Tensor],
        grid: &Grid,
        how: MapLoss,
        gradient: bool,
    ) -> Loss<Tensor> {
        map_loss::map_loss(&self.team, &self.pool, student, teacher, grid, how, gradient)
    }

    fn state_loss(
        &mut self,
        student: &Tensor,
        teacher: &[&Tensor],
        grid: &Grid,
        how: StateLoss,
        gradient: bool,
    ) -> Loss<Tensor> {
        state_loss::state_loss(&self.team, &self.pool, student, teacher, grid, how, gradient)
    }

    fn relation_loss(
        &mut self,
        student: [&Tensor; 2],
        teacher: [&Tensor; 2],
        grid: &Grid,
        how: RelationLoss,
        gradient: bool,
    ) -> RelationLosses<Tensor> {
        let (team, pool) = (&self.team, &self.pool);
        relation_loss::relation_loss(team, pool, student, teacher, grid, how, gradient)
    }

    fn adam(&mut self, state: AdamState<'_, Tensor>, step: &AdamStep) -> Tensor {
        adam::adam(&self.team, &self.pool, state, step)
    }
}
