//! Source text alone, read sentence by sentence.

use a2d_data::vocab::Encoder;
use a2d_run::prepared::Prepared;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::signals;
use a2d_system::text::{Lines, Reader, refused};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// The lines of a file that a student can learn from: not blank, not longer than some number of tokens, each once, and none
/// of the validation or test text. It takes a bit of memory for a line.
pub(super) struct Chosen {
    path: PathBuf,
    /// Line `i`, from 0, is chosen if bit `i % 64` of `lines[i / 64]` is set.
    lines: Vec<u64>,
    /// How many are chosen.
    pub count: usize,
    /// The lines that were left out.
    pub left_out: LeftOut,
    /// A hash of the sentences.
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

impl Chosen {
    /// Reads a text, plain or gzipped, for a student of `data`. Meanwhile it takes 8 bytes of memory for a sentence.
    ///
    /// # Errors
    ///
    /// Misuse: the file, or the text of `data`, cannot be read; a line is not UTF-8; no line is chosen. A signal.
    pub fn new(path: &Path, data: &Prepared, max_length: usize) -> Result<Self> {
        let (held_out, mut seen) = (held_out(data)?, HashSet::new());
        let (lines, left_out) = (Vec::new(), LeftOut::default());
        let mut chosen = Self { path: path.to_owned(), lines, count: 0, left_out, checksum: 0 };
        let mut sentences = Sentences::of(path, data, None)?;
        while let Some((number, hash, length)) = sentences.read()? {
            if number.is_multiple_of(64) {
                signals::go_on()?;
                chosen.lines.push(0);
            }
            let left_out = &mut chosen.left_out;
            if length == 0 {
                left_out.blank += 1;
            } else if length > max_length {
                left_out.long += 1;
            } else if held_out.contains(&hash) {
                left_out.held_out += 1;
            } else if !seen.insert(hash) {
                left_out.repeated += 1;
            } else {
                chosen.lines[number / 64] |= 1 << (number % 64);
                chosen.checksum = chosen.checksum.rotate_left(1) ^ hash;
                chosen.count += 1;
            }
        }
        if chosen.count == 0 {
            let text = "holds no sentence that a student could learn from";
            return Err(Error::misuse(format!("{} {text}", path.display())));
        }
        Ok(chosen)
    }

    /// Reads the sentences after the first `done`, in order.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read.
    pub fn sentences<'a>(&'a self, data: &'a Prepared, done: usize) -> Result<Sentences<'a>> {
        let mut sentences = Sentences::of(&self.path, data, Some(self))?;
        for _ in 0..done {
            sentences.skip()?;
        }
        Ok(sentences)
    }

    fn has(&self, number: usize) -> bool {
        self.lines.get(number / 64).is_some_and(|lines| lines >> (number % 64) & 1 == 1)
    }
}

/// The hashes of the validation and test text.
fn held_out(data: &Prepared) -> Result<HashSet<u64>> {
    let (source, mut held_out) = (data.vocab.source(), HashSet::new());
    for split in ["valid", "test"] {
        let text = data.text(split)?;
        let lines = text.iter().flat_map(|text| &text.source);
        held_out.extend(lines.map(|line| {
            let mut buffer = String::new();
            hash::bytes(source.normalization().apply(line, &mut buffer).as_bytes())
        }));
    }
    Ok(held_out)
}

/// Reads a file line by line.
pub(super) struct Sentences<'a> {
    path: &'a Path,
    reader: Reader,
    lines: Lines,
    /// The number of the next line, from 0.
    number: usize,
    encoder: Box<dyn Encoder + 'a>,
    ids: Vec<u32>,
    /// The lines to read; all if it is not known yet.
    chosen: Option<&'a Chosen>,
}

impl<'a> Sentences<'a> {
    fn of(path: &'a Path, data: &'a Prepared, chosen: Option<&'a Chosen>) -> Result<Self> {
        Ok(Self {
            path,
            reader: Reader::open(path)?,
            lines: Lines::default(),
            number: 0,
            encoder: data.vocab.source().encoder(),
            ids: Vec::new(),
            chosen,
        })
    }

    /// The ids of the next sentence, without its end; `None` at the end of the text.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read, or a line is not UTF-8.
    pub fn next(&mut self) -> Result<Option<Vec<u32>>> {
        Ok(self.read()?.map(|_| std::mem::take(&mut self.ids)))
    }

    /// Reads the next line into `lines`; its number.
    fn skip(&mut self) -> Result<Option<usize>> {
        loop {
            self.lines.clear();
            if !self.reader.next(&mut self.lines)? {
                return Ok(None);
            }
            let number = self.number;
            self.number += 1;
            if self.chosen.is_none_or(|chosen| chosen.has(number)) {
                return Ok(Some(number));
            }
        }
    }

    /// Reads and encodes the next line: its number, its hash and the number of its tokens.
    fn read(&mut self) -> Result<Option<(usize, u64, usize)>> {
        let Some(number) = self.skip()? else { return Ok(None) };
        let line = self.lines.at(0).text();
        let line = line.map_err(|why| refused(self.path, number + 1, why))?;
        let mut buffer = String::new();
        let line = self.encoder.normalization().apply(line, &mut buffer);
        self.ids.clear();
        self.encoder.encode_normal(line, &mut self.ids)?;
        Ok(Some((number, hash::bytes(line.as_bytes()), self.ids.len())))
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
