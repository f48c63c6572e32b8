//! Telling bytes apart: file contents, vocabularies, damage. Not for secrets.

/// A 64-bit hash of `bytes`, the same on every machine; any single changed word changes it.
///
/// Eight bytes at a time, each step a bijection of the state.
pub fn bytes(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    let state = words.iter().fold(bytes.len() as u64, |state, word| step(state, *word));
    mix(step(state, last))
}

fn step(state: u64, word: [u8; 8]) -> u64 {
    let product = (state ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}

/// SplitMix64's finaliser: a bijection that spreads every bit over all others.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// 16 hexadecimal digits.
pub fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}
