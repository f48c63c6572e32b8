//! Token files: one per split, mapped into memory, checked once, then read without failing.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `a2d.pair` |
//! | 8..16 | version (`u32`), bytes of an id: 2 or 4 (`u32`) |
//! | 16..24 | N, the number of sentence pairs (`u64`) |
//! | 24..32 | T, the number of ids (`u64`) |
//! | 32..48 | size of the vocabulary, its fingerprint (`u64` each) |
//! | 48..64 | checksums of all bytes from 64 on, and of the bytes 0..56 (`u64` each) |
//! | 64.. | 2N + 1 offsets in ids (`u64`): source 0, target 0, source 1 … and the end |
//! | .. | T ids |
//!
//! Numbers are little-endian. Every sentence ends with [`EOS`].

use crate::error::{Error, Result};
use crate::files::write_whole;
use crate::hash;
use crate::mapped::Mapped;
use crate::vocab::{EOS, Vocab};
use std::path::Path;

const MAGIC: &[u8; 8] = b"a2d.pair";
const VERSION: u32 = 1;
const HEADER: usize = 64;

/// A split in memory-mapped form. Everything about it was checked when it was opened.
pub struct Corpus {
    bytes: Mapped,
    header: Header,
    /// Where the ids begin.
    ids: usize,
}

impl Corpus {
    /// Opens a token file and checks all of it once.
    ///
    /// # Errors
    /// [`Error::Misuse`], naming the file, when it cannot be read, is of another kind, is cut
    /// short, or is damaged in any way.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = Mapped::open(path).map_err(|e| Error::input("open", path, &e))?;
        let checked = Header::read(&bytes).and_then(|header| {
            let ids = header.check_size(bytes.len())?;
            Ok((header, ids))
        });
        let wrong = |why: String| {
            Error::misuse(format!("{}: {why}; run `host prepare` again", path.display()))
        };
        let (header, ids) = checked.map_err(wrong)?;
        let corpus = Self { bytes, header, ids };
        corpus.check_body().map_err(wrong)?;
        Ok(corpus)
    }

    /// The number of sentence pairs.
    pub fn len(&self) -> usize {
        self.header.pairs as usize
    }

    /// Whether there is no pair at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of the vocabulary that the ids are from.
    pub fn vocabulary(&self) -> usize {
        self.header.vocabulary as usize
    }

    /// [`Vocab::fingerprint`] of the vocabulary that the ids are from.
    pub fn fingerprint(&self) -> String {
        hash::hex(self.header.fingerprint)
    }

    /// Names the pairs: files of equal sentences have equal ones.
    pub fn checksum(&self) -> String {
        hash::hex(self.header.checksum)
    }

    /// The source sentence of pair `i`, [`EOS`] included. Panics where `i` is not below `len`.
    pub fn source(&self, i: usize) -> Ids<'_> {
        self.sentence(2 * self.within(i))
    }

    /// The target sentence of pair `i`, [`EOS`] included. Panics where `i` is not below `len`.
    pub fn target(&self, i: usize) -> Ids<'_> {
        self.sentence(2 * self.within(i) + 1)
    }

    /// How many ids the source and the target of pair `i` have, without touching them.
    pub fn lengths(&self, i: usize) -> (u32, u32) {
        let i = 2 * self.within(i);
        let [a, b, c] = [self.offset(i), self.offset(i + 1), self.offset(i + 2)];
        ((b - a) as u32, (c - b) as u32)
    }

    /// [`Corpus::lengths`] of every pair: what [`crate::data::batches`] takes.
    pub fn all_lengths(&self) -> Vec<(u32, u32)> {
        (0..self.len()).map(|i| self.lengths(i)).collect()
    }

    fn within(&self, i: usize) -> usize {
        assert!(i < self.len(), "pair {i} of {}", self.len());
        i
    }

    fn offsets(&self) -> &[[u8; 8]] {
        self.bytes[HEADER..self.ids].as_chunks().0
    }

    fn offset(&self, i: usize) -> usize {
        u64::from_le_bytes(self.offsets()[i]) as usize
    }

    fn sentence(&self, i: usize) -> Ids<'_> {
        let (from, to) = (self.offset(i), self.offset(i + 1));
        match self.all() {
            Ids::Narrow(ids) => Ids::Narrow(&ids[from..to]),
            Ids::Wide(ids) => Ids::Wide(&ids[from..to]),
        }
    }

    fn all(&self) -> Ids<'_> {
        let ids = &self.bytes[self.ids..];
        if self.header.width == 2 {
            Ids::Narrow(ids.as_chunks().0)
        } else {
            Ids::Wide(ids.as_chunks().0)
        }
    }

    fn check_body(&self) -> Result<(), String> {
        if hash::bytes(&self.bytes[HEADER..]) != self.header.checksum {
            return Err("damaged: the checksum is another".into());
        }
        self.check_offsets()?;
        self.check_ids()
    }

    fn check_offsets(&self) -> Result<(), String> {
        let mut offsets = self.offsets().iter().map(|bytes| u64::from_le_bytes(*bytes));
        let mut before = offsets.next().unwrap_or(u64::MAX);
        if before != 0 {
            return Err("damaged: the first offset is not 0".into());
        }
        for (i, offset) in offsets.enumerate() {
            if offset <= before || offset - before > u64::from(u32::MAX) {
                return Err(format!("damaged: the offset of sentence {i} is out of order"));
            }
            before = offset;
        }
        if before == self.header.ids {
            Ok(())
        } else {
            Err("damaged: the last offset is not the number of ids".into())
        }
    }

    fn check_ids(&self) -> Result<(), String> {
        let size = self.header.vocabulary;
        if let Some(id) = self.all().iter().find(|id| u64::from(*id) >= size) {
            return Err(format!("damaged: id {id} is outside the vocabulary of {size}"));
        }
        let unended = |i: &usize| self.sentence(*i).iter().next_back() != Some(EOS);
        match (0..2 * self.len()).find(unended) {
            Some(i) => Err(format!("damaged: sentence {i} has no end")),
            None => Ok(()),
        }
    }
}

