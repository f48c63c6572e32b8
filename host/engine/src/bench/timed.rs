//! A backend decorator that measures the time of each operation.

use a2d_core::allow::Allow;
use a2d_core::backend::*;
use a2d_core::batch::{Grid, Tokens};
use a2d_core::config::Activation;
use a2d_core::optim::AdamStep;
use a2d_core::shape::Shape;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Time by operation. Clones share one clock.
#[derive(Debug, Clone, Default)]
pub struct Clock(Rc<RefCell<BTreeMap<&'static str, Spent>>>);

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    calls: u64,
    time: Duration,
    flop: f64,
}

/// Calls and time of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Name in [`Backend`], [`Decode`] or [`Train`]; `rest` for the time outside all operations.
    pub operation: &'static str,
    /// Number of calls.
    pub calls: u64,
    /// Total time of all calls in seconds.
    pub seconds: f64,
    /// Share of the total time in percent.
    pub percent: f64,
    /// Rate of matrix products in GFLOP/s, padding included. `None` for operations whose products are not counted.
    pub gflops: Option<f64>,
}

impl Clock {
    /// Clears all times.
    pub fn reset(&self) {
        self.0.borrow_mut().clear();
    }

    fn add(&self, operation: &'static str, flop: f64, time: Duration) {
        let mut all = self.0.borrow_mut();
        let spent = all.entry(operation).or_default();
        spent.calls += 1;
        spent.time += time;
        spent.flop += flop;
    }

    /// One row for each operation, slowest first. The last row is the rest of `total` seconds.
    pub fn rows(&self, total: f64) -> Vec<Row> {
        let row = |operation, calls, seconds: f64, flop: f64| Row {
            operation,
            calls,
            seconds,
            percent: 100.0 * seconds / total,
            gflops: (flop > 0.0).then_some(flop / seconds / 1e9),
        };
        let all = self.0.borrow();
        let mut rows: Vec<Row> = all
            .iter()
            .map(|(operation, of)| row(operation, of.calls, of.time.as_secs_f64(), of.flop))
            .collect();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        let rest = total - rows.iter().map(|row| row.seconds).sum::<f64>();
        rows.push(row("rest", 0, rest, 0.0));
        rows
    }
}

impl Row {
    /// Header of a table of rows.
    pub const HEADER: &str = "  operation          calls         ms  percent  GFLOP/s";

    /// One JSON object.
    pub fn json(&self) -> Value {
        json!({
            "operation": self.operation,
            "calls": self.calls,
            "milliseconds": self.seconds * 1e3,
            "percent": self.percent,
            "gflops": self.gflops,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, calls, seconds, percent, gflops } = self;
        write!(f, "  {operation:16} {calls:>7} {:>10.1} {percent:>8.1}", seconds * 1e3)?;
        gflops.map_or(Ok(()), |gflops| write!(f, " {gflops:>8.1}"))
    }
}

/// A backend that times every operation of another backend. It waits for the device after each operation.
pub struct Timed<'b, B: Train> {
    inner: &'b mut B,
    clock: Clock,
}

impl<'b, B: Train> Timed<'b, B> {
    /// Wraps `inner` and adds its times to `clock`.
    pub fn new(inner: &'b mut B, clock: Clock) -> Self {
        Self { inner, clock }
    }

    fn time<R>(&mut self, operation: &'static str, f: impl FnOnce(&mut B) -> R) -> R {
        self.time_products(operation, 0, f)
    }

    /// [`Timed::time`] of matrix products with `multiplications` multiplications.
    fn time_products<R>(
        &mut self,
        operation: &'static str,
        multiplications: usize,
        f: impl FnOnce(&mut B) -> R,
    ) -> R {
        let start = Instant::now();
        let out = f(self.inner);
        // A lost device is reported by the next read of a result.
        let _ = self.inner.wait();
        self.clock.add(operation, 2.0 * multiplications as f64, start.elapsed());
        out
    }

