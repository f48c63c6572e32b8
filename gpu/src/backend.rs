//! The traits of `a2d_core::backend` for GPUs: shapes and launches, no kernels.

use crate::context::Context;
use crate::failure::{lost, lost_for};
use crate::gemm::{Gemm, Out};
use crate::gradients::Gradients;
use crate::group::{Group, Seat};
use crate::index::{Block, Index};
use crate::kernels::decode::REFUSED;
use crate::kernels::{
    adam, align, attend, copy, decode, embed, map_loss, norm, pointwise, relation_loss, state_loss,
    token_loss,
};
use crate::stack::Stack;
use crate::tensor::Tensor;
use crate::view::View;
use crate::{beside, rounded, row, terms};
use a2d_core::allow::Allow;
use a2d_core::backend::*;
use a2d_core::batch::{Grid, NO_POSITION, Tokens};
use a2d_core::config::{Activation, Positions};
use a2d_core::optim::AdamStep;
use a2d_core::rows::position;
use a2d_core::shape::Shape;
use a2d_device::Precision;
use a2d_gemm::{By, Client, Form};
use cubecl::bytes::Bytes;
use cubecl::prelude::CubeElement;
use std::collections::HashMap;
use std::rc::Rc;

/// A GPU as a backend.
pub struct Gpu {
    context: Context,
    gemm: Gemm,
    /// The integers of the current batch.
    block: Rc<Block>,
    /// Position vectors by kind and width, and how many there are.
    vectors: HashMap<(Positions, usize), (usize, Tensor)>,
    gradients: Gradients,
    /// The group that sums gradients, if the device is in one.
    group: Option<Group>,
    /// Called after a read.
    after_reads: Option<Box<dyn Fn()>>,
}

impl Gpu {
    /// A backend on `client`, which has opened `device`; its matrix products round their operands to `precision`.
    pub(crate) fn new(client: Client, device: a2d_device::Device, precision: Precision) -> Self {
        let context = Context::new(client, device, precision == Precision::Bf16);
        Self {
            gemm: Gemm::new(&context, precision),
            context,
            block: Rc::default(),
            vectors: HashMap::new(),
            gradients: Gradients::default(),
            group: None,
            after_reads: None,
        }
    }

    /// Calls `f` after every read, when all that was launched before is done.
    pub fn after_reads(&mut self, f: impl Fn() + 'static) {
        self.after_reads = Some(Box::new(f));
    }

    /// Joins this device, `device`, with those of the other processes of a group, and waits for them.
    ///
    /// # Errors
    ///
    /// One line: why NCCL does not join them.
    pub fn join(&mut self, device: a2d_device::Device, seat: &Seat) -> Result<(), String> {
        self.group = Some(Group::join(self.context.client(), device, seat)?);
        Ok(())
    }

    /// Leaves the group, if the device is in one, as all its processes must. Dropping the backend does not: that waits for
    /// none of them.
    pub fn leave(&mut self) {
        if let Some(group) = self.group.take() {
            group.leave();
        }
    }

    /// Whether another process of its group has failed.
    pub fn is_deserted(&self) -> bool {
        self.group.as_ref().and_then(Group::failure).is_some_and(|(_, elsewhere)| elsewhere)
    }

    /// What computes its matrix products.
    pub fn products(&self) -> &By {
        self.context.products().by()
    }

    /// The products that a library was given.
    pub fn products_by_library(&self) -> usize {
        self.context.products().launched()
    }

    /// The sums that a unit holds in cubek's kernel for tensor cores, for a product of `m`, `n` and `k`; none where there is no
    /// such kernel.
    pub fn sums_per_unit(&self, form: Form, dims: [usize; 3]) -> Option<u32> {
        self.gemm.sums_per_unit(&self.context, form, dims)
    }

    /// [`embed::Groups`] on the device: ids, starts and rows.
    fn groups(&mut self, ids: &[u32], positions: &[u32]) -> [Index; 3] {
        let groups = embed::Groups::of(ids, positions);
        [groups.ids, groups.starts, groups.rows].map(|values| self.index(&values))
    }

