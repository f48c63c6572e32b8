//! A model as one file that is read in place. `a2d export` writes it, [`crate::micro::Model`] reads it.
//!
//! # Format, versions 1 to 3
//!
//! Every number is little-endian on every host. A file begins with
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | [`MAGIC`] |
//! | 8 | 4 | the version: 1, or 2 or 3 where [`config_words`] need it |
//! | 12 | 4 | length of the file in bytes |
//! | 16 | 4 | CRC32 (ISO-HDLC) of all bytes except these four |
//! | 20 | 4 | number of sections |
//! | 24 | 8 | zero |
//! | 32 | 16 each | section entries: number, offset from the start of the file, length in bytes, zero |
//!
//! The sections follow, each at a multiple of 16:
//!
//! | number | what |
//! |---|---|
//! | 1 | configuration: the words of [`config_words`] |
//! | 2 | tokenizer: the tables of [`crate::token`], or empty |
//! | 3 | directory: four words for each parameter in canonical order (that of [`crate::nn::Transformer::try_map`]): [`Format`] (0: f32, 1: int8, 2: int4), rows, columns, offset in section 4 |
//! | 4 | weights, each at a multiple of 16; [`Weight`] documents the layout of each format |
//! | 5 | lexical shortlist, optional: [`Shortlist`] |
//! | 6 | training, optional: one word, the tokens of the longest source in training |
//! | 7 | tokenizer of target text, optional: as section 2, which is then of source text only; read with the feature `sentencepiece` |
//! | 8 | names of labels, optional: [`Labels`] |
//!
//! Vectors (biases, layer norms) are f32. Matrices, embeddings included, are either all f32 or all int8 or int4. The
//! configuration determines the parameters, so names are not stored.
//!
//! # Versions
//!
//! A reader accepts its own version and all before. A change of the meaning of existing bytes needs a new version. New
//! section numbers do not: readers skip unknown sections.

mod config;
mod error;
mod labels;
mod shortlist;
mod weight;
mod weights;

pub use config::{CONFIG_WORDS, TEXT_WORDS, Words, config_words, version};
pub use error::Error;
pub use labels::Labels;
pub use shortlist::{Shortlist, Sizes};
pub use weight::{Format, GROUP, MOST_COLUMNS, Weight, float, half, unpack};
pub use weights::Weights;

use crate::config::{Config, Head, Output, TEXT};
use crate::token;
use crc::{CRC_32_ISO_HDLC, Crc, Table};
use zerocopy::FromBytes;

/// The first bytes of an image.
pub const MAGIC: [u8; 8] = *b"a2dimage";

/// The newest version of the format that is read; 2 without the feature `text`.
pub const VERSION: u32 = if TEXT { 3 } else { 2 };

/// The alignment of sections and weights in the file.
pub const ALIGN: usize = 16;

/// Words of the header, before the section entries.
pub const HEADER_WORDS: usize = 8;

/// Words of a section entry, and of a directory entry.
pub const ENTRY_WORDS: usize = 4;

/// The number of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// [`config_words`].
    Config = 1,
    /// The tables of [`crate::token`].
    Tokenizer = 2,
    /// Format, rows, columns and offset of each parameter.
    Directory = 3,
    /// The parameters.
    Weights = 4,
    /// [`Shortlist`], optional.
    Shortlist = 5,
    /// The tokens of the longest source in training, optional.
    Training = 6,
    /// The tables of [`crate::token`] for target text, optional.
    Target = 7,
    /// [`Labels`], optional.
    Labels = 8,
}

/// Uses one table of 1 KiB, as images are checked only once.
const CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// The position of the checksum.
const CHECKSUM: core::ops::Range<usize> = 16..20;

/// The checksum of an image: of all bytes except the checksum.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(bytes.get(..CHECKSUM.start).unwrap_or(bytes));
    digest.update(bytes.get(CHECKSUM.end..).unwrap_or_default());
    digest.finalize()
}

/// A file with a valid header, checksum and sections.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    tokenizer: &'a [u8],
    #[cfg(feature = "sentencepiece")]
    target: &'a [u8],
    weights: Weights<'a>,
    shortlist: Option<Shortlist<'a>>,
    longest_source: Option<u32>,
    labels: Option<Labels<'a>>,
    config: Config,
}

impl<'a> Image<'a> {
    /// Checks everything except the directory. The address of `bytes` must be a multiple of 4, preferably of 16.
    ///
    /// # Errors
    ///
    /// The file is misaligned, not an image, of another version, truncated or damaged.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let sections = sections(bytes)?;
        let words = |section| words(find(bytes, sections, section)?);
        let config = config::config(words(Section::Config)?)?;
        let sizes = (config.source_vocabulary, config.target_vocabulary);
        let shortlist = optional(bytes, sections, Section::Shortlist)?;
        let shortlist =
            shortlist.map(|bytes| Shortlist::new(bytes, sizes.0, sizes.1)).transpose()?;
        let training =
            optional(bytes, sections, Section::Training)?.map(self::words).transpose()?;
        let longest_source =
            training.and_then(|words| words.first()).map(|word| u32::from_le(*word));
        let tokenizer = find(bytes, sections, Section::Tokenizer)?;
        Ok(Self {
            config,
            shortlist,
            longest_source,
            labels: labels(bytes, sections, &config)?,
            tokenizer,
            #[cfg(feature = "sentencepiece")]
            target: optional(bytes, sections, Section::Target)?.unwrap_or(tokenizer),
            weights: Weights::new(
                words(Section::Directory)?,
                find(bytes, sections, Section::Weights)?,
            ),
        })
    }

    /// The model's configuration; all dropout probabilities are 0.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The tables of the tokenizer of source text, unchecked; empty if the file has none.
    pub fn tokenizer(&self) -> &'a [u8] {
        self.tokenizer
    }

    /// The tables of the tokenizer of target text, unchecked: [`Image::tokenizer`] unless the file has two.
    #[cfg(feature = "sentencepiece")]
    pub fn target_tokenizer(&self) -> &'a [u8] {
        self.target
    }

    /// The shortlist, if the file has one.
    pub fn shortlist(&self) -> Option<&Shortlist<'a>> {
        self.shortlist.as_ref()
    }

    /// The tokens of the longest source in training, if the file has the number. Longer sources are translated badly.
    pub fn longest_source(&self) -> Option<u32> {
        self.longest_source
    }

    /// The names of the labels, if the file has them.
    pub fn labels(&self) -> Option<&Labels<'a>> {
        self.labels.as_ref()
    }

    /// The weights, unchecked.
    pub fn weights(&self) -> Weights<'a> {
        self.weights
    }
}

