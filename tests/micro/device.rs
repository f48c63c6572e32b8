//! The arena backend for the conformance suite: each operation of a model runs on [`Micro`], in an arena of its own,
//! and everything else on the CPU backend.

use a2d_core::allow::Allow;
use a2d_core::backend::*;
use a2d_core::batch::{Grid, Tokens};
use a2d_core::config::Activation;
use a2d_core::image::{Format, Weights};
use a2d_core::micro::{Micro, Parameter, Slot};
use a2d_core::optim::AdamStep;
use a2d_core::shape::Shape;
use a2d_host::backend::cpu::{Cpu, Tensor};
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::Parameters;
use std::sync::Arc;

type Index = Arc<[u32]>;

/// The CPU backend, and memory for an arena.
pub struct Arena {
    cpu: Cpu,
    arena: Words,
}

/// Parameters in the f32 format of an image.
fn parameters(each: &[&Tensor]) -> Parameters {
    let mut all = Parameters::default();
    for x in each {
        let bytes: Vec<u8> = x.data().iter().flat_map(|x| x.to_le_bytes()).collect();
        all.push(Format::F32, x.shape(), &bytes);
    }
    all
}

const FIRST: Parameter = Parameter::new(0);
const SECOND: Parameter = Parameter::new(1);

impl Arena {
    pub fn new() -> Self {
        Self { cpu: Cpu::new(1), arena: Words::zeros(1 << 24) }
    }

    /// Runs `f` in the arena; returns its results as tensors of the CPU.
    fn run<const K: usize>(
        &mut self,
        f: impl FnOnce(&mut Micro<'_, '_>) -> [Slot; K],
    ) -> [Tensor; K] {
        self.run_with(&[], f)
    }

    /// [`Arena::run`] over the parameters [`FIRST`] and [`SECOND`].
    fn run_with<const K: usize>(
        &mut self,
        each: &[&Tensor],
        f: impl FnOnce(&mut Micro<'_, '_>) -> [Slot; K],
    ) -> [Tensor; K] {
        parameters(each).with(|weights| self.run_over(weights, f))
    }

    fn run_over<const K: usize>(
        &mut self,
        weights: Weights<'_>,
        f: impl FnOnce(&mut Micro<'_, '_>) -> [Slot; K],
    ) -> [Tensor; K] {
        let mut micro = Micro::new(self.arena.bytes_mut(), 1000, weights).expect("an arena");
        let made = f(&mut micro).map(|x| {
            let mut out = vec![f32::NAN; micro.shape(&x).len()];
            micro.read(&x, &mut out).expect("no fault");
            (out, micro.shape(&x))
        });
        assert_eq!(micro.fault(), None);
        made.map(|(data, shape)| self.cpu.tensor(&data, shape))
    }
}

/// Copies a tensor into the arena.
fn load(micro: &mut Micro<'_, '_>, x: &Tensor) -> Slot {
    micro.tensor(x.data(), x.shape())
}

fn grid(micro: &mut Micro<'_, '_>, of: &Grid<Index>) -> Grid<a2d_core::micro::Words> {
    let Grid { spans, sentences, queries, keys, area, causal, .. } = of.clone();
    Grid { spans: micro.index(&spans), sentences, queries, keys, area, causal, first: 0 }
}

impl Device for Arena {
    type Tensor = Tensor;
    type Index = Index;

    fn shape(&self, x: &Tensor) -> Shape {
        x.shape()
    }

    fn read(&mut self, x: &Tensor, out: &mut [f32]) -> Result<(), Lost> {
        self.cpu.read(x, out)
    }

    fn index(&mut self, values: &[u32]) -> Index {
        values.into()
    }
}

impl Backend for Arena {
    type Param = Tensor;

    fn embed(&mut self, table: &Tensor, tokens: &Tokens<Index>, how: Embed) -> Tensor {
        let [y] = self.run_with(&[table], |b| {
            let (ids, places) = (b.index(&tokens.ids), b.index(&tokens.positions));
            let Tokens { rows, zero_padding, .. } = *tokens;
            let tokens =
                Tokens { ids, positions: places, types: None, rows, zero_padding, first: 0 };
            [b.embed(&FIRST, &tokens, how)]
        });
        y
    }

