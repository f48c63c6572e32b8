//! The heads of an attention, as an argument of its kernels.

use cubecl::prelude::*;

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
