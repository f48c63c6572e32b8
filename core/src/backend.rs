//! The operations of a backend.
//!
//! [`Device`] holds tensors, [`Backend`] runs a model forward, [`Decode`] decodes one token at a time, `Train` trains
//! (feature `train`). An operation has the size of a hand-written kernel. Ownership expresses reuse of memory: an
//! operation may overwrite an argument that it takes by value, not one that it takes by reference. Shapes that do not
//! match are bugs and panic.

use crate::allow::Allow;
use crate::batch::{Grid, Tokens};
use crate::config::{Activation, Positions};
use crate::shape::Shape;

pub use crate::device::{Device, Lost};

/// Whether map `number` of the `count` of [`Backend::linears`] gives keys or values, which attention reads again with each token.
/// The others are queries, which it reads once.
pub const fn is_key_or_value(number: usize, count: usize) -> bool {
    count > 1 && number < 2
}

/// The forward operations of a Transformer.
pub trait Backend: Device {
    /// A weight. May be quantised, may be in flash. Threads may share it.
    type Param: Sync;

    /// `y[n] = dropout(sqrt(D) * table[ids[n]] + position(positions[n]))` -> `[N, D]`, see [`crate::rows::position`]. With
    /// [`Positions::Learned`]: `y[n] = dropout(table[ids[n]])`.
    fn embed(
        &mut self,
        table: &Self::Param,
        tokens: &Tokens<Self::Index>,
        how: Embed,
    ) -> Self::Tensor;
    /// `y[n, o] = sum_i x[n, i] w[o, i] + b[o]`, `w` `[O, I]` -> `[N, O]`
    fn linear(
        &mut self,
        x: &Self::Tensor,
        w: &Self::Param,
        b: Option<&Self::Param>,
    ) -> Self::Tensor;
    /// `f(x)`, elementwise.
    fn activate(&mut self, x: Self::Tensor, f: Activation) -> Self::Tensor;
    /// `x + y`
    fn add(&mut self, x: Self::Tensor, y: &Self::Tensor) -> Self::Tensor;
    /// Each row to mean 0 and variance 1, times the gain, plus the bias.
    fn layer_norm(&mut self, x: &Self::Tensor, norm: LayerNorm<'_, Self::Param>) -> Self::Tensor;
    /// Scaled dot-product attention over all heads, `q` `[Nq, D]` to `kv` `[Nk, D]`, within the sentences of `grid`.
    fn attend(
        &mut self,
        q: &Self::Tensor,
        kv: Kv<&Self::Tensor>,
        grid: &Grid<Self::Index>,
        how: Attend,
    ) -> Attended<Self::Tensor>;

    /// Linear maps `[w, b]` of one `x`: keys, values and, as a third map, queries; or queries alone. A backend may compute
    /// all of them in one pass. It may store them in fewer bytes, as mostly attention and the cache read them.
    fn linears<const M: usize>(
        &mut self,
        x: &Self::Tensor,
        maps: [[&Self::Param; 2]; M],
    ) -> [Self::Tensor; M] {
        maps.map(|[w, b]| self.linear(x, w, Some(b)))
    }
    /// `f(linear(x, w, b))`. A backend may compute both in one pass.
    fn linear_activate(
        &mut self,
        x: &Self::Tensor,
        [w, b]: [&Self::Param; 2],
        f: Activation,
    ) -> Self::Tensor {
        let y = self.linear(x, w, Some(b));
        self.activate(y, f)
    }
    /// `layer_norm(residual + dropout(linear(x, w, b), p))`: the end of a block. A backend may compute it in one pass.
    fn linear_join(
        &mut self,
        x: &Self::Tensor,
        [w, b]: [&Self::Param; 2],
        residual: &Self::Tensor,
        p: f32,
        norm: LayerNorm<'_, Self::Param>,
    ) -> Self::Tensor {
        let y = self.linear(x, w, Some(b));
        let y = self.dropout(y, p);
        let sum = self.add(y, residual);
        self.layer_norm(&sum, norm)
    }
    /// Dropout with probability `p`. The identity: only a `Tape` (feature `train`) drops.
    fn dropout(&mut self, x: Self::Tensor, _p: f32) -> Self::Tensor {
        x
    }
}

/// The options of an embedding.
#[derive(Clone, Copy, Debug)]
pub struct Embed {
    /// The vectors that are added.
    pub positions: Positions,
    /// Dropout of the sum; ignored without a `key`.
    pub dropout: f32,
    /// The key of the dropout mask; only a backend that records for training sets it.
    pub key: Option<u64>,
}

impl Embed {
    /// Without dropout.
    pub const fn of(positions: Positions) -> Self {
        Self { positions, dropout: 0.0, key: None }
    }

