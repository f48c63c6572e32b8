//! Compares arrays and reports precisely where they differ.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Expected values of any rank, row-major.
#[derive(Clone, Debug)]
pub struct Array {
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    /// As f64, whatever the type in the file.
    pub data: Vec<f64>,
}

impl Array {
    /// The largest magnitude.
    pub fn largest(&self) -> f64 {
        self.data.iter().fold(0.0, |most, x| x.abs().max(most))
    }

    /// The coordinates of element `at`, such as `[1, 0, 3]`.
    fn coordinates(&self, mut at: usize) -> Vec<usize> {
        let mut out: Vec<_> = self.shape.iter().rev().map(|n| (at % n, at /= n).0).collect();
        out.reverse();
        out
    }
}

/// The tolerance of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Relative to the largest expected magnitude of the array.
    pub relative: f64,
    /// Used instead if all expected values are smaller than this: zeros, up to rounding.
    pub absolute: f64,
}

impl Limit {
    /// `relative` to the largest element; arrays of rounding errors (below 1e-6) must stay below 1e-6.
    pub const fn relative(relative: f64) -> Self {
        Self { relative, absolute: 1e-6 }
    }

    /// An absolute tolerance.
    pub const fn absolute(absolute: f64) -> Self {
        Self { relative: 0.0, absolute }
    }

    fn of(&self, expected: &Array) -> f64 {
        let largest = expected.largest();
        if largest <= self.absolute || self.relative == 0.0 {
            self.absolute
        } else {
            self.relative * largest
        }
    }
}

/// The worst comparison of one kind.
#[derive(Clone, Debug, Default)]
struct Worst {
    compared: usize,
    /// The deviation as a share of the limit.
    share: f64,
    place: String,
}

/// All comparisons and all failures.
#[derive(Debug, Default)]
pub struct Findings {
    failures: Vec<String>,
    worst: BTreeMap<&'static str, Worst>,
}

impl Findings {
    /// Compares element by element. `place` names what is compared, `kind` its group in the summary.
    pub fn close(
        &mut self,
        kind: &'static str,
        place: &str,
        got: &[f64],
        expected: &Array,
        limit: Limit,
    ) {
        if got.len() != expected.data.len() {
            let (got, shape) = (got.len(), &expected.shape);
            return self.fail(format!("{place}: {got} elements, expected {shape:?}"));
        }
        let allowed = limit.of(expected);
        let off = |i: usize| {
            let d = (got[i] - expected.data[i]).abs();
            if d.is_nan() { f64::INFINITY } else { d }
        };
        let Some(at) = (0..got.len()).max_by(|i, j| off(*i).total_cmp(&off(*j))) else {
            return self.fail(format!("{place}: nothing to compare"));
        };
        let described = format!(
            "{place}{:?}: {:e}, expected {:e} (off by {:.2e}, allowed {allowed:.2e}, largest {:.2e})",
            expected.coordinates(at),
            got[at],
            expected.data[at],
            off(at),
            expected.largest(),
        );
        self.check(kind, if off(at) == 0.0 { 0.0 } else { off(at) / allowed }, described);
    }

    /// Checks a condition with its own message; `share` is 1 at the limit.
    pub fn check(&mut self, kind: &'static str, share: f64, described: String) {
        self.count(kind, share, &described);
        if share.is_nan() || share > 1.0 {
            self.fail(described);
        }
    }

    /// Records a failure that has no share.
    pub fn fail(&mut self, described: String) {
        self.failures.push(described);
    }

    /// The number of failures.
    pub fn failures(&self) -> usize {
        self.failures.len()
    }

    fn count(&mut self, kind: &'static str, share: f64, described: &str) {
        let worst = self.worst.entry(kind).or_default();
        worst.compared += 1;
        if share >= worst.share || worst.place.is_empty() {
            (worst.share, worst.place) = (share, described.to_owned());
        }
    }

    /// For each kind the number of comparisons, the worst as a share of the limit, and its place.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for (kind, Worst { compared, share, place }) in &self.worst {
            let _ = writeln!(out, "{kind:>14} {compared:5}  {share:6.3} of the limit at {place}");
        }
        out
    }

    /// Prints the summary; panics with all failures, if there are any.
    pub fn finish(self) {
        println!("{}", self.summary());
        let failures = self.failures.len();
        assert!(failures == 0, "{failures} failures\n{}", self.failures.join("\n"));
    }
}

/// Values of a backend as f64, for [`Findings::close`].
pub fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}