/// The names of the labels, if there are any; as many as the model of `config` has.
fn labels<'a>(
    bytes: &'a [u8],
    sections: &[u32],
    config: &Config,
) -> Result<Option<Labels<'a>>, Error> {
    let count = match config.head {
        Some(Head { output: Output::Labels(count), .. }) => count,
        _ => 0,
    };
    let found = if TEXT { optional(bytes, sections, Section::Labels)? } else { None };
    found.map(|bytes| Labels::new(bytes, count)).transpose()
}

/// [`Vocabulary::stream_bytes`](crate::token::Vocabulary::stream_bytes) of the target text of an unchecked image, as a
/// constant for the length of an array. A small number if `image` is not an image or has no vocabulary.
pub const fn stream_bytes(image: &[u8]) -> usize {
    match tables(image, Section::Target) {
        Some(tables) => token::stream_bytes(tables),
        None => match tables(image, Section::Tokenizer) {
            Some(tables) => token::stream_bytes(tables),
            None => token::stream_bytes(&[]),
        },
    }
}

/// An unchecked image from the start of a section on.
const fn tables(image: &[u8], wanted: Section) -> Option<&[u8]> {
    const START: usize = HEADER_WORDS * size_of::<u32>();
    let Some((_, after)) = image.split_at_checked(START) else { return None };
    let (mut entries, _) = after.as_chunks::<{ ENTRY_WORDS * size_of::<u32>() }>();
    // Sections follow the entries, and an optional section may be missing.
    let mut left = match image.split_at(20).1.first_chunk() {
        Some(count) => u32::from_le_bytes(*count),
        None => 0,
    };
    while let [[a, b, c, d, e, f, g, h, ..], rest @ ..] = entries {
        if left == 0 {
            return None;
        }
        if u32::from_le_bytes([*a, *b, *c, *d]) == wanted as u32 {
            let start = u32::from_le_bytes([*e, *f, *g, *h]) as usize;
            return match image.split_at_checked(start) {
                Some((_, tables)) => Some(tables),
                None => None,
            };
        }
        (entries, left) = (rest, left - 1);
    }
    None
}

/// The section entries, after checks of the header and the checksum.
fn sections(bytes: &[u8]) -> Result<&[u32], Error> {
    if !bytes.as_ptr().addr().is_multiple_of(align_of::<u32>()) {
        return Err(Error::Misaligned);
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(if MAGIC.starts_with(bytes) { Error::Truncated } else { Error::Foreign });
    }
    let (header, _) =
        <[u32]>::ref_from_prefix_with_elems(bytes, HEADER_WORDS).map_err(|_| Error::Truncated)?;
    let word = |i: usize| header.get(i).map_or(0, |word| u32::from_le(*word));
    if !(1..=VERSION).contains(&word(2)) {
        return Err(Error::Version { found: word(2) });
    }
    match bytes.len() as u64 {
        len if len < u64::from(word(3)) => return Err(Error::Truncated),
        len if len > u64::from(word(3)) => return Err(Error::Damaged),
        _ => {}
    }
    if checksum(bytes) != word(4) {
        return Err(Error::Damaged);
    }
    let entries = (word(5) as usize).checked_mul(ENTRY_WORDS).ok_or(Error::Damaged)?;
    let after = bytes.get(HEADER_WORDS * size_of::<u32>()..).ok_or(Error::Truncated)?;
    let (entries, _) =
        <[u32]>::ref_from_prefix_with_elems(after, entries).map_err(|_| Error::Damaged)?;
    Ok(entries)
}

/// The bytes of a section.
fn find<'a>(bytes: &'a [u8], entries: &[u32], wanted: Section) -> Result<&'a [u8], Error> {
    optional(bytes, entries, wanted)?.ok_or(Error::Section { number: wanted as u32 })
}

/// The bytes of an optional section.
fn optional<'a>(
    bytes: &'a [u8],
    entries: &[u32],
    wanted: Section,
) -> Result<Option<&'a [u8]>, Error> {
    let (entries, _) = entries.as_chunks::<ENTRY_WORDS>();
    let entries = entries.iter().map(|entry| entry.map(u32::from_le));
    let mut found = entries.filter(|[number, ..]| *number == wanted as u32);
    let Some([_, start, len, _]) = found.next() else { return Ok(None) };
    let (start, len) = (start as usize, len as usize);
    let section = start.checked_add(len).and_then(|end| bytes.get(start..end));
    let section = section.filter(|_| start.is_multiple_of(ALIGN));
    section.map(Some).ok_or(Error::Section { number: wanted as u32 })
}

/// Aligned bytes as words, still little-endian.
fn words(bytes: &[u8]) -> Result<&[u32], Error> {
    <[u32]>::ref_from_bytes(bytes).map_err(|_| Error::Damaged)
}