    /// The probability and key of the dropout, if any.
    pub fn mask(&self) -> Option<(f32, u64)> {
        self.key.map(|key| (self.dropout, key))
    }
}

/// The parameters of a layer norm.
#[derive(Debug)]
pub struct LayerNorm<'a, P> {
    /// `[D]`
    pub gain: &'a P,
    /// `[D]`
    pub bias: &'a P,
    /// Added to a row's variance before the square root.
    pub epsilon: f32,
}

impl<P> Clone for LayerNorm<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for LayerNorm<'_, P> {}

/// Keys and values, `[N, D]` each: new projections in training, the cache in decoding.
#[derive(Clone, Copy, Debug)]
pub struct Kv<T> {
    /// Keys.
    pub k: T,
    /// Values.
    pub v: T,
}

impl<T> Kv<T> {
    /// Both, lent.
    pub const fn as_ref(&self) -> Kv<&T> {
        Kv { k: &self.k, v: &self.v }
    }
}

/// The options of an attention.
#[derive(Clone, Copy, Debug)]
pub struct Attend {
    /// H
    pub heads: usize,
    /// Whether the map is returned.
    pub map: bool,
    /// Attention dropout; ignored without a `key`.
    pub dropout: f32,
    /// The key of the dropout mask; only a backend that records for training sets it.
    pub key: Option<u64>,
}

/// The results of an attention.
pub struct Attended<T> {
    /// `[N, D]`
    pub context: T,
    /// `[H, A]`, if [`Attend::map`] is set: probabilities before dropout, exactly 0 for padded and future keys.
    pub map: Option<T>,
}

/// The operations for decoding one token at a time.
pub trait Decode: Backend {
    /// A cache of keys or values, filled with 0. Stores results of [`Backend::linears`].
    fn zeros(&mut self, shape: Shape) -> Self::Tensor;
    /// Writes row `i` of `rows` into row `i * stride + at` of `cache`.
    fn store(&mut self, cache: &mut Self::Tensor, rows: &Self::Tensor, at: usize, stride: usize);
    /// Reorders a cache of groups of `stride` rows: group `i` becomes a copy of the former group `parents[i]`, in its
    /// first `len` rows.
    fn select(&mut self, cache: &mut Self::Tensor, parents: &[u32], stride: usize, len: usize);
    /// The sentence of each row of the next [`Decode::project`] and [`Decode::top_k`], ascending: for a backend that
    /// omits other tokens for each sentence.
    fn rows_of(&mut self, _sentences: impl Iterator<Item = usize>) {}
    /// `x table^T + b`, the model's output: a logit for each token of the vocabulary. A backend may omit tokens that it
    /// knows to be impossible; [`Decode::top_k`] then ranks the other tokens.
    fn project(
        &mut self,
        x: &Self::Tensor,
        table: &Self::Param,
        b: Option<&Self::Param>,
    ) -> Self::Tensor {
        self.linear(x, table, b)
    }
    /// The best `ids.len() / N` tokens of each row of `logits` `[N, V]` with their log-probabilities, best first (on a
    /// tie, the lower id first). Tokens that `allow` refuses have log-probability minus infinity.
    ///
    /// # Errors
    ///
    /// The device was lost.
    fn top_k(
        &mut self,
        logits: &Self::Tensor,
        allow: Allow,
        ids: &mut [u32],
        log_probabilities: &mut [f32],
    ) -> Result<(), Lost>;
}

