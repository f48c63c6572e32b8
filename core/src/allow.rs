//! Which tokens a search may write next.

use crate::config::Special;

/// Which tokens may come next; padding never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allow {
    /// The tokens with a meaning of their own.
    pub special: Special,
    /// Whether the sentence may end.
    pub end: End,
    /// What is never written.
    pub forbidden: Forbidden,
}

/// Whether a sentence may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It may.
    May,
    /// It may not.
    Not,
    /// It must: nothing else may come.
    Must,
}

impl Allow {
    /// Whether token `id` may not come.
    pub fn refuses(&self, id: u32) -> bool {
        let Special { pad, eos, .. } = self.special;
        match self.end {
            End::Must => id != eos,
            End::Not if id == eos => true,
            End::May | End::Not => id == pad || id != eos && self.forbidden.contains(id),
        }
    }
}

/// Tokens that are never written, as some ranges of ids. The end of the sentence is not among them, whatever they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden {
    ranges: [[u32; 2]; Self::MOST],
}

impl Forbidden {
    /// Ranges at most.
    pub const MOST: usize = 4;
    /// No token.
    pub const NONE: Self = Self::new([[0; 2]; Self::MOST]);

    /// The tokens of all ranges, each a first token and the one after the last.
    pub const fn new(ranges: [[u32; 2]; Self::MOST]) -> Self {
        Self { ranges }
    }

    /// The ranges, as [`Forbidden::new`] takes them.
    pub const fn ranges(&self) -> [[u32; 2]; Self::MOST] {
        self.ranges
    }

    fn contains(&self, id: u32) -> bool {
        self.ranges.iter().any(|[start, end]| (*start..*end).contains(&id))
    }
}
