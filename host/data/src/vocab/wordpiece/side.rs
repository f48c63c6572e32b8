//! The subwords of one side, by a WordPiece vocabulary.

use super::model::Model;
use super::tables::tables;
use crate::vocab::device::{Lines, unusable};
use crate::vocab::{Encoder, LineForm, Subwords, Symbols};
use a2d_core::allow::Forbidden;
use a2d_core::token::wordpiece::WordPiece;
use a2d_core::token::{self, Vocabulary};
use a2d_system::error::{Error, Result};

/// The subwords of a [`Model`]. Text is encoded and decoded by the tables of the device.
pub(in crate::vocab) struct Words {
    /// By id.
    pieces: Vec<String>,
    tables: Vec<u8>,
    symbols: Symbols,
}

impl Words {
    /// # Errors
    ///
    /// [`Error::Misuse`] for a vocabulary that no device can use.
    pub fn new(model: &Model) -> Result<Self> {
        let model = model.keep(&model.rows());
        let tables = tables(&model)?;
        Ok(Self { pieces: model.pieces, tables, symbols: Symbols::default() })
    }

    fn device(&self) -> Result<WordPiece<'_>> {
        WordPiece::of_checked(&self.tables).map_err(|e| unusable(&e))
    }
}

impl Subwords for Words {
    fn len(&self) -> usize {
        self.pieces.len()
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.pieces.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    /// The tables normalise.
    fn normalization(&self) -> LineForm {
        LineForm::None
    }

    fn has_byte_fallback(&self) -> bool {
        false
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn forbidden(&self) -> Forbidden {
        Forbidden::NONE
    }

    fn encode(&self, line: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.encoder().encode(line, &mut ids).map(|()| ids)
    }

    fn encoder(&self) -> Box<dyn Encoder + '_> {
        let device = WordPiece::of_checked(&self.tables);
        Box::new(Lines::new(device.map(Vocabulary::WordPiece)))
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        let device = self.device()?;
        let size = self.len();
        let outside = |id| Error::misuse(format!("token {id} is outside the vocabulary of {size}"));
        let mut text = Vec::new();
        loop {
            match device.decode(ids, &mut text) {
                Ok(_) => return String::from_utf8(text).map_err(|e| Error::misuse(e.to_string())),
                Err(token::Error::Room { needed }) => text.resize(needed, 0),
                Err(token::Error::Token(id)) => return Err(outside(id)),
                Err(other) => return Err(unusable(&other)),
            }
        }
    }

    fn tables(&self) -> Result<Vec<u8>> {
        Ok(self.tables.clone())
    }
}
