//! Decoding: token ids to text, by the same rule as `a2d-core`.

use a2d_core::token::{Piece, SPECIAL, Spell, Speller};
use serde_json::{Map, Value};

/// The text of each token.
pub(super) struct Pieces {
    /// Indexed by id.
    texts: Vec<String>,
    byte_fallback: bool,
}

impl Pieces {
    /// From the vocabulary's map of tokens to ids, which are 0, 1, 2 … without gap or repetition.
    pub fn new(ids: &Map<String, Value>, byte_fallback: bool) -> Self {
        let mut texts = vec![String::new(); ids.len()];
        for (text, id) in ids {
            let slot = id.as_u64().and_then(|id| texts.get_mut(usize::try_from(id).ok()?));
            if let Some(slot) = slot {
                slot.clone_from(text);
            }
        }
        Self { texts, byte_fallback }
    }

    /// All texts, by id.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    fn get(&self, id: u32) -> Option<Piece<'_>> {
        let text = self.texts.get(usize::try_from(id).ok()?)?;
        let Some(after) = id.checked_sub(u32::from(SPECIAL)) else { return Some(Piece::Special) };
        Some(match u8::try_from(after) {
            Ok(byte) if self.byte_fallback => Piece::Byte(byte),
            _ => Piece::Text(text),
        })
    }

    /// The text of `ids`, or the first id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, u32> {
        let (mut text, mut speller) = (String::new(), Speller::default());
        for &id in ids {
            speller.push(self.get(id).ok_or(id)?, &mut text);
        }
        speller.flush(&mut text);
        Ok(text)
    }
}
