//! A parameter, read in place.

use super::ALIGN;
use crate::shape::Shape;
use zerocopy::FromBytes;

/// The storage format of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Format {
    /// 32-bit floats.
    F32 = 0,
    /// One byte for each number, one scale for each row.
    Int8 = 1,
    /// Half a byte for each number, one scale for each [`GROUP`] of a row.
    Int4 = 2,
}

/// Elements of a row of int4 with a common scale.
pub const GROUP: usize = 32;

/// The maximum width of a quantised row: a sum of 2^17 products of two bytes fits an `i32`.
pub const MOST_COLUMNS: u32 = 1 << 17;

impl Format {
    /// The format with this number in the directory.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::F32),
            1 => Some(Self::Int8),
            2 => Some(Self::Int4),
            _ => None,
        }
    }

    /// Bytes of the numbers and of the scales of `[rows, cols]`; `None` if either exceeds 32 bits.
    const fn lengths(self, rows: u32, cols: u32) -> Option<(usize, usize)> {
        let (rows, cols) = (rows as u64, cols as u64);
        let groups = cols.div_ceil(GROUP as u64);
        // Rows and columns are below 2^32, so the products fit.
        let (numbers, scales) = match self {
            Self::F32 if cols < 1 << 28 => (rows * cols * 4, 0),
            Self::Int8 => (rows * cols, rows * 4),
            Self::Int4 => (rows * groups * (GROUP / 2) as u64, rows * groups * 2),
            Self::F32 => return None,
        };
        if numbers > u32::MAX as u64 || scales > u32::MAX as u64 {
            return None;
        }
        Some((numbers as usize, scales as usize))
    }
}

/// A parameter in an image, read in place: its numbers, then, at the next multiple of 16, its scales.
///
/// * f32: words, row by row.
/// * int8: bytes, row by row; a scale is a word. An element is its byte times the scale of its row.
/// * int4: 16 bytes for each row and [`GROUP`]. Byte `i` holds element `i` in its low half and element `i + 16` in its
///   high half, both plus 8. The last group of a row is filled with 8s. A scale is the upper half of an f32 (two
///   bytes).
#[derive(Clone, Copy, Debug)]
pub struct Weight<'a> {
    format: Format,
    rows: u32,
    cols: u32,
    numbers: &'a [u8],
    scales: &'a [u8],
}

impl<'a> Weight<'a> {
    /// A parameter `[rows, cols]` at the front of `bytes`, whose address is a multiple of 4. A vector has one row.
    ///
    /// `None`: the parameter is longer than `bytes`, empty, misaligned, or too wide.
    pub fn new(format: Format, rows: u32, cols: u32, bytes: &'a [u8]) -> Option<Self> {
        let wide = format != Format::F32 && cols > MOST_COLUMNS;
        if wide || rows == 0 || cols == 0 || !bytes.as_ptr().addr().is_multiple_of(4) {
            return None;
        }
        let (numbers, scales) = format.lengths(rows, cols)?;
        let start = numbers.checked_next_multiple_of(ALIGN)?;
        let scales = match scales {
            0 => &[],
            len => bytes.get(start..start.checked_add(len)?)?,
        };
        Some(Self { format, rows, cols, numbers: bytes.get(..numbers)?, scales })
    }

    /// The storage format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The extent; a vector is a matrix of one row.
    pub fn shape(&self) -> Shape {
        Shape::matrix(self.rows as usize, self.cols as usize)
    }

    /// All numbers of an f32 parameter, little-endian; empty for other formats.
    pub fn words(&self) -> &'a [u32] {
        match self.format {
            Format::F32 => <[u32]>::ref_from_bytes(self.numbers).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The bytes of an int8 parameter; empty for other formats.
    pub fn bytes(&self) -> &'a [i8] {
        match self.format {
            Format::Int8 => <[i8]>::ref_from_bytes(self.numbers).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The scales of the rows of an int8 parameter, little-endian; empty for other formats.
    pub fn row_scales(&self) -> &'a [u32] {
        match self.format {
            Format::Int8 => <[u32]>::ref_from_bytes(self.scales).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The groups of an int4 parameter, row by row, and their scales; empty for other formats.
    pub fn groups(&self) -> (&'a [[u8; GROUP / 2]], &'a [[u8; 2]]) {
        match self.format {
            Format::Int4 => (self.numbers.as_chunks().0, self.scales.as_chunks().0),
            _ => (&[], &[]),
        }
    }

    /// Writes row `row` as floats into `out`, up to the shorter length.
    pub fn read(&self, row: usize, out: &mut [f32]) -> Option<()> {
        let cols = self.cols as usize;
        let of_row = row.checked_mul(cols)?..row.checked_add(1)?.checked_mul(cols)?;
        match self.format {
            Format::F32 => {
                let words = self.words().get(of_row)?;
                out.iter_mut().zip(words).for_each(|(y, w)| *y = float(*w));
            }
            Format::Int8 => {
                let scale = float(*self.row_scales().get(row)?);
                let bytes = self.bytes().get(of_row)?;
                out.iter_mut().zip(bytes).for_each(|(y, w)| *y = scale * f32::from(*w));
            }
            Format::Int4 => {
                let count = cols.div_ceil(GROUP);
                let (groups, scales) = self.groups();
                let of_row = row.checked_mul(count)?..row.checked_add(1)?.checked_mul(count)?;
                let groups = groups.get(of_row.clone())?.iter().zip(scales.get(of_row)?);
                let mut out = out.iter_mut();
                for (group, scale) in groups {
                    let scale = half(*scale);
                    // The numbers are the first iterator: at their end, `zip` has not taken an element of `out`.
                    for (w, y) in unpack(group).into_iter().zip(out.by_ref()) {
                        *y = scale * f32::from(w);
                    }
                }
            }
        }
        Some(())
    }
}

/// A little-endian word as a float.
#[inline(always)]
pub fn float(word: u32) -> f32 {
    f32::from_bits(u32::from_le(word))
}

/// Two bytes, the upper half of a float, as a float.
#[inline(always)]
pub fn half(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}

/// The numbers of a group of int4.
#[inline(always)]
pub fn unpack(group: &[u8; GROUP / 2]) -> [i8; GROUP] {
    let mut out = [0; GROUP];
    let (low, high) = out.split_at_mut(GROUP / 2);
    let quads = low.as_chunks_mut::<4>().0.iter_mut().zip(high.as_chunks_mut::<4>().0);
    for ((low, high), bytes) in quads.zip(group.as_chunks::<4>().0) {
        let word = u32::from_ne_bytes(*bytes);
        (*low, *high) = (less_eight(word), less_eight(word >> 4));
    }
    out
}

/// The lower halves of four bytes, less 8.
#[inline(always)]
fn less_eight(word: u32) -> [i8; 4] {
    const ALL: u32 = 0x0101_0101;
    // Without the sign bit, 8 less is the bit turned, as in four bits of two's complement; then the sign is extended.
    let halves = (word & (15 * ALL)) ^ (8 * ALL);
    let signs = halves & (8 * ALL);
    (halves | (signs << 5).wrapping_sub(signs << 1)).to_ne_bytes().map(|byte| byte as i8)
}
