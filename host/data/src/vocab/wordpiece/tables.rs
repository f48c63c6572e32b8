//! A WordPiece vocabulary as the tables that `a2d_core::token` reads in place.

use super::characters::Characters;
use super::model::Model;
use a2d_core::token::wordpiece::{MAGIC, VERSION, WordPiece};
use a2d_system::error::{Error, Result};

/// The tables of a vocabulary in the order of this program's ids.
///
/// A character that leads to characters without a token is not replaced: its word is unknown either way.
///
/// # Errors
///
/// [`Error::Misuse`] for a vocabulary that no device can use.
pub(super) fn tables(model: &Model) -> Result<Vec<u8>> {
    let bytes = write(model)?;
    // Rejects here what a device would reject.
    WordPiece::new(&bytes).map_err(unusable)?;
    Ok(bytes)
}

fn write(model: &Model) -> Result<Vec<u8>> {
    let pieces = &model.pieces;
    let (order, starts) = (sorted(pieces)?, starts(pieces));
    let is_special = |id: &&u16| model.special.contains(&pieces[usize::from(**id)]);
    let special: Vec<&u16> = order.iter().filter(is_special).collect();
    let characters = Characters::new(model).map_err(unusable)?;
    let mut out = MAGIC.to_vec();
    out.push(VERSION);
    for (what, size) in [
        ("tokens", pieces.len()),
        ("special tokens", special.len()),
        ("characters of a word", model.longest_word),
        ("bytes of a token", pieces.iter().map(String::len).max().unwrap_or(0)),
        ("ranges of characters", characters.ranges.len()),
        ("replaced ranges", characters.changes.len()),
    ] {
        out.extend(small(what, size)?.to_le_bytes());
    }
    for size in [characters.forms.len() as u32, starts[pieces.len()]] {
        out.extend(size.to_le_bytes());
    }
    for start in starts {
        out.extend(large(start)?);
    }
    out.extend(order.iter().chain(special).flat_map(|id| id.to_le_bytes()));
    for (first, class) in characters.ranges {
        out.extend(large(first | (class as u32) << 21)?);
    }
    for changed in characters.changes {
        out.extend(large(changed.first | (changed.change as u32) << 21)?);
        out.extend(changed.more.to_le_bytes());
        out.extend(large(changed.value)?);
    }
    out.extend(characters.forms.bytes());
    out.extend(pieces.concat().bytes());
    Ok(out)
}

/// The ids, ascending by the bytes of their text.
fn sorted(pieces: &[String]) -> Result<Vec<u16>> {
    let mut ids: Vec<u16> = (0..small("tokens", pieces.len())?).collect();
    ids.sort_by_key(|id| &pieces[usize::from(*id)]);
    Ok(ids)
}

/// Where each text begins, and where the last ends.
fn starts(pieces: &[String]) -> Vec<u32> {
    let mut starts = vec![0];
    for text in pieces {
        starts.push(starts[starts.len() - 1] + text.len() as u32);
    }
    starts
}

fn unusable(why: impl std::fmt::Display) -> Error {
    Error::misuse(format!("no device can use this WordPiece vocabulary: {why}"))
}

/// Converts a count to 16 bits.
fn small(what: &str, number: usize) -> Result<u16> {
    let most = u16::MAX;
    u16::try_from(number).map_err(|_| unusable(format!("{number} {what}, more than {most}")))
}

/// Converts a number to 24 bits.
fn large(number: u32) -> Result<[u8; 3]> {
    match number.to_le_bytes() {
        [a, b, c, 0] => Ok([a, b, c]),
        _ => Err(unusable("more than 16 MiB of text")),
    }
}
