//! The names of the labels of a text model.

use super::Error;
use super::shortlist::take;

/// The names of the labels of a model that classifies, in the order of their numbers.
///
/// Section 8 of an image: N, the number of labels (4 bytes); the end of each name in the text, N numbers that do not
/// descend (4 bytes each); the text, UTF-8 without control characters, up to the end of the last name. Without alignment.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    ends: &'a [[u8; 4]],
    text: &'a str,
}

impl<'a> Labels<'a> {
    /// Reads and checks the bytes of a section with the names of `count` labels.
    ///
    /// # Errors
    ///
    /// [`Error::Labels`].
    pub(super) fn new(bytes: &'a [u8], count: usize) -> Result<Self, Error> {
        Self::laid_out(bytes).filter(|labels| labels.is_sound(count)).ok_or(Error::Labels)
    }

    fn laid_out(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let count = take(&mut rest, 1)?.first()?;
        let ends = take(&mut rest, u32::from_le_bytes(*count) as usize)?;
        Some(Self { ends, text: core::str::from_utf8(rest).ok()? })
    }

    fn is_sound(&self, count: usize) -> bool {
        let ends = || self.ends.iter().map(|end| u32::from_le_bytes(*end) as usize);
        count == self.ends.len()
            && ends().is_sorted()
            && ends().all(|end| self.text.is_char_boundary(end))
            && ends().next_back() == Some(self.text.len())
            && !self.text.contains(char::is_control)
    }

    /// The number of labels.
    #[allow(clippy::len_without_is_empty)] // there is at least one
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The name of label `number`; `None` if there is no such label.
    pub fn get(&self, number: usize) -> Option<&'a str> {
        let end = |at: usize| Some(u32::from_le_bytes(*self.ends.get(at)?) as usize);
        let start = number.checked_sub(1).map_or(Some(0), end)?;
        self.text.get(start..end(number)?)
    }

    /// All names.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let labels = *self;
        (0..labels.len()).filter_map(move |number| labels.get(number))
    }
}