#[cfg(feature = "train")]
pub use train::*;

#[cfg(feature = "train")]
mod train {
    use super::*;
    use crate::optim::AdamStep;
    use crate::rows::TokenRow;
    use alloc::vec::Vec;

    /// The operations for training: a gradient for each operation, the losses, and Adam.
    ///
    /// Arguments named `into` are sums to which a gradient is added; `None` starts a new sum.
    pub trait Train: Decode<Param = <Self as Device>::Tensor, Tensor: Clone + Sync> {
        /// A tensor from row-major data.
        fn tensor(&mut self, data: &[f32], shape: Shape) -> Self::Tensor;
        /// The same tensors, moved to the backend's preferred memory for a model's parameters.
        fn together(&mut self, params: Vec<Self::Tensor>) -> Vec<Self::Tensor> {
            params
        }
        /// `x * s`
        fn scale(&mut self, x: Self::Tensor, s: f32) -> Self::Tensor;
        /// Dropout of `x`: element `i` is multiplied by `Mask::new(p, key).factor(i)` of [`crate::rng::Mask`]. The
        /// operation is linear in `x`, so it is its own gradient.
        fn mask(&mut self, x: Self::Tensor, p: f32, key: u64) -> Self::Tensor;

        /// [`Backend::linear_join`] with the probability and key of the dropout, if any. Returns the sum and its layer
        /// norm.
        fn linear_join_masked(
            &mut self,
            x: &Self::Tensor,
            [w, b]: [&Self::Tensor; 2],
            residual: &Self::Tensor,
            mask: Option<(f32, u64)>,
            norm: LayerNorm<'_, Self::Tensor>,
        ) -> [Self::Tensor; 2] {
            let y = self.linear(x, w, Some(b));
            join_masked(self, y, residual, mask, norm)
        }

        /// The gradient of [`Backend::embed`] for `table` `[V, D]`. Padding has no gradient.
        fn embed_grad(
            &mut self,
            dy: &Self::Tensor,
            tokens: &Tokens<Self::Index>,
            how: Embed,
            table: &Self::Tensor,
            into: Option<Self::Tensor>,
        ) -> Self::Tensor;
        /// Gradients of [`Backend::linear`]. The gradient of `x` is added to `into`; `bias` tells whether the gradient
        /// of the bias is computed.
        fn linear_grad(
            &mut self,
            dy: &Self::Tensor,
            x: &Self::Tensor,
            w: &Self::Tensor,
            bias: bool,
            into: Option<Self::Tensor>,
        ) -> LinearGrad<Self::Tensor>;
        /// Gradients of several linear maps `ws` of one `x`, with biases. A backend may compute all of them in one
        /// pass.
        fn linears_grad(
            &mut self,
            dys: &[Self::Tensor],
            x: &Self::Tensor,
            ws: &[&Self::Tensor],
            into: Option<Self::Tensor>,
        ) -> LinearsGrad<Self::Tensor> {
            let (mut sum, mut maps) = (into, Vec::with_capacity(ws.len()));
            for (dy, w) in dys.iter().zip(ws).rev() {
                let d = self.linear_grad(dy, x, w, true, sum);
                maps.push((d.w, d.b));
                sum = Some(d.x);
            }
            maps.reverse();
            LinearsGrad { x: sum, maps }
        }
        /// Gradients of [`Train::linear_join_masked`], whose first result was `sum`, from that of its layer norm. With `f`, whose
        /// result `x` is and whose gradient takes that, the gradient of `x` is that of the input of `f`.
        fn linear_join_grad(
            &mut self,
            dy: &Self::Tensor,
            [x, w]: [&Self::Tensor; 2],
            f: Option<Activation>,
            sum: &Self::Tensor,
            mask: Option<(f32, u64)>,
            norm: LayerNorm<'_, Self::Tensor>,
        ) -> JoinGrad<Self::Tensor> {
            let norm = self.layer_norm_grad(dy, sum, norm);
            let dy = match mask {
                Some((p, key)) => self.mask(norm.x.clone(), p, key),
                None => norm.x.clone(),
            };
            let mut linear = self.linear_grad(&dy, x, w, true, None);
            if let Some(f) = f {
                linear.x = self.activate_grad(linear.x, x, f);
            }
            JoinGrad { norm, linear }
        }
        /// `f'` times `dy`. `saved` is the input or the output of `f`, see [`Activation::gradient_takes_input`].
        fn activate_grad(
            &mut self,
            dy: Self::Tensor,
            saved: &Self::Tensor,
            f: Activation,
        ) -> Self::Tensor;
        /// Gradients of [`Backend::layer_norm`].
        fn layer_norm_grad(
            &mut self,
            dy: &Self::Tensor,
            x: &Self::Tensor,
            norm: LayerNorm<'_, Self::Tensor>,
        ) -> NormGrad<Self::Tensor>;
        /// Gradients of [`Backend::attend`] for q, k and v. `dmap` is the gradient of the map, which distillation of
        /// maps needs.
        fn attend_grad(
            &mut self,
            dy: Option<&Self::Tensor>,
            dmap: Option<&Self::Tensor>,
            saved: &SavedAttend<Self::Tensor>,
            grid: &Grid<Self::Index>,
            how: Attend,
        ) -> [Self::Tensor; 3];

