//! The decoder: the same layer runs on whole prefixes (training) and on single steps (decoding).

use super::attention::Attention;
use super::basic::{Linear, Norm, around};
use super::encoder::FeedForward;
use super::{Site, Stage, Tap};
use crate::backend::{Backend, Decode, Embed, Kv};
use crate::batch::{Grid, Tokens};
use crate::config::{Block, Config, Positions};
use crate::params::{Init, Layers, Path, Spec, Visit};
use crate::shape::Shape;

/// Self-attention, cross-attention, then the feed-forward block.
#[derive(Clone, Debug)]
pub struct DecoderLayer<P> {
    /// Attends to the target prefix.
    pub self_attn: Attention<P>,
    /// The norm of the self-attention block.
    pub self_attn_layer_norm: Norm<P>,
    /// Attends to the source.
    pub encoder_attn: Attention<P>,
    /// The norm of the cross-attention block.
    pub encoder_attn_layer_norm: Norm<P>,
    /// `[F, D]`
    pub fc1: Linear<P>,
    /// `[D, F]`
    pub fc2: Linear<P>,
    /// The norm of the feed-forward block.
    pub final_layer_norm: Norm<P>,
}

impl DecoderLayer<Spec> {
    fn new(config: &Config) -> Self {
        let (of, memory) = (&config.decoder, config.encoder.d_model);
        let (fc1, fc2) = FeedForward::<Spec>::specs(of.d_model, of.ffn_dim);
        let attention = |memory| {
            Attention::new(of.d_model, memory, of.attention_heads, config.attention_dropout)
        };
        Self {
            self_attn: attention(of.d_model),
            self_attn_layer_norm: Norm::new(of.d_model),
            encoder_attn: attention(memory),
            encoder_attn_layer_norm: Norm::new(of.d_model),
            fc1,
            fc2,
            final_layer_norm: Norm::new(of.d_model),
        }
    }
}

/// The grids of self-attention and cross-attention.
pub(super) struct Grids<'a, I> {
    pub own: &'a Grid<I>,
    pub cross: &'a Grid<I>,
}

impl<P> DecoderLayer<P> {
    /// `project` computes keys, values and queries of self-attention from the input of its block.
    #[allow(clippy::too_many_arguments)]
    fn forward<B: Backend<Param = P>, K: core::borrow::Borrow<Kv<B::Tensor>>>(
        &self,
        b: &mut B,
        x: B::Tensor,
        project: impl FnOnce(&mut B, &B::Tensor) -> (K, B::Tensor),
        memory: &Kv<B::Tensor>,
        grids: &Grids<'_, B::Index>,
        block: &Block,
        l: usize,
        tap: &mut impl Tap<B::Tensor>,
    ) -> B::Tensor {
        let (out, norm) = (&self.self_attn.out_proj, &self.self_attn_layer_norm);
        let x = around(block, b, x, out, norm, |b, x| {
            let (kv, q) = project(b, x);
            self.self_attn.attend(b, &q, kv.borrow(), grids.own, Site::Decoder(l), tap)
        });
        let (out, norm) = (&self.encoder_attn.out_proj, &self.encoder_attn_layer_norm);
        let x = around(block, b, x, out, norm, |b, x| {
            let q = self.encoder_attn.q(b, x);
            self.encoder_attn.attend(b, &q, memory, grids.cross, Site::Cross(l), tap)
        });
        let inner = FeedForward::of(&self.fc1, block);
        around(block, b, x, &self.fc2, &self.final_layer_norm, |b, x| inner.forward(b, x))
    }

    #[inline(never)]
    fn try_map<Q, E>(
        &self,
        at: Path<'_>,
        f: &mut Visit<'_, P, Q, E>,
    ) -> Result<DecoderLayer<Q>, E> {
        Ok(DecoderLayer {
            self_attn: self.self_attn.try_map(at.then("self_attn"), f)?,
            self_attn_layer_norm: self
                .self_attn_layer_norm
                .try_map(at.then("self_attn_layer_norm"), f)?,
            encoder_attn: self.encoder_attn.try_map(at.then("encoder_attn"), f)?,
            encoder_attn_layer_norm: self
                .encoder_attn_layer_norm
                .try_map(at.then("encoder_attn_layer_norm"), f)?,
            fc1: self.fc1.try_map(at.then("fc1"), f)?,
            fc2: self.fc2.try_map(at.then("fc2"), f)?,
            final_layer_norm: self.final_layer_norm.try_map(at.then("final_layer_norm"), f)?,
        })
    }
}

/// The cache of one decoder layer.
pub struct CachedLayer<T> {
    /// `[R * capacity, D]`: keys and values of the target, `capacity` tokens for each of R rows.
    pub own: Kv<T>,
    /// `[N, D]`: keys and values of the source.
    pub memory: Kv<T>,
}

/// The key-value cache of a decoder.
pub struct Cache<T, const N: usize> {
    /// One cache for each layer.
    pub layers: Layers<CachedLayer<T>, N>,
    /// The most tokens of a row.
    pub capacity: usize,
}

/// fairseq's name of the output projection.
const OUTPUT: &str = "output_projection";

/// The target embedding and the layers.
#[derive(Clone, Debug)]
pub struct Decoder<P, const N: usize> {
    /// `[V, D]`; `None` if the encoder's table is shared.
    pub embed_tokens: Option<P>,
    /// The layers in order.
    pub layers: Layers<DecoderLayer<P>, N>,
    /// The norm after the last layer, with pre-norm.
    pub layer_norm: Option<Norm<P>>,
    /// `[V]`, added to the logits, if the model has a bias.
    pub output_bias: Option<P>,
    block: Block,
    positions: Positions,
    d_model: usize,
}

