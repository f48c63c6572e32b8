//! Fuzz target: SentencePiece tables, from text to tokens and back.

use a2d_core::token::sentencepiece::{Flag, SentencePiece};
use a2d_core::token::{Error, stream_bytes};

/// The most words of a buffer.
const MOST: usize = 1 << 20;

/// The first byte is the length of the text that follows, and then come tables. Returns whether the tables are valid.
pub fn sentencepiece(data: &[u8]) -> bool {
    let Some((&len, rest)) = data.split_first() else { return false };
    let (text, bytes) = rest.split_at(rest.len().min(usize::from(len)));
    let tables = match SentencePiece::new(bytes) {
        Ok(tables) => tables,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return false;
        }
    };
    assert_eq!(stream_bytes(bytes), tables.stream_bytes());
    let ids = encode(&tables, text);
    assert!(ids.iter().all(|id| (*id as usize) < tables.len()));
    for size in [0, 3, 4, 5, 8, 16, 40] {
        let mut out = vec![u32::MAX; size];
        let (count, needed) = tables.encode_front(text, &mut out);
        assert_eq!(out[..count], ids[..count]);
        assert!(needed.map_or(count == ids.len(), |needed| needed > size));
    }
    let any: Vec<u32> = text.iter().map(|byte| u32::from(*byte)).collect();
    for ids in [ids, any] {
        decode(&tables, &ids);
    }
    let _ = tables.forbidden();
    true
}

/// The tokens of `text`. With damaged sizes in the header, the size that is asked for may be too small once more.
fn encode(tables: &SentencePiece<'_>, text: &[u8]) -> Vec<u32> {
    let mut size = 0;
    loop {
        let mut out = vec![u32::MAX; size];
        match tables.encode_bytes(text, &mut out) {
            Ok(count) => {
                out.truncate(count);
                return out;
            }
            Err(Error::Room { needed }) => {
                let exact = size == 0 || tables.has(Flag::Marian);
                assert!(needed > size && exact && needed < MOST << 4, "{size}: {needed}");
                size = needed.min(MOST);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Decodes at once and by a stream: the same text.
fn decode(tables: &SentencePiece<'_>, ids: &[u32]) {
    let needed = match tables.decode(ids, &mut []) {
        Ok(len) => len,
        Err(Error::Room { needed }) => needed,
        Err(error) => {
            let outside = |id: &&u32| tables.piece(**id).is_none();
            assert_eq!(Some(error), ids.iter().find(outside).map(|id| Error::Token(*id)));
            return;
        }
    };
    let mut out = vec![0; needed];
    assert_eq!(tables.decode(ids, &mut out), Ok(needed));
    let (mut stream, mut text) = (tables.stream(), Vec::<u8>::new());
    let mut piece = vec![0; tables.stream_bytes()];
    for id in ids {
        let len = stream.push(*id, &mut piece).expect("a buffer for any token");
        text.extend(&piece[..len]);
    }
    let len = stream.finish(&mut piece).expect("a buffer for the rest");
    text.extend(&piece[..len]);
    assert_eq!(out, text);
    let text = std::str::from_utf8(&text).expect("UTF-8");
    assert!(!text.contains(|c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c)));
}
