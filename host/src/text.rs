//! Reading text: one sentence a line, UTF-8, plain or gzipped, from a file or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

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
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = BufReader::new(File::open(path).map_err(|e| unreadable(path, &e))?);
    if path.extension().is_some_and(|extension| extension == "gz") {
        Ok(Box::new(BufReader::new(MultiGzDecoder::new(file))))
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
