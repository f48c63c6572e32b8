//! Cutting and copying slices without a panic: what does not fit is none.

use core::cell::Cell;
use core::mem;

/// Rows of `width`, one after the other; none where the width is 0.
pub(super) fn rows<T>(x: &[T], width: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = x;
    core::iter::from_fn(move || {
        let (row, after) = rest.split_at_checked(width).filter(|_| width > 0)?;
        rest = after;
        Some(row)
    })
}

/// As [`rows`], to write.
pub(super) fn rows_mut<T>(x: &mut [T], width: usize) -> impl Iterator<Item = &mut [T]> {
    let mut rest = x;
    core::iter::from_fn(move || {
        let all = mem::take(&mut rest).split_at_mut_checked(width);
        let (row, after) = all.filter(|_| width > 0)?;
        rest = after;
        Some(row)
    })
}

/// Row `at` of those of `width`.
pub(super) fn row<T>(x: &[T], at: usize, width: usize) -> Option<&[T]> {
    let start = at.checked_mul(width)?;
    x.get(start..start.checked_add(width)?)
}

/// As [`row`], to write.
pub(super) fn row_mut<T>(x: &mut [T], at: usize, width: usize) -> Option<&mut [T]> {
    let start = at.checked_mul(width)?;
    x.get_mut(start..start.checked_add(width)?)
}

/// Copies between slices of one length.
pub(super) fn copy<T: Copy>(from: &[T], to: &mut [T]) -> Option<()> {
    (from.len() == to.len()).then(|| to.iter_mut().zip(from).for_each(|(to, from)| *to = *from))
}

/// Moves the elements from `by` on to the front.
pub(super) fn move_down<T: Copy>(x: &mut [T], by: usize) {
    let cells = Cell::from_mut(x).as_slice_of_cells();
    let from = cells.get(by..).unwrap_or_default();
    cells.iter().zip(from).for_each(|(to, from)| to.set(from.get()));
}

/// Moves the elements at the front to where `by` more of them were.
pub(super) fn move_up<T: Copy>(x: &mut [T], by: usize) {
    let cells = Cell::from_mut(x).as_slice_of_cells();
    let to = cells.get(by..).unwrap_or_default();
    // From the end, as they may overlap.
    let from = cells.get(..to.len()).unwrap_or_default();
    to.iter().rev().zip(from.iter().rev()).for_each(|(to, from)| to.set(from.get()));
}
