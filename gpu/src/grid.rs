//! How many cubes a kernel takes.

use cubecl::prelude::*;

/// Units of a cube of kernels that work element by element.
pub(crate) const UNITS: u32 = 256;

/// Units of a cube that works on a row; a power of two.
pub(crate) const ROW_UNITS: usize = 64;

/// The most cubes along x; some devices take no more than 65,535 along any dimension.
const MOST: u32 = 32_768;

/// Cubes for `n` pieces of work, spread over x and y. The kernel checks its bound: the grid is rounded up.
pub(crate) fn cubes(n: usize) -> CubeCount {
    let n = n.max(1) as u32;
    let x = n.min(MOST);
    CubeCount::Static(x, n.div_ceil(x), 1)
}

/// Cubes for `n` elements, one unit each.
pub(crate) fn elements(n: usize) -> CubeCount {
    cubes(n.div_ceil(UNITS as usize))
}

/// The same cubes for each of a stack, along z.
pub(crate) fn stacked(cubes: CubeCount, count: usize) -> CubeCount {
    let CubeCount::Static(x, y, _) = cubes else { unreachable!("cubes are counted here") };
    CubeCount::Static(x, y, count as u32)
}

/// A cube of kernels that work element by element.
pub(crate) fn units() -> CubeDim {
    CubeDim::new_1d(UNITS)
}

/// A cube of kernels that work row by row.
pub(crate) fn row_units() -> CubeDim {
    CubeDim::new_1d(ROW_UNITS as u32)
}
