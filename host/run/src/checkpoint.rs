//! Checkpoints: named tensors in a `safetensors` file, validated on load and written atomically.
//!
//! Values are 32-bit little-endian floats. Tensors are in the order of their names. A checksum over names, shapes,
//! values and metadata detects every change. Equal contents give equal bytes.

use a2d_system::error::{Error, Result};
use a2d_system::files::{self, write_whole};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The metadata key of the checksum.
const CHECKSUM: &str = "a2d.checksum";

/// The metadata key of the longest training source in tokens.
pub const LONGEST_SOURCE: &str = "longest_source";

/// The largest header in bytes, ten times that of the deepest model.
const LONGEST_HEADER: u64 = 16 << 20;

/// The shape and the values of a tensor.
pub type Tensor = (Vec<usize>, Vec<f32>);

/// The contents of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// Metadata by key.
    pub metadata: BTreeMap<String, String>,
    /// The file, named in errors.
    path: PathBuf,
}

/// Writes a checkpoint atomically.
///
/// # Errors
///
/// The folder cannot be written or the disk is full. A tensor does not fit its shape or is repeated.
pub fn save<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Vec<usize>, &'a [f32])>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let mut views = BTreeMap::new();
    for (name, shape, data) in tensors {
        let fits = size(&shape) == Some(data.len());
        if !fits || views.insert(name.clone(), (shape, data)).is_some() {
            let text = format!("tensor `{name}` does not fit its shape, or is there twice");
            return Err(Error::failed(format!("cannot write {}: {text}", path.display())));
        }
    }
    let header = header(&views, metadata);
    write_whole(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        views.values().try_for_each(|(_, data)| write_numbers(out, data))
    })
}

type Views<'a> = BTreeMap<String, (Vec<usize>, &'a [f32])>;

/// The JSON header, padded with spaces to a multiple of 8 bytes.
fn header(views: &Views<'_>, metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut texts: Map<String, Value> =
        metadata.iter().map(|(key, text)| (key.clone(), json!(text))).collect();
    texts.insert(CHECKSUM.to_owned(), json!(checksum(views, metadata)));
    let mut entries = Map::from_iter([("__metadata__".to_owned(), Value::Object(texts))]);
    let mut at = 0;
    for (name, (shape, data)) in views {
        let end = at + size_of_val(*data);
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]});
        entries.insert(name.clone(), entry);
        at = end;
    }
    let mut header = Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    header
}

fn write_numbers(out: &mut dyn Write, data: &[f32]) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for chunk in data.chunks(16 * 1024) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|x| x.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// The number of values in a tensor of `shape`, or `None` on overflow.
fn size(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |size, &d| size.checked_mul(d))
}

/// FNV-1a over 32-bit words. Each step is bijective, so any single changed word is detected.
struct Fnv(u64);

impl Fnv {
    fn word(&mut self, word: u32) {
        self.0 = (self.0 ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    /// Hashes the length first, so that the boundaries of texts matter.
    fn text(&mut self, text: &str) {
        self.word(text.len() as u32);
        text.bytes().for_each(|byte| self.word(byte.into()));
    }

    fn tensor(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        self.text(name);
        self.word(shape.len() as u32);
        shape.iter().for_each(|&d| self.word(d as u32));
        data.iter().for_each(|x| self.word(x.to_bits()));
    }
}

fn checksum(views: &Views<'_>, metadata: &BTreeMap<String, String>) -> String {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.word(metadata.len() as u32);
    metadata.iter().flat_map(|(key, text)| [key, text]).for_each(|text| hash.text(text));
    views.iter().for_each(|(name, (shape, data))| hash.tensor(name, shape, data));
    format!("{:016x}", hash.0)
}

impl Saved {
    /// Reads and verifies a checkpoint.
    ///
    /// # Errors
    ///
    /// Misuse, naming the file: it cannot be read, is truncated, was written by another program, was changed, or
    /// contains anything but 32-bit floats.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read(path).map_err(|e| Error::input("read", path, &e))?;
        let path = path.to_owned();
        let length = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
        if length > LONGEST_HEADER {
            return Err(damaged(&path, &SafeTensorError::HeaderTooLarge));
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&path, &e))?;
        let mut metadata = metadata(&bytes).unwrap_or_default();
        let Some(expected) = metadata.remove(CHECKSUM) else {
            let text = "is not a checkpoint of this program: it has no checksum";
            return Err(Error::misuse(format!("{} {text}", path.display())));
        };
        let tensors =
            file.iter().map(|(name, view)| Ok((name.to_owned(), numbers(&path, name, &view)?)));
        let saved = Self { tensors: tensors.collect::<Result<_>>()?, metadata, path };
        if saved.checksum() != expected {
            return Err(saved.error("is damaged or was changed: its checksum is wrong"));
        }
        Ok(saved)
    }