        /// `y[m] = sum_c w[m, c] f(maps[c]) + b[m]`: from the maps of all layers (each `[H, A]`, C in total) to `[M, A]`.
        /// `input` is f.
        fn align(
            &mut self,
            maps: &[Self::Tensor],
            w: &Self::Tensor,
            b: &Self::Tensor,
            grid: &Grid<Self::Index>,
            input: MapInput,
        ) -> Self::Tensor;
        /// Gradients of [`Train::align`].
        fn align_grad(
            &mut self,
            dy: &Self::Tensor,
            maps: &[Self::Tensor],
            w: &Self::Tensor,
            grid: &Grid<Self::Index>,
            input: MapInput,
        ) -> AlignGrad<Self::Tensor>;

        /// Label-smoothed cross-entropy and cross-entropy to the teacher, over the rows whose target is not
        /// [`crate::batch::IGNORE`]. The logits `[N, V]` are never stored in full.
        fn token_loss(&mut self, of: TokenLoss<'_, Self>) -> TokenLosses<Self::Tensor>
        where
            Self: Sized;
        /// Divergence of aligned student maps `[M, A]` from the teacher's maps (each `[H, A]`, M in total).
        fn map_loss(
            &mut self,
            student: &Self::Tensor,
            teacher: &[Self::Tensor],
            grid: &Grid<Self::Index>,
            how: MapLoss,
            gradient: bool,
        ) -> Loss<Self::Tensor>;

        /// Difference of a student's hidden states `[N, D]` from one or several of a teacher (each `[N, Dt]`), over the
        /// queries of `grid` that are no padding.
        fn state_loss(
            &mut self,
            student: &Self::Tensor,
            teacher: &[&Self::Tensor],
            grid: &Grid<Self::Index>,
            how: StateLoss,
            gradient: bool,
        ) -> Loss<Self::Tensor>;
        /// Difference of a student's relations from a teacher's, within the sentences of `grid`: of the scaled products
        /// of `[left, right]`, `[Nq, D]` and `[Nk, D]`, head by head. Both models have their own widths.
        fn relation_loss(
            &mut self,
            student: [&Self::Tensor; 2],
            teacher: [&Self::Tensor; 2],
            grid: &Grid<Self::Index>,
            how: RelationLoss,
            gradient: bool,
        ) -> RelationLosses<Self::Tensor>;

        /// Replaces each tensor by its sum over all processes whose devices are joined, with the same bits in each, and
        /// returns true. False, and nothing is changed, if the device is joined with none. A collective operation: all
        /// processes call it, in the same order.
        fn sum_over_processes(&mut self, _own: &mut [Self::Tensor]) -> bool {
            false
        }
        /// One step of Adam over all parameters. Returns `[1]`: the norm of the gradients after scaling, before
        /// clipping.
        fn adam(&mut self, state: AdamState<'_, Self::Tensor>, step: &AdamStep) -> Self::Tensor;
    }

    /// What follows the linear map in [`Train::linear_join_masked`], in one operation after the other.
    pub fn join_masked<B: Train + ?Sized>(
        b: &mut B,
        y: B::Tensor,
        residual: &B::Tensor,
        mask: Option<(f32, u64)>,
        norm: LayerNorm<'_, B::Tensor>,
    ) -> [B::Tensor; 2] {
        let y = match mask {
            Some((p, key)) => b.mask(y, p, key),
            None => y,
        };
        let sum = b.add(y, residual);
        let normed = b.layer_norm(&sum, norm);
        [sum, normed]
    }

    /// Gradients of a linear map.
    pub struct LinearGrad<T> {
        /// `[N, I]`
        pub x: T,
        /// `[O, I]`
        pub w: T,
        /// `[O]`
        pub b: Option<T>,
    }

    /// Gradients of several linear maps of one input.
    pub struct LinearsGrad<T> {
        /// `[N, I]`, the sum over all maps; `None` if there are no maps.
        pub x: Option<T>,
        /// `[O, I]` and `[O]` of each map.
        pub maps: Vec<(T, Option<T>)>,
    }

    /// Gradients of a layer norm.
    pub struct NormGrad<T> {
        /// `[N, D]`
        pub x: T,
        /// `[D]`
        pub gain: T,
        /// `[D]`
        pub bias: T,
    }

    /// Gradients of a linear map that is joined to a residual.
    pub struct JoinGrad<T> {
        /// Those of the layer norm; that of its input is that of the residual too.
        pub norm: NormGrad<T>,
        /// Those of the linear map.
        pub linear: LinearGrad<T>,
    }

    /// The values that the gradient of attention needs.
    pub struct SavedAttend<T> {
        /// `[Nq, D]`
        pub q: T,
        /// `[Nk, D]`
        pub kv: Kv<T>,
        /// `[H, A]`, before dropout. `None` if only the gradient uses the map: the gradient then recomputes it.
        pub map: Option<T>,
    }

    /// Gradients of the head alignment.
    pub struct AlignGrad<T> {
        /// `[H, A]` for each layer.
        pub maps: Vec<T>,
        /// `[M, C]`
        pub w: T,
        /// `[M]`
        pub b: T,
    }

    /// The teacher's side of the token losses.
    pub struct TeacherRows<'a, T> {
        /// `[N, Dt]`, the output of the teacher's decoder for the rows of the student.
        pub hidden: &'a T,
        /// `[V, Dt]`
        pub table: &'a T,
        /// `[V]`, if the teacher has a bias.
        pub bias: Option<&'a T>,
    }

