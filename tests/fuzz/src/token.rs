//! Fuzz target: the tokenizer, from tables and text to tokens and back.

use a2d_core::config::token::UNK;
use a2d_core::token::{BYTES, Error, HEADER, Normalization, SPECIAL, Stream, Tokenizer};

/// Valid vocabularies: without and with byte fallback.
const SOUND: [&[u8]; 2] =
    [include_bytes!("../vocabularies/letters"), include_bytes!("../vocabularies/bytes")];

/// If the first byte is 0 or 1, it selects one of the [`SOUND`] vocabularies, and text follows. Otherwise it is the
/// length of the text that follows, and then come tables. Returns whether the tables are valid.
pub fn token(data: &[u8]) -> bool {
    let Some((&first, rest)) = data.split_first() else { return false };
    let (text, tables) = match SOUND.get(usize::from(first)) {
        Some(tables) => (rest, *tables),
        None => rest.split_at(rest.len().min(usize::from(first))),
    };
    let tokenizer = match Tokenizer::new(tables) {
        Ok(tokenizer) => tokenizer,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return false;
        }
    };
    let tried = Tried { tokenizer, push_room: longest(tables, &tokenizer) + 9 };
    tried.any_tokens(text);
    let text = tried.as_text(text);
    let ids = tried.encode(text);
    let decoded = tried.decode(&ids).expect("tokens of the vocabulary");
    assert_eq!(tried.stream(&ids), Ok(decoded.clone()));
    if tokenizer.normalization() != Normalization::None {
        // The decoded text of a normalised line is normalised: another round trip does not change it.
        if !ids.contains(&UNK) {
            let again = tried.encode(&decoded);
            assert_eq!(tried.decode(&again), Ok(decoded));
        }
        return true;
    }
    // Without unknown tokens the round trip restores the text, except that word marks (▁) and control characters become
    // spaces and the first mark is dropped.
    if !ids.contains(&UNK) {
        let blank = |c| [' ', '▁'].contains(&c) || ends(c);
        assert_eq!(decoded.replace(blank, ""), text.replace(blank, ""));
    }
    if first == 1 {
        let text = text.strip_prefix([' ', '▁']).unwrap_or(text);
        assert_eq!(decoded, text.replace(|c| c == '▁' || ends(c), " "));
    }
    true
}

/// Characters that no decoded text has: line breaks and other control characters.
fn ends(c: char) -> bool {
    c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c)
}

/// The number of bytes of the longest token's text.
fn longest(tables: &[u8], tokenizer: &Tokenizer<'_>) -> usize {
    let bytes = if tokenizer.has_byte_fallback() { BYTES } else { 0 };
    let with_text = tokenizer.len() - usize::from(SPECIAL + bytes);
    let starts: Vec<u32> = tables[HEADER..].as_chunks().0[..=with_text]
        .iter()
        .map(|start| u32::from_le_bytes(*start))
        .collect();
    starts.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(0) as usize
}

/// A tokenizer whose guarantees are checked.
struct Tried<'a> {
    tokenizer: Tokenizer<'a>,
    /// Bytes that suffice for the output of one push to a stream.
    push_room: usize,
}

