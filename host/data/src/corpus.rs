//! Token files: one per split, verified when opened, then read pair by pair during training.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `a2d.pair` |
//! | 8..16 | version (`u32`): 2, or 3 if the targets are labels; bytes of an id: 2 or 4 (`u32`) |
//! | 16..24 | N, the number of sentence pairs (`u64`) |
//! | 24..32 | T, the number of ids (`u64`) |
//! | 32..40 | size of the source's vocabulary, and of the target's: 0 if it is the same (`u32` each) |
//! | 40..48 | fingerprint of the vocabulary (`u64`) |
//! | 48..64 | checksums of the blocks' checksums, and of the bytes 0..56 (`u64` each) |
//! | 64.. | blocks of [`BLOCK`] pairs, the last of what is left: |
//! | | the lengths of source 0, target 0, source 1 … in ids (`u32` each) |
//! | | the ids of source 0, target 0, source 1 … |
//! | .. | one checksum a block (`u64` each) |
//!
//! Numbers are little-endian. Every sentence ends with [`EOS`]. A target that is a label is one id, the number of the label.
//!
//! The file is read, not memory-mapped. If another program truncated a mapped file, a signal would end the process; if
//! one overwrote it, verified data would change. Here both are errors.

use crate::vocab::{EOS, Sizes, Vocab};
use a2d_system::error::{Error, Result};
use a2d_system::files::{self, Unfinished};
use a2d_system::hash;
use a2d_system::program;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"a2d.pair";
const HEADER: usize = 64;

/// Pairs per block, the unit of reading and checking. Small, because consecutive accesses are far apart.
pub const BLOCK: usize = 8;

/// A split on disk. It is verified when opened, and each block again when read.
///
/// It takes 10 bytes of memory per pair.
pub struct Corpus {
    path: PathBuf,
    file: File,
    header: Header,
    lengths: Vec<(u32, u32)>,
    blocks: Vec<Block>,
}

/// The position and the checksum of a block.
#[derive(Clone, Copy)]
struct Block {
    start: u64,
    checksum: u64,
}

impl Corpus {
    /// Opens a token file and verifies all of it.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`], naming the file, if it cannot be read, has another format, is truncated or is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = files::open(path).map_err(|e| Error::input("open", path, &e))?;
        let wrong = |why: String| {
            let prepare = program::command("prepare");
            Error::misuse(format!("{}: {why}; run {prepare} again", path.display()))
        };
        let header = Header::open(&file).map_err(wrong)?;
        let Check { lengths, blocks, .. } =
            Check::new(&file, &header).and_then(Check::all).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), file, header, lengths, blocks })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of sentence pairs.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sizes of the vocabulary of the ids.
    pub fn sizes(&self) -> Sizes {
        let [source, target] = self.header.sizes.map(|size| size as usize);
        Sizes { source, target }
    }

    /// [`Vocab::fingerprint`] of the vocabulary of the ids.
    pub fn fingerprint(&self) -> String {
        hash::hex(self.header.fingerprint)
    }

    /// A checksum of the pairs: equal for files with equal sentences.
    pub fn checksum(&self) -> String {
        hash::hex(self.header.checksum)
    }

    /// The number of ids of the source and the target of pair `i`. Panics if `i >= len`.
    pub fn lengths(&self, i: usize) -> (u32, u32) {
        self.lengths[i]
    }

    /// [`Corpus::lengths`] of every pair: what [`crate::batches::batches`] takes.
    pub fn all_lengths(&self) -> &[(u32, u32)] {
        &self.lengths
    }

    /// The mean over all pairs of a number that follows from their lengths; 0 without pairs.
    pub fn mean(&self, of: impl Fn(&(u32, u32)) -> u32) -> f64 {
        let sum: u64 = self.lengths.iter().map(|pair| u64::from(of(pair))).sum();
        sum as f64 / self.len().max(1) as f64
    }

    /// The source and the target ids of pair `i`, including [`EOS`]; a label has none. Panics if `i >= len`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`], naming the file, if it changed after it was opened.
    pub fn pair(&self, i: usize) -> Result<(Vec<u32>, Vec<u32>)> {
        let first = i - i % BLOCK;
        let sizes = &self.lengths[first..self.len().min(first + BLOCK)];
        let ids = |sizes: &[(u32, u32)]| sizes.iter().map(|&(s, t)| s as usize + t as usize).sum();
        let (before, all): (usize, usize) = (ids(&sizes[..i - first]), ids(sizes));
        let width = self.header.width as usize;
        let mut bytes = vec![0; sizes.len() * 8 + all * width];
        let block = self.blocks[i / BLOCK];
        files::read_at(&self.file, &mut bytes, block.start).map_err(|e| self.lost(&e))?;
        if hash::bytes(&bytes) != block.checksum {
            return Err(self.changed("is overwritten"));
        }
        let start = sizes.len() * 8 + before * width;
        let (source, target) = (sizes[i - first].0 as usize, sizes[i - first].1 as usize);
        let (source, rest) = bytes[start..].split_at(source * width);
        Ok((to_ids(source, width), to_ids(&rest[..target * width], width)))
    }

    fn lost(&self, error: &std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.changed("is cut short"),
            _ => Error::output("read", &self.path, error),
        }
    }

    fn changed(&self, how: &str) -> Error {
        let path = self.path.display();
        let what =
            "put the same file back, or prepare the same data again, and go on with --resume";
        Error::failed(format!("{path} {how} while it is in use; {what}"))
    }
}

