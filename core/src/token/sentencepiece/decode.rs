//! Tokens to text.

use super::super::MARK;
use super::super::decode::{MOST_LOST, Pending, Sink, is_blank, write_to};
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
        let (mut sink, mut speller) = (Sink { out, len: 0 }, self.speller());
        for id in ids {
            speller.push(self.piece(*id).ok_or(Error::Token(*id))?, &mut sink);
        }
        speller.flush(&mut sink);
        sink.written()
    }

    /// A decoder for single tokens.
    pub fn stream(&self) -> Stream<'a> {
        Stream { tables: *self, speller: self.speller() }
    }

    /// The conversion of this vocabulary's tokens to text.
    pub fn speller(&self) -> Speller {
        let [strip, dummy] = [Flag::Strip, Flag::Dummy].map(|flag| self.has(flag));
        Speller::new(strip, dummy, self.has(Flag::Marian))
    }
}

/// Decodes token by token, as [`super::super::Stream`] does.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    tables: SentencePiece<'a>,
    speller: Speller,
}

impl Stream<'_> {
    /// Writes the text completed by `id` as UTF-8 to the beginning of `out`; returns the number of bytes.
    ///
    /// [`SentencePiece::stream_bytes`] is always a sufficient length of `out`.
    ///
    /// # Errors
    ///
    /// [`Error::Token`], and [`Error::Room`] with the exact size. The stream is then unchanged.
    pub fn push(&mut self, id: u32, out: &mut [u8]) -> Result<usize, Error> {
        let piece = self.tables.piece(id).ok_or(Error::Token(id))?;
        write_to(out, &mut self.speller, |speller, sink| speller.push(piece, sink))
    }

    /// Writes the rest at the end. The stream is then ready for another text.
    ///
    /// # Errors
    ///
    /// [`Error::Room`] with the exact size. The stream is then unchanged.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let fresh = self.tables.speller();
        write_to(out, &mut self.speller, |speller, sink| {
            speller.flush(sink);
            *speller = fresh;
        })
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

    /// Appends the characters completed by a token to `out`.
    pub fn push(&mut self, piece: Piece<'_>, out: &mut impl Extend<char>) {
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

    /// Before a token that is no byte: whether it is at the front.
    fn begin(&mut self) {
        self.front &= !self.dropped && !self.writer.any;
        self.dropped = false;
    }

    fn end_bytes(&mut self, out: &mut impl Extend<char>) {
        let writer = &mut self.writer;
        self.pending.flush(|c| writer.write(c, out));
    }

    /// Appends a `�` for each byte of an incomplete character: at most 3.
    pub fn flush(&mut self, out: &mut impl Extend<char>) {
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
