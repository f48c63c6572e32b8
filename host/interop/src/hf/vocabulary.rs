//! `vocab.json` and `target_vocab.json`.

use crate::json;
use crate::start::{Order, PAD};
use a2d_system::error::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// A vocabulary of a folder.
pub struct Vocabulary {
    /// Its tokens, in this program's order.
    pub order: Order,
    /// The number of `<pad>` in the file.
    pub pad: usize,
}

/// Reads a vocabulary of `size` tokens, `eos` being the number of `</s>`.
///
/// # Errors
///
/// Misuse: the file cannot be read, has not `size` tokens with numbers from 0 on, or misses a special token.
pub fn read(path: &Path, size: usize, eos: usize) -> Result<Vocabulary> {
    let ids: HashMap<String, usize> = json::read(path)?;
    let found = listed(ids, size).and_then(|pieces| {
        if pieces.get(eos).map(String::as_str) != Some(crate::start::EOS) {
            return Err(format!(
                "has another token than `</s>` at `eos_token_id` {eos} of config.json"
            ));
        }
        let pad = pieces.iter().position(|piece| piece == PAD).ok_or("has no `<pad>`")?;
        Ok(Vocabulary { order: Order::new(&pieces, Some(pad))?, pad })
    });
    found.map_err(|why| Error::misuse(format!("{} {why}", path.display())))
}

/// The tokens by their number.
fn listed(ids: HashMap<String, usize>, size: usize) -> Result<Vec<String>, String> {
    let count = ids.len();
    if count != size {
        return Err(format!("has {count} tokens, but config.json says {size}"));
    }
    let mut pieces = vec![None; size];
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort();
    for (piece, id) in ids {
        let place = pieces.get_mut(id);
        let place =
            place.ok_or_else(|| format!("gives {piece:?} the number {id} of {size} tokens"))?;
        if let Some(other) = place.replace(piece.clone()) {
            return Err(format!("gives {other:?} and {piece:?} the number {id}"));
        }
    }
    // As many tokens as numbers, none of them twice: no number is left out.
    Ok(pieces.into_iter().flatten().collect())
}
