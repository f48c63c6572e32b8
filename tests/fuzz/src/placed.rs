//! Bytes at a chosen alignment.

/// Bytes with the alignment that a linker gives an image, or with less.
pub struct Placed {
    room: Vec<u8>,
    start: usize,
    len: usize,
}

impl Placed {
    /// A copy of `bytes`, `offset` bytes after an address that 16 divides.
    pub fn new(bytes: &[u8], offset: usize) -> Self {
        let mut placed = Self::filled(bytes.len(), offset, 0);
        placed.bytes_mut().copy_from_slice(bytes);
        placed
    }

    /// `len` bytes of `fill`, placed likewise.
    pub fn filled(len: usize, offset: usize, fill: u8) -> Self {
        let room = vec![fill; len + 16 + offset];
        let address = room.as_ptr().addr();
        Self { start: address.next_multiple_of(16) - address + offset, room, len }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.room[self.start..][..self.len]
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..][..self.len]
    }
}
