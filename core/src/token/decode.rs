//! Tokens to text.

use super::MARK;
use super::error::Error;
use super::tables::{Piece, Tokenizer};

/// Stands for a byte that belongs to no character.
const LOST: char = char::REPLACEMENT_CHARACTER;

impl<'a> Tokenizer<'a> {
    /// The text of `ids` as UTF-8 at the beginning of `out`; returns its bytes. Special tokens are skipped.
    ///
    /// Neighbouring bytes (special tokens between them do not count) are one text if they are UTF-8, else
    /// each of them becomes `�`. Every `▁` becomes a space; those of the first token are left out.
    ///
    /// # Errors
    /// [`Error::Token`], and [`Error::Room`] with the exact size.
    pub fn decode(&self, ids: &[u32], out: &mut [u8]) -> Result<usize, Error> {
        let mut sink = Sink { out, len: 0, first: true };
        let mut rest = ids;
        while let Some((id, after)) = rest.split_first() {
            rest = after;
            match self.piece(*id).ok_or(Error::Token(*id))? {
                Piece::Special => continue,
                Piece::Text(text) => text.chars().for_each(|c| sink.write(c)),
                Piece::Byte(byte) => {
                    let run = Run { tokenizer: self, byte: Some(byte), rest };
                    rest = sink.write_run(run)?;
                }
            }
            sink.first = false;
        }
        sink.written()
    }

    /// What decodes token by token.
    pub fn stream(&self) -> Stream<'a> {
        Stream { tokenizer: *self, pending: Pending::default(), first: true, in_bytes: false }
    }
}

/// Decodes token by token, for text that appears while it is being found.
///
/// The pieces together are the text of [`Tokenizer::decode`] wherever neighbouring bytes are UTF-8, as
/// those of an encoded text are. Where they are not, `decode` makes every byte of the run a `�`; a stream,
/// whose characters are out as soon as they are whole, makes one only of each byte that belongs to none.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    tokenizer: Tokenizer<'a>,
    pending: Pending,
    /// Whether no token with text has come.
    first: bool,
    /// Whether the first token that was not skipped is a byte: it and its neighbours count as one.
    in_bytes: bool,
}

impl Stream<'_> {
    /// The text that `id` completes, as UTF-8 at the beginning of `out`; returns its bytes: none for a
    /// special token, or for a byte within a character, which is kept until the character is whole.
    ///
    /// The longest token's text and 9 bytes more are always enough for `out`.
    ///
    /// # Errors
    /// [`Error::Token`], and [`Error::Room`] with the exact size. The stream is then as it was.
    pub fn push(&mut self, id: u32, out: &mut [u8]) -> Result<usize, Error> {
        let mut next = *self;
        let mut sink = Sink { out, len: 0, first: self.first };
        match self.tokenizer.piece(id).ok_or(Error::Token(id))? {
            Piece::Special => {}
            Piece::Byte(byte) => {
                next.in_bytes = true;
                next.pending.push(byte, |c| sink.write(c));
            }
            Piece::Text(text) => {
                next.pending.flush(|c| sink.write(c));
                sink.first &= !self.in_bytes;
                next.first = false;
                text.chars().for_each(|c| sink.write(c));
            }
        }
        let written = sink.written()?;
        *self = next;
        Ok(written)
    }

    /// What is left at the end: a `�` for each byte that still waits for others, at most 9 bytes. The
    /// stream is then ready for another text.
    ///
    /// # Errors
    /// [`Error::Room`] with the exact size. The stream is then as it was.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let mut pending = self.pending;
        let mut sink = Sink { out, len: 0, first: false };
        pending.flush(|c| sink.write(c));
        let written = sink.written()?;
        *self = self.tokenizer.stream();
        Ok(written)
    }
}

/// The bytes from one on, up to a token with text.
#[derive(Clone, Copy)]
struct Run<'r, 'a> {
    tokenizer: &'r Tokenizer<'a>,
    byte: Option<u8>,
    rest: &'r [u32],
}

impl Run<'_, '_> {
    /// The next byte, if the run goes on.
    fn next(&mut self) -> Result<Option<u8>, Error> {
        while self.byte.is_none() {
            let Some((id, after)) = self.rest.split_first() else { return Ok(None) };
            match self.tokenizer.piece(*id).ok_or(Error::Token(*id))? {
                Piece::Special => {}
                Piece::Byte(byte) => self.byte = Some(byte),
                Piece::Text(_) => return Ok(None),
            }
            self.rest = after;
        }
        Ok(self.byte.take())
    }

    /// Whether the run is UTF-8.
    fn is_text(mut self) -> Result<bool, Error> {
        let mut pending = Pending::default();
        let mut sound = true;
        while let Some(byte) = self.next()? {
            sound &= pending.push(byte, |_| {});
        }
        Ok(sound && pending.len == 0)
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
    /// part of one any more, and then the answer is false.
    fn push(&mut self, byte: u8, mut emit: impl FnMut(char)) -> bool {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len = self.len.saturating_add(1);
        }
        let mut sound = true;
        while self.len > 0 {
            let bytes = self.bytes.get(..self.len).unwrap_or_default();
            match core::str::from_utf8(bytes) {
                Ok(text) => {
                    text.chars().for_each(&mut emit);
                    self.len = 0;
                }
                Err(error) => match error.error_len() {
                    None => break,
                    Some(_) => {
                        sound = false;
                        emit(LOST);
                        self.bytes.rotate_left(1);
                        self.len = self.len.saturating_sub(1);
                    }
                },
            }
        }
        sound
    }

    /// Gives up what waits.
    fn flush(&mut self, mut emit: impl FnMut(char)) {
        (0..self.len).for_each(|_| emit(LOST));
        self.len = 0;
    }
}

/// Text going into a buffer; when that is full, it is only measured.
struct Sink<'o> {
    out: &'o mut [u8],
    len: usize,
    /// Whether this is the first token, whose marks are left out.
    first: bool,
}

impl Sink<'_> {
    fn write(&mut self, c: char) {
        let c = match c {
            MARK if self.first => return,
            MARK => ' ',
            c => c,
        };
        let end = self.len.saturating_add(c.len_utf8());
        if let Some(slots) = self.out.get_mut(self.len..end) {
            // Into the slots at once, the compiler would keep a panic for too few of them.
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).bytes();
            slots.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        }
        self.len = end;
    }

    /// Writes a run; returns the tokens after it.
    fn write_run<'r>(&mut self, mut run: Run<'r, '_>) -> Result<&'r [u32], Error> {
        let is_text = run.is_text()?;
        let mut pending = Pending::default();
        while let Some(byte) = run.next()? {
            if is_text {
                pending.push(byte, |c| self.write(c));
            } else {
                self.write(LOST);
            }
        }
        Ok(run.rest)
    }

    fn written(&self) -> Result<usize, Error> {
        match self.len <= self.out.len() {
            true => Ok(self.len),
            false => Err(Error::Room { needed: self.len }),
        }
    }
}
