//! What the units of a cube find out together, and how they read the geometry of an attention.

use a2d_core::batch::Span;
use cubecl::prelude::*;

/// Below every score: stands in for minus infinity, which not every device has as a constant.
pub(crate) const LOWEST: f32 = -3.0e38;

/// The sum of `value` over a cube of `units` (a power of two); every unit gets it, and must come here.
#[cube]
pub(crate) fn cube_sum(value: f32, #[comptime] units: usize) -> f32 {
    let mut shared = SharedMemory::<f32>::new(units);
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut half = (units / 2).runtime();
    while half > 0 {
        if unit < half {
            let other = shared[unit + half];
            shared[unit] += other;
        }
        sync_cube();
        half /= 2;
    }
    let total = shared[0];
    // The memory may be used again at once.
    sync_cube();
    total
}

/// The largest `value` of a cube of `units` (a power of two); every unit gets it, and must come here.
#[cube]
pub(crate) fn cube_max(value: f32, #[comptime] units: usize) -> f32 {
    let mut shared = SharedMemory::<f32>::new(units);
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut half = (units / 2).runtime();
    while half > 0 {
        if unit < half {
            shared[unit] = max(shared[unit], shared[unit + half]);
        }
        sync_cube();
        half /= 2;
    }
    let most = shared[0];
    sync_cube();
    most
}

/// A [`Span`] on the device.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Place {
    pub query_start: usize,
    pub query_len: usize,
    pub query_valid: usize,
    pub key_start: usize,
    pub key_len: usize,
    pub key_valid: usize,
    pub before: usize,
}

/// The span of a sentence, see [`Span::encode`].
#[cube]
pub(crate) fn place(spans: &Array<u32>, sentence: usize) -> Place {
    let at = sentence * comptime!(Span::WORDS);
    Place {
        query_start: spans[at] as usize,
        query_len: spans[at + 1] as usize,
        query_valid: spans[at + 2] as usize,
        key_start: spans[at + 3] as usize,
        key_len: spans[at + 4] as usize,
        key_valid: spans[at + 5] as usize,
        before: spans[at + 6] as usize,
    }
}

/// The keys that query `i` may see.
#[cube]
pub(crate) fn visible(causal: u32, i: usize, keys: usize) -> usize {
    let mut seen = keys;
    if causal == 1 {
        seen = min(keys, i + 1);
    }
    seen
}

/// What the spans of a grid come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    /// The longest sentence's queries, keys and area: they decide how many cubes there are.
    pub query: usize,
    pub key: usize,
    pub area: usize,
    /// The rows of all sentences together.
    pub queries: usize,
    pub keys: usize,
}

impl Extent {
    /// Of encoded spans.
    pub fn of(spans: &[u32]) -> Self {
        spans.chunks_exact(Span::WORDS).map(Span::decode).fold(Self::default(), |most, span| Self {
            query: most.query.max(span.query.len),
            key: most.key.max(span.key.len),
            area: most.area.max(span.area()),
            queries: most.queries + span.query.len,
            keys: most.keys + span.key.len,
        })
    }
}
