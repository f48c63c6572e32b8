//! Failures, as numbers and as text.

use a2d_core::micro;
use core::fmt::{self, Write};

/// No failure: the translation has ended.
pub const END: i32 = -1;
/// A call in the wrong order: no image is loaded, no translator opened, or no sentence started.
pub const EARLY: i32 = -2;
/// The image is rejected.
pub const IMAGE: i32 = -3;
/// Out of memory, or the text does not fit in the output.
pub const ROOM: i32 = -4;
/// The input is longer than its capacity, or not UTF-8.
pub const INPUT: i32 = -5;
/// The sentence has more tokens than the limit.
pub const LONG: i32 = -6;
/// Any other failure, see its text.
pub const FAULT: i32 = -7;

/// A failure of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// [`EARLY`]
    Early,
    /// [`ROOM`]: memory cannot grow.
    Memory,
    /// [`INPUT`]
    Input,
    /// An error of the core.
    Core(micro::Error),
}

impl Failure {
    /// The number of the failure.
    pub const fn code(self) -> i32 {
        match self {
            Self::Early => EARLY,
            Self::Memory => ROOM,
            Self::Input => INPUT,
            Self::Core(micro::Error::Image(_)) => IMAGE,
            Self::Core(micro::Error::TooLong { .. }) => LONG,
            Self::Core(micro::Error::Output { .. }) => ROOM,
            Self::Core(_) => FAULT,
        }
    }

    /// Writes the text, as far as it fits; returns the number of bytes.
    pub fn write(self, out: &mut [u8]) -> usize {
        let mut cursor = Cursor { out, len: 0 };
        // An error means that the cursor is full; the text is then cut.
        let _ = write!(cursor, "{self}");
        cursor.len
    }
}

impl<E: Into<micro::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Core(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Early => f.write_str("too early: an image is loaded, then a translator opened"),
            Self::Memory => f.write_str("there is no more memory"),
            Self::Input => f.write_str("the input is too long, or not UTF-8"),
            Self::Core(error) => error.fmt(f),
        }
    }
}

/// A cursor that writes text to a buffer.
struct Cursor<'o> {
    out: &'o mut [u8],
    len: usize,
}

impl Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let to = self.out.get_mut(self.len..end).ok_or(fmt::Error)?;
        to.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
