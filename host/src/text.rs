//! Reading text: one sentence a line, UTF-8, plain or gzipped, from a file or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// All lines of a text, without their ends.
///
/// `-` is standard input; a name ending in `.gz` is decompressed. Lines end at `\n` only (an
/// optional `\r` before it goes too), never at the other Unicode line separators, so line N of two
/// parallel files stay together. The last line may lack its end; an empty file has no lines.
///
/// # Errors
/// [`Error::Misuse`] when the file cannot be read, or naming the first line that is not UTF-8.
pub fn read_lines(path: &Path) -> Result<Vec<String>> {
    let mut input = open(path)?;
    let mut lines = Vec::new();
    loop {
        let mut bytes = Vec::new();
        let read = input.read_until(b'\n', &mut bytes).map_err(|e| unreadable(path, &e))?;
        if read == 0 {
            return Ok(lines);
        }
        strip_end(&mut bytes);
        let line = String::from_utf8(bytes)
            .map_err(|_| Error::misuse(format!("{}:{}: not UTF-8", name(path), lines.len() + 1)))?;
        lines.push(line);
    }
}

/// What messages call `path`: `standard input` for `-`.
pub fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".into() } else { path.display().to_string() }
}

/// Whether `path` means standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    if is_stdin(path) { Ok(Box::new(io::stdin().lock())) } else { Ok(open_file(path)?) }
}

fn open_file(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let file = BufReader::with_capacity(1 << 18, file);
    if path.extension().is_some_and(|extension| extension == "gz") {
        Ok(Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file))))
    } else {
        Ok(Box::new(file))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::input("read", Path::new(&name(path)), error)
}

fn strip_end(line: &mut Vec<u8>) {
    if line.pop_if(|byte| *byte == b'\n').is_some() {
        line.pop_if(|byte| *byte == b'\r');
    }
}

/// The longest line that a [`Reader`] takes, in bytes: no sentence is as long, and a file without
/// line ends must not fill the memory.
pub const LONGEST_LINE: usize = 1 << 20;

/// The lines of a file one after the other, whatever its size.
pub struct Reader {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
}

impl Reader {
    /// Opens a file as [`read_lines`] does.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the file cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), input: open_file(path)? })
    }

    /// Adds the next line to `lines`; false at the end of the file.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the file cannot be read.
    pub fn next(&mut self, lines: &mut Lines) -> Result<bool> {
        let start = lines.bytes.len();
        let read = self.part(&mut lines.bytes)?;
        if read == 0 {
            return Ok(false);
        }
        let too_long = read > LONGEST_LINE && lines.bytes.last() != Some(&b'\n');
        if too_long {
            self.skip()?;
            lines.bytes.truncate(start);
        } else if lines.bytes.pop_if(|byte| *byte == b'\n').is_some() && lines.bytes.len() > start {
            lines.bytes.pop_if(|byte| *byte == b'\r');
        }
        lines.ends.push((lines.bytes.len(), too_long));
        Ok(true)
    }

    /// How many lines are left; the file is then at its end.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn count(&mut self) -> Result<usize> {
        let (mut lines, mut count) = (Lines::default(), 0);
        while self.next(&mut lines)? {
            count += 1;
            lines.clear();
        }
        Ok(count)
    }

    /// A line with its end, or as much of it as is too long.
    fn part(&mut self, bytes: &mut Vec<u8>) -> Result<usize> {
        let most = LONGEST_LINE as u64 + 1;
        let read = (&mut self.input).take(most).read_until(b'\n', bytes);
        read.map_err(|e| unreadable(&self.path, &e))
    }

    fn skip(&mut self) -> Result<()> {
        let skipped = self.input.skip_until(b'\n');
        skipped.map(drop).map_err(|e| unreadable(&self.path, &e))
    }
}

/// Some lines of a file, without their ends.
#[derive(Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where each line ends, and whether it was too long to be kept.
    ends: Vec<(usize, bool)>,
}

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line as it should be.
    Text(&'a str),
    /// A line that is not UTF-8.
    Bytes(&'a [u8]),
    /// A line longer than [`LONGEST_LINE`].
    TooLong,
}

impl Lines {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes they have, ends not counted.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Line `i`. Panics where `i` is not below `len`.
    pub fn at(&self, i: usize) -> Line<'_> {
        let start = if i == 0 { 0 } else { self.ends[i - 1].0 };
        let (end, too_long) = self.ends[i];
        let bytes = &self.bytes[start..end];
        match std::str::from_utf8(bytes) {
            _ if too_long => Line::TooLong,
            Ok(text) => Line::Text(text),
            Err(_) => Line::Bytes(bytes),
        }
    }
}
