//! One vocabulary for two models.

use super::model::{Kind, Model};
use crate::vocab::SPECIAL;
use std::collections::HashSet;

/// The special tokens, then the pieces of all models in order, each text once.
pub fn joint(models: &[Model]) -> Vec<String> {
    let mut pieces: Vec<String> = SPECIAL.iter().map(ToString::to_string).collect();
    let mut seen: HashSet<&str> = SPECIAL.into_iter().collect();
    for piece in models.iter().flat_map(|model| &model.pieces) {
        if piece.kind() != Kind::Unknown && seen.insert(&piece.text) {
            pieces.push(piece.text.clone());
        }
    }
    pieces
}
