//! A model with fewer pieces.

use super::model::{Kind, Model, Piece, Type};
use a2d_system::error::{Error, Result};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::collections::{HashMap, HashSet};

/// The number of the field that holds a piece.
const PIECES: u32 = 1;

/// A `.spm` without the ordinary pieces that `keeps` refuses. Text whose pieces are all [`needed`] is cut as before. All
/// else stays byte for byte.
///
/// # Errors
///
/// [`Error::Misuse`] if the bytes are no SentencePiece model.
pub fn trimmed(model: &[u8], keeps: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
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

/// The pieces that a model needs to cut a text into `used` ones: these, texts that are kept whole and, in a model of
/// merges, all that they are merged from.
pub fn needed<'a>(model: &'a Model, used: impl IntoIterator<Item = &'a str>) -> HashSet<&'a str> {
    let whole = model.pieces.iter().filter(|piece| piece.kind() == Kind::UserDefined);
    let mut needed: HashSet<_> = whole.map(|piece| piece.text.as_str()).collect();
    let is_merged = model.trainer.as_ref().is_some_and(|trainer| trainer.kind() == Type::Bpe);
    let scores = model.pieces.iter().map(|piece| (piece.text.as_str(), piece.score));
    let scores: HashMap<_, _> = scores.filter(|_| is_merged).collect();
    for piece in used {
        needed.insert(piece);
        merge(piece, &scores, |part| _ = needed.insert(part));
    }
    needed
}

/// Merges the characters of `text` and tells each piece that comes about. In the midst of a line, the same merges make
/// the piece `text`: none reaches beyond it.
fn merge<'a>(text: &'a str, scores: &HashMap<&str, f32>, mut tell: impl FnMut(&'a str)) {
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let mut ends: Vec<_> = ends.collect();
    loop {
        let merged = ends.windows(3).map(|ends| &text[ends[0]..ends[2]]).enumerate();
        let scored = merged.filter_map(|(i, merged)| Some((i, merged, *scores.get(merged)?)));
        // The first of equals.
        let best = scored.reduce(|best, other| if other.2 > best.2 { other } else { best });
        let Some((i, merged, _)) = best else { return };
        tell(merged);
        ends.remove(i + 1);
    }
}
