//! Reading the values of a tensor.

use super::{Bytes, Entry, Place};
use flate2::read::DeflateDecoder;
use std::io::{self, ErrorKind, Read, SeekFrom};

/// Bytes that are read and converted at once, a multiple of every element's width.
const CHUNK: usize = 1 << 20;

/// The values of `entry`, the last dimension closest. Memory holds them and one chunk, and what lies between them where
/// they do not lie one after another.
pub fn read(bytes: &mut dyn Bytes, entry: &Entry) -> io::Result<Vec<f32>> {
    let extent = extent(bytes, entry)?;
    if entry.is_dense() {
        return Ok(extent);
    }
    let mut out = Vec::with_capacity(entry.len().unwrap_or(0));
    gather(&extent, &entry.shape, &entry.strides, 0, &mut out);
    Ok(out)
}

/// `len` bytes at `place`.
pub fn bytes(bytes: &mut dyn Bytes, place: &Place, len: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    at(bytes, place)?.take(len).read_to_end(&mut out)?;
    if out.len() as u64 == len { Ok(out) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// The values from the first to the last one of `entry` in the file.
fn extent(bytes: &mut dyn Bytes, entry: &Entry) -> io::Result<Vec<f32>> {
    let Entry { element, place, .. } = entry;
    let values = entry.extent().unwrap_or(0);
    // What is compressed may end before the length that it claims.
    let room = if place.packed.is_some() { values.min(CHUNK) } else { values };
    let mut out = Vec::with_capacity(room);
    let mut left = values * element.width();
    let mut chunk = vec![0; left.min(CHUNK)];
    let mut reader = at(bytes, place)?;
    while left > 0 {
        let len = left.min(CHUNK);
        reader.read_exact(&mut chunk[..len])?;
        element.append(&chunk[..len], &mut out);
        left -= len;
    }
    Ok(out)
}

/// A reader that begins at the first value.
fn at<'a>(bytes: &'a mut dyn Bytes, place: &Place) -> io::Result<Box<dyn Read + 'a>> {
    let skip = if place.packed.is_none() { place.skip } else { 0 };
    bytes.seek(SeekFrom::Start(place.start.saturating_add(skip)))?;
    let Some(packed) = place.packed else { return Ok(Box::new(bytes)) };
    let mut reader = DeflateDecoder::new(Read::take(bytes, packed));
    io::copy(&mut (&mut reader).take(place.skip), &mut io::sink())?;
    Ok(Box::new(reader))
}

/// Appends the value at `from` and its neighbours in all dimensions.
fn gather(values: &[f32], shape: &[usize], strides: &[usize], from: usize, out: &mut Vec<f32>) {
    match (shape, strides) {
        ([size, shape @ ..], [stride, strides @ ..]) => {
            (0..*size).for_each(|i| gather(values, shape, strides, from + i * stride, out));
        }
        _ => out.extend(values.get(from)),
    }
}