fn to_ids(bytes: &[u8], width: usize) -> Vec<u32> {
    match width {
        2 => bytes.as_chunks().0.iter().map(|id| u16::from_le_bytes(*id).into()).collect(),
        _ => bytes.as_chunks().0.iter().map(|id| u32::from_le_bytes(*id)).collect(),
    }
}

/// The verification pass over a file.
struct Check<'a> {
    header: &'a Header,
    input: BufReader<&'a File>,
    start: u64,
    /// Ids not read yet.
    ids_left: u64,
    checksums: Vec<u64>,
    lengths: Vec<(u32, u32)>,
    blocks: Vec<Block>,
}

impl<'a> Check<'a> {
    fn new(mut file: &'a File, header: &'a Header) -> Result<Self, String> {
        let mut table = vec![0; 8 * header.blocks() as usize];
        file.seek(SeekFrom::Start(header.table()))
            .and_then(|_| file.read_exact(&mut table))
            .and_then(|()| file.seek(SeekFrom::Start(HEADER as u64)))
            .map_err(|e| unreadable(&e))?;
        if hash::bytes(&table) != header.checksum {
            return Err(damaged("the checksum is another"));
        }
        let checksums = table.as_chunks().0.iter().map(|sum| u64::from_le_bytes(*sum)).collect();
        let pairs = header.pairs as usize;
        Ok(Self {
            header,
            input: BufReader::with_capacity(1 << 20, file),
            start: HEADER as u64,
            ids_left: header.ids,
            checksums,
            lengths: Vec::with_capacity(pairs),
            blocks: Vec::with_capacity(pairs.div_ceil(BLOCK)),
        })
    }

    fn all(mut self) -> Result<Self, String> {
        let mut bytes = Vec::new();
        for checksum in std::mem::take(&mut self.checksums) {
            self.block(&mut bytes, checksum)?;
        }
        match self.ids_left {
            0 => Ok(self),
            _ => Err(damaged("the lengths do not add up to the number of ids")),
        }
    }

    fn block(&mut self, bytes: &mut Vec<u8>, checksum: u64) -> Result<(), String> {
        let first = self.lengths.len();
        let pairs = BLOCK.min(self.header.pairs as usize - first);
        bytes.resize(pairs * 8, 0);
        self.input.read_exact(bytes).map_err(|e| unreadable(&e))?;
        let sizes: Vec<u32> =
            bytes.as_chunks().0.iter().map(|size| u32::from_le_bytes(*size)).collect();
        let ids: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
        self.ids_left = self
            .ids_left
            .checked_sub(ids)
            .ok_or_else(|| damaged("the lengths are more than the number of ids"))?;
        let width = self.header.width as usize;
        bytes.resize(pairs * 8 + ids as usize * width, 0);
        self.input.read_exact(&mut bytes[pairs * 8..]).map_err(|e| unreadable(&e))?;
        if hash::bytes(bytes) != checksum {
            return Err(damaged("the checksum is another"));
        }
        self.sentences(&sizes, &to_ids(&bytes[pairs * 8..], width))?;
        self.lengths
            .extend(sizes.as_chunks::<2>().0.iter().map(|[source, target]| (*source, *target)));
        self.blocks.push(Block { start: self.start, checksum });
        self.start += bytes.len() as u64;
        Ok(())
    }

