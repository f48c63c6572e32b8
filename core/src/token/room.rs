//! The buffer size of a stream.

use super::tables::{HEADER, SPECIAL, Tokenizer};
use super::{BYTES, decode::MOST_LOST};

impl Tokenizer<'_> {
    /// A sufficient size in bytes of the buffer for one call of [`StreamOf::push`](super::StreamOf::push) or
    /// [`StreamOf::finish`](super::StreamOf::finish).
    pub const fn stream_bytes(&self) -> usize {
        longest(self.starts).saturating_add(MOST_LOST)
    }
}

/// [`Tokenizer::stream_bytes`] of unchecked tables, as a constant for the length of an array. A small number if
/// `tables` are not tables of a vocabulary.
pub const fn stream_bytes(tables: &[u8]) -> usize {
    #[cfg(feature = "sentencepiece")]
    if let Some(bytes) = super::sentencepiece::longest_text(tables) {
        return bytes;
    }
    #[cfg(feature = "wordpiece")]
    if let Some(bytes) = super::wordpiece::longest_text(tables) {
        return bytes;
    }
    let Some(([_, _, _, _, bytes, _, low, high, ..], rest)) = tables.split_first_chunk::<HEADER>()
    else {
        return MOST_LOST;
    };
    let reserved = SPECIAL.saturating_add(if *bytes == 1 { BYTES } else { 0 });
    let with_text = u16::from_le_bytes([*low, *high]).saturating_sub(reserved) as usize;
    let (starts, _) = rest.as_chunks();
    match starts.split_at_checked(with_text.saturating_add(1)) {
        Some((starts, _)) => longest(starts).saturating_add(MOST_LOST),
        None => MOST_LOST,
    }
}

/// The length in bytes of the longest text, from the starts of all texts and the end of the last.
const fn longest(starts: &[[u8; 4]]) -> usize {
    let (mut rest, mut most) = (starts, 0);
    while let [start, after @ ..] = rest {
        if let [end, ..] = after {
            let len = u32::from_le_bytes(*end).saturating_sub(u32::from_le_bytes(*start)) as usize;
            most = if len > most { len } else { most };
        }
        rest = after;
    }
    most
}