impl Tried<'_> {
    /// The valid UTF-8 at the start of `bytes`; the tokenizer must find the same end.
    fn as_text<'t>(&self, bytes: &'t [u8]) -> &'t str {
        let mut out = vec![0; self.tokenizer.room(bytes.len())];
        let found = self.tokenizer.encode_bytes(bytes, &mut out);
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                assert!(found.is_ok());
                text
            }
            Err(error) => {
                let at = error.valid_up_to();
                assert_eq!(found, Err(Error::Utf8 { at }));
                std::str::from_utf8(&bytes[..at]).expect("what was found to be UTF-8")
            }
        }
    }

    /// The tokens of `text`; a smaller buffer must give the same, or an error with a size that suffices.
    fn encode(&self, text: &str) -> Vec<u32> {
        let room = self.tokenizer.room(text.len());
        let encode = |size: usize| {
            let mut out = vec![u32::MAX; size];
            let len = self.tokenizer.encode(text, &mut out)?;
            out.truncate(len);
            Ok(out)
        };
        let ids = encode(room).expect("room for any text");
        let plain = self.tokenizer.normalization() == Normalization::None;
        assert!(ids.is_empty() || !text.is_empty());
        assert!(!ids.is_empty() || !plain || text.is_empty());
        assert!(ids.iter().all(|id| (*id as usize) < self.tokenizer.len()));
        let near = ids.len().saturating_sub(2)..ids.len() + 3;
        for size in (0..12).chain(near).chain([room / 3, room / 2]).filter(|size| *size < room) {
            match encode(size) {
                Err(Error::Room { needed }) => {
                    assert!(needed > size);
                    assert_eq!(encode(needed).as_ref(), Ok(&ids));
                }
                found => assert_eq!(found.as_ref(), Ok(&ids)),
            }
        }
        ids
    }

    /// The text of `ids`; a buffer that is too small must give an error with the exact size.
    fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        let needed = match self.tokenizer.decode(ids, &mut []) {
            Err(Error::Room { needed }) => needed,
            other => {
                assert_eq!(other?, 0);
                0
            }
        };
        for size in [needed / 2, needed.saturating_sub(1)].into_iter().filter(|s| *s < needed) {
            let found = self.tokenizer.decode(ids, &mut vec![0; size]);
            assert_eq!(found, Err(Error::Room { needed }));
        }
        let mut out = vec![0; needed + 1];
        assert_eq!(self.tokenizer.decode(ids, &mut out[..needed]), Ok(needed));
        let text = String::from_utf8(out[..needed].to_vec()).expect("UTF-8");
        assert_eq!(self.tokenizer.decode(ids, &mut out), Ok(needed));
        assert_eq!(&out[..needed], text.as_bytes());
        Ok(text)
    }

    /// The text of `ids`, decoded by a stream.
    fn stream(&self, ids: &[u32]) -> Result<String, Error> {
        let (mut stream, mut text) = (self.tokenizer.stream(), String::new());
        for id in ids {
            let push = |stream: &mut Stream<'_>, out: &mut [u8]| stream.push(*id, out);
            text += &self.piece(&mut stream, self.push_room, push)?;
        }
        text += &self.piece(&mut stream, 9, |stream, out| stream.finish(out))?;
        assert_eq!(stream.finish(&mut []), Ok(0));
        Ok(text)
    }

    /// The output of `take`, of at most `most` bytes; a buffer that is too small must leave the stream unchanged.
    fn piece<'s>(
        &self,
        stream: &mut Stream<'s>,
        most: usize,
        take: impl Fn(&mut Stream<'s>, &mut [u8]) -> Result<usize, Error>,
    ) -> Result<String, Error> {
        let mut out = vec![0; most];
        let needed = take(&mut stream.clone(), &mut out)?;
        for size in (0..needed).rev().take(3) {
            assert_eq!(take(stream, &mut out[..size]), Err(Error::Room { needed }));
        }
        assert_eq!(take(stream, &mut out[..needed]), Ok(needed));
        out.truncate(needed);
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    /// Decodes arbitrary ids: each byte of `bytes`, and each two bytes.
    fn any_tokens(&self, bytes: &[u8]) {
        let ones: Vec<u32> = bytes.iter().map(|byte| u32::from(*byte)).collect();
        let (twos, _) = bytes.as_chunks();
        let twos = twos.iter().map(|two| u32::from(u16::from_le_bytes(*two)));
        let outside = |id: &u32| *id as usize >= self.tokenizer.len();
        let within: Vec<u32> = twos.clone().map(|id| id % self.tokenizer.len() as u32).collect();
        for ids in [ones, twos.collect(), within] {
            let decoded = self.decode(&ids);
            assert_eq!(decoded, self.stream(&ids));
            match (ids.iter().find(|id| outside(id)), decoded) {
                (Some(id), decoded) => assert_eq!(decoded, Err(Error::Token(*id))),
                (None, decoded) => {
                    assert!(!decoded.expect("tokens of the vocabulary").contains(ends))
                }
            }
        }
    }
}
