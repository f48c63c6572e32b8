//! All parameters of a model, found by their numbers.

use super::{ALIGN, ENTRY_WORDS, Format, Weight};

/// The weights' directory and the bytes that it tells of, both where they lie.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weights<'a> {
    directory: &'a [u32],
    bytes: &'a [u8],
}

impl<'a> Weights<'a> {
    /// Of the contents of sections 3 and 4, little-endian.
    pub fn new(directory: &'a [u32], bytes: &'a [u8]) -> Self {
        Self { directory, bytes }
    }

    /// Bytes of the weights.
    #[allow(clippy::len_without_is_empty)] // no model is without weights
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many parameters the directory lists.
    pub fn count(&self) -> usize {
        self.directory.len() / ENTRY_WORDS
    }

    /// Parameter `number` in canonical order; none where the directory does not have it, or it does not lie in the
    /// file.
    pub fn get(&self, number: usize) -> Option<Weight<'a>> {
        let entry = self.directory.get(number.checked_mul(ENTRY_WORDS)?..)?.first_chunk()?;
        let [format, rows, cols, offset] = <[u32; ENTRY_WORDS]>::map(*entry, u32::from_le);
        let start = usize::try_from(offset).ok().filter(|start| start.is_multiple_of(ALIGN))?;
        Weight::new(Format::from_number(format)?, rows, cols, self.bytes.get(start..)?)
    }
}
