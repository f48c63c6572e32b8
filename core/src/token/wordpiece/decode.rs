//! Tokens to text.

use super::super::decode::{Spell, Spelt, StreamOf, decode, is_blank};
use super::super::error::Error;
use super::super::tables::Piece;
use super::tables::WordPiece;

/// The start of a token that goes on with a word.
const GLUE: &str = "##";

impl<'a> WordPiece<'a> {
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

/// Decodes the tokens of a [`WordPiece`].
pub type Stream<'a> = StreamOf<WordPiece<'a>>;

impl Spelt for WordPiece<'_> {
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
/// * `BOS`, `PAD`, `EOS` and `UNK` are skipped.
/// * There is a space before each token after the first, unless it begins with `##`, which is then left out.
/// * Line separators and all other control characters become spaces, so that a text is a single line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Speller {
    /// Whether a token with text was pushed.
    texts: bool,
}

impl Spell for Speller {
    fn push(&mut self, piece: Piece<'_>, out: &mut impl Extend<char>) {
        let Piece::Text(text) = piece else { return };
        let glued = text.strip_prefix(GLUE).filter(|_| self.texts);
        if self.texts && glued.is_none() {
            out.extend([' ']);
        }
        let characters = glued.unwrap_or(text).chars();
        characters.for_each(|c| out.extend([if is_blank(c) { ' ' } else { c }]));
        self.texts = true;
    }

    fn flush(&mut self, _: &mut impl Extend<char>) {}
}
