//! The encoder.

use super::attention::Attention;
use super::basic::{Linear, Norm, around};
use super::{Site, Stage, Tap};
use crate::backend::{Backend, Embed};
use crate::batch::{Grid, Tokens};
use crate::config::{
    Activation, Block, Embedding, EncoderConfig, Impossible, Positions, Special, Stack, TEXT,
};
use crate::params::{Init, Layers, Path, Spec, Visit};
use crate::shape::Shape;

/// `f(fc1(x))`: the input of `fc2` in an encoder or decoder layer.
pub(super) struct FeedForward<'a, P> {
    pub fc1: &'a Linear<P>,
    pub activation: Activation,
    pub dropout: f32,
}

impl<'a, P> FeedForward<'a, P> {
    pub fn of(fc1: &'a Linear<P>, block: &Block) -> Self {
        Self { fc1, activation: block.activation, dropout: block.activation_dropout }
    }

    pub fn forward<B: Backend<Param = P>>(&self, b: &mut B, x: &B::Tensor) -> B::Tensor {
        let inner = b.linear_activate(x, self.fc1.map(), self.activation);
        b.dropout(inner, self.dropout)
    }

    /// Shapes and initial values of `fc1` and `fc2`.
    pub fn specs(d_model: usize, ffn_dim: usize) -> (Linear<Spec>, Linear<Spec>) {
        let (narrow, wide) = (Init::fan_in(d_model), Init::fan_in(ffn_dim));
        (Linear::new(ffn_dim, d_model, narrow, narrow), Linear::new(d_model, ffn_dim, wide, wide))
    }
}

/// Self-attention, then the feed-forward block.
#[derive(Clone, Debug)]
pub struct EncoderLayer<P> {
    /// Attends to the source.
    pub self_attn: Attention<P>,
    /// The norm of the self-attention block.
    pub self_attn_layer_norm: Norm<P>,
    /// `[F, D]`
    pub fc1: Linear<P>,
    /// `[D, F]`
    pub fc2: Linear<P>,
    /// The norm of the feed-forward block.
    pub final_layer_norm: Norm<P>,
}

impl EncoderLayer<Spec> {
    // Out of line, as is `try_map`: for size, and for the stack frame of a model that is opened.
    fn new(of: &Stack, block: &Block) -> Self {
        let (fc1, fc2) = FeedForward::<Spec>::specs(of.d_model, of.ffn_dim);
        Self {
            self_attn: Attention::new(
                of.d_model,
                of.d_model,
                of.attention_heads,
                block.attention_dropout,
            ),
            self_attn_layer_norm: Norm::new(of.d_model),
            fc1,
            fc2,
            final_layer_norm: Norm::new(of.d_model),
        }
    }
}

impl<P> EncoderLayer<P> {
    fn forward<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        x: B::Tensor,
        grid: &Grid<B::Index>,
        block: &Block,
        l: usize,
        tap: &mut impl Tap<B::Tensor>,
    ) -> B::Tensor {
        let (out, norm) = (&self.self_attn.out_proj, &self.self_attn_layer_norm);
        let x = around(block, b, x, out, norm, |b, x| {
            let (kv, q) = self.self_attn.kvq(b, x);
            self.self_attn.attend(b, &q, &kv, grid, Site::Encoder(l), tap)
        });
        let inner = FeedForward::of(&self.fc1, block);
        around(block, b, x, &self.fc2, &self.final_layer_norm, |b, x| inner.forward(b, x))
    }

    #[inline(never)]
    fn try_map<Q, E>(
        &self,
        at: Path<'_>,
        f: &mut Visit<'_, P, Q, E>,
    ) -> Result<EncoderLayer<Q>, E> {
        Ok(EncoderLayer {
            self_attn: self.self_attn.try_map(at.then("self_attn"), f)?,
            self_attn_layer_norm: self
                .self_attn_layer_norm
                .try_map(at.then("self_attn_layer_norm"), f)?,
            fc1: self.fc1.try_map(at.then("fc1"), f)?,
            fc2: self.fc2.try_map(at.then("fc2"), f)?,
            final_layer_norm: self.final_layer_norm.try_map(at.then("final_layer_norm"), f)?,
        })
    }
}

