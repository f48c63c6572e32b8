//! PyTorch's zip format: `NAME/data.pkl`, and a file `NAME/data/KEY` for each storage.

use super::pickle::Pickle;
use super::zipped::{self, Member};
use super::{Bytes, Entries, Refused, state};
use std::collections::BTreeMap;

/// The most bytes of a pickle.
pub const LONGEST_PICKLE: u64 = 16 << 20;

/// The name of the pickle, if these are the files of PyTorch.
pub fn pickle_name(members: &BTreeMap<String, Member>) -> Option<&str> {
    let mut names = members.keys().map(String::as_str);
    names.find(|name| name.ends_with("/data.pkl") && name.matches('/').count() == 1)
}

/// The tensors of the pickle `name`.
///
/// # Errors
///
/// The archive is damaged, big-endian, a program, or not a dictionary of tensors.
pub fn index(
    bytes: &mut dyn Bytes,
    members: &BTreeMap<String, Member>,
    name: &str,
) -> Result<Entries, Refused> {
    let folder = name.trim_end_matches("data.pkl");
    if members.contains_key(&format!("{folder}constants.pkl")) {
        return Err("is a TorchScript program, expected a state of tensors".to_owned());
    }
    let order = members.get(&format!("{folder}byteorder"));
    if let Some(order) = order.map(|member| zipped::whole(bytes, member, 16)).transpose()?
        && order.trim_ascii() != b"little"
    {
        return Err("has big-endian numbers".to_owned());
    }
    let member = members.get(name).ok_or("has no data.pkl")?;
    let pickle = Pickle::read(&zipped::whole(bytes, member, LONGEST_PICKLE)?)?;
    let mut places = BTreeMap::new();
    for (key, storage) in state::storages(&pickle)? {
        let shown = key.escape_debug();
        let member = members.get(&format!("{folder}data/{key}"));
        let member = member.ok_or_else(|| format!("has no storage `{shown}`"))?;
        if member.place.packed.is_some() || member.len < storage.bytes() {
            return Err(format!("has a storage `{shown}` that is compressed or too short"));
        }
        places.insert(key, member.place.clone());
    }
    state::entries(&pickle, &places)
}
