//! Encoding by the tables of a device: there is one implementation.

use super::{Encoder, LineForm};
use a2d_core::token::{self, Vocabulary};
use a2d_system::error::{Error, Result};

/// An encoder with a buffer that grows to the longest line. The tables normalise.
pub(super) struct Lines<'a> {
    device: Result<Vocabulary<'a>, token::Error>,
    buffer: Vec<u32>,
}

impl<'a> Lines<'a> {
    /// Of tables that were checked.
    pub fn new(device: Result<Vocabulary<'a>, token::Error>) -> Self {
        Self { device, buffer: Vec::new() }
    }
}

impl Encoder for Lines<'_> {
    fn normalization(&self) -> LineForm {
        LineForm::None
    }

    fn encode_normal(&mut self, line: &str, ids: &mut Vec<u32>) -> Result<()> {
        let device = self.device.as_ref().map_err(unusable)?;
        if u32::try_from(line.len()).is_err() {
            return Err(Error::misuse("cannot encode a line of 4 GiB"));
        }
        let room = device.room(line.len());
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let count = device.encode(line, &mut self.buffer).map_err(|e| unusable(&e))?;
        ids.extend_from_slice(&self.buffer[..count]);
        Ok(())
    }
}

/// Tables that no device accepts.
pub(super) fn unusable(why: &token::Error) -> Error {
    Error::misuse(format!("not a usable vocabulary: {why}"))
}