    fn linear(&mut self, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
        let each: Vec<&Tensor> = [w].into_iter().chain(b).collect();
        let bias = b.map(|_| &SECOND);
        let [y] = self.run_with(&each, |b| {
            let x = load(b, x);
            [b.linear(&x, &FIRST, bias)]
        });
        y
    }

    fn activate(&mut self, x: Tensor, f: Activation) -> Tensor {
        let [y] = self.run(|b| {
            let x = load(b, &x);
            [b.activate(x, f)]
        });
        y
    }

    fn add(&mut self, x: Tensor, y: &Tensor) -> Tensor {
        let [sum] = self.run(|b| {
            let (y, x) = (load(b, y), load(b, &x));
            [b.add(x, &y)]
        });
        sum
    }

    fn layer_norm(&mut self, x: &Tensor, norm: LayerNorm<'_, Tensor>) -> Tensor {
        let LayerNorm { gain, bias, epsilon } = norm;
        let [y] = self.run_with(&[gain, bias], |b| {
            let x = load(b, x);
            [b.layer_norm(&x, LayerNorm { gain: &FIRST, bias: &SECOND, epsilon })]
        });
        y
    }

    fn linears<const M: usize>(&mut self, x: &Tensor, maps: [[&Tensor; 2]; M]) -> [Tensor; M] {
        let numbers: Vec<_> = (0..2 * M as u16).map(Parameter::new).collect();
        self.run_with(maps.as_flattened(), |b| {
            let x = load(b, x);
            b.linears(&x, std::array::from_fn(|m| [&numbers[2 * m], &numbers[2 * m + 1]]))
        })
    }

    fn linear_activate(&mut self, x: &Tensor, map: [&Tensor; 2], f: Activation) -> Tensor {
        let [y] = self.run_with(&map, |b| {
            let x = load(b, x);
            [b.linear_activate(&x, [&FIRST, &SECOND], f)]
        });
        y
    }

    fn linear_join(
        &mut self,
        x: &Tensor,
        map: [&Tensor; 2],
        residual: &Tensor,
        p: f32,
        LayerNorm { gain, bias, epsilon }: LayerNorm<'_, Tensor>,
    ) -> Tensor {
        let [third, fourth] = [2, 3].map(Parameter::new);
        let norm = LayerNorm { gain: &third, bias: &fourth, epsilon };
        let [y] = self.run_with(&[map[0], map[1], gain, bias], |b| {
            let (residual, x) = (load(b, residual), load(b, x));
            [b.linear_join(&x, [&FIRST, &SECOND], &residual, p, norm)]
        });
        y
    }

    fn attend(
        &mut self,
        q: &Tensor,
        kv: Kv<&Tensor>,
        of: &Grid<Index>,
        how: Attend,
    ) -> Attended<Tensor> {
        if how.key.is_some() {
            return self.cpu.attend(q, kv, of, how); // dropout is for training only
        }
        let [context, map] = self.run(|b| {
            let [q, k, v] = [q, kv.k, kv.v].map(|x| load(b, x));
            let of = grid(b, of);
            let Attended { context, map } = b.attend(&q, Kv { k: &k, v: &v }, &of, how);
            let map = map.unwrap_or_else(|| b.tensor(&[], Shape::matrix(0, 0)));
            [context, map]
        });
        Attended { context, map: how.map.then_some(map) }
    }
}

impl Decode for Arena {
    fn zeros(&mut self, shape: Shape) -> Tensor {
        let [x] = self.run(|b| [b.zeros(shape)]);
        x
    }

    fn store(&mut self, cache: &mut Tensor, rows: &Tensor, at: usize, stride: usize) {
        [*cache] = self.run(|b| {
            let (mut cache, rows) = (load(b, cache), load(b, rows));
            b.store(&mut cache, &rows, at, stride);
            [cache]
        });
    }

    fn select(&mut self, cache: &mut Tensor, parents: &[u32], stride: usize, len: usize) {
        [*cache] = self.run(|b| {
            let mut cache = load(b, cache);
            b.select(&mut cache, parents, stride, len);
            [cache]
        });
    }

    fn project(&mut self, x: &Tensor, table: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let each: Vec<&Tensor> = [table].into_iter().chain(bias).collect();
        let bias = bias.map(|_| &SECOND);
        let [y] = self.run_with(&each, |b| {
            let x = load(b, x);
            [b.project(&x, &FIRST, bias)]
        });
        y
    }

