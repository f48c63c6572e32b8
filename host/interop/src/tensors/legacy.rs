//! PyTorch's format before version 1.6: five pickles, then each storage as its length and its numbers.

use super::pickle::{Pickle, Value};
use super::torch::LONGEST_PICKLE;
use super::{Bytes, Entries, Place, Refused, numbers, state};
use std::collections::BTreeMap;

/// The integer that the first pickle holds.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

/// The version that the second pickle holds.
const VERSION: usize = 1001;

/// The tensors of a file of `length` bytes.
///
/// # Errors
///
/// The file is damaged, big-endian, or not a dictionary of tensors.
pub fn index(bytes: &mut dyn Bytes, length: u64) -> Result<Entries, Refused> {
    let at = Place { start: 0, packed: None, skip: 0 };
    let head = numbers::bytes(bytes, &at, length.min(LONGEST_PICKLE));
    let head = head.map_err(|e| format!("cannot be read: {e}"))?;
    let mut at = 0;
    let mut next = || {
        let pickle = Pickle::read(head.get(at..).unwrap_or_default())?;
        at += pickle.len;
        Ok::<_, Refused>(pickle)
    };
    let [magic, version, system, state, keys] = [next()?, next()?, next()?, next()?, next()?];
    if *magic.get(magic.root) != Value::Int(MAGIC) || version.size(version.root) != Some(VERSION) {
        return Err("is a pickle, but not one of PyTorch's".to_owned());
    }
    if is_big_endian(&system) {
        return Err("has big-endian numbers".to_owned());
    }
    let places = places(bytes, length, at as u64, &state, &keys)?;
    state::entries(&state, &places)
}

fn is_big_endian(system: &Pickle) -> bool {
    let Value::Dict(items) = system.get(system.root) else { return true };
    items.iter().any(|(key, value)| {
        system.text(*key) == Some("little_endian") && *system.get(*value) == Value::Bool(false)
    })
}

/// Where the storages lie, in the order of `keys`; the first begins at `at`.
fn places(
    bytes: &mut dyn Bytes,
    length: u64,
    mut at: u64,
    state: &Pickle,
    keys: &Pickle,
) -> Result<BTreeMap<String, Place>, Refused> {
    let storages = state::storages(state)?;
    let mut places = BTreeMap::new();
    for key in keys.parts(keys.root).ok_or("has no list of storages")? {
        let key = keys.text(*key).unwrap_or_default();
        let shown = key.escape_debug();
        let storage =
            storages.get(key).ok_or_else(|| format!("has an unknown storage `{shown}`"))?;
        let place = Place { start: at, packed: None, skip: 0 };
        let head = numbers::bytes(bytes, &place, 8).map_err(|_| "ends before its storages")?;
        let start = at + 8;
        let end = start.checked_add(storage.bytes()).filter(|end| *end <= length);
        let claimed = head.first_chunk().map(|len| u64::from_le_bytes(*len));
        at = match end {
            Some(end) if claimed == Some(storage.len) => end,
            _ => return Err(format!("has a storage `{shown}` that is cut off")),
        };
        places.insert(key.to_owned(), Place { start, ..place });
    }
    Ok(places)
}
