//! Gradients: a backend that records the operations of another backend, and plays them backwards.
//!
//! The type of the backend selects training: `model.decode` on a `Tape<Cpu>` applies dropout and records; on `Cpu` it
//! does neither.

mod ops;

use crate::backend::{
    Attend, Attended, Backend, Device, Embed, Kv, LayerNorm, Lost, MapInput, MapLoss, RelationLoss,
    SavedAttend, StateLoss, TeacherRows, TokenLoss, Train,
};
use crate::batch::{Grid, Tokens};
use crate::config::Activation;
use crate::rng;
use crate::rows::TokenRow;
use crate::shape::Shape;
use alloc::vec::Vec;
use ops::{Grads, Id, Map, Op};

/// A value on the tape.
#[derive(Clone)]
pub struct Var<T> {
    /// The value.
    pub value: T,
    /// The rows of the whole batch before this value's first row, if its rows are rows of a batch.
    first: usize,
    id: Id,
}

/// Records the operations of a backend.
pub struct Tape<'b, B: Train> {
    backend: &'b mut B,
    ops: Vec<Op<B::Tensor, B::Index>>,
    grads: Grads<B::Tensor>,
    leaves: Vec<(Id, Shape)>,
    /// The key of the dropout masks. Each mask draws from a stream of its own.
    key: u64,
    masks: u64,
}

impl<'b, B: Train> Tape<'b, B> {
    /// An empty tape over `backend`; dropout draws from `key`.
    pub fn new(backend: &'b mut B, key: u64) -> Self {
        Self {
            backend,
            ops: Vec::new(),
            grads: Grads::default(),
            leaves: Vec::new(),
            key,
            masks: 0,
        }
    }

    /// The wrapped backend, for operations without a gradient.
    pub fn backend(&mut self) -> &mut B {
        self.backend
    }

    /// A parameter. [`Tape::backward`] returns the gradients of parameters in the order of these calls.
    pub fn leaf(&mut self, value: B::Tensor) -> Var<B::Tensor> {
        let shape = self.backend.shape(&value);
        let var = self.var(value, 0);
        self.leaves.push((var.id, shape));
        var
    }

    /// A value without a gradient.
    pub fn constant(&mut self, value: B::Tensor) -> Var<B::Tensor> {
        self.var(value, 0)
    }

    /// Aligns the maps of all layers (each `[H, A]`) with `w` `[M, C]`, `b` `[M]` -> `[M, A]`.
    pub fn align(
        &mut self,
        maps: &[Var<B::Tensor>],
        w: &Var<B::Tensor>,
        b: &Var<B::Tensor>,
        grid: &Grid<B::Index>,
        input: MapInput,
    ) -> Var<B::Tensor> {
        let values: Vec<_> = maps.iter().map(|m| m.value.clone()).collect();
        let y = self.backend.align(&values, &w.value, &b.value, grid, input);
        let y = self.var(y, 0);
        self.ops.push(Op::Align {
            maps: maps.iter().map(|m| m.id).collect(),
            values,
            w: w.clone(),
            b: b.id,
            grid: grid.clone(),
            input,
            y: y.id,
        });
        y
    }

    /// Computes [`Train::token_loss`] and adds its gradients to the tape. Returns the values `[5]`.
    pub fn token_loss(
        &mut self,
        hidden: &Var<B::Tensor>,
        output: (&Var<B::Tensor>, Option<&Var<B::Tensor>>),
        teacher: Option<TeacherRows<'_, B::Tensor>>,
        targets: &B::Index,
        row: TokenRow,
    ) -> B::Tensor {
        let loss = self.backend.token_loss(TokenLoss {
            hidden: &hidden.value,
            table: &output.0.value,
            bias: output.1.map(|bias| &bias.value),
            teacher,
            targets,
            row,
            gradient: true,
        });
        let (table, bias) = output;
        let gradients = [(Some(hidden), loss.hidden), (Some(table), loss.table), (bias, loss.bias)];
        for (of, gradient) in gradients {
            if let (Some(of), Some(gradient)) = (of, gradient) {
                self.grads.add(self.backend, of.id, gradient);
            }
        }
        loss.values
    }

    /// Computes [`Train::map_loss`] and adds its gradient to the tape. Returns the value `[1]`.
    pub fn map_loss(
        &mut self,
        student: &Var<B::Tensor>,
        teacher: &[B::Tensor],
        grid: &Grid<B::Index>,
        how: MapLoss,
    ) -> B::Tensor {
        let loss = self.backend.map_loss(&student.value, teacher, grid, how, true);
        if let Some(gradient) = loss.gradient {
            self.grads.add(self.backend, student.id, gradient);
        }
        loss.value
    }

    /// Computes [`Train::state_loss`] and adds its gradient to the tape. Returns the value `[1]`.
    pub fn state_loss(
        &mut self,
        student: &Var<B::Tensor>,
        teacher: &[&B::Tensor],
        grid: &Grid<B::Index>,
        how: StateLoss,
    ) -> B::Tensor {
        let loss = self.backend.state_loss(&student.value, teacher, grid, how, true);
        if let Some(gradient) = loss.gradient {
            self.grads.add(self.backend, student.id, gradient);
        }
        loss.value
    }

