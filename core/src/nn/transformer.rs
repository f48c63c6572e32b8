//! The whole model.

use super::Tap;
use super::decoder::{Cache, Decoder, Grids};
use super::encoder::Encoder;
use super::head::Head;
use crate::backend::{Backend, Decode};
use crate::batch::{Grid, Tokens};
use crate::config::{Config, Impossible, TEXT, Task};
use crate::params::{Path, Spec, Visit};

/// An encoder-decoder Transformer with up to N layers on each side, whose output projection shares the target embedding;
/// or an encoder with a head, a *text model*, whose decoder has no layers and no parameters.
///
/// Parameter names are fairseq's: `encoder.layers.0.self_attn.q_proj.weight`.
#[derive(Clone, Debug)]
pub struct Transformer<P, const N: usize> {
    /// Reads the source.
    pub encoder: Encoder<P, N>,
    /// Writes the target.
    pub decoder: Decoder<P, N>,
    /// What follows the encoder of a text model.
    pub head: Option<Head<P>>,
    /// The configuration.
    pub config: Config,
}

impl<const N: usize> Transformer<Spec, N> {
    /// The shapes of all parameters, as a model.
    ///
    /// # Errors
    ///
    /// The configuration is invalid.
    pub fn new(config: &Config) -> Result<Self, Impossible> {
        Self::try_new(config, &mut |_, spec| Ok(*spec))
    }
}

impl<P, const N: usize> Transformer<P, N> {
    /// A model whose parameters `f` makes from names and shapes, in canonical order.
    ///
    /// # Errors
    ///
    /// The configuration is invalid, or `f` failed.
    pub fn try_new<E: From<Impossible>>(
        config: &Config,
        f: &mut Visit<'_, Spec, P, E>,
    ) -> Result<Self, E> {
        config.check(N)?;
        let (root, encoder) = (Path::ROOT, config.encoder_config());
        let head = |head, f: &mut _| Head::try_new(head, &encoder, root.then("head"), f);
        Ok(Self {
            encoder: Encoder::try_new(&encoder, root.then("encoder"), f)?,
            decoder: Decoder::try_new(config, root.then("decoder"), f)?,
            head: config.head.as_ref().filter(|_| TEXT).map(|of| head(of, f)).transpose()?,
            config: *config,
        })
    }

    /// `[V, D]`: the target embedding and the output projection.
    pub fn target_table(&self) -> &P {
        self.decoder.embed_tokens.as_ref().unwrap_or(&self.encoder.embed_tokens)
    }

    /// The output projection: its table `[V, D]` and, if the model has one, its bias `[V]`. Of a text model, that to its
    /// labels.
    pub fn output(&self) -> (&P, Option<&P>) {
        match self.head.as_ref().and_then(|head| head.output.as_ref()) {
            Some(output) => (&output.weight, Some(&output.bias)),
            None => (self.target_table(), self.decoder.output_bias.as_ref()),
        }
    }

    /// The texts of a text model to a row each, `[B, D]`: the input of [`Transformer::logits`], or of
    /// [`Transformer::vectors`]. `queries` has one row of padding for each text, `cross` leads from it to the rows of
    /// `memory` that are pooled. `None` for a model with a decoder.
    pub fn pool<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        queries: &Tokens<B::Index>,
        memory: &B::Tensor,
        cross: &Grid<B::Index>,
    ) -> Option<B::Tensor> {
        let table = &self.encoder.embed_tokens;
        self.head.as_ref().map(|head| head.pool(b, table, queries, memory, cross))
    }

    /// Whether the model is a text model whose output is vectors.
    pub fn makes_vectors(&self) -> bool {
        self.config.task() == Task::Embed
    }

    /// Pooled rows `[B, D]` to vectors `[B, W]`; for a model with labels, to logits.
    pub fn vectors<B: Backend<Param = P>>(&self, b: &mut B, pooled: B::Tensor) -> B::Tensor {
        match self.head.as_ref().and_then(|head| head.output.as_ref()) {
            Some(output) => b.advance(pooled, |b, pooled| output.forward(b, pooled)),
            None => pooled,
        }
    }

    /// Source tokens to memory `[N, D]`.
    pub fn encode<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        source: &Tokens<B::Index>,
        grid: &Grid<B::Index>,
        tap: &mut impl Tap<B::Tensor>,
    ) -> B::Tensor {
        self.encoder.forward(b, source, grid, tap)
    }

    /// Whole prefixes over `memory` to hidden states `[N, D]`, the input of [`Transformer::logits`].
    pub fn decode<B: Backend<Param = P>>(
        &self,
        b: &mut B,
        target: &Tokens<B::Index>,
        memory: &B::Tensor,
        own: &Grid<B::Index>,
        cross: &Grid<B::Index>,
        tap: &mut impl Tap<B::Tensor>,
    ) -> B::Tensor {
        let grids = Grids { own, cross };
        self.decoder.forward(b, self.target_table(), target, memory, &grids, tap)
    }

    /// Hidden states `[N, D]` to logits `[N, V]`.
    pub fn logits<B: Decode<Param = P>>(&self, b: &mut B, hidden: &B::Tensor) -> B::Tensor {
        let (table, bias) = self.output();
        b.project(hidden, table, bias)
    }

    /// An empty cache for `rows` rows of `capacity` tokens over `memory`.
    pub fn cache<B: Decode<Param = P>>(
        &self,
        b: &mut B,
        memory: &B::Tensor,
        rows: usize,
        capacity: usize,
    ) -> Cache<B::Tensor, N> {
        self.decoder.cache(b, memory, rows, capacity)
    }

    /// Decodes one token of each row, at position `at` (from 0) -> hidden states `[R, D]`.
    ///
    /// `own.key.start` of row `i` is `i * capacity`; the keys of `own` include position `at`.
    pub fn step<B: Decode<Param = P>>(
        &self,
        b: &mut B,
        tokens: &Tokens<B::Index>,
        cache: &mut Cache<B::Tensor, N>,
        own: &Grid<B::Index>,
        cross: &Grid<B::Index>,
        at: usize,
    ) -> B::Tensor {
        self.decoder.step(b, self.target_table(), tokens, cache, &Grids { own, cross }, at)
    }

    /// Maps every parameter, with its name, in canonical order.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map<Q, E>(&self, f: &mut Visit<'_, P, Q, E>) -> Result<Transformer<Q, N>, E> {
        let root = Path::ROOT;
        let head = root.then("head");
        Ok(Transformer {
            encoder: self.encoder.try_map(root.then("encoder"), f)?,
            decoder: self.decoder.try_map(root.then("decoder"), f)?,
            head: self.head.as_ref().map(|of| of.try_map(head, f)).transpose()?,
            config: self.config,
        })
    }
}
