//! Tokens to text.

use super::MARK;
use super::error::Error;
use super::tables::{Piece, Tokenizer};

/// Stands for a byte that belongs to no character.
const LOST: char = char::REPLACEMENT_CHARACTER;
/// Bytes of as many of it as can come at once: three bytes wait, at most, for a fourth.
pub(super) const MOST_LOST: usize = LOST.len_utf8().saturating_mul(3);

impl<'a> Tokenizer<'a> {
    /// The text of `ids` as UTF-8 at the beginning of `out`, by the rule of [`Speller`]; returns its bytes.
    ///
    /// # Errors
    /// [`Error::Token`], and [`Error::Room`] with the exact size.
    pub fn decode(&self, ids: &[u32], out: &mut [u8]) -> Result<usize, Error> {
        let (mut sink, mut speller) = (Sink { out, len: 0 }, Speller::default());
        for id in ids {
            speller.push(self.piece(*id).ok_or(Error::Token(*id))?, &mut sink);
        }
        speller.flush(&mut sink);
        sink.written()
    }

    /// What decodes token by token.
    pub fn stream(&self) -> Stream<'a> {
        Stream { tokenizer: *self, speller: Speller::default() }
    }
}

/// Decodes token by token, for text that appears while it is being found: the pieces together are the text of
/// [`Tokenizer::decode`].
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    tokenizer: Tokenizer<'a>,
    speller: Speller,
}

impl Stream<'_> {
    /// The text that `id` completes, as UTF-8 at the beginning of `out`; returns its bytes: none for a
    /// special token, or for a byte within a character, which is kept until the character is whole.
    ///
    /// [`Tokenizer::stream_bytes`] are always enough for `out`.
    ///
    /// # Errors
    /// [`Error::Token`], and [`Error::Room`] with the exact size. The stream is then as it was.
    pub fn push(&mut self, id: u32, out: &mut [u8]) -> Result<usize, Error> {
        let (mut sink, mut speller) = (Sink { out, len: 0 }, self.speller);
        speller.push(self.tokenizer.piece(id).ok_or(Error::Token(id))?, &mut sink);
        let written = sink.written()?;
        self.speller = speller;
        Ok(written)
    }

    /// What is left at the end: a `�` for each byte that still waits for others, at most 9 bytes. The
    /// stream is then ready for another text.
    ///
    /// # Errors
    /// [`Error::Room`] with the exact size. The stream is then as it was.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let (mut sink, mut speller) = (Sink { out, len: 0 }, self.speller);
        speller.flush(&mut sink);
        let written = sink.written()?;
        self.speller = Speller::default();
        Ok(written)
    }
}

/// The rule by which tokens become text, one after the other, on device and host alike:
///
/// * Special tokens are skipped, as if they were not there.
/// * Neighbouring bytes spell characters in UTF-8. Each byte that belongs to none becomes `�`, and no other: the
///   characters around it stay.
/// * Every `▁` becomes a space; those of the first token are left out, where neighbouring bytes are one token.
/// * So that a text is one line for whoever reads it, everything that may end a line, and every other control
///   character, becomes a space.
#[derive(Clone, Copy, Debug, Default)]
pub struct Speller {
    pending: Pending,
    /// Whether a token with text has come.
    texts: bool,
    /// Whether a byte has come.
    bytes: bool,
}

impl Speller {
    /// Adds to `out` the characters that a token completes.
    pub fn push(&mut self, piece: Piece<'_>, out: &mut impl Extend<char>) {
        match piece {
            Piece::Special => {}
            Piece::Byte(byte) => {
                let first = !self.texts;
                self.pending.push(byte, |c| write(c, first, out));
                self.bytes = true;
            }
            Piece::Text(text) => {
                self.flush(out);
                let first = !self.texts && !self.bytes;
                text.chars().for_each(|c| write(c, first, out));
                self.texts = true;
            }
        }
    }

    /// Adds a `�` for each byte that waits for others: at most 3.
    pub fn flush(&mut self, out: &mut impl Extend<char>) {
        out.extend(core::iter::repeat_n(LOST, self.pending.len));
        self.pending.len = 0;
    }
}

/// Adds a character to `out`; `first` says that it is of the first token.
fn write(c: char, first: bool, out: &mut impl Extend<char>) {
    match c {
        MARK if first => {}
        MARK | '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => out.extend([' ']),
        c => out.extend([c]),
    }
}

/// Bytes that may become a character, at most 3 between calls.
#[derive(Clone, Copy, Debug, Default)]
struct Pending {
    bytes: [u8; 4],
    len: usize,
}

impl Pending {
    /// Adds a byte and emits the character that it completes; a [`LOST`] for each byte that cannot become
    /// part of one any more.
    fn push(&mut self, byte: u8, mut emit: impl FnMut(char)) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len = self.len.saturating_add(1);
        }
        while self.len > 0 {
            let bytes = self.bytes.get(..self.len).unwrap_or_default();
            match core::str::from_utf8(bytes) {
                Ok(text) => {
                    text.chars().for_each(&mut emit);
                    self.len = 0;
                }
                Err(error) if error.error_len().is_none() => break,
                Err(_) => {
                    emit(LOST);
                    self.bytes.rotate_left(1);
                    self.len = self.len.saturating_sub(1);
                }
            }
        }
    }
}

/// Text going into a buffer; when that is full, it is only measured.
struct Sink<'o> {
    out: &'o mut [u8],
    len: usize,
}

impl Extend<char> for Sink<'_> {
    fn extend<T: IntoIterator<Item = char>>(&mut self, characters: T) {
        for c in characters {
            let end = self.len.saturating_add(c.len_utf8());
            if let Some(slots) = self.out.get_mut(self.len..end) {
                // Into the slots at once, the compiler would keep a panic for too few of them.
                let mut bytes = [0; 4];
                let bytes = c.encode_utf8(&mut bytes).bytes();
                slots.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
            }
            self.len = end;
        }
    }
}

impl Sink<'_> {
    fn written(&self) -> Result<usize, Error> {
        match self.len <= self.out.len() {
            true => Ok(self.len),
            false => Err(Error::Room { needed: self.len }),
        }
    }
}