    /// The vectors of places `0..=last`.
    fn vectors(&mut self, kind: Positions, width: usize, last: u32) -> Tensor {
        let needed = last as usize + 1;
        if let Some((count, table)) = self.vectors.get(&(kind, width))
            && *count >= needed
        {
            return table.clone();
        }
        let count = needed.next_power_of_two().max(64);
        let mut data = vec![0.0; count * width];
        for (at, out) in data.chunks_exact_mut(width.max(1)).enumerate() {
            position(kind, at as u32, out);
        }
        let table = self.tensor(&data, Shape::matrix(count, width));
        self.vectors.insert((kind, width), (count, table.clone()));
        table
    }

    /// The bytes of `views` after everything launched before, with one synchronisation.
    fn bytes(&mut self, views: Vec<View>) -> Result<Vec<Bytes>, Lost> {
        let handles = views.into_iter().map(|view| view.handle).collect();
        let bytes = self.context.read(handles).map_err(lost)?;
        self.summed()?;
        self.after_reads.iter().for_each(|f| f());
        Ok(bytes)
    }

    /// Whether all sums over processes were launched and no other process has failed.
    fn summed(&self) -> Result<(), Lost> {
        let failure = self.group.as_ref().and_then(Group::failure);
        failure.map_or(Ok(()), |(why, _)| Err(lost_for(&why)))
    }
}

impl a2d_core::device::Device for Gpu {
    type Tensor = Tensor;
    type Index = Index;

    fn shape(&self, x: &Tensor) -> Shape {
        x.shape
    }

    fn read(&mut self, x: &Tensor, out: &mut [f32]) -> Result<(), Lost> {
        self.read_all(&[x], &mut [out])
    }

