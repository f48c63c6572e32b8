//! The safetensors format.

use super::{Bytes, Element, Entries, Entry, Place, Refused, numbers};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

/// The longest header in bytes, a hundred times that of the deepest model.
const LONGEST_HEADER: u64 = 16 << 20;

/// The tensors of a file of `length` bytes.
///
/// # Errors
///
/// The file is damaged, or not of this format.
pub fn index(bytes: &mut dyn Bytes, length: u64) -> Result<Entries, Refused> {
    let mut place = Place { start: 0, packed: None, skip: 0 };
    let head =
        numbers::bytes(bytes, &place, 8.min(length)).map_err(|e| format!("cannot be read: {e}"))?;
    let header = head.first_chunk().map(|len| u64::from_le_bytes(*len));
    let header = header.filter(|len| *len <= LONGEST_HEADER && *len <= length - 8);
    let header =
        header.ok_or("is of no known format, or cut off: expected safetensors, PyTorch or .npz")?;
    place.start = 8;
    let text = numbers::bytes(bytes, &place, header).map_err(|e| format!("cannot be read: {e}"))?;
    let metadata: Metadata = serde_json::from_slice(&text)
        .map_err(|e| format!("has a damaged safetensors header: {e}"))?;
    place.start += header;
    if place.start.checked_add(metadata.data_len() as u64) != Some(length) {
        return Err("has not the length that its header says".to_owned());
    }
    let mut entries = Entries::new();
    for (name, info) in metadata.tensors() {
        let dtype = info.dtype;
        let element = element(dtype).ok_or_else(|| format!("has `{name}` as {dtype:?}"))?;
        let place = Place { skip: info.data_offsets.0 as u64, ..place.clone() };
        let odd = |why| format!("has `{name}`: {why}");
        let entry = Entry::dense(element, info.shape.clone(), place).map_err(odd)?;
        let size = (info.data_offsets.1 - info.data_offsets.0) / element.width();
        entry.check(size as u64).map_err(odd)?;
        entries.insert(name, entry);
    }
    Ok(entries)
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        Dtype::BOOL | Dtype::U8 | Dtype::I8 => Element::Integer(1),
        Dtype::I16 | Dtype::U16 => Element::Integer(2),
        Dtype::I32 | Dtype::U32 => Element::Integer(4),
        Dtype::I64 | Dtype::U64 => Element::Integer(8),
        _ => return None,
    })
}
