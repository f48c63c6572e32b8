//! Fuzz target: WordPiece tables, from text to tokens and back.

use a2d_core::token::wordpiece::WordPiece;
use a2d_core::token::{Error, stream_bytes};

/// The first byte is the length of the text that follows, and then come tables. Returns whether the tables are valid.
pub fn wordpiece(data: &[u8]) -> bool {
    let Some((&len, rest)) = data.split_first() else { return false };
    let (text, bytes) = rest.split_at(rest.len().min(usize::from(len)));
    let text = String::from_utf8_lossy(text);
    let tables = match WordPiece::new(bytes) {
        Ok(tables) => tables,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return false;
        }
    };
    assert_eq!(stream_bytes(bytes), tables.stream_bytes());
    let mut ids = vec![u32::MAX; tables.room(text.len())];
    let count = tables.encode(&text, &mut ids).expect("room for any text");
    ids.truncate(count);
    assert!(ids.iter().all(|id| (*id as usize) < tables.len()));
    for size in [0, 1, 2, 5, count / 2, count] {
        let size = size.min(count);
        let mut out = vec![u32::MAX; size];
        let needed = (size < count).then_some(count);
        assert_eq!(tables.encode_front(&text, &mut out), (size, needed));
        assert_eq!(out, ids[..size]);
    }
    let any: Vec<u32> = text.bytes().map(u32::from).collect();
    for ids in [ids, any] {
        decode(&tables, &ids);
    }
    true
}

/// Decodes at once and by a stream: the same text.
fn decode(tables: &WordPiece<'_>, ids: &[u32]) {
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
    assert_eq!(stream.finish(&mut []), Ok(0));
    assert_eq!(out, text);
    let text = std::str::from_utf8(&text).expect("UTF-8");
    assert!(!text.contains(|c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c)));
}
