//! Named tensors in the files of other toolkits: safetensors, PyTorch's two formats, NumPy's archives.
//!
//! A file is indexed when it is opened, and a tensor is read when it is asked for: memory holds the values that were
//! taken, not the file. No number in a file decides how much is allocated before it was compared with the file's length.

mod element;
mod entry;
mod kind;
mod legacy;
mod npz;
mod numbers;
pub mod pickle;
mod safetensors;
mod state;
mod torch;
mod zipped;

pub use element::Element;
pub use entry::{Entry, Place};

use crate::line::misuse;
use a2d_system::error::{Error, Result};
use a2d_system::files;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// What a file is read through.
pub trait Bytes: Read + Seek {}

impl<R: Read + Seek> Bytes for R {}

/// Entries by name.
type Entries = BTreeMap<String, Entry>;

/// The files that weights may lie in, in order of preference.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Why a file cannot be read, without its name.
type Refused = String;

/// The tensors of a file.
pub struct Tensors {
    path: PathBuf,
    bytes: Box<dyn Bytes>,
    entries: Entries,
    taken: BTreeSet<String>,
}

impl Tensors {
    /// Indexes the file at `path`. Its first bytes say which format it has.
    ///
    /// # Errors
    ///
    /// Misuse, naming the file: it cannot be read, has another format, is damaged, or needs what a file of tensors must
    /// not need.
    pub fn open(path: &Path) -> Result<Self> {
        let file = files::open(path).map_err(|e| Error::input("read", path, &e))?;
        Self::read(path, Box::new(BufReader::new(file)))
    }

    /// Indexes the weights in a folder of Hugging Face's layout.
    ///
    /// # Errors
    ///
    /// As [`Tensors::open`]. Misuse: there are no weights.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let found = WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.exists());
        match found {
            Some(path) => Self::open(&path),
            None => {
                let (folder, [best, other]) = (folder.display(), WEIGHTS);
                Err(Error::misuse(format!("{folder} has neither {best} nor {other}")))
            }
        }
    }

    /// Indexes `bytes`; errors name `path`.
    ///
    /// # Errors
    ///
    /// As [`Tensors::open`].
    pub fn read(path: &Path, mut bytes: Box<dyn Bytes>) -> Result<Self> {
        let path = path.to_owned();
        let entries = kind::index(&mut bytes).map_err(|why| misuse(&path, &why))?;
        Ok(Self { entries, path, bytes, taken: BTreeSet::new() })
    }

    /// The file, named in errors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// What the file says of the tensor `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Marks the tensor `name` as taken: its values are known, or not wanted.
    pub fn leave(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }

    /// Checks that every tensor was read or left.
    ///
    /// # Errors
    ///
    /// Misuse: there is another one, which belongs to another model than `document` speaks of.
    pub fn finish(&self, document: &str) -> Result<()> {
        match self.names().find(|name| !self.taken.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                Err(self.error(&format!("has a tensor `{name}` that {document} does not speak of")))
            }
        }
    }

    /// The values of the tensor `name`, which must have the shape `shape`.
    ///
    /// # Errors
    ///
    /// Misuse: the tensor is missing, has another shape, is of integers, or holds NaN or infinity; the file cannot be
    /// read.
    pub fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.leave(name);
        let Some(entry) = self.entries.get(name) else {
            return Err(self.error(&format!("has no tensor `{name}` (expected {shape:?})")));
        };
        if entry.shape != shape {
            let found = &entry.shape;
            return Err(self.error(&format!("has `{name}` as {found:?}, expected {shape:?}")));
        }
        if let Element::Integer(_) = entry.element {
            return Err(self.error(&format!("has `{name}` as integers, expected floats")));
        }
        let values = numbers::read(&mut self.bytes, entry);
        let values = values.map_err(|e| Error::input("read", &self.path, &e))?;
        match values.iter().all(|x| x.is_finite()) {
            true => Ok(values),
            false => Err(self.error(&format!("has NaN or infinity in `{name}`"))),
        }
    }

    /// The bytes of the tensor `name` of bytes, as Marian keeps its options.
    ///
    /// # Errors
    ///
    /// Misuse: the tensor is missing, or not a vector of bytes; the file cannot be read.
    pub fn text(&mut self, name: &str) -> Result<Vec<u8>> {
        self.leave(name);
        let entry = self.entries.get(name);
        let entry = entry.filter(|e| e.element == Element::Integer(1) && e.shape.len() == 1);
        let Some(entry) = entry else {
            return Err(self.error(&format!("has no text `{name}`")));
        };
        let bytes = numbers::bytes(&mut self.bytes, &entry.place, entry.shape[0] as u64);
        bytes.map_err(|e| Error::input("read", &self.path, &e))
    }

    /// A misuse of this file: `text` follows its name.
    pub fn error(&self, text: &str) -> Error {
        misuse(&self.path, text)
    }
}
