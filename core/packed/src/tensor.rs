//! Activations, and the cache of keys and values.

use crate::product::quantise;
use a2d_core::shape::Shape;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Memory of former activations: pieces of each power of two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(Rc<RefCell<Vec<Vec<Vec<f32>>>>>);

/// The power of two of the piece for `len` floats.
fn power(len: usize) -> usize {
    len.next_power_of_two().trailing_zeros() as usize
}

impl Pool {
    /// `len` or more floats of any values.
    fn take(&self, len: usize) -> Vec<f32> {
        let free = self.0.borrow_mut().get_mut(power(len)).and_then(Vec::pop);
        free.unwrap_or_else(|| vec![0.0; len.next_power_of_two()])
    }

    /// An activation of any values.
    pub fn tensor(&self, shape: Shape) -> Tensor {
        Tensor { shape, data: Data::Rows(self.rows(shape.len())) }
    }

    /// An activation of zeros.
    pub fn zeros(&self, shape: Shape) -> Tensor {
        let mut x = self.tensor(shape);
        x.values_mut().fill(0.0);
        x
    }

    fn rows(&self, len: usize) -> Rows {
        Rows { memory: self.take(len), len, scales: Vec::new(), pool: self.clone() }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        /// Free pieces of a size that are kept.
        const MOST: usize = 256;
        let mut free = self.pool.0.borrow_mut();
        let power = power(self.memory.len());
        if power >= free.len() {
            free.resize_with(power + 1, Vec::new);
        }
        let free = &mut free[power];
        if free.len() < MOST {
            free.push(core::mem::take(&mut self.memory));
        }
    }
}

/// An activation, or a cache.
#[derive(Debug)]
pub struct Tensor {
    pub(crate) shape: Shape,
    pub(crate) data: Data,
}

#[derive(Debug)]
pub(crate) enum Data {
    /// Row by row.
    Rows(Rows),
    /// The steps of a search.
    Cache(Cache),
}

/// Rows of floats, or rows of integers (as floats), each with a scale.
#[derive(Debug)]
pub(crate) struct Rows {
    memory: Vec<f32>,
    /// The number of values, at the front of the memory.
    len: usize,
    /// The scale of each row; empty for floats.
    scales: Vec<f32>,
    /// Where the memory goes.
    pool: Pool,
}

/// Keys or values of the steps of a search. No step is moved: a row knows where its former steps are.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// The rows of each step.
    steps: Vec<Rows>,
    /// `origins[t][r]`: the row of step `t` that belongs to row `r` now.
    origins: Vec<Vec<u32>>,
    /// Rows of a group, the most steps of a row.
    pub stride: usize,
}

impl Tensor {
    pub(crate) fn cache(shape: Shape) -> Self {
        Self { shape, data: Data::Cache(Cache::default()) }
    }

    /// The rows of an activation.
    pub(crate) fn rows(&self) -> &Rows {
        match &self.data {
            Data::Rows(rows) => rows,
            Data::Cache(_) => panic!("a cache is read by attention alone"),
        }
    }

    /// Rounds each row to bytes, with a scale.
    pub(crate) fn pack(&mut self) {
        let (cols, mut bytes) = (self.shape.cols(), Vec::new());
        bytes.resize(cols, 0);
        let Data::Rows(rows) = &mut self.data else { panic!("a cache is packed already") };
        for row in rows.memory[..rows.len].chunks_exact_mut(cols) {
            rows.scales.push(quantise(row, &mut bytes));
            row.iter_mut().zip(&bytes).for_each(|(y, byte)| *y = f32::from(*byte));
        }
    }

    /// The values of an activation.
    pub(crate) fn values(&self) -> &[f32] {
        self.rows().values()
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        match &mut self.data {
            Data::Rows(rows) => rows.values_mut(),
            Data::Cache(_) => panic!("a cache is written by `store` alone"),
        }
    }

    pub(crate) fn steps_mut(&mut self) -> &mut Cache {
        match &mut self.data {
            Data::Cache(cache) => cache,
            Data::Rows(_) => panic!("an activation is no cache"),
        }
    }
}

impl Cache {
    /// Adds step `at`, or replaces it.
    pub fn store(&mut self, rows: &Rows, count: usize, at: usize, stride: usize) {
        assert!(at <= self.steps.len(), "steps are stored in order");
        self.stride = stride;
        self.steps.truncate(at);
        self.origins.truncate(at);
        let mut step = rows.pool.rows(rows.len);
        step.values_mut().copy_from_slice(rows.values());
        step.scales.clone_from(&rows.scales);
        self.steps.push(step);
        self.origins.push((0..count as u32).collect());
    }

    /// Row `i` becomes a copy of the former row `parents[i]`, in its first `len` steps.
    pub fn select(&mut self, parents: &[u32], len: usize) {
        let same = parents.iter().enumerate().all(|(i, parent)| i == *parent as usize);
        for origins in self.origins.iter_mut().take(len) {
            if same {
                origins.truncate(parents.len());
            } else {
                *origins = parents.iter().map(|parent| origins[*parent as usize]).collect();
            }
        }
    }
}

/// Where attention finds keys or values.
pub(crate) trait Source {
    /// Row `j` of a run that begins at row `start`, of `width` values; and its scale, 1 for floats.
    fn row(&self, start: usize, j: usize, width: usize) -> (&[f32], f32);
}

impl Rows {
    fn values(&self) -> &[f32] {
        &self.memory[..self.len]
    }

    fn values_mut(&mut self) -> &mut [f32] {
        &mut self.memory[..self.len]
    }

    #[inline(always)]
    fn get(&self, at: usize, width: usize) -> (&[f32], f32) {
        let scale = if self.scales.is_empty() { 1.0 } else { self.scales[at] };
        (&self.memory[at * width..][..width], scale)
    }
}

impl Source for Rows {
    #[inline(always)]
    fn row(&self, start: usize, j: usize, width: usize) -> (&[f32], f32) {
        self.get(start + j, width)
    }
}

impl Source for Cache {
    #[inline(always)]
    fn row(&self, start: usize, j: usize, width: usize) -> (&[f32], f32) {
        self.steps[j].get(self.origins[j][start / self.stride] as usize, width)
    }
}
