//! Values of options, checked as they are read.

use crate::data::vocab::Patterns;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// More threads are a typing error.
const MOST_THREADS: usize = 1024;

pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let count = positive(text).ok().filter(|&count| count <= MOST_THREADS);
    count.and_then(NonZeroUsize::new).ok_or(format!("expected 1 to {MOST_THREADS}"))
}

/// A wider beam is a typing error: it would not fit in memory.
const WIDEST_BEAM: usize = 1000;

pub(super) fn beam(text: &str) -> Result<usize, String> {
    let beam = positive(text).ok().filter(|&beam| beam <= WIDEST_BEAM);
    beam.ok_or(format!("expected 1 to {WIDEST_BEAM}"))
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    let number = usize::from_str(text).ok().filter(|&number| number > 0);
    number.ok_or("expected a whole number, 1 or more".to_owned())
}

pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    let number = f64::from_str(text).ok().filter(|x| x.is_finite() && *x >= 0.0);
    number.ok_or("expected a number, 0 or more".to_owned())
}

pub(super) fn pattern(text: &str) -> Result<String, String> {
    Patterns::new(&[text]).map(|_| text.to_owned()).map_err(|bad| bad.reason)
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let number = f64::from_str(text).ok().filter(|x| (0.01..=86400.0).contains(x));
    number.ok_or("expected seconds, 0.01 to 86400".to_owned())
}