    /// Computes [`Train::relation_loss`] and adds its gradients to the tape. Returns the value `[1]`.
    pub fn relation_loss(
        &mut self,
        student: [&Var<B::Tensor>; 2],
        teacher: [&B::Tensor; 2],
        grid: &Grid<B::Index>,
        how: RelationLoss,
    ) -> B::Tensor {
        let values = values(student);
        let loss = self.backend.relation_loss(values, teacher, grid, how, true);
        for (of, gradient) in student.into_iter().zip(loss.gradients.into_iter().flatten()) {
            self.grads.add(self.backend, of.id, gradient);
        }
        loss.value
    }

    /// Plays the tape. Returns the gradients of all leaves, zeros for a leaf that no loss depends on.
    pub fn backward(self) -> Vec<B::Tensor> {
        let Self { backend, mut ops, mut grads, leaves, .. } = self;
        while let Some(op) = ops.pop() {
            op.play(backend, &mut grads);
        }
        leaves
            .into_iter()
            .map(|(id, shape)| grads.take(id).unwrap_or_else(|| backend.zeros(shape)))
            .collect()
    }

    fn var(&mut self, value: B::Tensor, first: usize) -> Var<B::Tensor> {
        Var { value, first, id: self.grads.place() }
    }

    /// Probability and key of the dropout before the sum with `residual`; `None` without dropout.
    fn next_mask(&mut self, p: f32, residual: &Var<B::Tensor>) -> Option<(f32, u64)> {
        (p > 0.0).then(|| (p, self.next_key(self.elements_before(residual))))
    }

    /// The key of the next mask, for elements that begin at element `first` of the whole batch.
    fn next_key(&mut self, first: usize) -> u64 {
        self.masks += 1;
        rng::from_index(rng::derive(self.key, self.masks), first as u32)
    }

    /// The elements of the whole batch before the first element of `x`.
    fn elements_before(&self, x: &Var<B::Tensor>) -> usize {
        x.first * self.backend.shape(&x.value).cols()
    }
}

/// The values of the parameters.
fn values<T>(params: [&Var<T>; 2]) -> [&T; 2] {
    params.map(|param| &param.value)
}

/// A norm over the values of its parameters.
fn of_values<T>(norm: LayerNorm<'_, Var<T>>) -> LayerNorm<'_, T> {
    let LayerNorm { gain, bias, epsilon } = norm;
    LayerNorm { gain: &gain.value, bias: &bias.value, epsilon }
}

/// Forwarded to the wrapped backend, unrecorded.
impl<B: Train> Device for Tape<'_, B> {
    type Tensor = Var<B::Tensor>;
    type Index = B::Index;

    fn shape(&self, x: &Self::Tensor) -> Shape {
        self.backend.shape(&x.value)
    }

    fn read(&mut self, x: &Self::Tensor, out: &mut [f32]) -> Result<(), Lost> {
        self.backend.read(&x.value, out)
    }

    fn read_all(&mut self, xs: &[&Self::Tensor], out: &mut [&mut [f32]]) -> Result<(), Lost> {
        let values: Vec<_> = xs.iter().map(|x| &x.value).collect();
        self.backend.read_all(&values, out)
    }

    const READS_ARE_FREE: bool = B::READS_ARE_FREE;

    fn index(&mut self, values: &[u32]) -> Self::Index {
        self.backend.index(values)
    }

    fn index_tokens(&mut self, ids: &[u32], positions: &[u32]) -> [Self::Index; 2] {
        self.backend.index_tokens(ids, positions)
    }

    fn wait(&mut self) -> Result<(), Lost> {
        self.backend.wait()
    }

    fn memory(&self) -> Option<u64> {
        self.backend.memory()
    }
}