    /// Number of multiplications in `x w^T`.
    fn product(&self, x: &B::Tensor, w: &B::Tensor) -> usize {
        self.inner.shape(x).rows() * self.inner.shape(w).len()
    }
}

impl<B: Train> Device for Timed<'_, B> {
    type Tensor = B::Tensor;
    type Index = B::Index;

    fn shape(&self, x: &Self::Tensor) -> Shape {
        self.inner.shape(x)
    }

    fn read(&mut self, x: &Self::Tensor, out: &mut [f32]) -> Result<(), Lost> {
        self.time("read", |b| b.read(x, out))
    }

    fn read_all(&mut self, xs: &[&Self::Tensor], out: &mut [&mut [f32]]) -> Result<(), Lost> {
        self.time("read", |b| b.read_all(xs, out))
    }

    fn wait(&mut self) -> Result<(), Lost> {
        self.inner.wait()
    }

    fn memory(&self) -> Option<u64> {
        self.inner.memory()
    }

    fn index(&mut self, values: &[u32]) -> Self::Index {
        self.time("index", |b| b.index(values))
    }

    fn index_tokens(&mut self, ids: &[u32], positions: &[u32]) -> [Self::Index; 2] {
        self.time("index", |b| b.index_tokens(ids, positions))
    }
}

impl<B: Train> Backend for Timed<'_, B> {
    type Param = B::Tensor;

    fn embed(
        &mut self,
        table: &Self::Param,
        tokens: &Tokens<Self::Index>,
        how: Embed,
    ) -> Self::Tensor {
        self.time("embed", |b| b.embed(table, tokens, how))
    }

    fn linear(
        &mut self,
        x: &Self::Tensor,
        w: &Self::Param,
        b: Option<&Self::Param>,
    ) -> Self::Tensor {
        let product = self.product(x, w);
        self.time_products("linear", product, |inner| inner.linear(x, w, b))
    }

    fn linear_activate(
        &mut self,
        x: &Self::Tensor,
        map: [&Self::Param; 2],
        f: Activation,
    ) -> Self::Tensor {
        let product = self.product(x, map[0]);
        self.time_products("linear", product, |b| b.linear_activate(x, map, f))
    }

    fn linears<const M: usize>(
        &mut self,
        x: &Self::Tensor,
        maps: [[&Self::Param; 2]; M],
    ) -> [Self::Tensor; M] {
        let products = maps.iter().map(|[w, _]| self.product(x, w)).sum();
        self.time_products("linear", products, |b| b.linears(x, maps))
    }

    fn linear_join(
        &mut self,
        x: &Self::Tensor,
        map: [&Self::Param; 2],
        residual: &Self::Tensor,
        p: f32,
        norm: LayerNorm<'_, Self::Param>,
    ) -> Self::Tensor {
        let product = self.product(x, map[0]);
        self.time_products("linear_join", product, |b| b.linear_join(x, map, residual, p, norm))
    }

    fn dropout(&mut self, x: Self::Tensor, p: f32) -> Self::Tensor {
        self.time("dropout", |b| b.dropout(x, p))
    }

    fn activate(&mut self, x: Self::Tensor, f: Activation) -> Self::Tensor {
        self.time("activate", |b| b.activate(x, f))
    }

    fn add(&mut self, x: Self::Tensor, y: &Self::Tensor) -> Self::Tensor {
        self.time("add", |b| b.add(x, y))
    }

    fn layer_norm(&mut self, x: &Self::Tensor, norm: LayerNorm<'_, Self::Param>) -> Self::Tensor {
        self.time("layer_norm", |b| b.layer_norm(x, norm))
    }

    fn attend(
        &mut self,
        q: &Self::Tensor,
        kv: Kv<&Self::Tensor>,
        grid: &Grid<Self::Index>,
        how: Attend,
    ) -> Attended<Self::Tensor> {
        self.time("attend", |b| b.attend(q, kv, grid, how))
    }
}

