//! Loops in assembly, four rows at a time.

/// Rows of a block.
const ROWS: usize = 4;

/// The number of columns is a multiple of this.
const COLUMNS: usize = 4;

unsafe extern "C" {
    /// Writes `blocks * ROWS` sums: of the products of `x`, `columns` bytes, with each row of `w`. In the module of the
    /// target's instructions.
    ///
    /// # Safety
    ///
    /// `columns` is positive and a multiple of [`COLUMNS`], `blocks` is positive, and the memory is as long as that
    /// says.
    fn a2d_dots(x: *const i8, w: *const i8, columns: usize, sums: *mut i32, blocks: usize);
}

/// Computes the sums of whole blocks. Returns the rows and sums that are left.
pub fn dots<'w, 's>(x: &[i8], w: &'w [i8], sums: &'s mut [i32]) -> (&'w [i8], &'s mut [i32]) {
    let most = w.len().checked_div(x.len()).unwrap_or(0).min(sums.len());
    let blocks = if x.len().is_multiple_of(COLUMNS) { most / ROWS } else { 0 };
    let rows = blocks * ROWS;
    let halves = w.split_at_checked(rows * x.len());
    let (Some((done, w)), Some((out, left))) = (halves, sums.split_at_mut_checked(rows)) else {
        return (&[], &mut []); // not reached: `rows` is at most the rows of `w`, and the sums
    };
    if blocks > 0 {
        // SAFETY: `x` has a positive number of elements, a multiple of `COLUMNS`; `done` has `blocks * ROWS` rows of as
        // many, `out` as many sums.
        unsafe { a2d_dots(x.as_ptr(), done.as_ptr(), x.len(), out.as_mut_ptr(), blocks) };
    }
    (w, left)
}
