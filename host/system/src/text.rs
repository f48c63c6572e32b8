//! Reading text: one sentence per line, UTF-8, plain or gzipped, from a file or standard input.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// All lines of a text, without line ends.
///
/// `-` is standard input; a name ending in `.gz` is decompressed. Lines end at `\n` only (an
/// optional `\r` before it goes too), never at the other Unicode line separators, so line N of two
/// parallel files stay together. The last line may lack its end; an empty file has no lines.
///
/// # Errors
///
/// [`Error::Misuse`] when the file cannot be read, or naming the first line that is not UTF-8, or longer than
/// [`LONGEST_LINE`].
pub fn read_lines(path: &Path) -> Result<Vec<String>> {
    let (mut reader, mut line, mut lines) = (Reader::open(path)?, Lines::default(), Vec::new());
    while reader.next(&mut line)? {
        let at = lines.len() + 1;
        lines.push(line.at(0).text().map_err(|why| refused(path, at, why))?.to_owned());
        line.clear();
    }
    Ok(lines)
}

/// The error of line `number` of a text.
pub fn refused(path: &Path, number: usize, why: &str) -> Error {
    Error::misuse(format!("{}:{number}: {why}", name(path)))
}

/// The name of `path` in messages: `standard input` for `-`.
pub fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".into() } else { path.display().to_string() }
}

/// Whether `path` means standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    if is_stdin(path) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, io::stdin())));
    }
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let file = BufReader::with_capacity(1 << 18, file);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let packed = file.get_ref().metadata().map_err(|e| unreadable(path, &e))?.len();
        let input = MultiGzDecoder::new(file);
        Ok(Box::new(BufReader::with_capacity(1 << 18, Unpacked { input, left: most(packed) })))
    } else {
        Ok(Box::new(file))
    }
}

/// Whether all of a text can be read without waiting: it is a regular file, also as standard input.
pub fn is_at_hand(path: &Path) -> bool {
    let found = if is_stdin(path) { stdin_metadata() } else { std::fs::metadata(path) };
    found.is_ok_and(|found| found.is_file())
}

#[cfg(unix)]
fn stdin_metadata() -> io::Result<Metadata> {
    use std::os::fd::AsFd;
    File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()
}

#[cfg(not(unix))]
fn stdin_metadata() -> io::Result<Metadata> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The largest ratio of unpacked to packed size. Ordinary text has three to five; ...
const MOST_UNPACKED: u64 = 100;
/// ... and an unpacked text up to this many bytes is always accepted.
const FEW: u64 = 1 << 26;

/// The most unpacked bytes accepted from a file of `packed` bytes.
fn most(packed: u64) -> u64 {
    packed.saturating_mul(MOST_UNPACKED).max(FEW)
}

/// The unpacked stream, limited to `left` more bytes.
struct Unpacked<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(bytes)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let why = format!("it unpacks to over {MOST_UNPACKED} times its size");
            io::Error::new(io::ErrorKind::InvalidData, format!("{why}: unpack it first"))
        })?;
        Ok(read)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::input("read", Path::new(&name(path)), error)
}

/// The longest line accepted, in bytes. It bounds memory for files without line ends.
pub const LONGEST_LINE: usize = 1 << 20;

/// Appends a line with its end, or the start of a line that is too long. Returns the number of bytes read.
fn part(input: &mut (impl BufRead + ?Sized), bytes: &mut Vec<u8>) -> io::Result<usize> {
    input.take(LONGEST_LINE as u64 + 1).read_until(b'\n', bytes)
}

/// Whether the last `read` bytes of `bytes` are the start of a line longer than [`LONGEST_LINE`].
fn is_too_long(read: usize, bytes: &[u8]) -> bool {
    read > LONGEST_LINE && bytes.last() != Some(&b'\n')
}

/// Reads a text of any size line by line.
pub struct Reader {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    /// Whether the rest of a line that is too long comes next.
    is_within: bool,
}

impl Reader {
    /// Opens a file, gzipped or plain, or standard input for `-`.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when the file cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), input: open(path)?, is_within: false })
    }

    /// Appends the next line to `lines`; false at the end of the file.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when the file cannot be read.
    pub fn next(&mut self, lines: &mut Lines) -> Result<bool> {
        if std::mem::take(&mut self.is_within) {
            self.skip()?;
        }
        let start = lines.bytes.len();
        let read = part(&mut self.input, &mut lines.bytes);
        let read = read.map_err(|e| unreadable(&self.path, &e))?;
        if read == 0 {
            return Ok(false);
        }
        let too_long = is_too_long(read, &lines.bytes);
        if too_long {
            self.is_within = true;
            lines.bytes.truncate(start);
        } else if lines.bytes.pop_if(|byte| *byte == b'\n').is_some() && lines.bytes.len() > start {
            lines.bytes.pop_if(|byte| *byte == b'\r');
        }
        lines.ends.push((lines.bytes.len(), too_long));
        Ok(true)
    }

    /// Reads to the end of the file and returns the number of lines read.
    ///
    /// # Errors
    ///
    /// As [`Reader::next`].
    pub fn count(&mut self) -> Result<usize> {
        let (mut lines, mut count) = (Lines::default(), 0);
        while self.next(&mut lines)? {
            count += 1;
            lines.clear();
        }
        Ok(count)
    }

    fn skip(&mut self) -> Result<()> {
        let skipped = self.input.skip_until(b'\n');
        skipped.map(drop).map_err(|e| unreadable(&self.path, &e))
    }
}

/// Some lines of a file, without line ends.
#[derive(Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// The end of each line in `bytes`, and whether the line was too long and dropped.
    ends: Vec<(usize, bool)>,
}

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A UTF-8 line.
    Text(&'a str),
    /// A line that is not UTF-8.
    Bytes(&'a [u8]),
    /// A line longer than [`LONGEST_LINE`].
    TooLong,
}

impl<'a> Line<'a> {
    /// The bytes; none of a line that is too long.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::TooLong => &[],
        }
    }

    /// The text, or why there is none.
    ///
    /// # Errors
    ///
    /// The reason, for [`refused`].
    pub fn text(self) -> Result<&'a str, &'static str> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Bytes(_) => Err("not UTF-8"),
            Self::TooLong => Err("over 1 MiB: a line is one sentence"),
        }
    }
}

impl Lines {
    /// The number of lines.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of bytes, without line ends.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Moves all lines of `other` behind these.
    pub fn append(&mut self, other: &mut Self) {
        let start = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.ends.extend(other.ends.drain(..).map(|(end, too_long)| (start + end, too_long)));
    }

    /// Removes all lines.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Line `i`. Panics if `i >= len`.
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
