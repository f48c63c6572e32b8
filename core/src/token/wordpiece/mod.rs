//! WordPiece vocabularies on a device: the tokens of BERT, with tables that are read in place.
//!
//! [`WordPiece`] gives the tokens that Hugging Face's `tokenizers` gives for the vocabulary that the tables were made
//! from, without those around a text (`[CLS]`, `[SEP]`). The ids are those of the vocabulary, in which
//! [`BOS`](crate::config::token::BOS) is `[CLS]`, [`PAD`](crate::config::token::PAD) `[PAD]`,
//! [`EOS`](crate::config::token::EOS) `[SEP]` and [`UNK`](crate::config::token::UNK) `[UNK]`.
//!
//! # Encoding a line
//!
//! 1. Where the text of a special token begins, the longest of them is that token.
//! 2. The rest is cut into words, by the [`Class`] of each character: spaces separate words, a punctuation mark or an
//!    ideograph is a word of its own, and control characters and stripped accents are dropped.
//! 3. The characters of a word are replaced by others: in lower case, without accents.
//! 4. From the left, the longest token that the word goes on with is taken; after the first, tokens that begin with `##`.
//!    Where there is none, and where the word has too many characters, the word is one `[UNK]`.
//!
//! The Unicode data of steps 2 and 3 is in the tables. A host may leave out each change of a character that leads to
//! characters without a token: the word is `[UNK]` in any case. For English in lower case, 3.5 KB are left.
//!
//! # Time and memory
//!
//! There is no working memory. A token takes at most as many steps as the longest token has bytes; a step is a binary
//! search among the tokens that begin alike. A word is read once more for each of its tokens, up to the longest token.
//!
//! # The tables
//!
//! All numbers are little-endian, on every target, without alignment.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 3 | `a2w` |
//! | 3 | 1 | version: 1 |
//! | 4 | 2 | V, tokens in all |
//! | 6 | 2 | S, special tokens that a text may contain |
//! | 8 | 2 | the most characters of a word |
//! | 10 | 2 | the bytes of the longest text of a token |
//! | 12 | 2 | C, ranges of characters |
//! | 14 | 2 | R, replaced ranges |
//! | 16 | 4 | M, bytes of forms |
//! | 20 | 4 | X, bytes of text |
//! | 24 | 3 (V + 1) | the start of the text of each token; ascending from 0 to X |
//! | | 2 V | the tokens, ascending by the bytes of their text |
//! | | 2 S | the special tokens |
//! | | 3 C | the ranges, ascending from U+0000: first character (21 bits), [`Class`] (3 bits) |
//! | | 8 R | the replaced ranges, ascending: first character (21 bits), [`Change`] (3 bits), last less first character (16 bits), value (24 bits) |
//! | | M | the forms, UTF-8, each ended by a NUL |
//! | | X | the texts, UTF-8 |

mod characters;
mod check;
mod decode;
mod encode;
mod parts;
mod tables;
mod walk;

pub use characters::{Change, Class};
pub use decode::{Speller, Stream};
pub(super) use tables::longest_text;
pub use tables::{HEADER, MAGIC, VERSION, WordPiece};