/// Recording: runs the operation and keeps the values that its gradient needs.
impl<B: Train> Backend for Tape<'_, B> {
    type Param = Var<B::Tensor>;

    fn embed(
        &mut self,
        table: &Self::Param,
        tokens: &Tokens<Self::Index>,
        how: Embed,
    ) -> Self::Tensor {
        let shape = self.backend.shape(&table.value);
        let key = (how.dropout > 0.0).then(|| self.next_key(tokens.first * shape.cols()));
        let how = Embed { key, ..how };
        let y = self.backend.embed(&table.value, tokens, how);
        let y = self.var(y, tokens.first);
        let (table, tokens) = (table.clone(), tokens.clone());
        self.ops.push(Op::Embed { table, tokens, how, y: y.id });
        y
    }

    fn linear(
        &mut self,
        x: &Self::Tensor,
        w: &Self::Param,
        b: Option<&Self::Param>,
    ) -> Self::Tensor {
        let y = self.backend.linear(&x.value, &w.value, b.map(|b| &b.value));
        let y = self.var(y, x.first);
        self.ops.push(Op::Linear { x: x.clone(), w: w.clone(), b: b.map(|b| b.id), y: y.id });
        y
    }

    fn activate(&mut self, x: Self::Tensor, f: Activation) -> Self::Tensor {
        let input = f.gradient_takes_input().then(|| x.value.clone());
        let y = self.backend.activate(x.value, f);
        let y = self.var(y, x.first);
        let saved = input.unwrap_or_else(|| y.value.clone());
        self.ops.push(Op::Activate { x: x.id, saved, f, y: y.id });
        y
    }

    fn add(&mut self, x: Self::Tensor, y: &Self::Tensor) -> Self::Tensor {
        let sum = self.backend.add(x.value, &y.value);
        let sum = self.var(sum, x.first);
        self.ops.push(Op::Add { terms: [x.id, y.id], y: sum.id });
        sum
    }

    fn layer_norm(&mut self, x: &Self::Tensor, norm: LayerNorm<'_, Self::Param>) -> Self::Tensor {
        let y = self.backend.layer_norm(&x.value, of_values(norm));
        let y = self.var(y, x.first);
        let LayerNorm { gain, bias, epsilon } = norm;
        let (gain, bias) = (gain.clone(), bias.clone());
        self.ops.push(Op::LayerNorm { x: x.clone(), gain, bias, epsilon, y: y.id });
        y
    }

    fn attend(
        &mut self,
        q: &Self::Tensor,
        kv: Kv<&Self::Tensor>,
        grid: &Grid<Self::Index>,
        how: Attend,
    ) -> Attended<Self::Tensor> {
        let key = (how.dropout > 0.0).then(|| self.next_key(how.heads * grid.first));
        let how = Attend { key, ..how };
        let values = Kv { k: kv.k.value.clone(), v: kv.v.value.clone() };
        let Attended { context, map } = self.backend.attend(&q.value, values.as_ref(), grid, how);
        let context = self.var(context, q.first);
        let map = map.map(|map| self.var(map, 0));
        self.ops.push(Op::Attend {
            inputs: [q.id, kv.k.id, kv.v.id],
            saved: SavedAttend {
                q: q.value.clone(),
                kv: values,
                map: map.as_ref().map(|map| map.value.clone()),
            },
            grid: grid.clone(),
            how,
            y: context.id,
            map: map.as_ref().map(|map| map.id),
        });
        Attended { context, map }
    }

    fn linears<const M: usize>(
        &mut self,
        x: &Self::Tensor,
        maps: [[&Self::Param; 2]; M],
    ) -> [Self::Tensor; M] {
        let ys = self.backend.linears(&x.value, maps.map(values));
        let ys = ys.map(|y| self.var(y, x.first));
        let map = |([w, b], y): ([&Var<_>; 2], &Var<_>)| Map { w: w.clone(), b: b.id, y: y.id };
        let maps = maps.into_iter().zip(&ys).map(map).collect();
        self.ops.push(Op::Linears { x: x.clone(), maps });
        ys
    }

    fn linear_activate(
        &mut self,
        x: &Self::Tensor,
        [w, b]: [&Self::Param; 2],
        f: Activation,
    ) -> Self::Tensor {
        if f.gradient_takes_input() {
            let y = self.linear(x, w, Some(b));
            return self.activate(y, f);
        }
        let y = self.backend.linear_activate(&x.value, values([w, b]), f);
        let between = self.grads.place();
        self.ops.push(Op::Linear { x: x.clone(), w: w.clone(), b: Some(b.id), y: between });
        let y = self.var(y, x.first);
        self.ops.push(Op::Activate { x: between, saved: y.value.clone(), f, y: y.id });
        y
    }

    fn linear_join(
        &mut self,
        x: &Self::Tensor,
        [w, b]: [&Self::Param; 2],
        residual: &Self::Tensor,
        p: f32,
        norm: LayerNorm<'_, Self::Param>,
    ) -> Self::Tensor {
        let mask = self.next_mask(p, residual);
        let (map, of) = (values([w, b]), of_values(norm));
        let [sum, y] = self.backend.linear_join_masked(&x.value, map, &residual.value, mask, of);
        let y = self.var(y, residual.first);
        let LayerNorm { gain, bias, epsilon } = norm;
        let through = match self.ops.last() {
            Some(&Op::Activate { x: input, f, y, .. })
                if y == x.id && !f.gradient_takes_input() =>
            {
                Some((f, input))
            }
            _ => None,
        };
        self.ops.push(Op::Join {
            x: x.clone(),
            through,
            w: w.clone(),
            b: b.id,
            residual: residual.id,
            mask,
            sum,
            gain: gain.clone(),
            bias: bias.clone(),
            epsilon,
            y: y.id,
        });
        y
    }

    fn dropout(&mut self, x: Self::Tensor, p: f32) -> Self::Tensor {
        if p == 0.0 {
            return x;
        }
        let key = self.next_key(self.elements_before(&x));
        let y = self.backend.mask(x.value, p, key);
        let y = self.var(y, x.first);
        self.ops.push(Op::Mask { x: x.id, p, key, y: y.id });
        y
    }
}
