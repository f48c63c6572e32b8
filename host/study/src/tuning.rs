//! The search for a method's settings: the same number of trials for every method, judged on the validation text.

use crate::spec::Budget;
use a2d_core::rng;
use a2d_run::config::Setting;
use serde_json::{Map, Value as Json, json};
use toml::Value;

/// `[tuning]`.
#[derive(Debug)]
pub struct Tuning {
    /// Trials of each method.
    pub trials: usize,
    /// The seed of the draws and of the trials' trainings.
    pub seed: u32,
    /// The student that is tuned for all; otherwise each by itself.
    pub student: Option<usize>,
    /// The budget of a trial; otherwise that of a cell.
    pub budget: Option<Budget>,
    /// Values that every method may choose among.
    pub search: Vec<Axis>,
}

/// A key and the values to choose among.
#[derive(Debug, Clone)]
pub struct Axis {
    /// The key, such as `distill.beta`.
    pub key: String,
    /// The values.
    pub values: Vec<Value>,
    /// The value as a setting, for each of them.
    pub settings: Vec<Setting>,
}

/// A point of a search space: the index of a value for each axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point(pub Vec<usize>);

impl Point {
    /// The settings of the point.
    pub fn settings(&self, axes: &[Axis]) -> Vec<Setting> {
        self.0.iter().zip(axes).map(|(&i, axis)| axis.settings[i].clone()).collect()
    }

    /// The keys and values.
    pub fn json(&self, axes: &[Axis]) -> Json {
        let entry = |(&i, axis): (&usize, &Axis)| (axis.key.clone(), json!(axis.values[i]));
        Json::Object(self.0.iter().zip(axes).map(entry).collect::<Map<_, _>>())
    }
}

/// The points that are tried: `trials` of them drawn without repetition, or all of a smaller space. The draws depend on
/// `key` alone.
pub fn points(axes: &[Axis], trials: usize, key: u64) -> Vec<Point> {
    let sizes: Vec<usize> = axes.iter().map(|axis| axis.values.len()).collect();
    let all = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    if let Some(all) = all.filter(|all| *all <= trials) {
        return (0..all).map(|i| point(&sizes, i)).collect();
    }
    let mut drawn: Vec<Point> = Vec::new();
    let mut counter = 0;
    while drawn.len() < trials {
        let mut draw = |size: &usize| {
            counter += 1;
            rng::bits(key, counter) as usize % size
        };
        let next = Point(sizes.iter().map(&mut draw).collect());
        if !drawn.contains(&next) {
            drawn.push(next);
        }
    }
    drawn
}

/// The `i`-th point of a space.
fn point(sizes: &[usize], mut i: usize) -> Point {
    let mut place = |size: &usize| {
        let at = i % size;
        i /= size;
        at
    };
    Point(sizes.iter().map(&mut place).collect())
}
