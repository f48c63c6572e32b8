//! The heads of an attention, as an argument of its kernels.

use crate::beside::Strided;
use cubecl::prelude::*;

/// How the rows of an operand lie.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Lay {
    /// Vectors from one row to the next, and before the first of a row.
    pub width: u32,
    pub first: u32,
}

impl Lay {
    pub fn arg<R: Runtime>(of: &Strided, lanes: usize) -> LayLaunch<R> {
        LayLaunch::new((of.width / lanes) as u32, (of.first / lanes) as u32)
    }
}

/// Properties that all heads have in common.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Heads {
    /// The distance of rows, in vectors.
    pub width: u32,
    pub heads: u32,
    pub causal: u32,
    pub scale: f32,
}

impl Heads {
    pub fn arg<R: Runtime>(
        heads: usize,
        size: usize,
        lanes: usize,
        causal: bool,
    ) -> HeadsLaunch<R> {
        let scale = 1.0 / (size as f32).sqrt();
        let width = heads * size / lanes;
        HeadsLaunch::new(width as u32, heads as u32, u32::from(causal), scale)
    }
}
