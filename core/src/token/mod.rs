//! The subword vocabulary on a device: text to tokens and back, with tables that are read in place.
//!
//! A [`Vocabulary`] is a [`Tokenizer`], which this page describes, or, with the feature `sentencepiece`, the tables of
//! a SentencePiece model, or, with the feature `wordpiece`, those of a WordPiece vocabulary.
//!
//! Pieces, merges, their order and the text are the same as those of the host's `Vocab`, without an allocator.
//! [`Tokenizer::new`] checks the tables once. [`Tokenizer::encode`] works within the caller's buffer of tokens,
//! [`Tokenizer::decode`] writes into the caller's buffer of text, and a [`Stream`] decodes single tokens during the
//! search. There is no recursion and no floating point, and no function here uses more than 350 bytes of stack (x86-64,
//! `opt-level=s`, from `objdump -d`).
//!
//! # Encoding a line
//!
//! 1. It is normalised, if the vocabulary has a [`Normalization`]: U+FEFF, U+200B, U+2060, U+00AD and control
//!    characters other than white space are dropped, all white space and a literal `▁` become a space, the text is
//!    converted to NFC, runs of spaces become one space, and spaces at both ends are dropped. NFC needs the feature
//!    `nfc`; without it, the text must be in NFC. For NFKC, the text must be in NFKC.
//! 2. Spaces become `▁`. One `▁` is put in front unless the line already begins with one.
//! 3. At each character from the left, the longest *symbol* that begins there becomes one token, if the vocabulary has
//!    symbols (placeholders such as `%s`, kept whole). The rest of the line is cut around symbols, before every `▁` and
//!    around every ASCII punctuation character.
//! 4. The characters of a piece become tokens. A character outside the vocabulary becomes its UTF-8 bytes if the
//!    vocabulary has byte tokens, else [`UNK`](crate::config::token::UNK).
//! 5. Neighbours in a piece are merged, in the order of the lowest rank, leftmost first, until no merge applies.
//!
//! # The tables
//!
//! All numbers are little-endian, on every target, without alignment. The first K₀ tokens are *reserved*: the 4 special
//! tokens and, if the vocabulary has byte tokens, the 256 bytes in order. They have no text in the tables. The other
//! tokens, K = V - K₀, have. The last S of them are the symbols, ascending by the bytes of their text, in which a space is
//! a space, not `▁`; none begins with a space or a control character.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 3 | `a2v` |
//! | 3 | 1 | version: 1, 2 with normalisation, or 3 with symbols |
//! | 4 | 1 | 1 if the vocabulary has byte tokens (K₀ = 260), else 0 (K₀ = 4) |
//! | 5 | 1 | in version 1, 0; in versions 2 and 3, the normalisation: 0 none, 1 NFC, 2 NFKC |
//! | 6 | 2 | V, tokens in all |
//! | 8 | 2 | C, tokens of one character |
//! | 10 | 2 | M, merges |
//! | 12 | 4 | X, bytes of text |
//! | 16 | 4 (K + 1) | the start of the text of each token with text; ascending from 0 to X |
//! | | 2 (K + 1) | the first merge of each token with text as the left token; ascending from 0 to M |
//! | | 6 C | the characters, ascending: code point (4), token (2) |
//! | | 6 M | the merges, by left token, then by right token: right (2), rank (2), result (2) |
//! | | 2 | S, in version 3 only |
//! | | X | the texts, UTF-8 |
//!
//! In total: the texts, and 6 bytes for each token, merge and character.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod check;
mod decode;
mod encode;
mod error;
#[cfg(any(feature = "nfc", feature = "wordpiece"))]
mod hangul;
#[cfg(feature = "nfc")]
mod nfc;
mod normal;
mod room;
#[cfg(feature = "sentencepiece")]
pub mod sentencepiece;
mod tables;
mod visible;
mod vocabulary;
#[cfg(feature = "wordpiece")]
pub mod wordpiece;

use crate::allow::Forbidden;

pub use decode::{Spell, Speller, Spelt, Stream, StreamOf};
pub use error::{Error, Part};
pub use normal::Normalization;
pub use room::stream_bytes;
pub use tables::{BYTES, HEADER, MAGIC, Piece, SPECIAL, Tokenizer, VERSION};
pub(crate) use visible::is_space;
pub use vocabulary::{TextStream, Vocabulary};

/// Stands for a space, and for the start of a line.
pub const MARK: char = '▁';

/// The tokens that no translation contains, for a vocabulary with or without byte tokens: the bytes of control
/// characters, line ends among them.
pub const fn forbidden(bytes: bool) -> Forbidden {
    match bytes {
        true => {
            Forbidden::new([[token(0), token(0x20)], [token(0x7f), token(0x80)], [0; 2], [0; 2]])
        }
        false => Forbidden::NONE,
    }
}

/// The UTF-8 of a character. Compiled once, for the size of a firmware.
#[inline(never)]
fn utf8(c: char, bytes: &mut [u8; 4]) -> &[u8] {
    c.encode_utf8(bytes).as_bytes()
}

/// The token of a byte, in a vocabulary with byte tokens.
const fn token(byte: u8) -> u32 {
    (SPECIAL as u32).saturating_add(byte as u32)
}
