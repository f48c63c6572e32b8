//! SentencePiece vocabularies on a device: unigram and byte-pair encodings, with tables that are read in place.
//!
//! [`SentencePiece`] gives the tokens that SentencePiece itself gives for the model that the tables were made from, but
//! with the ids of the vocabulary: 0 to 3 are the special tokens, the other pieces follow in any order.
//!
//! # Encoding a line
//!
//! 1. At each byte of the text, the longest of these is replaced: a user-defined symbol by itself, else an entry of the
//!    model's character map by its normal form, else a character by itself, else a byte that is no part of a character by
//!    U+FFFD. Spaces become `▁`. Depending on the model, runs of spaces become one, spaces at both ends are dropped,
//!    and a `▁` is put in front or behind.
//! 2. Unigram: the pieces with the largest sum of scores; a character without a piece scores the smallest score less 10,
//!    a user-defined symbol at least 0. Byte-pair encoding: user-defined symbols are cut out, longest first; in the rest,
//!    the neighbours that form the piece with the largest score are merged, leftmost first.
//! 3. Neighbouring characters without a piece become one [`UNK`](crate::config::token::UNK), or their bytes.
//!
//! With the convention of Marian, `<pad>`, `</s>` and `<unk>` in a text are the special tokens, and each text between
//! them is encoded by itself. A `>>code<<` at its start is one token. A run of characters without a piece is looked up
//! as a whole. [`SentencePiece::decode`] then omits unknown tokens, and spaces at both ends.
//!
//! # Time and memory
//!
//! A line is encoded in *windows*, which end where no piece crosses. Let P be the length in bytes of the longest piece,
//! C of the longest entry of the character map, and F of the longest normal form. A character takes at most P + C + F
//! steps, P times for a unigram model; a step is a binary search among at most 256 bytes. A byte-pair encoding takes at
//! most 3 P steps more, and the logarithm of the characters of the window. Runs of spaces are read once more for each
//! of the P characters before them. Working memory are four words of the caller's buffer for each character of a window.
//!
//! # The tables
//!
//! All numbers are little-endian, on every target, without alignment.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 3 | `a2s` |
//! | 3 | 1 | version: 1 |
//! | 4 | 1 | 0: unigram, 1: byte-pair encoding |
//! | 5 | 1 | the sum of [flags](Flag) |
//! | 6 | 2 | V, tokens in all, special tokens included |
//! | 8 | 2 | E, pieces of the encoder |
//! | 10 | 2 | P + 1: the longest path of the trie |
//! | 12 | 2 | C |
//! | 14 | 2 | F |
//! | 16 | 2 | the most characters of normal text for one byte of text |
//! | 18 | 2 | the bytes of the longest text of a token |
//! | 20 | 4 | the score of an unknown character, f32 |
//! | 24 | 4 | the score of each byte of a user-defined symbol after the first, f32 |
//! | 28 | 4 | N, nodes of the trie |
//! | 32 | 4 | U, units of the character map |
//! | 36 | 4 | M, bytes of normal forms |
//! | 40 | 4 | X, bytes of text |
//! | 44 | 4 (N + 1) | the first child of each node, breadth first, so that its children end where those of the next begin |
//! | | 2 N | the piece of each node; 65,535: none |
//! | | N | the byte between each node and its parent, ascending among siblings |
//! | | 512 | with byte fallback, the token of each byte |
//! | | 8 E | the pieces: score (f32), token (2), 1 for a user-defined symbol (2) |
//! | | 4 U | the double array of the character map, as in the model |
//! | | M | the normal forms, UTF-8, each ended by a NUL |
//! | | 4 (V + 1) | if the tables decode, the start of the text of each token; the upper two bits are 0 for a text, 1 for none, 2 for a byte |
//! | | X | the texts |
//!
//! Below the byte 254 the trie holds the user-defined symbols, below 255 the tokens for whole unknown runs; a piece
//! begins with neither. Tables may omit the encoder (one node) or the decoder, since a device encodes source text and
//! decodes target tokens.

mod charsmap;
mod check;
mod decode;
mod encode;
mod lattice;
mod merges;
mod normal;
mod parts;
mod tables;
mod tokens;
mod trie;

pub use decode::{Speller, Stream};
pub(super) use tables::longest_text;
pub use tables::{Flag, HEADER, Kind, MAGIC, NO_PIECE, SentencePiece, VERSION};
pub use trie::{RUNS, SYMBOLS};
