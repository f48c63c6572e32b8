//! Key-value cache updates, and the choice of the next tokens.

use super::team::{Team, vectorised};
use super::tensor::{Pool, Tensor};
use a2d_core::allow::Allow;
use a2d_core::rows;

/// Writes row `i` of `rows` into row `i * stride + at` of `cache`.
pub fn store(cache: &mut Tensor, rows: &Tensor, at: usize, stride: usize) {
    let width = rows.shape().cols();
    assert!(at < stride && width == cache.shape().cols(), "store {} at {at}", rows.shape());
    let groups = cache.data_mut().chunks_mut(stride * width);
    assert!(groups.len() >= rows.shape().rows(), "store {} rows", rows.shape().rows());
    for (group, row) in groups.zip(rows.data().chunks_exact(width)) {
        group[at * width..][..width].copy_from_slice(row);
    }
}

/// Copies the first `len` rows of group `parents[i]` to group `i`, for all groups at once. A group has `stride` rows.
pub fn select(pool: &Pool, cache: &mut Tensor, parents: &[u32], stride: usize, len: usize) {
    assert!(len <= stride, "select {len} rows of {stride}");
    let width = cache.shape().cols();
    let moved = || parents.iter().enumerate().filter(|&(i, &parent)| i != parent as usize);
    let (group, size) = (stride * width, len * width);
    if size == 0 {
        return;
    }
    let mut before = pool.take(moved().count() * size);
    for (to, (_, &parent)) in before.chunks_exact_mut(size).zip(moved()) {
        to.copy_from_slice(&cache.data()[parent as usize * group..][..size]);
    }
    if before.is_empty() {
        return;
    }
    let data = cache.data_mut();
    for (from, (i, _)) in before.chunks_exact(size).zip(moved()) {
        data[i * group..][..size].copy_from_slice(from);
    }
}

/// The best tokens of each row of logits `[N, V]`, with their log-probabilities.
pub fn top_k(team: &Team, logits: &Tensor, allow: Allow, ids: &mut [u32], lp: &mut [f32]) {
    let (n, width) = (logits.shape().rows(), logits.shape().cols());
    assert!(ids.len() == lp.len() && ids.len().is_multiple_of(n.max(1)), "top_k of {n} rows");
    let k = ids.len() / n.max(1);
    if k == 0 {
        return;
    }
    let out = ids.chunks_exact_mut(k).zip(lp.chunks_exact_mut(k));
    team.each(logits.data().chunks_exact(width).zip(out), |(logits, (ids, lp))| {
        vectorised(
            #[inline(always)]
            || rows::top_k(logits, allow.special.pad, |id| allow.refuses(id), ids, lp),
        );
    });
}
