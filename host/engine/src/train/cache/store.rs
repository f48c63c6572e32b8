//! Where the cached values of sentences are kept: in memory, or in a file.
//!
//! | bytes of the file | what |
//! |---|---|
//! | 0..8 | `a2d.said` |
//! | 8..16 | a hash of all that determines the values (`u64`) |
//! | 16.. | one slot a sentence: a checksum of its values (`u64`), the values |
//!
//! Numbers are little-endian. A slot whose checksum is wrong is empty: nobody wrote it, or a killed process wrote half of it.

use a2d_run::config::CachePrecision;
use a2d_system::error::{Error, Result};
use a2d_system::files;
use a2d_system::hash;
use half::bf16;
use half::slice::HalfFloatSliceExt;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"a2d.said";
const HEADER: u64 = 16;
const CHECKSUM: u64 = 8;

/// What to do where the disk is too small.
const LESS: &str = "lower `distill.cache_gib`, or set `distill.cache_precision` to \"bf16\"";

/// The elements of a sentence, in the cache's precision.
pub enum Values {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
}

impl Values {
    /// Rounds `values` to a precision.
    pub fn of(values: Vec<f32>, precision: CachePrecision) -> Self {
        match precision {
            CachePrecision::F32 => Self::F32(values),
            CachePrecision::Bf16 => {
                let mut short = vec![bf16::ZERO; values.len()];
                short.convert_from_f32_slice(&values);
                Self::Bf16(short)
            }
        }
    }

    /// The elements.
    pub fn get(&self) -> Cow<'_, [f32]> {
        match self {
            Self::F32(values) => Cow::Borrowed(values),
            Self::Bf16(short) => Cow::Owned(short.to_f32_vec()),
        }
    }
}

/// The kept values of the first sentences of a corpus.
pub enum Store {
    Memory(Vec<Option<Values>>),
    File(Slots),
}

impl Store {
    /// The values of sentence `number`, if they are kept.
    pub fn get(&self, number: usize) -> Option<Cow<'_, [f32]>> {
        match self {
            Self::Memory(kept) => Some(kept.get(number)?.as_ref()?.get()),
            Self::File(slots) => slots.read(number).map(Cow::Owned),
        }
    }

    /// Keeps the values of sentence `number`, if there is room for it.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn put(&mut self, number: usize, values: Values) -> Result<()> {
        match self {
            Self::Memory(kept) => {
                if let Some(place) = kept.get_mut(number) {
                    *place = Some(values);
                }
                Ok(())
            }
            Self::File(slots) => slots.write(number, &values),
        }
    }
}

/// A file of values.
pub struct Slots {
    file: File,
    path: PathBuf,
    precision: CachePrecision,
    /// The first byte of each slot, and of what would follow the last.
    starts: Vec<u64>,
}

impl Slots {
    /// Opens or makes the file at `path` for sentences of these numbers of elements. The values in it are kept if they were
    /// written under the same `key`.
    ///
    /// # Errors
    ///
    /// Misuse: the disk is too small. The file cannot be written.
    pub fn open(
        path: &Path,
        key: u64,
        precision: CachePrecision,
        elements: impl Iterator<Item = usize>,
    ) -> Result<Self> {
        let sizes = elements.map(|count| CHECKSUM + (count * bytes_of(precision)) as u64);
        let starts: Vec<_> = [HEADER].into_iter().chain(sizes).scan(0, sum).collect();
        let whole = starts.last().copied().unwrap_or(HEADER);
        let header = [u64::from_le_bytes(*MAGIC), key].map(u64::to_le_bytes).concat();
        let failed = |e: std::io::Error| Error::output("write", path, &e);
        let mut file = files::update(path).map_err(failed)?;
        let mut found = Vec::new();
        (&file).take(HEADER).read_to_end(&mut found).map_err(failed)?;
        let serves = found == header;
        if !serves {
            file.set_len(0).map_err(failed)?;
        }
        let there = file.metadata().map_err(failed)?.len();
        files::has_room(path, whole.saturating_sub(there), LESS)?;
        if !serves {
            file.rewind().and_then(|()| file.write_all(&header)).map_err(failed)?;
        }
        file.set_len(whole).map_err(failed)?;
        Ok(Self { file, path: path.to_owned(), precision, starts })
    }

    fn slot(&self, number: usize) -> Option<[u64; 2]> {
        Some([*self.starts.get(number)?, *self.starts.get(number + 1)?])
    }

    fn read(&self, number: usize) -> Option<Vec<f32>> {
        let [start, end] = self.slot(number)?;
        let mut bytes = vec![0; (end - start) as usize];
        files::read_at(&self.file, &mut bytes, start).ok()?;
        let (checksum, values) = bytes.split_first_chunk()?;
        (u64::from_le_bytes(*checksum) == check(values)).then(|| from_bytes(values, self.precision))
    }

    fn write(&mut self, number: usize, values: &Values) -> Result<()> {
        let Some([start, _]) = self.slot(number) else { return Ok(()) };
        let values = to_bytes(values);
        let bytes = [&check(&values).to_le_bytes()[..], &values].concat();
        let placed = self.file.seek(SeekFrom::Start(start));
        let written = placed.and_then(|_| self.file.write_all(&bytes));
        written.map_err(|e| Error::output("write", &self.path, &e))
    }
}

/// Bytes of an element.
pub const fn bytes_of(precision: CachePrecision) -> usize {
    match precision {
        CachePrecision::F32 => size_of::<f32>(),
        CachePrecision::Bf16 => size_of::<bf16>(),
    }
}

fn sum(before: &mut u64, size: u64) -> Option<u64> {
    *before += size;
    Some(*before)
}

/// A checksum that is not 0, as an unwritten slot has.
fn check(values: &[u8]) -> u64 {
    hash::bytes(values).max(1)
}

fn to_bytes(values: &Values) -> Vec<u8> {
    match values {
        Values::F32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Values::Bf16(short) => short.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

fn from_bytes(bytes: &[u8], precision: CachePrecision) -> Vec<f32> {
    match precision {
        CachePrecision::F32 => bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect(),
        CachePrecision::Bf16 => {
            bytes.as_chunks().0.iter().map(|x| bf16::from_le_bytes(*x).to_f32()).collect()
        }
    }
}
