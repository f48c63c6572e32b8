//! Comparing arrays, and saying precisely where they differ.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Expected values of any rank, row-major.
#[derive(Clone, Debug)]
pub struct Array {
    /// Outermost first.
    pub shape: Vec<usize>,
    /// In double, whatever they were.
    pub data: Vec<f64>,
}

impl Array {
    /// The largest magnitude.
    pub fn largest(&self) -> f64 {
        self.data.iter().fold(0.0, |most, x| x.abs().max(most))
    }

    /// `[1, 0, 3]`: the coordinates of element `at`.
    fn coordinates(&self, mut at: usize) -> Vec<usize> {
        let mut out: Vec<_> = self.shape.iter().rev().map(|n| (at % n, at /= n).0).collect();
        out.reverse();
        out
    }
}

/// How far a value may be from what is expected.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Times the largest expected magnitude of the array.
    pub relative: f64,
    /// Instead, where all that is expected is smaller than this: exact zeros and their rounding.
    pub absolute: f64,
}

impl Limit {
    /// `relative` to the largest element; arrays of nothing but rounding (below 1e-6) must stay below 1e-6.
    pub const fn relative(relative: f64) -> Self {
        Self { relative, absolute: 1e-6 }
    }

    /// Absolutely.
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

/// The worst of one kind of comparison.
#[derive(Clone, Debug, Default)]
struct Worst {
    compared: usize,
    /// Deviation over what is allowed.
    share: f64,
    place: String,
}

/// Everything that was compared, and everything that failed.
#[derive(Debug, Default)]
pub struct Findings {
    failures: Vec<String>,
    worst: BTreeMap<&'static str, Worst>,
}

impl Findings {
    /// Compares element by element. `place` says what is compared, `kind` under what it is summed up.
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

    /// A condition with its own words; `share` is 1 at the limit.
    pub fn check(&mut self, kind: &'static str, share: f64, described: String) {
        self.count(kind, share, &described);
        if share.is_nan() || share > 1.0 {
            self.fail(described);
        }
    }

    /// A failure that is no matter of degree.
    pub fn fail(&mut self, described: String) {
        self.failures.push(described);
    }

    /// How many comparisons failed.
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

    /// For each kind how many comparisons, the worst of them as a share of what is allowed, and where it was.
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

/// What a backend gave, for [`Findings::close`].
pub fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}
