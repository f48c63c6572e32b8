//! The pieces of a SentencePiece model, for models whose vocabulary it is.

use prost::Message;

/// The part of SentencePiece's `ModelProto` that is needed.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
}

#[derive(Clone, PartialEq, Message)]
struct Piece {
    #[prost(string, tag = "1")]
    piece: String,
}

/// The pieces in order.
///
/// # Errors
///
/// The bytes are no SentencePiece model.
pub fn pieces(bytes: &[u8]) -> Result<Vec<String>, String> {
    let model = Model::decode(bytes).map_err(|e| format!("is no SentencePiece model: {e}"))?;
    Ok(model.pieces.into_iter().map(|piece| piece.piece).collect())
}