    fn read_all(&mut self, xs: &[&Tensor], out: &mut [&mut [f32]]) -> Result<(), Lost> {
        let bytes = self.bytes(xs.iter().map(|x| self.context.full(x)).collect())?;
        for ((x, bytes), out) in xs.iter().zip(&bytes).zip(out) {
            out.copy_from_slice(&f32::from_bytes(bytes)[..x.len()]);
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Lost> {
        self.context.wait().map_err(lost)?;
        self.summed()
    }

    fn memory(&self) -> Option<u64> {
        self.context.reserved()
    }

    fn index(&mut self, values: &[u32]) -> Index {
        Index::new(&mut self.block, values)
    }

    fn index_tokens(&mut self, ids: &[u32], positions: &[u32]) -> [Index; 2] {
        let groups = self.groups(ids, positions).into();
        let mut ids = self.index(ids);
        ids.groups = Some(groups);
        [ids, self.index(positions)]
    }
}

impl Backend for Gpu {
    type Param = Tensor;

    fn embed(&mut self, table: &Tensor, tokens: &Tokens<Index>, how: Embed) -> Tensor {
        let places = tokens.positions.values.iter().filter(|&&p| p != NO_POSITION);
        let last = places.max().copied().unwrap_or(0);
        let vectors = self.vectors(how.positions, table.cols(), last);
        embed::embed(&self.context, table, tokens, &vectors.view(), how)
    }

    fn linear(&mut self, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
        self.gemm.linear(&self.context, [x, w], b)
    }

    fn linear_activate(&mut self, x: &Tensor, [w, b]: [&Tensor; 2], f: Activation) -> Tensor {
        self.gemm.linear_activate(&self.context, [x, w, b], f)
    }

    fn linears<const M: usize>(&mut self, x: &Tensor, maps: [[&Tensor; 2]; M]) -> [Tensor; M] {
        let context = &self.context;
        let [ws, bs] = [0, 1].map(|part| Stack::of(context, &maps.map(|map| map[part])));
        self.gemm.linears(context, x, &ws, &bs).try_into().expect("one for each map")
    }

    fn linear_join(
        &mut self,
        x: &Tensor,
        [w, b]: [&Tensor; 2],
        residual: &Tensor,
        _: f32,
        norm: LayerNorm<'_, Tensor>,
    ) -> Tensor {
        let y = self.gemm.linear_to_join(&self.context, [x, w]);
        norm::join(&self.context, [&y, b, residual], None, norm, None)
    }

    fn activate(&mut self, x: Tensor, f: Activation) -> Tensor {
        pointwise::activate(&self.context, &x, f)
    }

    fn add(&mut self, x: Tensor, y: &Tensor) -> Tensor {
        if y.is_held_rounded() {
            return terms::plus(&self.context, Some(x), y.clone());
        }
        pointwise::add(&self.context, x, y)
    }

    fn layer_norm(&mut self, x: &Tensor, norm: LayerNorm<'_, Tensor>) -> Tensor {
        norm::layer_norm(&self.context, x, norm)
    }

    fn attend(
        &mut self,
        q: &Tensor,
        kv: Kv<&Tensor>,
        grid: &Grid<Index>,
        how: Attend,
    ) -> Attended<Tensor> {
        attend::attend(&self.context, q, kv, grid, how)
    }
}

impl Decode for Gpu {
    fn zeros(&mut self, shape: Shape) -> Tensor {
        copy::zeros(&self.context, shape)
    }

    fn store(&mut self, cache: &mut Tensor, rows: &Tensor, at: usize, stride: usize) {
        let nothing = Tensor { shape: Shape::vector(0), ..rows.clone() };
        let held = std::mem::replace(cache, nothing);
        *cache = decode::store(&self.context, held, rows, at, stride);
    }

    fn select(&mut self, cache: &mut Tensor, parents: &[u32], stride: usize, len: usize) {
        if len > 0 && parents.iter().enumerate().any(|(i, &parent)| i != parent as usize) {
            let parents = self.index(parents);
            *cache = decode::reorder(&self.context, cache, &parents, stride, len);
        }
    }

    fn top_k(
        &mut self,
        logits: &Tensor,
        allow: Allow,
        ids: &mut [u32],
        log_probabilities: &mut [f32],
    ) -> Result<(), Lost> {
        let k = ids.len() / logits.rows().max(1);
        if k == 0 {
            return Ok(());
        }
        let found = decode::top_k(&self.context, logits, allow, k);
        let found = self.bytes(vec![found.view()])?;
        let found = f32::from_bytes(&found[0]);
        let out = ids.chunks_exact_mut(k).zip(log_probabilities.chunks_exact_mut(k));
        for (row, (ids, log_probabilities)) in found.chunks_exact(2 * k).zip(out) {
            for i in 0..k {
                ids[i] = row[k + i].to_bits();
                log_probabilities[i] = if row[i] <= REFUSED { f32::NEG_INFINITY } else { row[i] };
            }
        }
        Ok(())
    }
}

impl Train for Gpu {
    fn tensor(&mut self, data: &[f32], shape: Shape) -> Tensor {
        assert_eq!(data.len(), shape.len(), "tensor");
        copy::upload(&self.context, data, shape)
    }

    fn together(&mut self, mut params: Vec<Tensor>) -> Vec<Tensor> {
        row::of_tensors(&self.context, &mut params);
        params
    }

    fn scale(&mut self, x: Tensor, s: f32) -> Tensor {
        pointwise::scale(&self.context, &x, s)
    }

    fn mask(&mut self, x: Tensor, p: f32, key: u64) -> Tensor {
        pointwise::mask(&self.context, &x, p, key)
    }

    fn linear_join_masked(
        &mut self,
        x: &Tensor,
        [w, b]: [&Tensor; 2],
        residual: &Tensor,
        mask: Option<(f32, u64)>,
        norm: LayerNorm<'_, Tensor>,
    ) -> [Tensor; 2] {
        let y = self.gemm.linear_to_join(&self.context, [x, w]);
        let sum = copy::empty(&self.context, residual.shape);
        let normed = norm::join(&self.context, [&y, b, residual], mask, norm, Some(&sum));
        [sum, normed]
    }

    fn embed_grad(
        &mut self,
        dy: &Tensor,
        tokens: &Tokens<Index>,
        how: Embed,
        table: &Tensor,
        into: Option<Tensor>,
    ) -> Tensor {
        let into = into.unwrap_or_else(|| {
            let sum = self.gradients.empty(&self.context, table);
            copy::fill(&self.context, &sum.view(), 0.0);
            sum
        });
        let groups = tokens.ids.groups.clone();
        let groups = groups
            .unwrap_or_else(|| self.groups(&tokens.ids.values, &tokens.positions.values).into());
        embed::embed_grad(&self.context, dy, &groups, how, into)
    }

    fn linear_grad(
        &mut self,
        dy: &Tensor,
        x: &Tensor,
        w: &Tensor,
        bias: bool,
        into: Option<Tensor>,
    ) -> LinearGrad<Tensor> {
        let (n, i, o) = (x.rows(), x.cols(), w.rows());
        assert_eq!(dy.shape, Shape::matrix(n, o), "linear_grad: dy");
        let context = &self.context;
        let dx = match into {
            Some(sum) if !context.rounds => {
                let to = Out::Plus(context.full(&sum));
                Tensor::of(self.gemm.run(context, Form::Nn, dy, w, [n, i, o], to), x.shape)
            }
            into => terms::plus(context, into, self.gemm.input_grad(context, dy, [x, w], None)),
        };
        let dw = self.gradients.empty_stack(context, &[w]);
        let (w, b) = self.gemm.weight_grad(context, dy, x, bias, dw);
        LinearGrad { x: dx, w, b }
    }

    fn linears_grad(
        &mut self,
        dys: &[Tensor],
        x: &Tensor,
        ws: &[&Tensor],
        into: Option<Tensor>,
    ) -> LinearsGrad<Tensor> {
        let context = &self.context;
        let dys: Vec<_> = dys.iter().collect();
        let (ws, dws) = (Stack::of(context, ws), self.gradients.empty_stack(context, ws));
        let (n, i, o) = (x.rows(), x.cols(), ws.shape().rows());
        assert!(dys.iter().all(|dy| dy.shape == Shape::matrix(n, o)), "linears_grad: dys");
        if context.rounds
            && let (Some(dy), Some(w)) = (beside::joined(&dys), ws.joined())
        {
            let dx = self.gemm.input_grad(context, &dy, [x, &w], None);
            let maps = self.gemm.adjacent_weight_grads(context, &dy, x, dws);
            return LinearsGrad { x: Some(terms::plus(context, into, dx)), maps };
        }
        let dys = Stack::of(context, &dys);
        let sum = |into| self.gemm.sum(context, Form::Nn, [&dys, &ws], [n, i, o], into);
        let dx = if context.rounds {
            terms::plus(context, into, rounded::unshared(context, sum(None)))
        } else {
            sum(into.as_ref())
        };
        LinearsGrad { x: Some(dx), maps: self.gemm.weight_grads(context, &dys, x, true, dws) }
    }

    fn linear_join_grad(
        &mut self,
        dy: &Tensor,
        [x, w]: [&Tensor; 2],
        f: Option<Activation>,
        sum: &Tensor,
        mask: Option<(f32, u64)>,
        norm: LayerNorm<'_, Tensor>,
    ) -> JoinGrad<Tensor> {
        let context = &self.context;
        let sums = self.gradients.empty_stack(context, &[norm.gain, norm.bias]);
        let (norm, branch) = norm::join_grad(context, dy, sum, norm, mask, sums);
        let dx = self.gemm.input_grad(context, &branch, [x, w], f);
        let dw = self.gradients.empty_stack(context, &[w]);
        let (w, b) = self.gemm.weight_grad(context, &branch, x, true, dw);
        JoinGrad { norm, linear: LinearGrad { x: dx, w, b } }
    }

    fn activate_grad(&mut self, dy: Tensor, y: &Tensor, f: Activation) -> Tensor {
        pointwise::activate_grad(&self.context, &dy, y, f)
    }

    fn layer_norm_grad(
        &mut self,
        dy: &Tensor,
        x: &Tensor,
        norm: LayerNorm<'_, Tensor>,
    ) -> NormGrad<Tensor> {
        let sums = self.gradients.empty_stack(&self.context, &[norm.gain, norm.bias]);
        norm::layer_norm_grad(&self.context, dy, x, norm, sums)
    }

    fn attend_grad(
        &mut self,
        dy: Option<&Tensor>,
        dmap: Option<&Tensor>,
        saved: &SavedAttend<Tensor>,
        grid: &Grid<Index>,
        how: Attend,
    ) -> [Tensor; 3] {
        attend::attend_grad(&self.context, dy, dmap, saved, grid, how)
    }

    fn align(
        &mut self,
        maps: &[Tensor],
        w: &Tensor,
        b: &Tensor,
        grid: &Grid<Index>,
        input: MapInput,
    ) -> Tensor {
        align::align(&self.context, maps, w, b, grid, input)
    }

    fn align_grad(
        &mut self,
        dy: &Tensor,
        maps: &[Tensor],
        w: &Tensor,
        grid: &Grid<Index>,
        input: MapInput,
    ) -> AlignGrad<Tensor> {
        align::align_grad(&self.context, dy, maps, w, grid, input)
    }

    fn token_loss(&mut self, of: TokenLoss<'_, Self>) -> TokenLosses<Tensor> {
        let TokenLoss { hidden, table, bias, teacher, targets, row, gradient } = of;
        let given = token_loss::Given { hidden, table, bias, teacher, targets, row, gradient };
        let dtable = gradient.then(|| self.gradients.empty(&self.context, table));
        token_loss::token_loss(&self.context, &self.gemm, &given, dtable)
    }

    fn map_loss(
        &mut self,
        student: &Tensor,
        teacher: &[Tensor],
        grid: &Grid<Index>,
        how: MapLoss,
        gradient: bool,
    ) -> Loss<Tensor> {
        map_loss::map_loss(&self.context, student, teacher, grid, how, gradient)
    }

    fn state_loss(
        &mut self,
        student: &Tensor,
        teacher: &[&Tensor],
        grid: &Grid<Index>,
        how: StateLoss,
        gradient: bool,
    ) -> Loss<Tensor> {
        state_loss::state_loss(&self.context, student, teacher, grid, how, gradient)
    }

    fn relation_loss(
        &mut self,
        student: [&Tensor; 2],
        teacher: [&Tensor; 2],
        grid: &Grid<Index>,
        how: RelationLoss,
        gradient: bool,
    ) -> RelationLosses<Tensor> {
        relation_loss::relation_loss(&self.context, student, teacher, grid, how, gradient)
    }

    fn sum_over_processes(&mut self, own: &mut [Tensor]) -> bool {
        if self.group.is_none() {
            return false;
        }
        let row = self.gradients.moved(&self.context, own);
        self.group.iter().for_each(|group| group.sum(&row.memory().view()));
        true
    }

    fn adam(&mut self, state: AdamState<'_, Tensor>, step: &AdamStep) -> Tensor {
        let AdamState { params, grads, m, v } = state;
        let counts = [grads.len(), m.len(), v.len()];
        assert_eq!(counts, [params.len(); 3], "adam: as many of each");
        let context = &self.context;
        let gradients = self.gradients.gathered(context, grads);
        let norm = adam::norm(context, &gradients.memory().view(), step.scale);
        let [p, m, v] = [params, m, v].map(|tensors| row::of_tensors(context, tensors));
        assert!(
            [&m, &v, &gradients].iter().all(|row| row.offsets() == p.offsets()),
            "adam: shapes"
        );
        self.gradients.follow(&p);
        let rows = [gradients, m, v].map(|row| row.memory().view());
        adam::adam(context, p.memory(), rows.each_ref(), &norm, step);
        norm
    }
}
