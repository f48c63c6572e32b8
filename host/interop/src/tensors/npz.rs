//! NumPy's `.npz`: a zip archive with a file `NAME.npy` for each array.

use super::zipped::{self, Member};
use super::{Bytes, Element, Entries, Entry, Place, Refused};
use std::collections::BTreeMap;

/// The longest header in bytes: that of a plain array is 128.
const LONGEST_HEADER: u64 = 4096;

/// The arrays of these files.
///
/// # Errors
///
/// A file is damaged, is no array, or has big-endian numbers.
pub fn index(
    bytes: &mut dyn Bytes,
    members: &BTreeMap<String, Member>,
) -> Result<Entries, Refused> {
    let mut entries = Entries::new();
    for (file, member) in members {
        let name = file.strip_suffix(".npy").unwrap_or(file);
        let entry = array(bytes, member).map_err(|why| format!("has {name:?}: {why}"))?;
        entries.insert(name.to_owned(), entry);
    }
    Ok(entries)
}

fn array(bytes: &mut dyn Bytes, member: &Member) -> Result<Entry, Refused> {
    let head = Member { place: member.place.clone(), len: member.len.min(LONGEST_HEADER) };
    let head = zipped::whole(bytes, &head, LONGEST_HEADER)?;
    let no_array = "it is no NumPy array of a known version";
    let rest = head.strip_prefix(b"\x93NUMPY").ok_or(no_array)?;
    let (start, len) = match rest {
        [1, 0, a, b, ..] => (10, usize::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, 0, a, b, c, d, ..] => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        _ => return Err(no_array.to_owned()),
    };
    let end = len.checked_add(start).filter(|end| *end <= head.len());
    let text =
        end.and_then(|end| head.get(start..end)).ok_or("its header is too long or cut off")?;
    let text = std::str::from_utf8(text).map_err(|_| no_array)?;
    let skip = (start + len) as u64;
    let place = Place { skip, ..member.place.clone() };
    let entry = described(text, place)?;
    entry.check(member.len.saturating_sub(skip) / entry.element.width() as u64)?;
    Ok(entry)
}

/// The array that a header describes: `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn described(text: &str, place: Place) -> Result<Entry, Refused> {
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("'{name}':"))?;
        Some(rest.trim_start())
    };
    let quoted = field("descr").and_then(|rest| rest.strip_prefix('\'')?.split_once('\''));
    let (descr, _) = quoted.ok_or("its type is not one of numbers")?;
    let element = Element::of_numpy(descr).ok_or_else(|| format!("its type is {descr:?}"))?;
    let sizes = field("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let (sizes, _) = sizes.ok_or("it has no shape")?;
    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    let mut shape: Vec<usize> = sizes
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| "its shape is not one of sizes")?;
    match field("fortran_order").ok_or("it has no order")? {
        rest if rest.starts_with("False") => Entry::dense(element, shape, place),
        rest if rest.starts_with("True") => {
            shape.reverse();
            let mut entry = Entry::dense(element, shape, place)?;
            entry.shape.reverse();
            entry.strides.reverse();
            Ok(entry)
        }
        _ => Err("it has no order".to_owned()),
    }
}

impl Element {
    /// The type that NumPy writes as `<f4` or `|i1`.
    fn of_numpy(descr: &str) -> Option<Self> {
        Some(match descr.trim_start_matches(['<', '|', '=']) {
            "f2" => Self::F16,
            "f4" => Self::F32,
            "f8" => Self::F64,
            "i1" | "u1" | "b1" => Self::Integer(1),
            "i2" | "u2" => Self::Integer(2),
            "i4" | "u4" => Self::Integer(4),
            "i8" | "u8" => Self::Integer(8),
            _ => return None,
        })
    }
}
