//! Tokens to text.

use super::super::MARK;
use super::super::decode::{MOST_LOST, Pending, Spell, Spelt, StreamOf, decode, is_blank};
use super::super::error::Error;
use super::super::tables::Piece;
use super::tables::{Flag, SentencePiece};

/// The most spaces that are held back, since the text may end there.
const MOST_HELD: u8 = 16;
/// The most bytes before the text of a token: replacements of bytes, and held spaces.
pub(super) const MOST_WAITING: usize = MOST_LOST.saturating_add(MOST_HELD as usize);

impl<'a> SentencePiece<'a> {
    /// Decodes `ids` to UTF-8 at the beginning of `out`, as [`Speller`] does; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Token`], and [`Error::Room`] with the exact size.
    pub fn decode(&self, ids: &[u32], out: &mut [u8]) -> Result<usize, Error> {
        decode(self, ids, out)
    }

    /// A decoder for single tokens.
    pub fn stream(&self) -> Stream<'a> {
        Stream::new(*self)
    }
}

/// Decodes the tokens of a [`SentencePiece`].
pub type Stream<'a> = StreamOf<SentencePiece<'a>>;

impl Spelt for SentencePiece<'_> {
    type Speller = Speller;

    fn speller(&self) -> Speller {
        let [strip, dummy] = [Flag::Strip, Flag::Dummy].map(|flag| self.has(flag));
        Speller::new(strip, dummy, self.has(Flag::Marian))
    }

    fn meaning(&self, id: u32) -> Option<Piece<'_>> {
        self.piece(id)
    }
}

/// The conversion of tokens to text, one token after the other, the same on device and host:
///
/// * Special tokens are skipped. An unknown token is a text, ` ⁇ `; with the convention of Marian it is skipped.
/// * Consecutive bytes are decoded as UTF-8. Each byte that is not part of a character becomes `�`.
/// * Every `▁` of a text becomes a space. One at the front is dropped before the first text; as long as the text is
///   empty also later, if the model drops extra spaces.
/// * Line separators and all other control characters become spaces, so that a text is a single line.
/// * With the convention of Marian, spaces at both ends are dropped (at the end up to 16).
#[derive(Clone, Copy, Debug)]
pub struct Speller {
    pending: Pending,
    writer: Writer,
    strip: bool,
    /// Whether a mark at the front may still be dropped.
    front: bool,
    /// Whether a mark was dropped.
    dropped: bool,
}

/// Writes characters, and drops spaces at both ends.
#[derive(Clone, Copy, Debug)]
struct Writer {
    trim: bool,
    /// Whether a character was written, or dropped here.
    any: bool,
    /// Whether a character other than a space was written.
    visible: bool,
    held: u8,
}

impl Speller {
    /// The conversion for a model that drops extra spaces (`strip`), and that puts a mark in front (`dummy`); with the
    /// convention of Marian or without.
    pub fn new(strip: bool, dummy: bool, marian: bool) -> Self {
        let writer = Writer { trim: marian, any: false, visible: false, held: 0 };
        let pending = Pending::default();
        Self { pending, writer, strip, front: strip || dummy, dropped: false }
    }

    /// Before a token that is no byte: whether it is at the front.
    fn begin(&mut self) {
        self.front &= !self.dropped && !self.writer.any;
        self.dropped = false;
    }

    fn end_bytes(&mut self, out: &mut impl Extend<char>) {
        let writer = &mut self.writer;
        self.pending.flush(|c| writer.write(c, out));
    }
}

impl Spell for Speller {
    fn push(&mut self, piece: Piece<'_>, out: &mut impl Extend<char>) {
        match piece {
            Piece::Byte(byte) => self.pending.push(byte, |c| self.writer.write(c, out)),
            Piece::Special => {
                self.end_bytes(out);
                self.begin();
            }
            Piece::Text(text) => {
                self.end_bytes(out);
                self.begin();
                let short = text.strip_prefix(MARK).filter(|_| self.front);
                self.dropped = short.is_some() && !self.strip;
                for c in short.unwrap_or(text).chars() {
                    self.writer.write(if c == MARK { ' ' } else { c }, out);
                }
            }
        }
    }

    fn flush(&mut self, out: &mut impl Extend<char>) {
        self.end_bytes(out);
        self.writer.held = 0;
    }
}

impl Writer {
    fn write(&mut self, c: char, out: &mut impl Extend<char>) {
        self.any = true;
        match c {
            c if !(is_blank(c) || self.trim && c == MARK) => {
                (0..core::mem::take(&mut self.held)).for_each(|_| out.extend([' ']));
                out.extend([c]);
                self.visible = true;
            }
            _ if self.trim && !self.visible => {}
            _ if self.trim && self.held < MOST_HELD => self.held = self.held.saturating_add(1),
            _ => out.extend([' ']),
        }
    }
}
