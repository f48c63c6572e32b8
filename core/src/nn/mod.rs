//! The Transformer, written once over any backend.

mod attention;
mod basic;
mod decoder;
mod encoder;
mod transformer;

pub use attention::Attention;
pub use basic::{Linear, Norm};
pub use decoder::{Cache, CachedLayer, Decoder, DecoderLayer};
pub use encoder::{Encoder, EncoderLayer};
pub use transformer::Transformer;

use crate::backend::Kv;

/// Where an attention is; layers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Encoder self-attention.
    Encoder(usize),
    /// Decoder self-attention.
    Decoder(usize),
    /// Decoder to encoder.
    Cross(usize),
}

/// Where a hidden state is: 0 is the embeddings, `l` what layer `l - 1` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Of the encoder.
    Encoder(usize),
    /// Of the decoder.
    Decoder(usize),
}

/// Sees what a forward pass makes on the way. What a tap does not ask for costs nothing.
pub trait Tap<T> {
    /// Whether attention maps are wanted; if not, a backend need not write them.
    fn wants_maps(&self) -> bool {
        false
    }
    /// Takes the map `[H, A]` of `site`, if maps are wanted.
    fn map(&mut self, _site: Site, _map: T) {}
    /// Sees the hidden states `[N, D]` of `stage`.
    fn hidden(&mut self, _stage: Stage, _x: &T) {}
    /// Sees the queries `[Nq, D]` of `site`, and its keys and values `[Nk, D]`.
    fn projections(&mut self, _site: Site, _q: &T, _kv: &Kv<T>) {}
}

/// The tap that wants nothing.
impl<T> Tap<T> for () {}

#[cfg(feature = "train")]
pub use trace::{Projections, Trace};

#[cfg(feature = "train")]
mod trace;
