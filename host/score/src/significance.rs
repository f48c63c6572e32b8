//! Tests whether a system differs significantly from a baseline (Koehn, 2004; Riezler and Maxwell, 2005), with the
//! random numbers and the rounding of sacreBLEU 2.6.0.

use rayon::prelude::*;

use super::pcg64::{Coin, Pcg64};
use super::watch::Work;
use super::{Metric, Rounded, Rounding, Table, Watch};
use a2d_system::error::Result;

/// Resamples drawn before their scores are computed. It bounds memory and does not affect the result.
const CHUNK: usize = 64;

/// The result of a system by one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The corpus score.
    pub score: f64,
    /// The bootstrap confidence interval, for the paired bootstrap.
    pub interval: Option<Interval>,
    /// The p-value: the probability of a difference from the baseline at least this large by chance. `None` for the
    /// baseline.
    pub p_value: Option<f64>,
}

/// The 95 % confidence interval of bootstrap scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean score.
    pub mean: f64,
    /// Half the width of the interval.
    pub half_width: f64,
}

/// Resamples of a paired bootstrap, by default.
pub const RESAMPLES: usize = 1000;
/// The seed of the tests, by default.
pub const SEED: u64 = 12345;

/// Paired bootstrap: draws all lines anew with replacement, `resamples` times. `tables` has one table per system over
/// the same lines, the baseline first.
///
/// # Errors
///
/// [`Interrupted`](a2d_system::error::Error::Interrupted): a signal was received.
pub fn paired_bootstrap(
    metric: &dyn Metric,
    tables: &[Table],
    resamples: usize,
    seed: u64,
    watch: Watch,
) -> Result<Vec<Outcome>> {
    let work = watch.start(format!("{}: resampled", metric.name()), "times", resamples);
    let scores = bootstrap_scores(metric, tables, resamples, seed, &work)?;
    let actual: Vec<f64> = tables.iter().map(|table| metric.score(&table.sums())).collect();
    let outcome = |system: usize| {
        let difference = (actual[0] - actual[system]).abs();
        Outcome {
            score: actual[system],
            interval: Some(scores[system].interval()),
            p_value: (system > 0)
                .then(|| scores[system].centred_differences(&scores[0]).p_value(difference)),
        }
    };
    Ok((0..tables.len()).map(outcome).collect())
}

/// The 95 % confidence intervals of the differences from the baseline, of a paired bootstrap: one for each further system.
/// Arguments are those of [`paired_bootstrap`].
///
/// # Errors
///
/// [`Interrupted`](a2d_system::error::Error::Interrupted): a signal was received.
pub fn difference_intervals(
    metric: &dyn Metric,
    tables: &[Table],
    resamples: usize,
    seed: u64,
    watch: Watch,
) -> Result<Vec<Interval>> {
    let work = watch.start(format!("{}: resampled", metric.name()), "times", resamples);
    let scores = bootstrap_scores(metric, tables, resamples, seed, &work)?;
    let systems = scores.iter().skip(1);
    Ok(systems.map(|system| system.differences(&scores[0]).interval()).collect())
}

/// Approximate randomisation: swaps the translations of random lines between two systems, `trials` times. `tables` has
/// one table per system over the same lines, the baseline first.
///
/// # Errors
///
/// [`Interrupted`](a2d_system::error::Error::Interrupted): a signal was received.
pub fn approximate_randomisation(
    metric: &dyn Metric,
    tables: &[Table],
    trials: usize,
    seed: u64,
    watch: Watch,
) -> Result<Vec<Outcome>> {
    let actual: Vec<f64> = tables.iter().map(|table| metric.score(&table.sums())).collect();
    let work = watch.start(format!("{}: shuffled", metric.name()), "times", trials);
    let differences = shuffled_differences(metric, tables, trials, seed, &work)?;
    let p_value = |system: usize| {
        let difference = (actual[0] - actual[system]).abs();
        differences[system - 1].p_value(difference)
    };
    let outcome = |system: usize| Outcome {
        score: actual[system],
        interval: None,
        p_value: (system > 0).then(|| p_value(system)),
    };
    Ok((0..tables.len()).map(outcome).collect())
}

/// Scores and their common precision.
#[derive(Debug)]
struct Sample {
    values: Vec<f64>,
    rounding: Rounding,
}

impl FromIterator<Rounded> for Sample {
    /// A single 64-bit score makes the precision 64 bits.
    fn from_iter<I: IntoIterator<Item = Rounded>>(scores: I) -> Self {
        let mut sample = Self { values: Vec::new(), rounding: Rounding::Single };
        for Rounded { value, rounding } in scores {
            sample.values.push(value);
            sample.rounding = sample.rounding.wider(rounding);
        }
        sample
    }
}

impl Sample {
    fn mean(&self) -> f64 {
        self.rounding.of(pairwise_sum(&self.values, self.rounding) / self.values.len() as f64)
    }

    fn interval(&self) -> Interval {
        let mut values = self.values.clone();
        values.sort_unstable_by(f64::total_cmp);
        let tail = values.len() / 40;
        let width = self.rounding.of(values[values.len() - 1 - tail] - values[tail]);
        let sorted = Self { values, rounding: self.rounding };
        Interval { mean: sorted.mean(), half_width: self.rounding.of(0.5 * width) }
    }

    /// The difference of each resample.
    fn differences(&self, baseline: &Self) -> Self {
        let rounding = self.rounding.wider(baseline.rounding);
        let pairs = self.values.iter().zip(&baseline.values);
        Self { values: pairs.map(|(a, b)| rounding.of(a - b)).collect(), rounding }
    }