    /// The arguments of [`Train::token_loss`].
    ///
    /// The formulas are those of [`TokenRow`].
    pub struct TokenLoss<'a, B: Backend> {
        /// `[N, D]`, the output of the decoder.
        pub hidden: &'a B::Tensor,
        /// `[V, D]`, the output projection.
        pub table: &'a B::Tensor,
        /// `[V]`, added to the logits, if the model has a bias.
        pub bias: Option<&'a B::Tensor>,
        /// The teacher; without a teacher `kd` is 0.
        pub teacher: Option<TeacherRows<'a, B::Tensor>>,
        /// `[N]`
        pub targets: &'a B::Index,
        /// Smoothing, temperatures, and the weight of each term in the gradient.
        pub row: TokenRow,
        /// Whether gradients are computed.
        pub gradient: bool,
    }

    /// Sums over the rows whose target is not ignored, and the gradients.
    pub struct TokenLosses<T> {
        /// `[5]`: ce, kd, the negative log-likelihood of the target by the student and by the teacher, and the entropy
        /// of the teacher's softened distribution (`kd` minus this entropy is a KL divergence).
        pub values: T,
        /// `[N, 5]`: the same values of each row; 0 for ignored rows.
        pub rows: T,
        /// `[N, D]`, the gradient of `ce_weight * ce + kd_weight * kd`.
        pub hidden: Option<T>,
        /// `[V, D]`
        pub table: Option<T>,
        /// `[V]`, if there is a bias.
        pub bias: Option<T>,
    }