/// The ids of a sentence, as they lie in the file.
#[derive(Debug, Clone, Copy)]
pub enum Ids<'a> {
    /// Two bytes an id: vocabularies up to 65,536.
    Narrow(&'a [[u8; 2]]),
    /// Four bytes an id.
    Wide(&'a [[u8; 4]]),
}

impl<'a> Ids<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            Self::Narrow(ids) => ids.len(),
            Self::Wide(ids) => ids.len(),
        }
    }

    /// Whether there are none, which is so for no sentence of a corpus.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Id `i`. Panics where `i` is not below `len`.
    pub fn at(self, i: usize) -> u32 {
        match self {
            Self::Narrow(ids) => u16::from_le_bytes(ids[i]).into(),
            Self::Wide(ids) => u32::from_le_bytes(ids[i]),
        }
    }

    /// All of them, in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + 'a {
        (0..self.len()).map(move |i| self.at(i))
    }

    /// A copy.
    pub fn to_vec(self) -> Vec<u32> {
        self.iter().collect()
    }
}

/// The first 64 bytes.
struct Header {
    width: u32,
    pairs: u64,
    ids: u64,
    vocabulary: u64,
    fingerprint: u64,
    checksum: u64,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let foreign = || "not a token file of `host prepare`".to_owned();
        let magic = &bytes[..bytes.len().min(MAGIC.len())];
        if !MAGIC.starts_with(magic) {
            return Err(foreign());
        }
        let Some(bytes) = bytes.first_chunk::<HEADER>() else {
            return Err(format!("cut short: {} bytes, the header alone has {HEADER}", bytes.len()));
        };
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let (version, width) = (word(8) as u32, (word(8) >> 32) as u32);
        if version != VERSION {
            return Err(format!("version {version}, this program reads {VERSION}"));
        }
        if hash::bytes(&bytes[..56]) != word(56) || !matches!(width, 2 | 4) {
            return Err("damaged: the header's checksum is another".into());
        }
        Ok(Self {
            width,
            pairs: word(16),
            ids: word(24),
            vocabulary: word(32),
            fingerprint: word(40),
            checksum: word(48),
        })
    }

    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let kind = u64::from(VERSION) | u64::from(self.width) << 32;
        let words = [kind, self.pairs, self.ids, self.vocabulary, self.fingerprint, self.checksum];
        bytes[..8].copy_from_slice(MAGIC);
        for (place, word) in bytes[8..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let checksum = hash::bytes(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Where the ids begin, if the file has the size that the counts ask for.
    fn check_size(&self, found: usize) -> Result<usize, String> {
        let absurd = || "damaged: absurd counts".to_owned();
        if self.pairs > u64::from(u32::MAX) {
            return Err(absurd());
        }
        let start = HEADER as u64 + (2 * self.pairs + 1) * 8;
        let ids = self.ids.checked_mul(self.width.into()).ok_or_else(absurd)?;
        let size = ids.checked_add(start).ok_or_else(absurd)?;
        match (found as u64).cmp(&size) {
            std::cmp::Ordering::Less => Err(format!("cut short: {found} of {size} bytes")),
            std::cmp::Ordering::Greater => Err(format!("damaged: {found} bytes, not {size}")),
            std::cmp::Ordering::Equal => Ok(start as usize),
        }
    }
}

/// Collects sentence pairs and writes them as a token file.
pub struct Builder {
    vocabulary: usize,
    fingerprint: u64,
    offsets: Vec<u64>,
    ids: Vec<u32>,
}

impl Builder {
    /// An empty corpus of ids from `vocab`.
    pub fn new(vocab: &Vocab) -> Self {
        let (vocabulary, fingerprint) = (vocab.len(), vocab.hash());
        Self { vocabulary, fingerprint, offsets: vec![0], ids: Vec::new() }
    }

    /// Adds a pair; both sides come without [`EOS`]. Panics for an id outside the vocabulary.
    pub fn push(&mut self, source: &[u32], target: &[u32]) {
        for side in [source, target] {
            assert!(side.iter().all(|id| (*id as usize) < self.vocabulary), "a foreign id");
            self.ids.extend_from_slice(side);
            self.ids.push(EOS);
            self.offsets.push(self.ids.len() as u64);
        }
    }

    /// The number of pairs so far.
    pub fn len(&self) -> usize {
        self.offsets.len() / 2
    }

    /// Whether there is no pair yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Error::Misuse`] for more than 2³² pairs, [`Error::Failed`] where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if self.len() > u32::MAX as usize {
            return Err(Error::misuse(format!("{} pairs are too many", self.len())));
        }
        let width = if self.vocabulary <= 1 << 16 { 2 } else { 4 };
        let body = self.body(width);
        let header = Header {
            width: width as u32,
            pairs: self.len() as u64,
            ids: self.ids.len() as u64,
            vocabulary: self.vocabulary as u64,
            fingerprint: self.fingerprint,
            checksum: hash::bytes(&body),
        };
        write_whole(path, |out| {
            out.write_all(&header.to_bytes())?;
            out.write_all(&body)
        })
    }

    fn body(&self, width: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.offsets.len() * 8 + self.ids.len() * width);
        self.offsets.iter().for_each(|offset| body.extend(offset.to_le_bytes()));
        self.ids.iter().for_each(|id| body.extend(&id.to_le_bytes()[..width]));
        body
    }
}
