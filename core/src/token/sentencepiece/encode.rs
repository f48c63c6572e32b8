//! Text to tokens.

use super::super::error::Error;
use super::normal::Normal;
use super::parts::{Part, Parts};
use super::tables::{Kind, SentencePiece};
use super::tokens::Tokens;

impl SentencePiece<'_> {
    /// Encodes a line to tokens, without a final `EOS`, at the beginning of `out`; returns the number of tokens, 0 if
    /// the normalised line is empty.
    ///
    /// The rest of `out` is working memory. [`SentencePiece::room`] is sufficient for every text.
    ///
    /// # Errors
    ///
    /// [`Error::Room`].
    pub fn encode(&self, text: &str, out: &mut [u32]) -> Result<usize, Error> {
        self.encode_bytes(text.as_bytes(), out)
    }

    /// [`SentencePiece::encode`] of bytes that may not be UTF-8: each byte that is not part of a character is U+FFFD.
    ///
    /// # Errors
    ///
    /// [`Error::Room`].
    pub fn encode_bytes(&self, text: &[u8], out: &mut [u32]) -> Result<usize, Error> {
        match self.encode_front(text, out) {
            (tokens, None) => Ok(tokens),
            (_, Some(needed)) => Err(Error::Room { needed }),
        }
    }

    /// [`SentencePiece::encode_bytes`] of as much of a line as fits in `out`, without a run at its end that may have another
    /// token as a whole. Returns the number of tokens and, if the line did not fit, a sufficient size.
    pub fn encode_front(&self, text: &[u8], out: &mut [u32]) -> (usize, Option<usize>) {
        let (mut tokens, mut parts) = (Tokens::new(self, out), Parts::new(self, text));
        while let Some(part) = parts.next() {
            let done = match part {
                Part::Token(id) => tokens.free(0).is_some().then(|| tokens.push(id)).ok_or(0),
                Part::Text(text) => self.encode_text(Normal::new(self, text), &mut tokens),
            };
            if let Err(characters) = done {
                let window = characters.saturating_add(2).saturating_mul(4);
                let rest = self.room(parts.rest().len());
                let needed = tokens.len.saturating_add(window).saturating_add(rest);
                tokens.cut_run();
                return (tokens.len, Some(needed));
            }
            tokens.end_run();
        }
        (tokens.len, None)
    }

    /// The characters of the text that do not fit are the error.
    fn encode_text(&self, text: Normal<'_>, tokens: &mut Tokens<'_, '_>) -> Result<(), usize> {
        match self.kind {
            Kind::Unigram => self.cut(text, tokens),
            Kind::Merges => self.merge(text, tokens),
        }
    }
}
