//! What can be wrong with tables, with text, and with buffers.

use core::fmt;

/// The parts of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Part {
    /// The first 16 bytes.
    Header,
    /// The text of a token, or where it lies.
    Text,
    /// Which merges have a token as their left one.
    Left,
    /// A token of one character.
    Character,
    /// A merge.
    Merge,
}

/// Why there is no tokenizer, or no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The bytes are no tables of a vocabulary.
    Foreign,
    /// The tables have a version that is not known; the newest is [`VERSION`](super::VERSION).
    Version(u8),
    /// There are fewer or more bytes than the header says, or fewer than a header.
    Length,
    /// The tables contradict themselves: in which part, at which entry (from 0).
    Damaged(Part, u16),
    /// The text is not UTF-8 from this byte on.
    Utf8 {
        /// The first byte that belongs to no character.
        at: usize,
    },
    /// The buffer is too small; what it holds now is of no use.
    Room {
        /// A size that is enough: of text, the least, in bytes; of tokens, it may be more than the least.
        needed: usize,
    },
    /// A token outside the vocabulary.
    Token(u32),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Text => "text",
            Self::Left => "left token",
            Self::Character => "character",
            Self::Merge => "merge",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not the tables of a vocabulary"),
            Self::Version(version) => {
                write!(f, "vocabulary tables of an unknown version: {version}")
            }
            Self::Length => f.write_str("vocabulary tables of a wrong length"),
            Self::Damaged(part, at) => write!(f, "damaged vocabulary tables: {part} {at}"),
            Self::Utf8 { at } => write!(f, "text that is not UTF-8, at byte {at}"),
            Self::Room { needed } => write!(f, "the buffer is too small: {needed} would be enough"),
            Self::Token(id) => write!(f, "token {id} is outside the vocabulary"),
        }
    }
}

impl core::error::Error for Error {}
