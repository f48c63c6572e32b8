//! Reductions over the units of a cube, and the geometry of attention on the device.

use a2d_core::batch::Span;
use cubecl::prelude::*;

/// Less than every score. Stands for minus infinity, which is not a constant on every device.
pub(crate) const LOWEST: f32 = -3.0e38;

/// How the values of several units become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fold {
    Sum,
    Largest,
}

/// Replaces each of `count` values by that of all `units` (a power of two) of a cube together. Every unit must call this.
#[cube]
pub(crate) fn cube_fold(
    values: &mut Array<f32>,
    #[comptime] count: usize,
    #[comptime] units: usize,
    #[comptime] by: Fold,
) {
    group_fold(values, count, units, units, by);
}

/// [`cube_fold`] over each group of `group` (a power of two) consecutive units; a unit gets the values of its group.
#[cube]
fn group_fold(
    values: &mut Array<f32>,
    #[comptime] count: usize,
    #[comptime] units: usize,
    #[comptime] group: usize,
    #[comptime] by: Fold,
) {
    let mut shared = SharedMemory::<f32>::new(comptime!(count * units));
    let unit = UNIT_POS as usize;
    #[unroll]
    for n in 0..count {
        shared[n * units + unit] = values[n];
    }
    sync_cube();
    let mut half = (group / 2).runtime();
    while half > 0 {
        if unit % group < half {
            #[unroll]
            for n in 0..count {
                let at = n * units + unit;
                let (own, other) = (shared[at], shared[at + half]);
                shared[at] = match comptime!(by) {
                    Fold::Sum => own + other,
                    Fold::Largest => max(own, other),
                };
            }
        }
        sync_cube();
        half /= 2;
    }
    #[unroll]
    for n in 0..count {
        values[n] = shared[n * units + unit / group * group];
    }
    // The caller may overwrite the shared memory at once.
    sync_cube();
}

/// [`group_fold`] of one value.
#[cube]
fn group_value(
    value: f32,
    #[comptime] units: usize,
    #[comptime] group: usize,
    #[comptime] by: Fold,
) -> f32 {
    let mut values = Array::<f32>::new(1usize);
    values[0] = value;
    group_fold(&mut values, 1usize, units, group, by);
    values[0]
}

/// The sum of `value` over the `units` (a power of two) of a cube. Every unit must call this, and gets the sum.
#[cube]
pub(crate) fn cube_sum(value: f32, #[comptime] units: usize) -> f32 {
    group_value(value, units, units, Fold::Sum)
}

/// [`cube_sum`] over each group of `group` (a power of two) consecutive units; a unit gets the sum of its group.
#[cube]
pub(crate) fn group_sum(value: f32, #[comptime] units: usize, #[comptime] group: usize) -> f32 {
    group_value(value, units, group, Fold::Sum)
}

/// The largest `value` of the `units` (a power of two) of a cube. Every unit must call this, and gets it.
#[cube]
pub(crate) fn cube_max(value: f32, #[comptime] units: usize) -> f32 {
    group_value(value, units, units, Fold::Largest)
}

/// [`cube_max`] over groups, as in [`group_sum`].
#[cube]
pub(crate) fn group_max(value: f32, #[comptime] units: usize, #[comptime] group: usize) -> f32 {
    group_value(value, units, group, Fold::Largest)
}

/// A [`Span`] in a kernel.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct DeviceSpan {
    pub query_start: usize,
    pub query_len: usize,
    pub query_valid: usize,
    pub key_start: usize,
    pub key_len: usize,
    pub key_valid: usize,
    pub before: usize,
}

/// Reads the span of a sentence, as [`Span::encode`] wrote it.
#[cube]
pub(crate) fn read_span(spans: &Array<u32>, sentence: usize) -> DeviceSpan {
    let start = sentence * comptime!(Span::WORDS);
    DeviceSpan {
        query_start: spans[start] as usize,
        query_len: spans[start + 1] as usize,
        query_valid: spans[start + 2] as usize,
        key_start: spans[start + 3] as usize,
        key_len: spans[start + 4] as usize,
        key_valid: spans[start + 5] as usize,
        before: spans[start + 6] as usize,
    }
}

/// The number of keys that query `i` may attend to.
#[cube]
pub(crate) fn visible_keys(causal: u32, i: usize, keys: usize) -> usize {
    let mut visible = keys;
    if causal == 1 {
        visible = min(keys, i + 1);
    }
    visible
}

/// The sizes that the spans of a grid amount to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    /// The largest numbers of queries, keys and area of a sentence, which decide the number of cubes.
    pub query: usize,
    pub key: usize,
    pub area: usize,
    /// The numbers of queries and keys of all sentences together.
    pub queries: usize,
    pub keys: usize,
}

impl Extent {
    /// The extent of encoded spans.
    pub fn of(spans: &[u32]) -> Self {
        Span::all(spans).fold(Self::default(), |largest, span| Self {
            query: largest.query.max(span.query.len),
            key: largest.key.max(span.key.len),
            area: largest.area.max(span.area()),
            queries: largest.queries + span.query.len,
            keys: largest.keys + span.key.len,
        })
    }
}