    fn sentences(&self, sizes: &[u32], mut ids: &[u32]) -> Result<(), String> {
        for (i, size) in sizes.iter().enumerate() {
            let (sentence, rest) = ids.split_at(*size as usize);
            let vocabulary = self.header.sizes[i % 2];
            if let Some(id) = sentence.iter().find(|id| u64::from(**id) >= vocabulary) {
                return Err(damaged(&format!("id {id} is outside the vocabulary of {vocabulary}")));
            }
            if !self.header.targets.is_whole(i % 2, sentence) {
                let sentence = 2 * self.lengths.len() + i;
                return Err(damaged(&format!("sentence {sentence} has no end")));
            }
            ids = rest;
        }
        Ok(())
    }
}

fn damaged(how: &str) -> String {
    format!("damaged: {how}")
}

fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "cut short while it was read".into(),
        _ => format!("cannot be read: {error}"),
    }
}

/// What the targets are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Targets {
    Sentences,
    Labels,
}

impl Targets {
    const ALL: [Self; 2] = [Self::Sentences, Self::Labels];

    /// The version of a file with these targets.
    fn version(self) -> u32 {
        match self {
            Self::Sentences => 2,
            Self::Labels => 3,
        }
    }

    /// What every sentence of a side (0: source, 1: target) ends with.
    fn end(self, side: usize) -> &'static [u32] {
        if self == Self::Labels && side == 1 { &[] } else { &[EOS] }
    }

    /// Whether `ids` are a whole sentence, or a label.
    fn is_whole(self, side: usize, ids: &[u32]) -> bool {
        match self.end(side) {
            [] => ids.len() == 1,
            end => ids.ends_with(end),
        }
    }
}

/// The first 64 bytes.
struct Header {
    targets: Targets,
    width: u32,
    pairs: u64,
    ids: u64,
    /// V of the source and of the target.
    sizes: [u64; 2],
    fingerprint: u64,
    checksum: u64,
}

