//! The Transformer, written once for all backends. Dropout is in the calls and takes effect on a `Tape` only: of embeddings
//! in `embed`, of a sublayer's output in `linear_join` and `dropout`, of attention probabilities in `attend`.

mod attention;
mod basic;
mod decoder;
mod encoder;
mod head;
mod transformer;

pub use attention::Attention;
pub use basic::{Linear, Norm};
pub use decoder::{Cache, CachedLayer, Decoder, DecoderLayer};
pub use encoder::{Encoder, EncoderLayer};
pub use head::Head;
pub use transformer::Transformer;

use crate::backend::Kv;

/// An attention of the model; layers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Encoder self-attention.
    Encoder(usize),
    /// Decoder self-attention.
    Decoder(usize),
    /// Cross-attention: the decoder attends to the encoder's output.
    Cross(usize),
}

impl Site {
    /// The kind of attention: encoder (0), decoder (1) or cross (2).
    pub const fn kind(self) -> usize {
        match self {
            Self::Encoder(_) => 0,
            Self::Decoder(_) => 1,
            Self::Cross(_) => 2,
        }
    }
}

/// The position of a hidden state: 0 is the embeddings, `l` is the output of layer `l - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A hidden state of the encoder.
    Encoder(usize),
    /// A hidden state of the decoder.
    Decoder(usize),
}

/// Reads intermediate results of a forward pass. Results that no tap reads cost nothing.
pub trait Tap<T> {
    /// Whether the tap reads attention maps. If not, a backend need not store them.
    fn wants_maps(&self) -> bool {
        false
    }
    /// Takes the map `[H, A]` of `site`, if [`Tap::wants_maps`].
    fn map(&mut self, _site: Site, _map: T) {}
    /// Reads the hidden states `[N, D]` of `stage`.
    fn hidden(&mut self, _stage: Stage, _x: &T) {}
    /// Reads the queries `[Nq, D]`, keys and values `[Nk, D]` of `site`, which has `heads` heads.
    fn projections(&mut self, _site: Site, _q: &T, _kv: &Kv<T>, _heads: usize) {}
}

/// The empty tap.
impl<T> Tap<T> for () {}

#[cfg(feature = "train")]
pub use trace::{Projections, Trace};

#[cfg(feature = "train")]
mod trace;
