//! A measurement and its text and JSON forms.

use super::latency::{Latency, Quantiles};
use super::machine::processor_time;
use super::timed::{Clock, Row};
use a2d_system::error::Result;
use a2d_system::memory;
use serde_json::{Map, Value, json};
use std::fmt;
use std::time::Instant;

/// Times of the repetitions of a measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Seconds of the warm-up, which compiles kernels.
    pub warm_up: f64,
    /// Seconds of each repetition, shortest first: the mean of its rounds.
    pub seconds: Vec<f64>,
    /// Rounds of a repetition, which are waited for together.
    pub rounds: usize,
    /// Least processor time of a repetition over all threads, in seconds, if the system reports it.
    pub processor_seconds: Option<f64>,
    /// Growth of the process's peak memory during the repetitions in bytes, if the system reports it.
    pub growth: Option<u64>,
    /// Time by operation, if profiled.
    pub profile: Option<Vec<Row>>,
}

impl Timing {
    /// Runs `once` once as a warm-up, then `repeats` times with timing.
    ///
    /// # Errors
    ///
    /// Errors of `once`.
    pub fn of(
        repeats: usize,
        clock: Option<&Clock>,
        mut once: impl FnMut() -> Result<()>,
    ) -> Result<Self> {
        Self::of_rounds(repeats, 1, clock, |_| once())
    }

    /// Runs one round as a warm-up, then `repeats` times `rounds` with timing. `run` gets the number of rounds, and waits
    /// for the device after the last of them.
    ///
    /// # Errors
    ///
    /// Errors of `run`.
    pub fn of_rounds(
        repeats: usize,
        rounds: usize,
        clock: Option<&Clock>,
        mut run: impl FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let start = Instant::now();
        run(1)?;
        let warm_up = start.elapsed().as_secs_f64();
        if let Some(clock) = clock {
            clock.reset();
        }
        let before = memory::peak(None);
        let (mut seconds, mut processor_seconds) = (Vec::with_capacity(repeats), None);
        for _ in 0..repeats {
            let (start, busy) = (Instant::now(), processor_time());
            run(rounds)?;
            let mean = |seconds: f64| seconds / rounds as f64;
            seconds.push(mean(start.elapsed().as_secs_f64()));
            let took = processor_time().zip(busy).map(|(now, before)| mean(now - before));
            processor_seconds = processor_seconds.into_iter().chain(took).reduce(f64::min);
        }
        let growth = memory::peak(None).zip(before).map(|(now, before)| now.saturating_sub(before));
        let profile = clock.map(|clock| clock.rows(seconds.iter().sum()));
        seconds.sort_by(f64::total_cmp);
        Ok(Self { warm_up, seconds, rounds, processor_seconds, growth, profile })
    }

    /// Median time of a repetition in seconds.
    pub fn median(&self) -> f64 {
        let n = self.seconds.len();
        (self.seconds[(n - 1) / 2] + self.seconds[n / 2]) / 2.0
    }
}

/// A benchmark's settings and results.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// `train`, `distill`, `translate` or `products`.
    pub what: &'static str,
    /// Settings of the benchmark: shape, preset, beam ...
    pub choices: Vec<(&'static str, Value)>,
    /// The counted unit, in the plural.
    pub unit: &'static str,
    /// Number of units in one repetition.
    pub units: usize,
    /// Floating-point operations of the matrix products in one repetition, without padding.
    pub flop: f64,
    /// Peak rate of the backend's square matrix product in the same run, in GFLOP/s; 0 if it was not
    /// measured.
    pub peak_gflops: f64,
    /// The measured times.
    pub timing: Timing,
    /// Times of single sentences, of a translation.
    pub latency: Option<Latency>,
    /// Peak memory in bytes: of the device's pool; on the CPU, of the process, if the system reports it.
    pub peak_memory: Option<u64>,
}

/// A time in seconds, in a unit that shows it.
struct Took(f64);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            of if of < 1e-1 => write!(f, "{:.3} ms", 1e3 * of),
            of => write!(f, "{of:.3} s"),
        }
    }
}

/// Rounds to three decimals.
fn rounded(x: f64) -> Value {
    json!((x * 1e3).round() / 1e3)
}

impl Measurement {
    fn rate(&self) -> f64 {
        self.units as f64 / self.timing.median()
    }

    fn gflops(&self) -> f64 {
        self.flop / self.timing.median() / 1e9
    }

    /// One JSON object.
    pub fn json(&self) -> Value {
        let seconds = &self.timing.seconds;
        let mut line = Map::from_iter([("what".to_owned(), json!(self.what))]);
        let mut put = |key: &str, value| line.insert(key.to_owned(), value);
        for (key, value) in &self.choices {
            put(key, value.clone());
        }
        put(self.unit, json!(self.units));
        put(&format!("{}_per_second", self.unit), rounded(self.rate()));
        put("repeats", json!(seconds.len()));
        put("rounds", json!(self.timing.rounds));
        put("warm_up_seconds", json!(self.timing.warm_up));
        put("seconds_median", json!(self.timing.median()));
        put("seconds_min", json!(seconds[0]));
        put("seconds_max", json!(seconds[seconds.len() - 1]));
        put("processor_seconds_min", json!(self.timing.processor_seconds));
        put("peak_gflops", rounded(self.peak_gflops));
        put("gflops", rounded(self.gflops()));
        put("fraction_of_peak", rounded(self.gflops() / self.peak_gflops));
        put("peak_memory_bytes", json!(self.peak_memory));
        put("memory_growth_bytes", json!(self.timing.growth));
        if let Some(latency) = &self.latency {
            put("latency_sentences", json!(latency.sentences));
            for (name, Quantiles { p50, p95 }) in latency.named() {
                put(&format!("{name}_seconds_p50"), json!(p50));
                put(&format!("{name}_seconds_p95"), json!(p95));
            }
        }
        if let Some(rows) = &self.timing.profile {
            put("profile", rows.iter().map(Row::json).collect());
        }
        Value::Object(line)
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for (key, value) in &self.choices {
            match value {
                Value::String(text) => write!(f, "  {key} {text}")?,
                value => write!(f, "  {key} {value}")?,
            }
        }
        let Timing { seconds, rounds, warm_up, .. } = &self.timing;
        write!(
            f,
            "\n  {:.0} {}/s  (median {}, {} to {}, of {}",
            self.rate(),
            self.unit,
            Took(self.timing.median()),
            Took(seconds[0]),
            Took(seconds[seconds.len() - 1]),
            seconds.len(),
        )?;
        if *rounds > 1 {
            write!(
                f,
                " means of {rounds} that are waited for together; the first took {}",
                Took(*warm_up)
            )?;
        }
        write!(f, ")\n  {:.1} ", self.gflops())?;
        if self.peak_gflops > 0.0 {
            let percent = 100.0 * self.gflops() / self.peak_gflops;
            write!(f, "of {:.1} GFLOP/s ({percent:.0} %)", self.peak_gflops)?;
        } else {
            write!(f, "GFLOP/s")?;
        }
        if let Some(bytes) = self.peak_memory {
            write!(f, "  peak memory {:.0} MiB", bytes as f64 / f64::from(1 << 20))?;
        }
        if let Some(latency) = &self.latency {
            write!(f, "\n  {latency}")?;
        }
        let rows = self.timing.profile.iter().flatten();
        rows.enumerate().try_for_each(|(i, row)| {
            if i == 0 {
                write!(f, "\n{}", Row::HEADER)?;
            }
            write!(f, "\n{row}")
        })
    }
}
