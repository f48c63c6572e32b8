//! Errors of tables, text and buffers.

use core::fmt;

/// The parts of the tables, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Part {
    /// The first 16 bytes.
    Header,
    /// The text of a token, or its position.
    Text,
    /// The range of merges of a left token.
    Left,
    /// A token of one character.
    Character,
    /// A merge.
    Merge,
    /// A node of the trie of pieces.
    #[cfg(feature = "sentencepiece")]
    Node,
    /// A piece with a score.
    #[cfg(feature = "sentencepiece")]
    Piece,
    /// A normal form.
    #[cfg(any(feature = "sentencepiece", feature = "wordpiece"))]
    Form,
    /// The place of a token among the sorted ones, or a special token.
    #[cfg(feature = "wordpiece")]
    Order,
    /// A range of characters that are cut alike.
    #[cfg(feature = "wordpiece")]
    Range,
    /// A range of characters that are replaced.
    #[cfg(feature = "wordpiece")]
    Change,
}

/// Why tables are rejected, or an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The bytes are not the tables of a vocabulary.
    Foreign,
    /// The version of the tables is unknown; the newest is [`VERSION`](super::VERSION).
    Version(u8),
    /// The number of bytes does not match the header, or is less than a header.
    Length,
    /// The tables are inconsistent, in this part at this entry (from 0).
    Damaged(Part, u16),
    /// The text is not UTF-8.
    Utf8 {
        /// The first byte that is not part of a character.
        at: usize,
    },
    /// The buffer is too small; its contents are invalid.
    Room {
        /// A sufficient size: for text the exact number of bytes, for tokens possibly more than necessary.
        needed: usize,
    },
    /// A token is outside the vocabulary.
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
            #[cfg(feature = "sentencepiece")]
            Self::Node => "node",
            #[cfg(feature = "sentencepiece")]
            Self::Piece => "piece",
            #[cfg(any(feature = "sentencepiece", feature = "wordpiece"))]
            Self::Form => "normal form",
            #[cfg(feature = "wordpiece")]
            Self::Order => "sorted token",
            #[cfg(feature = "wordpiece")]
            Self::Range => "range of characters",
            #[cfg(feature = "wordpiece")]
            Self::Change => "replaced character",
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
