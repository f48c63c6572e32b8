//! Resumable work: stores the items of a long computation as they are completed.
//!
//! A file of JSON lines: the first holds the recipe of the work, each other line an item. What is appended at a time is
//! synced to disk before the next is started. One process at a time can open a file.

use a2d_system::error::{Error, Result};
use a2d_system::files::{Temporary, append, remove, temporary};
use a2d_system::lock::{self, Refused};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

/// Items computed and written together.
pub const CHUNK: usize = 500;

/// The file, open for appending.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
    done: usize,
    unit: Unit,
    /// The name of the file until it is kept.
    temporary: Option<Temporary>,
}

/// What an interruption leaves whole.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// Chunks of [`CHUNK`] items, of so many in all; the last one may be smaller.
    Chunk(usize),
    /// Items.
    Item,
}

impl Partial {
    /// Opens or creates the file. An incomplete unit is truncated.
    ///
    /// # Errors
    ///
    /// Misuse: another process has the file open, or its recipe differs from `recipe`. Failure: the file cannot be read
    /// or written.
    pub fn open<R: Serialize>(path: &Path, recipe: &R, unit: Unit) -> Result<Self> {
        let mut file = lock::take(path, || append(path)).map_err(|refused| match refused {
            Refused::Taken => taken(path),
            Refused::Failed(e) => Error::output("write", path, &e),
        })?;
        let head = json(recipe)?;
        let found = whole(&file, unit).map_err(|e| Error::input("read", path, &e))?;
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
        Ok(Self { file, path: path.to_owned(), done, unit, temporary: None })
    }

    /// Creates the file under a temporary name in the folder of `path`. It is deleted unless [`Partial::keep`] renames
    /// it.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn temporary<R: Serialize>(path: &Path, recipe: &R, unit: Unit) -> Result<Self> {
        let wrong = |e: std::io::Error| Error::output("write", path, &e);
        let (mut file, name) = temporary(path).map_err(wrong)?;
        file.write_all(json(recipe)?.as_bytes()).map_err(wrong)?;
        Ok(Self { file, path: path.to_owned(), done: 0, unit, temporary: Some(name) })
    }

    /// Keeps the file for a later [`Partial::open`], and returns its path; `None` if there was another one, which stays.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn keep(self) -> Result<Option<PathBuf>> {
        match self.temporary.map_or(Ok(()), |name| name.keep(&self.path)) {
            Ok(()) => Ok(Some(self.path)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(e) => Err(Error::output("write", &self.path, &e)),
        }
    }

    /// The path of the file, once it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of completed items.
    pub fn done(&self) -> usize {
        self.done
    }

    /// The next chunk of items; empty when all are completed, or if the unit is an item.
    pub fn next(&self) -> std::ops::Range<usize> {
        match self.unit {
            Unit::Chunk(all) => self.done..all.min(self.done + CHUNK),
            Unit::Item => self.done..self.done,
        }
    }

    /// Appends items, those of the next chunk if that is the unit, and syncs them to disk.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn append<T: Serialize>(&mut self, items: &[T]) -> Result<()> {
        let text = items.iter().map(json).collect::<Result<String>>()?;
        let sync = || if self.temporary.is_some() { Ok(()) } else { self.file.sync_data() };
        let written = (&self.file).write_all(text.as_bytes()).and_then(|()| sync());
        written.map_err(|e| Error::output("write", &self.path, &e))?;
        self.done += items.len();
        Ok(())
    }

    /// All completed items, in order.
    ///
    /// # Errors
    ///
    /// Misuse: the file cannot be read or is damaged.
    pub fn items<T: DeserializeOwned>(&self) -> Result<impl Iterator<Item = Result<T>> + use<T>> {
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
        if self.temporary.is_some() { Ok(()) } else { remove(&self.path) }
    }
}

/// The first line, the number of items in complete units after it, and the offset of their end.
fn whole(file: &File, unit: Unit) -> std::io::Result<Option<(String, usize, u64)>> {
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
    while unit.may_have(lines) && reader.read_until(b'\n', &mut line)? > 0 && unit.holds(&line) {
        (lines, at) = (lines + 1, at + line.len() as u64);
        if unit.ends(lines) {
            (done, end) = (lines, at);
        }
        line.clear();
    }
    Ok(Some((head, done, end)))
}

impl Unit {
    /// Whether there may be an item after `lines`.
    fn may_have(self, lines: usize) -> bool {
        match self {
            Self::Chunk(all) => lines < all,
            Self::Item => true,
        }
    }

    /// Whether `line` is a whole item, as far as the unit has to know: the last items may not have been synced.
    fn holds(self, line: &[u8]) -> bool {
        let is_json = || serde_json::from_slice::<IgnoredAny>(line).is_ok();
        line.ends_with(b"\n") && (matches!(self, Self::Chunk(_)) || is_json())
    }

    /// Whether a unit ends with item number `lines`.
    fn ends(self, lines: usize) -> bool {
        match self {
            Self::Chunk(all) => lines.is_multiple_of(CHUNK) || lines == all,
            Self::Item => true,
        }
    }
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
