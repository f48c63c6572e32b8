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

use basic::Residual;

/// Where an attention map comes from; layers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Encoder self-attention.
    Encoder(usize),
    /// Decoder self-attention.
    Decoder(usize),
    /// Decoder to encoder.
    Cross(usize),
}

/// Sees the attention maps as a forward pass makes them.
pub trait Tap<T> {
    /// Whether maps are wanted at all; if not, a backend need not write them.
    const WANTED: bool;
    /// Takes the map `[H, A]` of `site`.
    fn see(&mut self, site: Site, map: T);
}

/// The tap that wants nothing.
impl<T> Tap<T> for () {
    const WANTED: bool = false;
    fn see(&mut self, _: Site, _: T) {}
}

#[cfg(feature = "train")]
pub use trace::Trace;

#[cfg(feature = "train")]
mod trace {
    use super::{Site, Tap};
    use alloc::vec::Vec;

    /// The tap that keeps every map, layer after layer.
    pub struct Trace<T> {
        /// Encoder self-attention.
        pub encoder: Vec<T>,
        /// Decoder self-attention.
        pub decoder: Vec<T>,
        /// Decoder to encoder.
        pub cross: Vec<T>,
    }

    impl<T> Default for Trace<T> {
        fn default() -> Self {
            Self { encoder: Vec::new(), decoder: Vec::new(), cross: Vec::new() }
        }
    }

    impl<T> Tap<T> for Trace<T> {
        const WANTED: bool = true;
        fn see(&mut self, site: Site, map: T) {
            match site {
                Site::Encoder(_) => self.encoder.push(map),
                Site::Decoder(_) => self.decoder.push(map),
                Site::Cross(_) => self.cross.push(map),
            }
        }
    }
}
