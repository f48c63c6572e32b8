//! A parameter where it lies.

use super::ALIGN;
use crate::shape::Shape;
use zerocopy::FromBytes;

/// How the numbers of a parameter are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Format {
    /// 32-bit floats.
    F32 = 0,
    /// A byte each, and a scale for each row.
    Int8 = 1,
    /// Half a byte each, and a scale for each [`GROUP`] of a row.
    Int4 = 2,
}

/// Elements of a row of int4 that share a scale.
pub const GROUP: usize = 32;

/// The widest quantised row: 2^17 products of a byte and a byte fit an `i32`.
pub const MOST_COLUMNS: u32 = 1 << 17;

impl Format {
    /// The format of a directory's number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::F32),
            1 => Some(Self::Int8),
            2 => Some(Self::Int4),
            _ => None,
        }
    }

    /// Bytes of the numbers and of the scales of `[rows, cols]`; none where they are beyond any memory.
    const fn lengths(self, rows: u32, cols: u32) -> Option<(usize, usize)> {
        let (rows, cols) = (rows as u64, cols as u64);
        let groups = cols.div_ceil(GROUP as u64);
        // Each below 2^32, so products fit.
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

/// A parameter in an image, read in place: its numbers, then, from the next multiple of 16, its scales.
///
/// * f32: words, row by row.
/// * int8: bytes, row by row; a scale is a word. A number is the byte times the scale of its row.
/// * int4: for each row and [`GROUP`] 16 bytes: byte `i` holds element `i` in its low half and `i + 16` in its high
///   one, both plus 8; the row's end is filled up with 8s. A scale is the upper half of an f32 (two bytes).
#[derive(Clone, Copy, Debug)]
pub struct Weight<'a> {
    format: Format,
    rows: u32,
    cols: u32,
    numbers: &'a [u8],
    scales: &'a [u8],
}

impl<'a> Weight<'a> {
    /// A parameter `[rows, cols]` at the front of `bytes`, whose address 4 divides; a vector has one row.
    ///
    /// None: it is longer than `bytes`, empty, misaligned, or too wide.
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

    /// How its numbers are kept.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Its extent, a vector as a matrix of one row.
    pub fn shape(&self) -> Shape {
        Shape::matrix(self.rows as usize, self.cols as usize)
    }

    /// All numbers of an f32 parameter, little-endian; none of another.
    pub fn words(&self) -> &'a [u32] {
        match self.format {
            Format::F32 => <[u32]>::ref_from_bytes(self.numbers).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The bytes of an int8 parameter, none of another.
    pub fn bytes(&self) -> &'a [i8] {
        match self.format {
            Format::Int8 => <[i8]>::ref_from_bytes(self.numbers).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The scales of an int8 parameter's rows, little-endian; none of another.
    pub fn row_scales(&self) -> &'a [u32] {
        match self.format {
            Format::Int8 => <[u32]>::ref_from_bytes(self.scales).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The groups of an int4 parameter, row by row, each with its scale; none of another.
    pub fn groups(&self) -> (&'a [[u8; GROUP / 2]], &'a [[u8; 2]]) {
        match self.format {
            Format::Int4 => (self.numbers.as_chunks().0, self.scales.as_chunks().0),
            _ => (&[], &[]),
        }
    }

    /// Row `row` as floats, into `out` as far as both go.
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
                    // The numbers come first: a `zip` that finds no number has taken no element.
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
pub(crate) fn float(word: u32) -> f32 {
    f32::from_bits(u32::from_le(word))
}

/// The upper half of a float.
#[inline(always)]
pub(crate) fn half(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}

/// The numbers of a group of int4.
#[inline(always)]
pub(crate) fn unpack(group: &[u8; GROUP / 2]) -> [i8; GROUP] {
    let mut out = [0; GROUP];
    let (low, high) = out.split_at_mut(GROUP / 2);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(group) {
        *low = (byte & 15) as i8 - 8;
        *high = (byte >> 4) as i8 - 8;
    }
    out
}
