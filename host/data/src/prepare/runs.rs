//! External sorting: sorted runs on disk, merged when read.

use a2d_system::error::{Error, Result};
use a2d_system::files::make_folder;
use rayon::slice::ParallelSliceMut;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The records to sort.
pub(super) type Record = [u64; 3];

/// The most records held in memory: 48 MB.
const MOST_HELD: usize = 2 << 20;

/// An external sort.
pub(super) struct Runs {
    folder: PathBuf,
    held: Vec<Record>,
    most_held: usize,
    files: Vec<File>,
}

impl Runs {
    /// No records yet. Runs go to unnamed files in `folder`, which is created when first needed.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            held: Vec::new(),
            most_held: MOST_HELD,
            files: Vec::new(),
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn push(&mut self, record: Record) -> Result<()> {
        self.held.push(record);
        if self.held.len() < self.most_held { Ok(()) } else { self.spill() }
    }

    /// Passes all records to `take`, in order.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn each(mut self, mut take: impl FnMut(Record)) -> Result<()> {
        self.held.par_sort_unstable();
        if self.files.is_empty() {
            self.held.into_iter().for_each(take);
            return Ok(());
        }
        let unreadable = |e| Error::output("read", &self.folder, &e);
        let mut sources: Vec<Box<dyn Iterator<Item = std::io::Result<Record>>>> = Vec::new();
        for file in self.files {
            sources.push(Box::new(records(BufReader::with_capacity(1 << 16, file))));
        }
        sources.push(Box::new(self.held.into_iter().map(Ok)));
        let mut heads = BinaryHeap::new();
        for (i, source) in sources.iter_mut().enumerate() {
            let head = source.next().transpose().map_err(unreadable)?;
            heads.extend(head.map(|head| Reverse((head, i))));
        }
        while let Some(Reverse((record, i))) = heads.pop() {
            take(record);
            let head = sources[i].next().transpose().map_err(unreadable)?;
            heads.extend(head.map(|head| Reverse((head, i))));
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        make_folder(&self.folder)?;
        self.held.par_sort_unstable();
        let written = (|| {
            let mut out = BufWriter::new(tempfile::tempfile_in(&self.folder)?);
            for word in self.held.as_flattened() {
                out.write_all(&word.to_le_bytes())?;
            }
            let mut file = out.into_inner().map_err(|e| e.into_error())?;
            file.rewind()?;
            Ok(file)
        })();
        self.held.clear();
        self.files.push(written.map_err(|e| Error::output("write", &self.folder, &e))?);
        Ok(())
    }
}

fn records(mut file: BufReader<File>) -> impl Iterator<Item = std::io::Result<Record>> {
    std::iter::from_fn(move || {
        let mut bytes = [0; 24];
        match file.read_exact(&mut bytes) {
            Ok(()) => {
                let words = bytes.as_chunks::<8>().0;
                Some(Ok(std::array::from_fn(|i| u64::from_le_bytes(words[i]))))
            }
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => None,
            Err(e) => Some(Err(e)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_on_disk_come_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let random = |i: u64| a2d_core::rng::scramble(i) % 50;
        let records: Vec<Record> = (0..1000).map(|i| [random(i), random(i + 5000), i]).collect();
        let mut sorted = records.clone();
        sorted.sort_unstable();
        for most_held in [1, 7, 100, 999, 1000, 1001] {
            let mut runs = Runs { most_held, ..Runs::new(&folder.path().join("new")) };
            records.iter().for_each(|record| runs.push(*record).unwrap());
            let mut found = Vec::new();
            runs.each(|record| found.push(record)).unwrap();
            assert_eq!(found, sorted);
        }
    }
}