    /// What the head alignment mixes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum MapInput {
        /// Probabilities.
        Probabilities,
        /// Logarithms of probabilities, of [`crate::rows::LEAST_PROBABILITY`] at least: the scores before the softmax
        /// but for a number for each query, which a softmax of each row removes.
        Scores,
    }

    /// The entries of a map that form one distribution.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Normalisation {
        /// One softmax over all T x S entries of a map.
        Map,
        /// Each row (one query) is a distribution.
        Row,
    }

    /// The teacher's distribution.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Target {
        /// A softmax over the teacher's probabilities, as in the authors' code.
        Softmax,
        /// The teacher's probabilities (divided by their sum over the map for [`Normalisation::Map`]).
        Probabilities,
    }

    /// The options of a map loss.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct MapLoss {
        /// The entries of a map that form one distribution.
        pub normalisation: Normalisation,
        /// The teacher's distribution.
        pub target: Target,
        /// Whether only entries of unpadded queries and keys (under the causal mask) are part of the loss.
        pub masked: bool,
        /// The weight of the sum in the gradient.
        pub weight: f32,
    }

    /// A loss: the plain sum, and the weighted gradient of the input.
    pub struct Loss<T> {
        /// `[1]`
        pub value: T,
        /// The gradient, in the shape of the input.
        pub gradient: Option<T>,
    }

    /// The difference of a student's row `s` from the teacher's rows.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum StateForm {
        /// `|s / |s| - t / |t||^2`, where `t` is the concatenation of the teacher's rows.
        Direction,
        /// `|s - t|^2`, where `t` is the concatenation of the teacher's rows.
        Square,
        /// `|s - sum_i a_i t_i|^2`, `a = softmax(scale s . t_i)`.
        Mixture {
            /// The factor of the products.
            scale: f32,
            /// Whether `a` is a constant in the gradient.
            detached: bool,
        },
    }

    /// The options of a loss on hidden states.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct StateLoss {
        /// The difference of two rows.
        pub form: StateForm,
        /// Whether the rows are the means over each sentence.
        pub pooled: bool,
        /// The weight of the sum in the gradient.
        pub weight: f32,
    }

    /// The difference of the scores of a query: the scaled products with the keys that it sees.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum RelationForm {
        /// `KL(softmax(teacher) || softmax(student))`, as the mean over the queries of each sentence.
        Divergence,
        /// The sum of squared differences.
        Scores,
    }

    /// The options of a loss on relations.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct RelationLoss {
        /// The difference of two rows of scores.
        pub form: RelationForm,
        /// The relation heads of student and teacher, which share the columns evenly. Products are divided by the
        /// square root of the columns of a head. The fewer heads are repeated in blocks.
        pub heads: [usize; 2],
        /// The weight of the sum in the gradient.
        pub weight: f32,
    }

    /// A loss on relations: the plain sum over sentences and heads, and the weighted gradients.
    pub struct RelationLosses<T> {
        /// `[1]`
        pub value: T,
        /// The gradients of the student's left and right side.
        pub gradients: Option<[T; 2]>,
    }

    /// The tensors that Adam reads and writes: four lists in the same order.
    pub struct AdamState<'a, T> {
        /// Parameters.
        pub params: &'a mut [T],
        /// Gradients.
        pub grads: &'a [T],
        /// First moments.
        pub m: &'a mut [T],
        /// Second moments.
        pub v: &'a mut [T],
    }
}
