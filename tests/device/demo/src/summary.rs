//! The results of a demo.

use crate::fingerprint::Fingerprint;
use crate::sink::{Sink, decimal, hex};

/// The number of sentences that have a fingerprint of their own, as slow targets run no more.
pub const FEW: usize = 10;

/// The totals of all sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of sentences.
    pub sentences: usize,
    /// Tokens of the translations; of a classifier, the texts.
    pub tokens: usize,
    /// The peak bytes of the arena in use.
    pub peak: usize,
    /// Ticks of the sink's clock while translating.
    pub ticks: u64,
    /// The fingerprint of the first [`FEW`] sentences, or of all if there are fewer.
    pub first: Fingerprint,
    /// The fingerprint of all sentences.
    pub all: Fingerprint,
}

impl Summary {
    /// Whole ticks for each token or text.
    pub fn ticks_per_token(&self) -> u64 {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        u64::from(small(self.ticks).checked_div(self.tokens as u32).unwrap_or(0))
    }

    /// Writes the counts, then the fingerprints.
    pub fn write(&self, out: &mut impl Sink) {
        out.write(b"sentences=");
        decimal(out, self.sentences as u64);
        out.write(b" tokens=");
        decimal(out, self.tokens as u64);
        out.write(b" peak=");
        decimal(out, self.peak as u64);
        if self.sentences > FEW {
            out.write(b"\nfirst=");
            hex(out, self.first.value());
        }
        out.write(b"\nfingerprint=");
        hex(out, self.all.value());
        out.write(b"\n");
    }
}