    fn checksum(&self) -> String {
        checksum(&self.views(), &self.metadata)
    }

    fn views(&self) -> Views<'_> {
        let tensors = self.tensors.iter();
        tensors.map(|(name, (shape, data))| (name.clone(), (shape.clone(), &data[..]))).collect()
    }

    /// The file, named in errors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A hash of the tensors, independent of the metadata.
    pub fn fingerprint(&self) -> String {
        checksum(&self.views(), &BTreeMap::new())
    }

    /// Takes the values of the tensor `name`, which must have shape `shape`.
    ///
    /// # Errors
    ///
    /// Misuse: the tensor is missing or has another shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.tensors.remove(name) {
            Some((found, data)) if found == shape => Ok(data),
            Some((found, _)) => {
                Err(self.error(format!("has `{name}` as {found:?}, expected {shape:?}")))
            }
            None => Err(self.error(format!("has no tensor `{name}` (expected {shape:?})"))),
        }
    }

    /// The metadata of `key`, parsed.
    ///
    /// # Errors
    ///
    /// Misuse: the value is missing or cannot be parsed.
    pub fn get<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.metadata.get(key);
        let text = text.ok_or_else(|| self.error(format!("has no metadata `{key}`")))?;
        text.parse().map_err(|_| self.error(format!("has an unusable `{key}`: {text:?}")))
    }

    /// Checks that every tensor has been taken.
    ///
    /// # Errors
    ///
    /// Misuse: tensors are left, so the checkpoint is of another model.
    pub fn finish(self) -> Result<()> {
        match (self.tensors.keys().next(), self.tensors.len()) {
            (None, _) => Ok(()),
            (Some(name), 1) => Err(self.error(format!("has an unexpected tensor `{name}`"))),
            (Some(name), n) => {
                Err(self.error(format!("has {n} unexpected tensors, the first `{name}`")))
            }
        }
    }

    fn error(&self, text: impl std::fmt::Display) -> Error {
        Error::misuse(format!("{} {text}", self.path.display()))
    }
}

/// The progress of the training that wrote a checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Reached {
    /// Completed updates.
    pub update: u64,
    /// Whether a limit was reached.
    pub finished: bool,
}

/// The progress stored in the checkpoint at `path`, if any.
pub fn reached(path: &Path) -> Option<Reached> {
    serde_json::from_str(peek(path).ok()?.get("progress")?).ok()
}

/// Reads the metadata of a checkpoint without its tensors: fast, but unverified.
///
/// # Errors
///
/// Misuse: the file cannot be read or is not a checkpoint.
pub fn peek(path: &Path) -> Result<BTreeMap<String, String>> {
    let unreadable = |e: std::io::Error| Error::input("read", path, &e);
    let mut file = files::open(path).map_err(unreadable)?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // A header with an absurd length is cut, and then fails to parse.
    file.take(u64::from_le_bytes(length).min(LONGEST_HEADER))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let header: Option<Value> = serde_json::from_slice(&bytes).ok();
    let texts = header.and_then(|header| Some(header.get("__metadata__")?.as_object()?.clone()));
    let texts =
        texts.ok_or_else(|| Error::misuse(format!("{} is not a checkpoint", path.display())))?;
    let text = |(key, text): (String, Value)| Some((key, text.as_str()?.to_owned()));
    Ok(texts.into_iter().filter_map(text).collect())
}

fn metadata(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    header.metadata().as_ref().map(|texts| texts.clone().into_iter().collect())
}

fn numbers(path: &Path, name: &str, view: &safetensors::tensor::TensorView<'_>) -> Result<Tensor> {
    if view.dtype() != Dtype::F32 {
        let text = format!("has `{name}` as {:?}, expected F32", view.dtype());
        return Err(Error::misuse(format!("{} {text}", path.display())));
    }
    let (words, _) = view.data().as_chunks();
    Ok((view.shape().to_vec(), words.iter().map(|&word| f32::from_le_bytes(word)).collect()))
}

fn damaged(path: &Path, error: &SafeTensorError) -> Error {
    let reason = match error {
        SafeTensorError::HeaderTooSmall => "it is shorter than a header",
        SafeTensorError::InvalidHeaderLength => "it ends inside its header",
        SafeTensorError::HeaderTooLarge => "the length of its header is absurd",
        SafeTensorError::MetadataIncompleteBuffer => "its length is not what its header says",
        SafeTensorError::InvalidOffset(_) | SafeTensorError::TensorInvalidInfo => {
            "its tensors overlap or do not fit their shapes"
        }
        SafeTensorError::ValidationOverflow => "the size of a tensor is absurd",
        _ => "its header is not that of a safetensors file",
    };
    Error::misuse(format!("{} is damaged or not a checkpoint: {reason}", path.display()))
}
