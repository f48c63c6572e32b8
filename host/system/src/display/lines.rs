//! The line that displays how many of some lines are done.

use super::layout::Line;
use super::time::duration;
use crate::output::thousands;

/// Lines that are done, and their speed.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    pub label: &'a str,
    /// What is counted: `lines`.
    pub unit: &'a str,
    pub done: usize,
    /// `None` if the whole is unknown.
    pub all: Option<usize>,
    /// Lines a second of work; 0 before the first line.
    pub speed: f64,
}

impl Lines<'_> {
    /// `translated 1200/9000 lines  eta 26s  310 lines/s`.
    pub fn line(&self) -> Line {
        let &Self { label, unit, done, all, speed } = self;
        let left = all.map(|all| all.saturating_sub(done) as f64 / speed);
        let left = left.filter(|seconds| seconds.is_finite());
        let eta = left.map(|left| format!("eta {}", duration(left.ceil() as u64)));
        let of = all.map_or(String::new(), |all| format!("/{all}"));
        let rate = (speed > 0.0).then(|| self.rate());
        Line {
            label: label.to_owned(),
            position: format!("{done}{of} {unit}"),
            share: all.map(|all| done as f64 / all.max(1) as f64),
            first: eta.into_iter().chain(rate).collect(),
            rest: Vec::new(),
        }
    }

    /// `1,234 lines/s`; `1.2 lines/s` if there are few.
    pub fn rate(&self) -> String {
        let &Self { unit, speed, .. } = self;
        match speed {
            ..10.0 => format!("{speed:.1} {unit}/s"),
            _ => format!("{} {unit}/s", thousands(speed.round() as usize)),
        }
    }
}
