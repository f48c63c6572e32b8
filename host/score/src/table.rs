//! The statistics of a metric, line by line.

use rayon::prelude::*;

use super::{Metric, Watch, check};
use a2d_system::error::Result;

/// A row of statistics per line of a non-empty corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    width: usize,
    numbers: Vec<f64>,
}

impl Table {
    /// Computes the statistics of every line. `references[k]` is the k-th reference of every line.
    ///
    /// # Errors
    ///
    /// [`Misuse`](a2d_system::error::Error::Misuse) if there are no lines or no references, or if the numbers of lines
    /// differ.
    pub fn of<S: AsRef<str> + Sync>(
        metric: &dyn Metric,
        hypotheses: &[S],
        references: &[Vec<S>],
    ) -> Result<Self> {
        Self::watched(metric, hypotheses, references, Watch::Nobody)
    }

    /// As [`Table::of`], watched.
    ///
    /// # Errors
    ///
    /// As [`Table::of`], and a signal.
    pub fn watched<S: AsRef<str> + Sync>(
        metric: &dyn Metric,
        hypotheses: &[S],
        references: &[Vec<S>],
        watch: Watch,
    ) -> Result<Self> {
        check(hypotheses, references)?;
        let work = watch.start(format!("{}: scored", metric.name()), "lines", hypotheses.len());
        let count = |line: usize| {
            let references: Vec<_> = references.iter().map(|of| of[line].as_ref()).collect();
            let row = metric.count(hypotheses[line].as_ref(), &references);
            work.add(1).map(|()| row)
        };
        let lines = (0..hypotheses.len()).into_par_iter();
        let rows = lines.map(count).collect::<Result<Vec<_>>>()?;
        Ok(Self { width: rows[0].len(), numbers: rows.concat() })
    }

    /// Adds the rows of another table over the same lines, such as those of the same system trained by another seed. A
    /// test of the sums draws a line together with all its translations.
    pub fn plus(&self, other: &Self) -> Self {
        let numbers = self.numbers.iter().zip(&other.numbers).map(|(a, b)| a + b);
        Self { width: self.width, numbers: numbers.collect() }
    }

    /// The length of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All statistics, row-major.
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// The rows in the order of the lines.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.numbers.chunks_exact(self.width)
    }

    /// The statistics of the corpus. Sums are of integers and exact, except TER's mean lengths of several references;
    /// those are rounded deterministically.
    pub fn sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        for row in self.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        sums
    }
}
