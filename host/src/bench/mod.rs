//! How fast it is: training steps, distillation steps and translation, measured on the same work that other
//! toolkits can be given.
//!
//! A repetition is a full step (forward, losses, backward, Adam, with dropout) on each of a few batches, or the
//! translation of a set of sentences.

mod input;
mod machine;
mod measurement;
mod shape;
mod steps;
mod timed;
mod translation;
mod work;

pub use input::Input;
pub use measurement::{Measurement, Timing};
pub use shape::Models;
pub use timed::{Clock, Row, Timed};

use crate::backend::device::{Device, Work};
use crate::cli::{BenchArgs, BenchWhat};
use crate::system::error::Result;
use a2d_core::backend::Train;
use serde_json::{Value, json};

/// Everything that is to be measured.
pub struct Bench<'a> {
    /// What, and how often.
    pub args: &'a BenchArgs,
    /// On what.
    pub input: Input,
    /// Told with the results.
    pub threads: usize,
    /// Told with the results.
    pub device: Device,
}

impl Work for Bench<'_> {
    type Output = Vec<Measurement>;

    fn go<B: Train>(self, b: &mut B) -> Result<Self::Output> {
        let mut found = if self.args.profile {
            let clock = Clock::default();
            let mut timed = Timed::new(b, clock.clone());
            self.measure(&mut timed, Some(&clock))
        } else {
            self.measure(b, None)
        }?;
        // Afterwards: a device's pool keeps the memory of these products. Twice: other processes may disturb one.
        let peak = machine::peak_gflops(b)?.max(machine::peak_gflops(b)?);
        found.iter_mut().for_each(|measurement| measurement.peak_gflops = peak);
        Ok(found)
    }
}

impl Bench<'_> {
    /// Where it is measured.
    fn place(&self) -> [(&'static str, Value); 3] {
        [
            ("device", json!(self.device.to_string())),
            ("precision", json!(self.args.precision.to_string())),
            ("threads", json!(self.threads)),
        ]
    }

    fn measure<B: Train>(&self, b: &mut B, clock: Option<&Clock>) -> Result<Vec<Measurement>> {
        match self.args.what {
            BenchWhat::Train | BenchWhat::Distill => Ok(vec![steps::measure(self, b, clock)?]),
            BenchWhat::Translate => {
                let beams = self.args.beam.map_or(vec![1, 5], |beam| vec![beam]);
                let one = |beam| translation::measure(self, b, beam, clock);
                beams.into_iter().map(one).collect()
            }
        }
    }
}