impl<B: Train> Decode for Timed<'_, B> {
    fn zeros(&mut self, shape: Shape) -> Self::Tensor {
        self.time("zeros", |b| b.zeros(shape))
    }

    fn store(&mut self, cache: &mut Self::Tensor, rows: &Self::Tensor, at: usize, stride: usize) {
        self.time("store", |b| b.store(cache, rows, at, stride));
    }

    fn select(&mut self, cache: &mut Self::Tensor, parents: &[u32], stride: usize, len: usize) {
        self.time("select", |b| b.select(cache, parents, stride, len));
    }

    fn rows_of(&mut self, sentences: impl Iterator<Item = usize>) {
        self.inner.rows_of(sentences);
    }

    fn project(
        &mut self,
        x: &Self::Tensor,
        table: &Self::Param,
        b: Option<&Self::Param>,
    ) -> Self::Tensor {
        let product = self.product(x, table);
        self.time_products("linear", product, |inner| inner.project(x, table, b))
    }

    fn top_k(
        &mut self,
        logits: &Self::Tensor,
        allow: Allow,
        ids: &mut [u32],
        log_probabilities: &mut [f32],
    ) -> Result<(), Lost> {
        self.time("top_k", |b| b.top_k(logits, allow, ids, log_probabilities))
    }
}

