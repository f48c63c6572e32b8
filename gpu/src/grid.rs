//! The numbers of cubes and units that kernels are launched with.

use cubecl::prelude::*;

/// Units of a cube in kernels that work element by element.
pub(crate) const UNITS: u32 = 256;

/// Units of a cube that works on a row; a power of two.
pub(crate) const ROW_UNITS: usize = 64;

/// The largest number of cubes along x. Some devices take no more than 65,535 along any dimension.
const MAX_CUBES_X: u32 = 32_768;

/// `n` cubes, spread over x and y. The grid is rounded up, so kernels check their bounds.
pub(crate) fn cubes(n: usize) -> CubeCount {
    let n = n.max(1) as u32;
    let x = n.min(MAX_CUBES_X);
    CubeCount::Static(x, n.div_ceil(x), 1)
}

/// Cubes for `n` elements, one unit each.
pub(crate) fn elements(n: usize) -> CubeCount {
    cubes(n.div_ceil(UNITS as usize))
}

/// The same cubes for each of `count` matrices, along z.
pub(crate) fn stacked(cubes: CubeCount, count: usize) -> CubeCount {
    let CubeCount::Static(x, y, _) = cubes else { unreachable!("grids are static here") };
    CubeCount::Static(x, y, count as u32)
}

/// The units of a cube in kernels that work element by element.
pub(crate) fn units() -> CubeDim {
    CubeDim::new_1d(UNITS)
}

/// The units of a cube in kernels that work row by row.
pub(crate) fn row_units() -> CubeDim {
    CubeDim::new_1d(ROW_UNITS as u32)
}
