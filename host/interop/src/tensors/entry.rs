//! Where a tensor lies in a file.

use super::{Element, Refused};

/// The most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

/// A tensor of a file. Equal entries are the same numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The type of its numbers.
    pub element: Element,
    /// The sizes.
    pub shape: Vec<usize>,
    /// The distance of neighbours in each dimension, in numbers.
    pub strides: Vec<usize>,
    /// Its bytes.
    pub place: Place,
}

/// A run of bytes in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first byte of what holds it, in the file.
    pub start: u64,
    /// The length of what holds it, if that is compressed with DEFLATE.
    pub packed: Option<u64>,
    /// Bytes before the first number, after decompression.
    pub skip: u64,
}

impl Entry {
    /// A tensor whose numbers lie one after another, the last dimension closest.
    ///
    /// # Errors
    ///
    /// The sizes are absurd.
    pub fn dense(element: Element, shape: Vec<usize>, place: Place) -> Result<Self, Refused> {
        let mut strides = vec![1usize; shape.len()];
        for i in (1..shape.len()).rev() {
            strides[i - 1] = strides[i].checked_mul(shape[i].max(1)).ok_or_else(absurd)?;
        }
        Ok(Self { element, shape, strides, place })
    }

    /// The number of values.
    pub fn len(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |size, d| size.checked_mul(*d))
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The number of values from the first to the last one in the file.
    pub fn extent(&self) -> Option<usize> {
        if self.is_empty() {
            return Some(0);
        }
        let steps = self.shape.iter().zip(&self.strides);
        let last = steps.map(|(d, stride)| (d - 1).checked_mul(*stride));
        last.chain([Some(1)]).try_fold(0usize, |sum, step| sum.checked_add(step?))
    }

    /// Checks the tensor against the numbers that its place has room for.
    ///
    /// # Errors
    ///
    /// It has too many dimensions, reaches beyond its place, or repeats values by overlapping itself.
    pub fn check(&self, room: u64) -> Result<(), Refused> {
        if self.shape.len() > MOST_DIMENSIONS || self.shape.len() != self.strides.len() {
            return Err(format!("it has {} dimensions", self.shape.len()));
        }
        let (len, extent) = (self.len().ok_or_else(absurd)?, self.extent().ok_or_else(absurd)?);
        match extent as u64 <= room && len <= extent {
            true => Ok(()),
            false => Err(format!("{:?} reaches beyond what holds it", self.shape)),
        }
    }

    /// Whether the values lie one after another.
    pub fn is_dense(&self) -> bool {
        let mut expected = 1;
        self.is_empty()
            || self.shape.iter().zip(&self.strides).rev().all(|(d, stride)| {
                let fits = *d == 1 || *stride == expected;
                expected *= d;
                fits
            })
    }
}

fn absurd() -> Refused {
    "its size is absurd".to_owned()
}
