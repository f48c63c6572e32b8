//! All parameters of a model, by number.

use super::{ALIGN, ENTRY_WORDS, Format, Weight};

/// The directory, and the bytes of the weights, read in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weights<'a> {
    directory: &'a [u32],
    bytes: &'a [u8],
}

impl<'a> Weights<'a> {
    /// The parameters of sections 3 and 4, little-endian.
    pub fn new(directory: &'a [u32], bytes: &'a [u8]) -> Self {
        Self { directory, bytes }
    }

    /// The size of the weights in bytes.
    #[allow(clippy::len_without_is_empty)] // every model has weights
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The number of parameters in the directory.
    pub fn count(&self) -> usize {
        self.directory.len() / ENTRY_WORDS
    }

    /// Parameter `number` in canonical order; `None` if it is not in the directory, or outside the file.
    pub fn get(&self, number: usize) -> Option<Weight<'a>> {
        let entry = self.directory.get(number.checked_mul(ENTRY_WORDS)?..)?.first_chunk()?;
        let [format, rows, cols, offset] = <[u32; ENTRY_WORDS]>::map(*entry, u32::from_le);
        let start = usize::try_from(offset).ok().filter(|start| start.is_multiple_of(ALIGN))?;
        Weight::new(Format::from_number(format)?, rows, cols, self.bytes.get(start..)?)
    }
}
