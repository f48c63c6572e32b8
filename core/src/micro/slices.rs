//! Slicing and copying without a panic: `None` or nothing if the sizes do not match.

use core::cell::Cell;
use core::mem;

/// The rows of width `width`; none if the width is 0.
pub(super) fn rows<T>(x: &[T], width: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = x;
    core::iter::from_fn(move || {
        let (row, after) = rest.split_at_checked(width).filter(|_| width > 0)?;
        rest = after;
        Some(row)
    })
}

/// As [`rows`], mutable.
pub(super) fn rows_mut<T>(x: &mut [T], width: usize) -> impl Iterator<Item = &mut [T]> {
    let mut rest = x;
    core::iter::from_fn(move || {
        let all = mem::take(&mut rest).split_at_mut_checked(width);
        let (row, after) = all.filter(|_| width > 0)?;
        rest = after;
        Some(row)
    })
}

/// Row `at` of the rows of width `width`.
pub(super) fn row<T>(x: &[T], at: usize, width: usize) -> Option<&[T]> {
    let start = at.checked_mul(width)?;
    x.get(start..start.checked_add(width)?)
}

/// As [`row`], mutable.
pub(super) fn row_mut<T>(x: &mut [T], at: usize, width: usize) -> Option<&mut [T]> {
    let start = at.checked_mul(width)?;
    x.get_mut(start..start.checked_add(width)?)
}

/// Copies between slices of equal length.
pub(super) fn copy<T: Copy>(from: &[T], to: &mut [T]) -> Option<()> {
    (from.len() == to.len()).then(|| to.iter_mut().zip(from).for_each(|(to, from)| *to = *from))
}

/// Moves the elements from index `by` on to the front.
pub(super) fn move_down<T: Copy>(x: &mut [T], by: usize) {
    let cells = Cell::from_mut(x).as_slice_of_cells();
    let from = cells.get(by..).unwrap_or_default();
    cells.iter().zip(from).for_each(|(to, from)| to.set(from.get()));
}

/// Moves the elements at the front up by `by`.
pub(super) fn move_up<T: Copy>(x: &mut [T], by: usize) {
    let cells = Cell::from_mut(x).as_slice_of_cells();
    let to = cells.get(by..).unwrap_or_default();
    // In reverse, as source and destination may overlap.
    let from = cells.get(..to.len()).unwrap_or_default();
    to.iter().rev().zip(from.iter().rev()).for_each(|(to, from)| to.set(from.get()));
}
