//! The files of a zip archive, stored or compressed with DEFLATE.

use super::{Bytes, Place, Refused, numbers};
use std::collections::BTreeMap;
use zip::{CompressionMethod, ZipArchive};

/// The most files of an archive: a model has a few hundred.
const MOST_FILES: usize = 1 << 16;

/// A file of an archive.
pub struct Member {
    /// Where its first byte lies.
    pub place: Place,
    /// Its length in bytes, as the archive claims; what is stored is at least as long.
    pub len: u64,
}

/// The files of an archive by name. `length` is that of the archive.
///
/// # Errors
///
/// The archive is damaged, encrypted, or compressed by another method.
pub fn members(bytes: &mut dyn Bytes, length: u64) -> Result<BTreeMap<String, Member>, Refused> {
    let mut archive = ZipArchive::new(bytes).map_err(damaged)?;
    if archive.len() > MOST_FILES {
        return Err(format!("is a zip archive of {} files", archive.len()));
    }
    let mut members = BTreeMap::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(damaged)?;
        let name = file.name().map_err(damaged)?.into_owned();
        let start = file.data_start().ok_or("is a damaged zip archive")?;
        let end = start.checked_add(file.compressed_size()).filter(|end| *end <= length);
        let packed = match file.compression() {
            _ if file.encrypted() => return Err(format!("has an encrypted file {name:?}")),
            CompressionMethod::Stored => None,
            CompressionMethod::Deflated => Some(file.compressed_size()),
            other => {
                return Err(format!(
                    "has {name:?} compressed by {other}, expected DEFLATE or nothing"
                ));
            }
        };
        if end.is_none() || packed.is_none() && file.size() != file.compressed_size() {
            return Err(format!("is a damaged zip archive: {name:?} is cut off"));
        }
        let place = Place { start, packed, skip: 0 };
        members.insert(name, Member { place, len: file.size() });
    }
    Ok(members)
}

/// The whole of a file that may have at most `most` bytes.
///
/// # Errors
///
/// It is longer, or cannot be read.
pub fn whole(bytes: &mut dyn Bytes, member: &Member, most: u64) -> Result<Vec<u8>, Refused> {
    let len = member.len;
    if len > most {
        return Err(format!("has a file of {len} bytes where at most {most} are possible"));
    }
    numbers::bytes(bytes, &member.place, len).map_err(damaged)
}

fn damaged(error: impl std::fmt::Display) -> Refused {
    format!("is a damaged zip archive: {error}")
}