impl<B: Train> Train for Timed<'_, B> {
    fn tensor(&mut self, data: &[f32], shape: Shape) -> Self::Tensor {
        self.time("tensor", |b| b.tensor(data, shape))
    }

    fn together(&mut self, params: Vec<Self::Tensor>) -> Vec<Self::Tensor> {
        self.time("tensor", |b| b.together(params))
    }

    fn scale(&mut self, x: Self::Tensor, s: f32) -> Self::Tensor {
        self.time("scale", |b| b.scale(x, s))
    }

    fn mask(&mut self, x: Self::Tensor, p: f32, key: u64) -> Self::Tensor {
        self.time("mask", |b| b.mask(x, p, key))
    }

    fn linear_join_masked(
        &mut self,
        x: &Self::Tensor,
        map: [&Self::Tensor; 2],
        residual: &Self::Tensor,
        mask: Option<(f32, u64)>,
        norm: LayerNorm<'_, Self::Tensor>,
    ) -> [Self::Tensor; 2] {
        let product = self.product(x, map[0]);
        let joined = |b: &mut B| b.linear_join_masked(x, map, residual, mask, norm);
        self.time_products("linear_join", product, joined)
    }

    fn embed_grad(
        &mut self,
        dy: &Self::Tensor,
        tokens: &Tokens<Self::Index>,
        how: Embed,
        table: &Self::Tensor,
        into: Option<Self::Tensor>,
    ) -> Self::Tensor {
        self.time("embed_grad", |b| b.embed_grad(dy, tokens, how, table, into))
    }

    fn linear_grad(
        &mut self,
        dy: &Self::Tensor,
        x: &Self::Tensor,
        w: &Self::Tensor,
        bias: bool,
        into: Option<Self::Tensor>,
    ) -> LinearGrad<Self::Tensor> {
        let products = 2 * self.product(x, w);
        self.time_products("linear_grad", products, |b| b.linear_grad(dy, x, w, bias, into))
    }

    fn linear_join_grad(
        &mut self,
        dy: &Self::Tensor,
        [x, w]: [&Self::Tensor; 2],
        f: Option<Activation>,
        sum: &Self::Tensor,
        mask: Option<(f32, u64)>,
        norm: LayerNorm<'_, Self::Tensor>,
    ) -> JoinGrad<Self::Tensor> {
        let products = 2 * self.product(x, w);
        self.time_products("linear_join_grad", products, |b| {
            b.linear_join_grad(dy, [x, w], f, sum, mask, norm)
        })
    }

    fn linears_grad(
        &mut self,
        dys: &[Self::Tensor],
        x: &Self::Tensor,
        ws: &[&Self::Tensor],
        into: Option<Self::Tensor>,
    ) -> LinearsGrad<Self::Tensor> {
        let products = 2 * ws.iter().map(|w| self.product(x, w)).sum::<usize>();
        self.time_products("linear_grad", products, |b| b.linears_grad(dys, x, ws, into))
    }

    fn activate_grad(&mut self, dy: Self::Tensor, y: &Self::Tensor, f: Activation) -> Self::Tensor {
        self.time("activate_grad", |b| b.activate_grad(dy, y, f))
    }

    fn layer_norm_grad(
        &mut self,
        dy: &Self::Tensor,
        x: &Self::Tensor,
        norm: LayerNorm<'_, Self::Tensor>,
    ) -> NormGrad<Self::Tensor> {
        self.time("layer_norm_grad", |b| b.layer_norm_grad(dy, x, norm))
    }

    fn attend_grad(
        &mut self,
        dy: Option<&Self::Tensor>,
        dmap: Option<&Self::Tensor>,
        saved: &SavedAttend<Self::Tensor>,
        grid: &Grid<Self::Index>,
        how: Attend,
    ) -> [Self::Tensor; 3] {
        self.time("attend_grad", |b| b.attend_grad(dy, dmap, saved, grid, how))
    }

    fn align(
        &mut self,
        maps: &[Self::Tensor],
        w: &Self::Tensor,
        b: &Self::Tensor,
        grid: &Grid<Self::Index>,
        input: MapInput,
    ) -> Self::Tensor {
        self.time("align", |inner| inner.align(maps, w, b, grid, input))
    }

    fn align_grad(
        &mut self,
        dy: &Self::Tensor,
        maps: &[Self::Tensor],
        w: &Self::Tensor,
        grid: &Grid<Self::Index>,
        input: MapInput,
    ) -> AlignGrad<Self::Tensor> {
        self.time("align_grad", |b| b.align_grad(dy, maps, w, grid, input))
    }

    fn token_loss(&mut self, of: TokenLoss<'_, Self>) -> TokenLosses<Self::Tensor> {
        let TokenLoss { hidden, table, bias, teacher, targets, row, gradient } = of;
        let own = self.product(hidden, table) * if gradient { 3 } else { 1 };
        let teachers = teacher.as_ref().map_or(0, |t| self.product(t.hidden, t.table));
        self.time_products("token_loss", own + teachers, |b| {
            b.token_loss(TokenLoss { hidden, table, bias, teacher, targets, row, gradient })
        })
    }

    fn map_loss(
        &mut self,
        student: &Self::Tensor,
        teacher: &[Self::Tensor],
        grid: &Grid<Self::Index>,
        how: MapLoss,
        gradient: bool,
    ) -> Loss<Self::Tensor> {
        self.time("map_loss", |b| b.map_loss(student, teacher, grid, how, gradient))
    }

    fn state_loss(
        &mut self,
        student: &Self::Tensor,
        teacher: &[&Self::Tensor],
        grid: &Grid<Self::Index>,
        how: StateLoss,
        gradient: bool,
    ) -> Loss<Self::Tensor> {
        self.time("state_loss", |b| b.state_loss(student, teacher, grid, how, gradient))
    }

    fn relation_loss(
        &mut self,
        student: [&Self::Tensor; 2],
        teacher: [&Self::Tensor; 2],
        grid: &Grid<Self::Index>,
        how: RelationLoss,
        gradient: bool,
    ) -> RelationLosses<Self::Tensor> {
        self.time("relation_loss", |b| b.relation_loss(student, teacher, grid, how, gradient))
    }

    fn sum_over_processes(&mut self, own: &mut [Self::Tensor]) -> bool {
        self.time("sum_over_processes", |b| b.sum_over_processes(own))
    }

    fn adam(&mut self, state: AdamState<'_, Self::Tensor>, step: &AdamStep) -> Self::Tensor {
        self.time("adam", |b| b.adam(state, step))
    }
}
