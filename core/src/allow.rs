//! The tokens that a search may write next.

use crate::config::Special;

/// The tokens that are allowed next. Those of [`Special::never`] are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allow {
    /// The special tokens.
    pub special: Special,
    /// Whether EOS is allowed.
    pub end: End,
    /// Tokens that are never written.
    pub forbidden: Forbidden,
}

/// Whether a sentence may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// EOS is allowed.
    May,
    /// EOS is not allowed.
    Not,
    /// Only EOS is allowed.
    Must,
}

impl Allow {
    /// Whether token `id` is not allowed.
    pub fn refuses(&self, id: u32) -> bool {
        let ([pad, start], eos) = (self.special.never(), self.special.eos);
        match self.end {
            End::Must => id != eos,
            End::Not if id == eos => true,
            End::May | End::Not => {
                id == pad || id == start || id != eos && self.forbidden.contains(id)
            }
        }
    }
}

/// Tokens that are never written, as ranges of ids. EOS is always permitted, even inside a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden {
    ranges: [[u32; 2]; Self::MOST],
}

impl Forbidden {
    /// The maximum number of ranges.
    pub const MOST: usize = 4;
    /// No token.
    pub const NONE: Self = Self::new([[0; 2]; Self::MOST]);

    /// The tokens of all ranges. A range is `[first, end]`, `end` excluded.
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
