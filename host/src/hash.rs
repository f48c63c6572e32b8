//! Telling bytes apart: file contents, vocabularies, damage. Not for secrets.

use a2d_core::rng::scramble;

/// A 64-bit hash of `bytes`, the same on every machine; any single changed word changes it.
///
/// Eight bytes at a time, each step a bijection of the state.
pub fn bytes(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    let state = words.iter().fold(bytes.len() as u64, |state, word| step(state, *word));
    scramble(step(state, last))
}

fn step(state: u64, word: [u8; 8]) -> u64 {
    let product = (state ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}

/// 16 hexadecimal digits.
pub fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}
