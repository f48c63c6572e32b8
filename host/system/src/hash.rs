//! A 64-bit hash to identify vocabularies and file contents and to detect damage. Not cryptographic.

use a2d_core::rng::scramble;

/// A 64-bit hash of `bytes`, the same on every machine; any single changed word changes it.
///
/// Eight bytes at a time, each step a bijection of the state.
pub fn bytes(bytes: &[u8]) -> u64 {
    let mut hash = Running::new(bytes.len() as u64);
    hash.add(bytes);
    hash.end()
}

/// The incremental form of [`bytes`].
pub struct Running {
    state: u64,
    /// Bytes not hashed yet: less than one word.
    rest: [u8; 8],
    held: usize,
}

impl Running {
    /// Starts the hash of `length` bytes in total.
    pub fn new(length: u64) -> Self {
        Self { state: length, rest: [0; 8], held: 0 }
    }

    /// Adds the next part.
    pub fn add(&mut self, mut part: &[u8]) {
        if self.held > 0 {
            let taken = part.len().min(8 - self.held);
            self.rest[self.held..self.held + taken].copy_from_slice(&part[..taken]);
            self.held += taken;
            part = &part[taken..];
            if self.held < 8 {
                return;
            }
            self.state = step(self.state, self.rest);
        }
        let (words, tail) = part.as_chunks::<8>();
        self.state = words.iter().fold(self.state, |state, word| step(state, *word));
        self.rest = [0; 8];
        self.rest[..tail.len()].copy_from_slice(tail);
        self.held = tail.len();
    }

    /// The hash.
    pub fn end(&self) -> u64 {
        scramble(step(self.state, self.rest))
    }
}

fn step(state: u64, word: [u8; 8]) -> u64 {
    let product = (state ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}

/// The hash as 16 hexadecimal digits.
pub fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}
