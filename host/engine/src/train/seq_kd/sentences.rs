//! Source text alone, read sentence by sentence.

use a2d_data::vocab::Encoder;
use a2d_run::prepared::Prepared;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::text::{Lines, Reader, refused};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// The sentences of a file that a student can learn from, in order: not blank, not longer than `max_length` tokens, each
/// once, and none of the validation or test text. It takes 8 bytes of memory for a sentence.
pub(super) struct Sentences<'a> {
    path: PathBuf,
    reader: Reader,
    lines: Lines,
    number: usize,
    encoder: Box<dyn Encoder + 'a>,
    max_length: usize,
    seen: HashSet<u64>,
    held_out: HashSet<u64>,
    /// The lines that were left out so far.
    pub left_out: LeftOut,
    /// A hash of the sentences so far.
    pub checksum: u64,
}

/// Numbers of lines that were left out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftOut {
    blank: usize,
    long: usize,
    repeated: usize,
    held_out: usize,
}

impl<'a> Sentences<'a> {
    /// Opens a text, plain or gzipped, for a student of `data`.
    ///
    /// # Errors
    ///
    /// Misuse: the file, or the text of `data`, cannot be read.
    pub fn open(path: &Path, data: &'a Prepared, max_length: usize) -> Result<Self> {
        let source = data.vocab.source();
        let mut held_out = HashSet::new();
        for split in ["valid", "test"] {
            let text = data.text(split)?;
            let lines = text.iter().flat_map(|text| &text.source);
            held_out.extend(lines.map(|line| {
                let mut buffer = String::new();
                hash::bytes(source.normalization().apply(line, &mut buffer).as_bytes())
            }));
        }
        Ok(Self {
            path: path.to_owned(),
            reader: Reader::open(path)?,
            lines: Lines::default(),
            number: 0,
            encoder: source.encoder(),
            max_length,
            seen: HashSet::new(),
            held_out,
            left_out: LeftOut::default(),
            checksum: 0,
        })
    }

    /// The ids of the next sentence, without its end; `None` at the end of the text.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read, or a line is not UTF-8.
    pub fn next(&mut self) -> Result<Option<Vec<u32>>> {
        loop {
            self.lines.clear();
            if !self.reader.next(&mut self.lines)? {
                return Ok(None);
            }
            self.number += 1;
            let line = self.lines.at(0).text();
            let line = line.map_err(|why| refused(&self.path, self.number, why))?;
            let (mut buffer, mut ids) = (String::new(), Vec::new());
            let line = self.encoder.normalization().apply(line, &mut buffer);
            self.encoder.encode_normal(line, &mut ids)?;
            let hash = hash::bytes(line.as_bytes());
            if ids.is_empty() {
                self.left_out.blank += 1;
            } else if ids.len() > self.max_length {
                self.left_out.long += 1;
            } else if self.held_out.contains(&hash) {
                self.left_out.held_out += 1;
            } else if !self.seen.insert(hash) {
                self.left_out.repeated += 1;
            } else {
                self.checksum = self.checksum.rotate_left(1) ^ hash;
                return Ok(Some(ids));
            }
        }
    }

    /// Reads the rest and returns the number of sentences in it.
    ///
    /// # Errors
    ///
    /// As [`Sentences::next`]. Misuse: there is none.
    pub fn count(&mut self) -> Result<usize> {
        let mut count = 0;
        while self.next()?.is_some() {
            count += 1;
        }
        if count == 0 {
            let text = "holds no sentence that a student could learn from";
            return Err(Error::misuse(format!("{} {text}", self.path.display())));
        }
        Ok(count)
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blank, long, repeated, held_out } = self;
        write!(
            f,
            "{repeated} repeated, {long} too long, {blank} blank, {held_out} of the validation or test text"
        )
    }
}
