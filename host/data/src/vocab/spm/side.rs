//! The subwords of one side, by a SentencePiece model.

use super::model::{Kind, Model};
use super::tables::{Convention, Parts, tables};
use crate::vocab::device::{Lines, unusable};
use crate::vocab::{Encoder, LineForm, SPECIAL, Subwords, Symbols};
use a2d_core::allow::Forbidden;
use a2d_core::token::sentencepiece::{Flag, SentencePiece, Speller};
use a2d_core::token::{Piece, Spell, Spelt, Vocabulary};
use a2d_system::error::{Error, Result};
use std::collections::HashSet;

/// What the subwords of one side are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The bytes of the `.spm`.
    pub model: Vec<u8>,
    /// The text of each token, by id: [`SPECIAL`], then the pieces.
    pub pieces: Vec<String>,
}

/// The meaning of a token.
enum Meaning {
    Special,
    Byte(u8),
    Text(String),
}

/// The subwords of a [`Side`]. Text is encoded and decoded by the tables of the device: there is one implementation.
pub(in crate::vocab) struct Spm {
    pieces: Vec<String>,
    meanings: Vec<Meaning>,
    tables: Vec<u8>,
    speller: Speller,
    byte_fallback: bool,
    forbidden: Forbidden,
    symbols: Symbols,
}

impl Spm {
    /// # Errors
    ///
    /// [`Error::Misuse`] for a model or a list of pieces that cannot be used.
    pub fn new(side: &Side, convention: Convention) -> Result<Self> {
        let model = Model::new(&side.model)?;
        check_pieces(&side.pieces)?;
        check_names(&model)?;
        let tables = tables(&model, &side.pieces, convention, Parts::Both)?;
        let device = SentencePiece::new(&tables).map_err(|e| unusable(&e))?;
        let meaning = |id| match device.piece(id) {
            Some(Piece::Text(text)) => Meaning::Text(text.into()),
            Some(Piece::Byte(byte)) => Meaning::Byte(byte),
            _ => Meaning::Special,
        };
        Ok(Self {
            pieces: side.pieces.clone(),
            meanings: (0..device.len() as u32).map(meaning).collect(),
            speller: device.speller(),
            byte_fallback: device.has(Flag::Bytes),
            forbidden: device.forbidden(),
            symbols: Symbols::default(),
            tables,
        })
    }
}

impl Subwords for Spm {
    fn len(&self) -> usize {
        self.pieces.len()
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.pieces.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    /// The model normalises.
    fn normalization(&self) -> LineForm {
        LineForm::None
    }

    fn has_byte_fallback(&self) -> bool {
        self.byte_fallback
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn forbidden(&self) -> Forbidden {
        self.forbidden
    }

    fn encode(&self, line: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.encoder().encode(line, &mut ids).map(|()| ids)
    }

    fn encoder(&self) -> Box<dyn Encoder + '_> {
        let device = SentencePiece::of_checked(&self.tables);
        Box::new(Lines::new(device.map(Vocabulary::SentencePiece)))
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        let (mut text, mut speller) = (String::new(), self.speller);
        for &id in ids {
            let meaning = usize::try_from(id).ok().and_then(|id| self.meanings.get(id));
            let piece = match meaning {
                Some(Meaning::Text(text)) => Piece::Text(text),
                Some(Meaning::Byte(byte)) => Piece::Byte(*byte),
                Some(Meaning::Special) => Piece::Special,
                None => {
                    let size = self.len();
                    return Err(Error::misuse(format!(
                        "token {id} is outside the vocabulary of {size}"
                    )));
                }
            };
            speller.push(piece, &mut text);
        }
        speller.flush(&mut text);
        Ok(text)
    }

    fn tables(&self) -> Result<Vec<u8>> {
        Ok(self.tables.clone())
    }
}

/// Each text stands for one token.
fn check_pieces(pieces: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    for (id, text) in pieces.iter().enumerate() {
        if text.is_empty() {
            return Err(Error::misuse(format!("the vocabulary has an empty piece: token {id}")));
        }
        if !seen.insert(text) {
            return Err(Error::misuse(format!("the vocabulary has the piece {text:?} twice")));
        }
    }
    Ok(())
}

/// No text becomes a special token by its pieces.
fn check_names(model: &Model) -> Result<()> {
    let is_text = |kind| matches!(kind, Kind::Normal | Kind::UserDefined);
    let named = |text: &str| SPECIAL.contains(&text);
    match model.pieces.iter().find(|piece| is_text(piece.kind()) && named(&piece.text)) {
        Some(piece) => Err(Error::misuse(format!(
            "the SentencePiece model has an ordinary piece {:?}, the name of a special token",
            piece.text
        ))),
        None => Ok(()),
    }
}
