//! The format of a file, told by its first bytes.

use super::{Bytes, Entries, Place, Refused, legacy, npz, numbers, safetensors, torch, zipped};
use std::io::SeekFrom;

/// The most that all tensors of a file may hold, as a multiple of its length: a shared table has four names, and 16-bit
/// numbers become 32-bit ones.
const MOST_TIMES: u64 = 16;

/// Short files may hold more: what they claim is small.
const ALWAYS: u64 = 1 << 20;

/// The tensors of a file.
pub fn index(bytes: &mut dyn Bytes) -> Result<Entries, Refused> {
    let length = bytes.seek(SeekFrom::End(0)).map_err(|e| format!("cannot be read: {e}"))?;
    let start = Place { start: 0, packed: None, skip: 0 };
    let head =
        numbers::bytes(bytes, &start, length.min(4)).map_err(|e| format!("cannot be read: {e}"))?;
    let entries = match head.as_slice() {
        b"PK\x03\x04" => {
            let members = zipped::members(bytes, length)?;
            match torch::pickle_name(&members) {
                Some(name) => torch::index(bytes, &members, name),
                None => npz::index(bytes, &members),
            }
        }
        [0x80, 2..=5, ..] => legacy::index(bytes, length),
        _ => safetensors::index(bytes, length),
    }?;
    let sizes = entries.values().map(|entry| entry.len().unwrap_or(usize::MAX) as u64);
    let total = sizes.fold(0u64, |sum, size| sum.saturating_add(size.saturating_mul(4)));
    match total <= length.saturating_mul(MOST_TIMES).saturating_add(ALWAYS) {
        true => Ok(entries),
        false => Err(format!("has {length} bytes, but claims tensors of {total}")),
    }
}
