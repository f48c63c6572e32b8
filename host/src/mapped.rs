//! The one place that maps files into memory.

#![allow(unsafe_code)]

use memmap2::Mmap;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;

/// The bytes of a file, read as they are touched.
pub(crate) struct Mapped(Mmap);

impl Mapped {
    /// Maps the file `path`.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the bytes must not change while they are borrowed. Our files are only ever
        // replaced by renaming a new one over them, which leaves the mapped one as it was; a
        // program that truncates or rewrites them in place is outside what we can guard against,
        // as for every user of mapped files. No type with invalid bit patterns is read from them.
        unsafe { Mmap::map(&file) }.map(Self)
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
