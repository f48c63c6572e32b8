//! A tap that keeps intermediate results.

use super::{Site, Stage, Tap};
use crate::backend::Kv;
use crate::needs::Needs;
use alloc::vec::Vec;

/// Queries, keys and values of an attention.
pub struct Projections<T> {
    /// `[Nq, D]`
    pub q: T,
    /// `[Nk, D]`
    pub kv: Kv<T>,
    /// H
    pub heads: usize,
}

/// The results that a forward pass passed to the tap, in the order of layers. Lists outside [`Needs`] are empty.
pub struct Trace<T> {
    needs: Needs,
    /// Maps of encoder self-attention, `[H, A]` each.
    pub encoder: Vec<T>,
    /// Maps of decoder self-attention.
    pub decoder: Vec<T>,
    /// Maps of cross-attention.
    pub cross: Vec<T>,
    /// Hidden states `[N, D]` of the encoder: the embeddings, then the output of each layer.
    pub encoder_hidden: Vec<T>,
    /// Hidden states of the decoder.
    pub decoder_hidden: Vec<T>,
    /// Projections, in the order of their computation.
    pub projections: Vec<(Site, Projections<T>)>,
}

impl<T> Trace<T> {
    /// A tap that keeps the results in `needs`.
    pub fn of(needs: Needs) -> Self {
        Self {
            needs,
            encoder: Vec::new(),
            decoder: Vec::new(),
            cross: Vec::new(),
            encoder_hidden: Vec::new(),
            decoder_hidden: Vec::new(),
            projections: Vec::new(),
        }
    }

    /// The projections of encoder (0), decoder (1) or cross-attention (2), in the order of layers.
    pub fn projections_of(&self, kind: usize) -> Vec<&Projections<T>> {
        let kept = self.projections.iter().filter(|(site, _)| site.kind() == kind);
        kept.map(|(_, projections)| projections).collect()
    }

    /// A tap that keeps the attention maps.
    pub fn maps() -> Self {
        Self::of(Needs { maps: true, ..Needs::NONE })
    }
}

impl<T: Clone> Tap<T> for Trace<T> {
    fn wants_maps(&self) -> bool {
        self.needs.maps
    }

    fn map(&mut self, site: Site, map: T) {
        match site {
            Site::Encoder(_) => self.encoder.push(map),
            Site::Decoder(_) => self.decoder.push(map),
            Site::Cross(_) => self.cross.push(map),
        }
    }

    fn hidden(&mut self, stage: Stage, x: &T) {
        match stage {
            _ if !self.needs.hidden => {}
            Stage::Encoder(_) => self.encoder_hidden.push(x.clone()),
            Stage::Decoder(_) => self.decoder_hidden.push(x.clone()),
        }
    }

    fn projections(&mut self, site: Site, q: &T, kv: &Kv<T>, heads: usize) {
        if self.needs.projections {
            self.projections.push((site, Projections { q: q.clone(), kv: kv.clone(), heads }));
        }
    }
}
