//! A model with fewer pieces.

use super::model::{Kind, Model, Piece, Type};
use a2d_system::error::{Error, Result};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The number of the field that holds a piece.
const PIECES: u32 = 1;

/// A `.spm` without the ordinary pieces that `keeps` refuses. Text whose pieces are all kept is cut as before, by a
/// unigram model. All else stays byte for byte.
///
/// # Errors
///
/// [`Error::Misuse`] if the bytes are no unigram model: another kind makes long pieces of short ones.
pub fn trimmed(model: &[u8], keeps: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let kind = Model::new(model)?.trainer.unwrap_or_default().kind.unwrap_or(Type::Unigram as i32);
    if kind != Type::Unigram as i32 {
        let text = "only a unigram model can be trimmed: others make long pieces of short ones";
        return Err(Error::misuse(format!("the SentencePiece model: {text}")));
    }
    let damaged = |e: prost::DecodeError| Error::misuse(format!("not a SentencePiece model: {e}"));
    let (mut rest, mut kept) = (model, Vec::with_capacity(model.len()));
    while !rest.is_empty() {
        let field = rest;
        let (tag, wire) = decode_key(&mut rest).map_err(damaged)?;
        let mut wanted = true;
        if (tag, wire) == (PIECES, WireType::LengthDelimited) {
            let length = decode_varint(&mut rest).map_err(damaged)? as usize;
            let short = || Error::misuse("not a SentencePiece model: a piece is cut short");
            let (piece, after) = rest.split_at_checked(length).ok_or_else(short)?;
            rest = after;
            let piece = Piece::decode(piece).map_err(damaged)?;
            wanted = piece.kind() != Kind::Normal || keeps(&piece.text);
        } else {
            skip_field(wire, tag, &mut rest, DecodeContext::default()).map_err(damaged)?;
        }
        if wanted {
            kept.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    Ok(kept)
}