    /// The absolute differences of each resample, minus their mean.
    fn centred_differences(&self, baseline: &Self) -> Self {
        let Self { mut values, rounding } = self.differences(baseline);
        values.iter_mut().for_each(|value| *value = value.abs());
        let mut apart = Self { values, rounding };
        let mean = apart.mean();
        apart.values.iter_mut().for_each(|value| *value = rounding.of(*value - mean));
        apart
    }

    /// The share of resamples with a difference above the observed one. The observed difference counts as a
    /// resample, so the p-value is never 0.
    fn p_value(&self, difference: f64) -> f64 {
        let difference = self.rounding.of(difference);
        let larger = self.values.iter().filter(|value| **value > difference).count();
        (larger + 1) as f64 / (self.values.len() + 1) as f64
    }
}

/// The scores of each system over the same random lines.
fn bootstrap_scores(
    metric: &dyn Metric,
    tables: &[Table],
    resamples: usize,
    seed: u64,
    work: &Work,
) -> Result<Vec<Sample>> {
    let narrow = |table: &Table| -> Vec<f32> {
        table.numbers().iter().map(|number| *number as f32).collect()
    };
    let narrow: Vec<_> = tables.iter().map(narrow).collect();
    let width = tables[0].width();
    let lines = tables[0].rows().len();
    let mut rng = Pcg64::new(seed);
    let draw = || rng.below(lines as u32);
    let scores = in_chunks(resamples, lines, draw, work, |drawn| {
        let score = |numbers: &Vec<f32>| {
            metric.rounded_score(&sum_of(numbers, width, drawn), Rounding::Single)
        };
        narrow.iter().map(score).collect()
    })?;
    Ok(by_system(&scores, tables.len()))
}

/// The sums of the statistics of the drawn lines, added one by one in 32 bits as in sacreBLEU.
fn sum_of(numbers: &[f32], width: usize, drawn: &[u32]) -> Vec<f64> {
    let mut sums = vec![0.0_f32; width];
    for line in drawn {
        let row = &numbers[*line as usize * width..][..width];
        sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
    }
    sums.into_iter().map(f64::from).collect()
}

/// For each system but the baseline, the differences from the baseline when lines are swapped at random.
fn shuffled_differences(
    metric: &dyn Metric,
    tables: &[Table],
    trials: usize,
    seed: u64,
    work: &Work,
) -> Result<Vec<Sample>> {
    let sums: Vec<_> = tables.iter().map(Table::sums).collect();
    let mut coin = Coin::new(Pcg64::new(seed));
    let toss = || coin.toss();
    let differences = in_chunks(trials, tables[0].rows().len(), toss, work, |heads| {
        let difference = |system: usize| {
            let one = mixture(&tables[0], &tables[system], heads);
            let both = sums[0].iter().zip(&sums[system]).map(|(a, b)| a + b);
            let other: Vec<f64> = both.zip(&one).map(|(both, one)| both - one).collect();
            Rounded::double((metric.score(&one) - metric.score(&other)).abs())
        };
        (1..tables.len()).map(difference).collect()
    })?;
    Ok(by_system(&differences, tables.len() - 1))
}

/// The sums over the lines of the baseline on heads and of the system on tails.
fn mixture(baseline: &Table, system: &Table, heads: &[bool]) -> Vec<f64> {
    let mut sums = vec![0.0; baseline.width()];
    for ((a, b), heads) in baseline.rows().zip(system.rows()).zip(heads) {
        let row = if *heads { a } else { b };
        sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
    }
    sums
}

/// Draws `per_time` items `times` times in sequence, and evaluates the draws in parallel.
fn in_chunks<T: Sync>(
    times: usize,
    per_time: usize,
    mut draw: impl FnMut() -> T,
    work: &Work,
    evaluate: impl Fn(&[T]) -> Vec<Rounded> + Sync,
) -> Result<Vec<Vec<Rounded>>> {
    let mut results = Vec::with_capacity(times);
    while results.len() < times {
        let now = CHUNK.min(times - results.len());
        let drawn: Vec<T> = std::iter::repeat_with(&mut draw).take(now * per_time).collect();
        let evaluated = drawn.par_chunks_exact(per_time).map(&evaluate);
        results.extend(evaluated.collect::<Vec<_>>());
        work.add(now)?;
    }
    Ok(results)
}

fn by_system(scores: &[Vec<Rounded>], systems: usize) -> Vec<Sample> {
    (0..systems).map(|system| scores.iter().map(|of| of[system]).collect()).collect()
}

/// The sum in numpy's order: eight interleaved sums over blocks of up to 128 numbers, combined pairwise.
fn pairwise_sum(values: &[f64], rounding: Rounding) -> f64 {
    const LANES: usize = 8;
    const BLOCK: usize = 128;
    let add = |a: f64, b: f64| rounding.of(a + b);
    if values.len() > BLOCK {
        let half = values.len() / 2 / LANES * LANES;
        let (left, right) = values.split_at(half);
        return add(pairwise_sum(left, rounding), pairwise_sum(right, rounding));
    }
    let (rows, rest) = values.as_chunks::<LANES>();
    let lanes = rows.iter().copied().reduce(|a, b| std::array::from_fn(|k| add(a[k], b[k])));
    let sum = lanes.map_or(0.0, |[a, b, c, d, e, f, g, h]| {
        add(add(add(a, b), add(c, d)), add(add(e, f), add(g, h)))
    });
    rest.iter().fold(sum, |sum, value| add(sum, *value))
}