/// The source embedding and the layers.
#[derive(Clone, Debug)]
pub struct Encoder<P, const N: usize> {
    /// `[V, D]`
    pub embed_tokens: P,
    /// `[P, D]`: a row for each position, if positions are learned.
    pub embed_positions: Option<P>,
    /// `[Y, D]`: the difference of each token type from type 0, if the model knows types.
    pub embed_types: Option<P>,
    /// The norm of the embeddings, if the model has it.
    pub layernorm_embedding: Option<Norm<P>>,
    /// The layers in order.
    pub layers: Layers<EncoderLayer<P>, N>,
    /// The norm after the last layer, with pre-norm.
    pub layer_norm: Option<Norm<P>>,
    block: Block,
    positions: Positions,
}

/// Shape and initial values of an embedding table.
pub(super) fn table(vocabulary: usize, d_model: usize, special: &Special) -> Spec {
    Spec {
        shape: Shape::matrix(vocabulary, d_model),
        init: Init::Embedding { zeros: special.never() },
    }
}

/// Shape and initial values of a table that is added to that of tokens; its rows are all used.
fn rows(count: usize, d_model: usize) -> Spec {
    let bound = 1.0 / libm::sqrtf(d_model as f32);
    Spec { shape: Shape::matrix(count, d_model), init: Init::Uniform { bound } }
}

/// Names of fairseq and of its encoders for text.
const POSITIONS: &str = "embed_positions";
const TYPES: &str = "embed_types";
const EMBEDDING: &str = "layernorm_embedding";

fn table_at<P, Q, E>(
    at: Path<'_>,
    table: Option<&P>,
    f: &mut Visit<'_, P, Q, E>,
) -> Result<Option<Q>, E> {
    table.map(|table| f(at.then("weight"), table)).transpose()
}

fn norm_at<P, Q, E>(
    at: Path<'_>,
    norm: Option<&Norm<P>>,
    f: &mut Visit<'_, P, Q, E>,
) -> Result<Option<Norm<Q>>, E> {
    norm.map(|norm| norm.try_map(at, f)).transpose()
}

impl<const N: usize> Encoder<Spec, N> {
    /// The shapes of an encoder.
    ///
    /// # Errors
    ///
    /// The configuration is invalid.
    pub fn new(config: &EncoderConfig) -> Result<Self, Impossible> {
        config.check(N)?;
        Self::try_new(config, Path::ROOT, &mut |_, spec| Ok(*spec))
    }
}

impl<P, const N: usize> Encoder<P, N> {
    /// Makes every parameter, in canonical order. Only the shapes of one layer are in memory at a time.
    pub(super) fn try_new<E>(
        config: &EncoderConfig,
        at: Path<'_>,
        f: &mut Visit<'_, Spec, P, E>,
    ) -> Result<Self, E> {
        let EncoderConfig { vocabulary, stack, block, special, .. } = config;
        let embedding = table(*vocabulary, stack.d_model, special);
        let layer = EncoderLayer::new(stack, block);
        let norm = |on: bool| on.then(|| Norm::new(stack.d_model));
        let rows = |count: usize| (count > 0).then(|| rows(count, stack.d_model));
        let Embedding { positions, types, norm: normed } = match TEXT {
            true => config.embedding,
            false => Embedding::NONE,
        };
        Ok(Self {
            embed_tokens: f(at.then("embed_tokens").then("weight"), &embedding)?,
            embed_positions: table_at(at.then(POSITIONS), rows(positions).as_ref(), f)?,
            embed_types: table_at(at.then(TYPES), rows(types).as_ref(), f)?,
            layernorm_embedding: norm_at(at.then(EMBEDDING), norm(normed).as_ref(), f)?,
            layers: Layers::try_new(stack.layers, at.then("layers"), |at| layer.try_map(at, f))?,
            layer_norm: norm_at(at.then("layer_norm"), norm(block.normalize_before).as_ref(), f)?,
            block: *block,
            positions: config.positions,
        })
    }

