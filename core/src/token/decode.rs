//! Tokens to text.

use super::error::Error;
use super::tables::{Piece, Tokenizer};
use super::{MARK, utf8};

/// Replaces a byte that is not part of a character.
const LOST: char = char::REPLACEMENT_CHARACTER;
/// The maximum bytes of replacements written at once: up to three bytes wait for a fourth.
pub(super) const MOST_LOST: usize = LOST.len_utf8().saturating_mul(3);

/// A vocabulary whose tokens have a text.
pub trait Spelt: Copy {
    /// The conversion of its tokens to text.
    type Speller: Spell;

    /// The conversion at the beginning of a text.
    fn speller(&self) -> Self::Speller;

    /// The meaning of `id`; `None` outside the vocabulary.
    fn meaning(&self, id: u32) -> Option<Piece<'_>>;
}

/// A conversion of tokens to text, one token after the other.
pub trait Spell: Copy {
    /// Appends the characters completed by a token to `out`.
    fn push(&mut self, piece: Piece<'_>, out: &mut impl Extend<char>);

    /// Appends a `�` for each byte of an incomplete character: at most 3.
    fn flush(&mut self, out: &mut impl Extend<char>);
}

/// Decodes `ids` to UTF-8 at the beginning of `out`; returns the number of bytes.
pub(super) fn decode(vocabulary: &impl Spelt, ids: &[u32], out: &mut [u8]) -> Result<usize, Error> {
    let (mut sink, mut speller) = (Sink { out, len: 0 }, vocabulary.speller());
    for id in ids {
        speller.push(vocabulary.meaning(*id).ok_or(Error::Token(*id))?, &mut sink);
    }
    speller.flush(&mut sink);
    sink.written()
}

/// Decodes token by token, to show text during the search. The concatenated pieces equal the text that the vocabulary
/// decodes at once.
#[derive(Clone, Copy, Debug)]
pub struct StreamOf<V: Spelt> {
    vocabulary: V,
    speller: V::Speller,
}

impl<V: Spelt> StreamOf<V> {
    pub(super) fn new(vocabulary: V) -> Self {
        Self { vocabulary, speller: vocabulary.speller() }
    }

    /// Writes the text completed by `id` as UTF-8 to the beginning of `out`; returns the number of bytes. That is 0 for
    /// a special token, and for a byte of an incomplete character, which is kept until the character is complete.
    ///
    /// The vocabulary's `stream_bytes` is always a sufficient length of `out`.
    ///
    /// # Errors
    ///
    /// [`Error::Token`], and [`Error::Room`] with the exact size. The stream is then unchanged.
    pub fn push(&mut self, id: u32, out: &mut [u8]) -> Result<usize, Error> {
        let piece = self.vocabulary.meaning(id).ok_or(Error::Token(id))?;
        write_to(out, &mut self.speller, |speller, sink| speller.push(piece, sink))
    }

    /// Writes the rest at the end: a `�` for each byte of an incomplete character, at most 9 bytes. The stream is then
    /// ready for another text.
    ///
    /// # Errors
    ///
    /// [`Error::Room`] with the exact size. The stream is then unchanged.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let fresh = self.vocabulary.speller();
        write_to(out, &mut self.speller, |speller, sink| {
            speller.flush(sink);
            *speller = fresh;
        })
    }
}

/// Writes to the beginning of `out`; returns the number of bytes. If they do not fit, the speller is unchanged.
fn write_to<S: Copy>(
    out: &mut [u8],
    speller: &mut S,
    write: impl FnOnce(&mut S, &mut Sink<'_>),
) -> Result<usize, Error> {
    let (mut sink, mut next) = (Sink { out, len: 0 }, *speller);
    write(&mut next, &mut sink);
    let written = sink.written()?;
    *speller = next;
    Ok(written)
}

impl<'a> Tokenizer<'a> {
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

/// Decodes the tokens of a [`Tokenizer`].
pub type Stream<'a> = StreamOf<Tokenizer<'a>>;

impl Spelt for Tokenizer<'_> {
    type Speller = Speller;

    fn speller(&self) -> Speller {
        Speller::default()
    }

    fn meaning(&self, id: u32) -> Option<Piece<'_>> {
        self.piece(id)
    }
}

/// The conversion of tokens to text, one token after the other, the same on device and host:
///
/// * Special tokens are skipped.
/// * Consecutive bytes are decoded as UTF-8. Each byte that is not part of a character becomes `�`; the characters
///   around it stay.
/// * Every `▁` becomes a space. Those of the first token are dropped; consecutive bytes are one token here.
/// * Line separators and all other control characters become spaces, so that a text is a single line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Speller {
    pending: Pending,
    /// Whether a token with text was pushed.
    texts: bool,
    /// Whether a byte was pushed.
    bytes: bool,
}

impl Spell for Speller {
    fn push(&mut self, piece: Piece<'_>, out: &mut impl Extend<char>) {
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

    fn flush(&mut self, out: &mut impl Extend<char>) {
        // One character at a time, as elsewhere: `extend` is compiled once.
        (0..self.pending.len).for_each(|_| out.extend([LOST]));
        self.pending.len = 0;
    }
}

/// Appends a character to `out`; `first`: the character is part of the first token.
fn write(c: char, first: bool, out: &mut impl Extend<char>) {
    match c {
        MARK if first => {}
        MARK | '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => out.extend([' ']),
        c => out.extend([c]),
    }
}

/// Whether [`write`] has a space for a character: a space, a line separator or another control character.
#[cfg(any(feature = "sentencepiece", feature = "wordpiece"))]
pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, '\0'..=' ' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

/// The bytes of an incomplete character, at most 3 between calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pending {
    bytes: [u8; 4],
    len: usize,
}

impl Pending {
    /// Adds a byte. Emits the character that it completes, and a [`LOST`] for each byte that cannot be part of a
    /// character.
    pub(super) fn push(&mut self, byte: u8, mut emit: impl FnMut(char)) {
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

    /// Emits a [`LOST`] for each byte of an incomplete character.
    #[cfg(feature = "sentencepiece")]
    pub(super) fn flush(&mut self, emit: impl FnMut(char)) {
        (0..core::mem::take(&mut self.len)).map(|_| LOST).for_each(emit);
    }
}

/// Text written to a buffer; once the buffer is full, only measured.
struct Sink<'o> {
    out: &'o mut [u8],
    len: usize,
}

impl Extend<char> for Sink<'_> {
    fn extend<T: IntoIterator<Item = char>>(&mut self, characters: T) {
        for c in characters {
            let end = self.len.saturating_add(c.len_utf8());
            if let Some(slots) = self.out.get_mut(self.len..end) {
                // Encoding directly into the slots would link a panic for too few slots.
                let mut bytes = [0; 4];
                let bytes = utf8(c, &mut bytes);
                slots.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
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
