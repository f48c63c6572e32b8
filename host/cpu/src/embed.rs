//! Embeddings with sinusoidal positions, and their gradient.

use super::team::{Team, vectorised};
use super::tensor::{Pool, Tensor};
use a2d_core::backend::Embed;
use a2d_core::batch::{NO_POSITION, Tokens};
use a2d_core::config::Positions;
use a2d_core::rng::Mask;
use a2d_core::rows;
use a2d_core::shape::Shape;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows per piece of work.
const CHUNK: usize = 64;

/// Table rows per piece of work in the gradient.
const TABLE_CHUNK: usize = 128;

/// Position vectors by kind and width, computed as needed.
#[derive(Default)]
pub struct Vectors(HashMap<(Positions, usize), Table>);

/// Position vectors of one kind, row-major.
pub struct Table {
    kind: Positions,
    width: usize,
    data: Vec<f32>,
}

impl Vectors {
    /// The vectors of `kind` with `width` elements.
    pub fn of(&mut self, kind: Positions, width: usize) -> &mut Table {
        self.0.entry((kind, width)).or_insert_with(|| Table { kind, width, data: Vec::new() })
    }
}

impl Table {
    /// The vectors of positions `0..count`, possibly followed by more.
    fn first(&mut self, count: usize) -> &[f32] {
        let have = self.data.len() / self.width.max(1);
        if have < count {
            self.data.resize(count.next_power_of_two() * self.width, 0.0);
            for (at, row) in self.data.chunks_exact_mut(self.width).enumerate().skip(have) {
                rows::position(self.kind, at as u32, row);
            }
        }
        &self.data
    }
}

/// `y[n] = sqrt(D) table[ids[n]] + vector(positions[n])`
pub fn embed(
    team: &Team,
    pool: &Pool,
    vectors: &mut Table,
    table: &Tensor,
    tokens: &Tokens<Arc<[u32]>>,
) -> Tensor {
    let width = check(table, tokens);
    let last = tokens.positions.iter().filter(|&&p| p != NO_POSITION).max();
    let scale = vectors.kind.scale(width);
    let vectors = vectors.first(last.map_or(0, |p| *p as usize + 1));
    let mut y = pool.tensor(Shape::matrix(tokens.rows, width));
    let whence = tokens.ids.chunks(CHUNK).zip(tokens.positions.chunks(CHUNK));
    team.each(y.data_mut().chunks_mut(CHUNK * width).zip(whence), |(y, (ids, positions))| {
        for ((y, &id), &position) in y.chunks_exact_mut(width).zip(ids).zip(positions) {
            let padding = position == NO_POSITION;
            if padding && tokens.zero_padding {
                y.fill(0.0);
                continue;
            }
            let row = &table.data()[id as usize * width..][..width];
            let vector = if padding { None } else { Some(&vectors[position as usize * width..]) };
            embed_row(y, row, vector, scale);
        }
    });
    y
}

fn embed_row(y: &mut [f32], row: &[f32], vector: Option<&[f32]>, scale: f32) {
    match vector {
        None => y.iter_mut().zip(row).for_each(|(y, x)| *y = scale * x),
        Some(v) => y.iter_mut().zip(row).zip(v).for_each(|((y, x), v)| *y = scale * x + v),
    }
}

/// `into[ids[n]] += sqrt(D) dropout(dy)[n]` for every `n` except padding.
pub fn embed_grad(
    team: &Team,
    dy: &Tensor,
    tokens: &Tokens<Arc<[u32]>>,
    how: Embed,
    mut into: Tensor,
) -> Tensor {
    let width = check(&into, tokens);
    assert_eq!(dy.shape(), Shape::matrix(tokens.rows, width), "embed_grad");
    let scale = how.positions.scale(width);
    let mask = how.mask().map(|(p, key)| Mask::new(p, key));
    // Sorted by id, then by row: the rows of each piece of the table are contiguous, and the order of summation is
    // fixed.
    let mut order: Vec<(u32, u32)> = tokens.ids.iter().copied().zip(0..).collect();
    order.retain(|&(_, row)| tokens.positions[row as usize] != NO_POSITION);
    order.sort_unstable();
    team.each(into.data_mut().chunks_mut(TABLE_CHUNK * width).enumerate(), |(chunk, into)| {
        let first = chunk * TABLE_CHUNK;
        let start = order.partition_point(|&(id, _)| (id as usize) < first);
        let end = order.partition_point(|&(id, _)| (id as usize) < first + TABLE_CHUNK);
        vectorised(
            #[inline(always)]
            || {
                for &(id, row) in &order[start..end] {
                    let from = row as usize * width;
                    let dy = &dy.data()[from..][..width];
                    let into = &mut into[(id as usize - first) * width..][..width];
                    match &mask {
                        Some(mask) => add_masked(scale, dy, mask, from as u32, into),
                        None => rows::axpy(scale, dy, into),
                    }
                }
            },
        );
    });
    into
}

/// `y += a dropout(x)`, where `x` begins at element `first` of what is dropped.
#[inline(always)]
fn add_masked(a: f32, x: &[f32], mask: &Mask, first: u32, y: &mut [f32]) {
    for ((i, x), y) in (0..).zip(x).zip(y) {
        *y += a * (x * mask.factor(first.wrapping_add(i)));
    }
}

fn check(table: &Tensor, tokens: &Tokens<Arc<[u32]>>) -> usize {
    assert!(tokens.ids.len() == tokens.rows && tokens.positions.len() == tokens.rows, "tokens");
    let shape = table.shape();
    let read = tokens.ids.iter().zip(tokens.positions.iter());
    let mut read = read.filter(|(_, at)| **at != NO_POSITION || !tokens.zero_padding);
    assert!(read.all(|(id, _)| (*id as usize) < shape.rows()), "an id beyond {shape}");
    assert!(shape.cols() > 0, "a table {shape}");
    shape.cols()
}