    fn top_k(
        &mut self,
        logits: &Tensor,
        allow: Allow,
        ids: &mut [u32],
        lps: &mut [f32],
    ) -> Result<(), Lost> {
        self.run(|b| {
            let logits = load(b, logits);
            b.top_k(&logits, allow, ids, lps).expect("no fault");
            []
        });
        Ok(())
    }
}

/// Training runs on the CPU.
impl Train for Arena {
    fn tensor(&mut self, data: &[f32], shape: Shape) -> Tensor {
        self.cpu.tensor(data, shape)
    }
    fn scale(&mut self, x: Tensor, s: f32) -> Tensor {
        self.cpu.scale(x, s)
    }
    fn mask(&mut self, x: Tensor, p: f32, key: u64) -> Tensor {
        self.cpu.mask(x, p, key)
    }
    fn embed_grad(
        &mut self,
        dy: &Tensor,
        tokens: &Tokens<Index>,
        how: Embed,
        table: &Tensor,
        into: Option<Tensor>,
    ) -> Tensor {
        self.cpu.embed_grad(dy, tokens, how, table, into)
    }
    fn linear_grad(
        &mut self,
        dy: &Tensor,
        x: &Tensor,
        w: &Tensor,
        bias: bool,
        into: Option<Tensor>,
    ) -> LinearGrad<Tensor> {
        self.cpu.linear_grad(dy, x, w, bias, into)
    }
    fn activate_grad(&mut self, dy: Tensor, y: &Tensor, f: Activation) -> Tensor {
        self.cpu.activate_grad(dy, y, f)
    }
    fn layer_norm_grad(
        &mut self,
        dy: &Tensor,
        x: &Tensor,
        norm: LayerNorm<'_, Tensor>,
    ) -> NormGrad<Tensor> {
        self.cpu.layer_norm_grad(dy, x, norm)
    }
    fn attend_grad(
        &mut self,
        dy: Option<&Tensor>,
        dmap: Option<&Tensor>,
        saved: &SavedAttend<Tensor>,
        grid: &Grid<Index>,
        how: Attend,
    ) -> [Tensor; 3] {
        self.cpu.attend_grad(dy, dmap, saved, grid, how)
    }
    fn align(
        &mut self,
        maps: &[Tensor],
        w: &Tensor,
        b: &Tensor,
        grid: &Grid<Index>,
        input: MapInput,
    ) -> Tensor {
        self.cpu.align(maps, w, b, grid, input)
    }
    fn align_grad(
        &mut self,
        dy: &Tensor,
        maps: &[Tensor],
        w: &Tensor,
        grid: &Grid<Index>,
        input: MapInput,
    ) -> AlignGrad<Tensor> {
        self.cpu.align_grad(dy, maps, w, grid, input)
    }
    fn token_loss(&mut self, of: TokenLoss<'_, Self>) -> TokenLosses<Tensor> {
        let TokenLoss { hidden, table, bias, teacher, targets, row, gradient } = of;
        self.cpu.token_loss(TokenLoss { hidden, table, bias, teacher, targets, row, gradient })
    }
    fn state_loss(
        &mut self,
        student: &Tensor,
        teacher: &[&Tensor],
        grid: &Grid<Index>,
        how: StateLoss,
        gradient: bool,
    ) -> Loss<Tensor> {
        self.cpu.state_loss(student, teacher, grid, how, gradient)
    }
    fn relation_loss(
        &mut self,
        student: [&Tensor; 2],
        teacher: [&Tensor; 2],
        grid: &Grid<Index>,
        how: RelationLoss,
        gradient: bool,
    ) -> RelationLosses<Tensor> {
        self.cpu.relation_loss(student, teacher, grid, how, gradient)
    }
    fn map_loss(
        &mut self,
        student: &Tensor,
        teacher: &[Tensor],
        grid: &Grid<Index>,
        how: MapLoss,
        gradient: bool,
    ) -> Loss<Tensor> {
        self.cpu.map_loss(student, teacher, grid, how, gradient)
    }
    fn adam(&mut self, state: AdamState<'_, Tensor>, step: &AdamStep) -> Tensor {
        self.cpu.adam(state, step)
    }
}