    /// Source tokens to memory `[N, D]`.
    pub fn forward<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        source: &Tokens<B::Index>,
        grid: &Grid<B::Index>,
        tap: &mut impl Tap<B::Tensor>,
    ) -> B::Tensor {
        let mut x = self.begin(b, source);
        tap.hidden(Stage::Encoder(0), &x);
        for (l, layer) in self.layers.iter().enumerate() {
            x = layer.forward(b, x, grid, &self.block, l, tap);
            tap.hidden(Stage::Encoder(l + 1), &x);
        }
        self.end(b, x)
    }

    /// The first part of [`Encoder::forward`], before [`Encoder::layer`] of each layer.
    pub fn begin<B: Backend<Param = P>>(&self, b: &mut B, source: &Tokens<B::Index>) -> B::Tensor {
        let added = self.embed_positions.is_some() || self.embed_types.is_some();
        // Dropout comes last: it is that of the embedding where nothing follows.
        let follows = TEXT && (added || self.layernorm_embedding.is_some());
        let p = self.block.dropout;
        let [of_tokens, of_all] = if follows { [0.0, p] } else { [p, 0.0] };
        let how = Embed { dropout: of_tokens, ..Embed::of(self.positions) };
        let x = b.embed(&self.embed_tokens, source, how);
        let x = Self::plus(b, x, source, self.embed_positions.as_ref(), Some(&source.positions));
        let x = Self::plus(b, x, source, self.embed_types.as_ref(), source.types.as_ref());
        let x = match &self.layernorm_embedding {
            Some(norm) if TEXT => b.advance(x, |b, x| norm.forward(b, x, &self.block)),
            _ => x,
        };
        b.dropout(x, of_all)
    }

    /// Adds the rows `ids` of `table` to `x`, if there are both.
    fn plus<B: Backend<Param = P>>(
        b: &mut B,
        x: B::Tensor,
        source: &Tokens<B::Index>,
        table: Option<&P>,
        ids: Option<&B::Index>,
    ) -> B::Tensor {
        let (Some(table), Some(ids), true) = (table, ids, TEXT) else { return x };
        b.advance(x, |b, x| {
            let rows = b.embed(table, &source.by(ids), Embed::of(Positions::Learned));
            b.add(rows, x)
        })
    }

    /// Layer `l` of [`Encoder::forward`], without a tap.
    ///
    /// # Errors
    ///
    /// `x`, if there is no layer `l`.
    pub fn layer<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        l: usize,
        x: B::Tensor,
        grid: &Grid<B::Index>,
    ) -> Result<B::Tensor, B::Tensor> {
        match self.layers.get(l) {
            Some(layer) => Ok(layer.forward(b, x, grid, &self.block, l, &mut ())),
            None => Err(x),
        }
    }

    /// The last part of [`Encoder::forward`].
    pub fn end<B: Backend<Param = P>>(&self, b: &mut B, x: B::Tensor) -> B::Tensor {
        match &self.layer_norm {
            Some(norm) => b.advance(x, |b, x| norm.forward(b, x, &self.block)),
            None => x,
        }
    }

    /// Maps every parameter, with its name below `at`, in canonical order.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(
        &self,
        at: Path<'_>,
        f: &mut Visit<'_, P, Q, E>,
    ) -> Result<Encoder<Q, N>, E> {
        Ok(Encoder {
            embed_tokens: f(at.then("embed_tokens").then("weight"), &self.embed_tokens)?,
            embed_positions: table_at(at.then(POSITIONS), self.embed_positions.as_ref(), f)?,
            embed_types: table_at(at.then(TYPES), self.embed_types.as_ref(), f)?,
            layernorm_embedding: norm_at(at.then(EMBEDDING), self.layernorm_embedding.as_ref(), f)?,
            layers: self.layers.try_map(at.then("layers"), |at, layer| layer.try_map(at, f))?,
            layer_norm: norm_at(at.then("layer_norm"), self.layer_norm.as_ref(), f)?,
            block: self.block,
            positions: self.positions,
        })
    }
}