impl Header {
    /// Reads the header and checks the file's size against it.
    fn open(file: &File) -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(HEADER);
        file.take(HEADER as u64).read_to_end(&mut bytes).map_err(|e| unreadable(&e))?;
        let header = Self::read(&bytes)?;
        header.check_size(file.metadata().map_err(|e| unreadable(&e))?.len())?;
        Ok(header)
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let foreign = || format!("not a token file of {}", program::command("prepare"));
        let magic = &bytes[..bytes.len().min(MAGIC.len())];
        if !MAGIC.starts_with(magic) {
            return Err(foreign());
        }
        let Some(bytes) = bytes.first_chunk::<HEADER>() else {
            return Err(format!("cut short: {} bytes, the header alone has {HEADER}", bytes.len()));
        };
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let (version, width) = (word(8) as u32, (word(8) >> 32) as u32);
        let Some(targets) = Targets::ALL.into_iter().find(|kind| kind.version() == version) else {
            return Err(format!("version {version}, this program reads 2 and 3"));
        };
        if hash::bytes(&bytes[..56]) != word(56) || !matches!(width, 2 | 4) {
            return Err(damaged("the header's checksum is another"));
        }
        Ok(Self {
            targets,
            width,
            pairs: word(16),
            ids: word(24),
            sizes: sizes(word(32)),
            fingerprint: word(40),
            checksum: word(48),
        })
    }

    fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let kind = u64::from(self.targets.version()) | u64::from(self.width) << 32;
        let sizes = sizes_word(self.sizes);
        let words = [kind, self.pairs, self.ids, sizes, self.fingerprint, self.checksum];
        bytes[..8].copy_from_slice(MAGIC);
        for (place, word) in bytes[8..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let checksum = hash::bytes(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn blocks(&self) -> u64 {
        self.pairs.div_ceil(BLOCK as u64)
    }

    /// The offset of the checksum table, behind the blocks. Call it only after [`Header::check_size`].
    fn table(&self) -> u64 {
        HEADER as u64 + self.pairs * 8 + self.ids * u64::from(self.width)
    }

    /// Checks that the file has the size implied by the counts.
    fn check_size(&self, found: u64) -> Result<(), String> {
        let absurd = || damaged("absurd counts");
        if self.pairs > u64::from(u32::MAX) {
            return Err(absurd());
        }
        let fixed = HEADER as u64 + self.pairs * 8 + self.blocks() * 8;
        let ids = self.ids.checked_mul(self.width.into()).ok_or_else(absurd)?;
        let size = ids.checked_add(fixed).ok_or_else(absurd)?;
        match found.cmp(&size) {
            std::cmp::Ordering::Less => Err(format!("cut short: {found} of {size} bytes")),
            std::cmp::Ordering::Greater => Err(damaged(&format!("{found} bytes, not {size}"))),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }
}

/// Both sizes as one word; that of the target is 0 if it is the source's, as in files of earlier versions.
fn sizes_word([source, target]: [u64; 2]) -> u64 {
    if target == source { source } else { source | target << 32 }
}

/// The inverse of [`sizes_word`].
fn sizes(word: u64) -> [u64; 2] {
    let [source, target] = [word & u64::from(u32::MAX), word >> 32];
    [source, if target == 0 { source } else { target }]
}

/// Writes a token file pair by pair. [`Writer::finish`] moves it to its final path.
///
/// It takes 1 byte of memory per pair.
pub struct Writer {
    out: Unfinished,
    header: Header,
    lengths: Vec<u8>,
    ids: Vec<u8>,
    checksums: Vec<u8>,
}

impl Writer {
    /// Creates an empty token file for `path` with ids from `vocab`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the file cannot be written.
    pub fn create(path: &Path, vocab: &Vocab) -> Result<Self> {
        let sizes = vocab.sizes();
        let header = Header {
            targets: if vocab.labels().is_some() { Targets::Labels } else { Targets::Sentences },
            width: if sizes.most() <= 1 << 16 { 2 } else { 4 },
            pairs: 0,
            ids: 0,
            sizes: [sizes.source, sizes.target].map(|size| size as u64),
            fingerprint: vocab.hash(),
            checksum: 0,
        };
        let mut out = Unfinished::begin(path)?;
        out.file.write_all(&[0; HEADER]).map_err(|e| Error::output("write", path, &e))?;
        let (lengths, ids, checksums) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { out, header, lengths, ids, checksums })
    }

    /// Appends a pair; both sides are given without [`EOS`]. Panics on an id outside the vocabulary. The target of a text
    /// model is one label.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for more than 2³² pairs, [`Error::Failed`] if the file cannot be written.
    pub fn push(&mut self, source: &[u32], target: &[u32]) -> Result<()> {
        if self.header.pairs == u64::from(u32::MAX) {
            return Err(Error::misuse(format!("{} pairs are too many", u32::MAX)));
        }
        let width = self.header.width as usize;
        for (i, side) in [source, target].into_iter().enumerate() {
            let known = |id: &u32| u64::from(*id) < self.header.sizes[i];
            assert!(side.iter().all(known), "a foreign id");
            let end = self.header.targets.end(i);
            let length = side.len() + end.len();
            self.lengths.extend((length as u32).to_le_bytes());
            side.iter().chain(end).for_each(|id| self.ids.extend(&id.to_le_bytes()[..width]));
            self.header.ids += length as u64;
        }
        self.header.pairs += 1;
        if self.header.pairs.is_multiple_of(BLOCK as u64) { self.end_block() } else { Ok(()) }
    }

    /// The number of pairs so far.
    pub fn len(&self) -> usize {
        self.header.pairs as usize
    }

    /// Whether there are no pairs yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Completes the file and moves it to its final path.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the file cannot be written; an earlier file is then unchanged.
    pub fn finish(mut self) -> Result<()> {
        if !self.lengths.is_empty() {
            self.end_block()?;
        }
        self.header.checksum = hash::bytes(&self.checksums);
        let file = &mut self.out.file;
        file.write_all(&self.checksums)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(&self.header.to_bytes()))
            .map_err(|e| Error::output("write", self.out.path(), &e))?;
        self.out.finish()
    }

    fn end_block(&mut self) -> Result<()> {
        self.lengths.append(&mut self.ids);
        self.checksums.extend(hash::bytes(&self.lengths).to_le_bytes());
        let written = self.out.file.write_all(&self.lengths);
        self.lengths.clear();
        written.map_err(|e| Error::output("write", self.out.path(), &e))
    }
}