impl<P, const N: usize> Decoder<P, N> {
    /// Makes every parameter, in canonical order. Only the shapes of one layer are in memory at a time.
    pub(super) fn try_new<E>(
        config: &Config,
        at: Path<'_>,
        f: &mut Visit<'_, Spec, P, E>,
    ) -> Result<Self, E> {
        let d_model = config.decoder.d_model;
        let embedding = super::encoder::table(config.target_vocabulary, d_model, &config.special);
        let embedding = (!config.share_embeddings).then_some(embedding);
        let layer = DecoderLayer::new(config);
        let ends = config.normalize_before && config.decoder.layers > 0;
        let norm = ends.then(|| Norm::new(d_model));
        let shape = Shape::vector(config.target_vocabulary);
        let bias = config.logits_bias.then_some(Spec { shape, init: Init::Zeros });
        Ok(Self {
            embed_tokens: embedding
                .map(|p| f(at.then("embed_tokens").then("weight"), &p))
                .transpose()?,
            layers: Layers::try_new(config.decoder.layers, at.then("layers"), |at| {
                layer.try_map(at, f)
            })?,
            layer_norm: norm.map(|n| n.try_map(at.then("layer_norm"), f)).transpose()?,
            output_bias: bias.map(|p| f(at.then(OUTPUT).then("bias"), &p)).transpose()?,
            block: config.block(),
            positions: config.positions,
            d_model,
        })
    }

    /// Whole prefixes to hidden states `[N, D]`.
    pub(super) fn forward<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        table: &P,
        target: &Tokens<B::Index>,
        memory: &B::Tensor,
        grids: &Grids<'_, B::Index>,
        tap: &mut impl Tap<B::Tensor>,
    ) -> B::Tensor {
        let how = Embed { dropout: self.block.dropout, ..Embed::of(self.positions) };
        let mut x = b.embed(table, target, how);
        tap.hidden(Stage::Decoder(0), &x);
        for (l, layer) in self.layers.iter().enumerate() {
            let memory = layer.encoder_attn.kv(b, memory);
            let project = |b: &mut B, x: &B::Tensor| layer.self_attn.kvq(b, x);
            x = layer.forward(b, x, project, &memory, grids, &self.block, l, tap);
            tap.hidden(Stage::Decoder(l + 1), &x);
        }
        self.finish(b, x)
    }

    /// A cache for `rows` rows of `capacity` tokens, over `memory` `[N, D]`.
    pub(super) fn cache<B: Decode<Param = P>>(
        &self,
        b: &mut B,
        memory: &B::Tensor,
        rows: usize,
        capacity: usize,
    ) -> Cache<B::Tensor, N> {
        let shape = Shape::matrix(rows * capacity, self.d_model);
        let layers = self.layers.map(|layer| CachedLayer {
            own: Kv { k: b.zeros(shape), v: b.zeros(shape) },
            memory: layer.encoder_attn.kv(b, memory),
        });
        Cache { layers, capacity }
    }

    /// Decodes the next token of each row, at position `at` (from 0) of the cache -> `[R, D]`.
    pub(super) fn step<B: Decode<Param = P>>(
        &self,
        b: &mut B,
        table: &P,
        tokens: &Tokens<B::Index>,
        cache: &mut Cache<B::Tensor, N>,
        grids: &Grids<'_, B::Index>,
        at: usize,
    ) -> B::Tensor {
        let capacity = cache.capacity;
        let mut x = b.embed(table, tokens, Embed::of(self.positions));
        for (layer, cached) in self.layers.iter().zip(cache.layers.iter_mut()) {
            let CachedLayer { own, memory } = cached;
            let project = move |b: &mut B, x: &B::Tensor| {
                let own = own;
                let (fresh, q) = layer.self_attn.kvq(b, x);
                b.store(&mut own.k, &fresh.k, at, capacity);
                b.store(&mut own.v, &fresh.v, at, capacity);
                (&*own, q)
            };
            x = layer.forward(b, x, project, memory, grids, &self.block, 0, &mut ());
        }
        self.finish(b, x)
    }

    fn finish<B: Backend<Param = P>>(&self, b: &mut B, x: B::Tensor) -> B::Tensor {
        match &self.layer_norm {
            Some(norm) => b.advance(x, |b, x| norm.forward(b, x, &self.block)),
            None => x,
        }
    }

    pub(super) fn try_map<Q, E>(
        &self,
        at: Path<'_>,
        f: &mut Visit<'_, P, Q, E>,
    ) -> Result<Decoder<Q, N>, E> {
        let norm = at.then("layer_norm");
        let embedding = at.then("embed_tokens");
        Ok(Decoder {
            embed_tokens: self
                .embed_tokens
                .as_ref()
                .map(|p| f(embedding.then("weight"), p))
                .transpose()?,
            layers: self.layers.try_map(at.then("layers"), |at, layer| layer.try_map(at, f))?,
            layer_norm: self.layer_norm.as_ref().map(|n| n.try_map(norm, f)).transpose()?,
            output_bias: self
                .output_bias
                .as_ref()
                .map(|p| f(at.then(OUTPUT).then("bias"), p))
                .transpose()?,
            block: self.block,
            positions: self.positions,
            d_model: self.d_model,
        })
    }
}
