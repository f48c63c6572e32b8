//! The subword vocabulary on a device: text to tokens and back, from tables that are read in place.
//!
//! The same pieces, the same merges in the same order and the same text as the host's `Vocab`, without an
//! allocator: [`Tokenizer::new`] checks the tables once, [`Tokenizer::encode`] works within the caller's buffer
//! of tokens, [`Tokenizer::decode`] writes into the caller's buffer of text, and a [`Stream`] decodes token by
//! token, as they are found. There is no recursion and no floating point, and no function here has
//! more than 350 bytes on the stack (x86-64, `opt-level=s`, read off `objdump -d`).
//!
//! # How a line is read
//!
//! 1. It is normalised, where the vocabulary's [`Normalization`] asks for it: U+FEFF, U+200B, U+2060, U+00AD
//!    and control characters that are no white space are dropped, all white space and a literal `▁` becomes a
//!    space, the text is put into NFC, runs of spaces become one and those at the ends none. NFC needs the
//!    feature `nfc`; without it, text must come in NFC. For NFKC, text must come in NFKC.
//! 2. Spaces become `▁`, and one `▁` is put in front unless the line already begins with one.
//! 3. The line is cut before every `▁` and around every ASCII punctuation character.
//! 4. The characters of a piece become tokens. One outside the vocabulary becomes its UTF-8 bytes where the
//!    vocabulary spells bytes, else [`UNK`](crate::config::token::UNK).
//! 5. Of the neighbours in a piece that can be merged, those of the lowest rank are, the leftmost first,
//!    until there are none.
//!
//! # The tables
//!
//! All numbers are little-endian, on every target; nothing needs to be aligned. The first K₀ tokens are
//! *reserved*: the 4 special ones and, where the vocabulary spells bytes, the 256 bytes in order. They have
//! no text in the tables. K = V - K₀ tokens have.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 3 | `a2v` |
//! | 3 | 1 | version: 1, or 2 for text that is normalised |
//! | 4 | 1 | 1 where the vocabulary spells bytes (K₀ = 260), else 0 (K₀ = 4) |
//! | 5 | 1 | in version 1, 0; in version 2, the normalisation: 0 none, 1 NFC, 2 NFKC |
//! | 6 | 2 | V, tokens in all |
//! | 8 | 2 | C, tokens of one character |
//! | 10 | 2 | M, merges |
//! | 12 | 4 | X, bytes of text |
//! | 16 | 4 (K + 1) | where the text of each token with text begins; 0 first, X last, ascending |
//! | | 2 (K + 1) | where the merges with each token as their left one begin; 0 first, M last, ascending |
//! | | 6 C | the characters, ascending: code point (4), token (2) |
//! | | 6 M | the merges, by left token, then by right token: right (2), rank (2), result (2) |
//! | | X | the texts, UTF-8 |
//!
//! So 6 bytes a token, 6 a merge, 6 a character, beside the texts.

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
#[cfg(feature = "nfc")]
mod nfc;
mod normal;
mod room;
mod tables;
mod visible;

use crate::allow::Forbidden;

pub use decode::{Speller, Stream};
pub use error::{Error, Part};
pub use normal::Normalization;
pub use room::stream_bytes;
pub use tables::{BYTES, HEADER, MAGIC, Piece, SPECIAL, Tokenizer, VERSION};

/// What stands for a space, and before the first word of a line.
pub const MARK: char = '▁';

/// What no translation has among its tokens, in a vocabulary with or without tokens for bytes: the bytes that are
/// control characters, among which are the ends of lines.
pub const fn forbidden(bytes: bool) -> Forbidden {
    match bytes {
        true => {
            Forbidden::new([[token(0), token(0x20)], [token(0x7f), token(0x80)], [0; 2], [0; 2]])
        }
        false => Forbidden::NONE,
    }
}

/// The token of a byte, where there is one.
const fn token(byte: u8) -> u32 {
    (SPECIAL as u32).saturating_add(byte as u32)
}
