//! Resumable work: stores the items of a long computation as they are completed.
//!
//! A file of JSON lines: the first holds the recipe of the work, each other line an item. Items are written in chunks,
//! each synced to disk before the next is started. One process at a time can open a file.

use a2d_system::error::{Error, Result};
use a2d_system::files::{append, remove};
use a2d_system::lock::{self, Refused};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};

/// Items computed and written together.
pub const CHUNK: usize = 500;

/// The file, open for appending.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
    done: usize,
    all: usize,
}

impl Partial {
    /// Opens or creates the file for `all` items. An incomplete chunk is truncated.
    ///
    /// # Errors
    ///
    /// Misuse: another process has the file open, or its recipe differs from `recipe`. Failure: the file cannot be read
    /// or written.
    pub fn open<R: Serialize>(path: &Path, recipe: &R, all: usize) -> Result<Self> {
        let mut file = lock::take(path, || append(path)).map_err(|refused| match refused {
            Refused::Taken => taken(path),
            Refused::Failed(e) => Error::output("write", path, &e),
        })?;
        let head = json(recipe)?;
        let found = whole_chunks(&file, all).map_err(|e| Error::input("read", path, &e))?;
        let kept = match found {
            Some((found, ..)) if found != head => return Err(other(path)),
            Some((_, done, end)) => file.set_len(end).map(|()| done),
            None => file
                .set_len(0)
                .and_then(|()| file.write_all(head.as_bytes()))
                .and_then(|()| file.sync_all())
                .map(|()| 0),
        };
        let done = kept.map_err(|e| Error::output("write", path, &e))?;
        Ok(Self { file, path: path.to_owned(), done, all })
    }

    /// The number of completed items.
    pub fn done(&self) -> usize {
        self.done
    }

    /// The next chunk of items; empty when all are completed.
    pub fn next(&self) -> std::ops::Range<usize> {
        self.done..self.all.min(self.done + CHUNK)
    }

    /// Appends the items of the next chunk and syncs them to disk.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn append<T: Serialize>(&mut self, items: &[T]) -> Result<()> {
        let text = items.iter().map(json).collect::<Result<String>>()?;
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|e| Error::output("write", &self.path, &e))?;
        self.done += items.len();
        Ok(())
    }

    /// All completed items, in order.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read or is damaged.
    pub fn items<T: DeserializeOwned>(&self) -> Result<impl Iterator<Item = Result<T>>> {
        let path = self.path.clone();
        let wrong = move |e: &std::io::Error| Error::input("read", &path, e);
        // The same handle: on systems with mandatory locks another handle could not read.
        let file = self.file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
        let file = file.map_err(|e| wrong(&e))?;
        let path = self.path.clone();
        Ok(BufReader::new(file).lines().skip(1).take(self.done).map(move |line| {
            let line = line.map_err(|e| wrong(&e))?;
            serde_json::from_str(&line).map_err(|_| damaged(&path))
        }))
    }

    /// Removes the file after its items have been used.
    ///
    /// # Errors
    ///
    /// The file cannot be removed.
    pub fn remove(self) -> Result<()> {
        remove(&self.path)
    }
}

/// The first line, the number of items in complete chunks after it, and the offset of their end. The last chunk of
/// `all` items may be smaller.
fn whole_chunks(file: &File, all: usize) -> std::io::Result<Option<(String, usize, u64)>> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Ok(None);
    }
    let head = String::from_utf8_lossy(&line).into_owned();
    let (mut done, mut end) = (0, line.len() as u64);
    let (mut lines, mut at) = (0, end);
    line.clear();
    while lines < all && reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        (lines, at) = (lines + 1, at + line.len() as u64);
        if lines % CHUNK == 0 || lines == all {
            (done, end) = (lines, at);
        }
        line.clear();
    }
    Ok(Some((head, done, end)))
}

fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value).map_err(|e| Error::failed(e.to_string()))?;
    Ok(text + "\n")
}

fn taken(path: &Path) -> Error {
    let path = path.display();
    Error::misuse(format!("another process writes {path}: wait for it, or choose another output"))
}

fn other(path: &Path) -> Error {
    Error::misuse(format!(
        "{} is of other text, another model or another search: remove it, or choose another output",
        path.display()
    ))
}

fn damaged(path: &Path) -> Error {
    Error::misuse(format!("{} is damaged: remove it, and it is made again", path.display()))
}
