//! Benchmarks of training steps, distillation steps and translation. Other toolkits can measure the same work.
//!
//! A repetition is a full training step (forward, losses, backward, Adam, with dropout) on each of several batches, or
//! the translation of a set of sentences.

pub mod estimate;
mod image;
mod input;
mod latency;
mod machine;
mod measurement;
mod request;
mod shape;
mod steps;
mod timed;
mod translation;
mod work;

pub use input::Input;
pub use latency::{Latency, Quantiles};
pub use measurement::{Measurement, Timing};
pub use request::{BenchImage, BenchModel, BenchPreset, BenchRequest, BenchShape, BenchWhat};
pub use shape::Models;
pub use timed::{Clock, Row, Timed};

use crate::backend::device::{Chosen, Device};
use crate::backend::work::Work;
use a2d_core::backend::Train;
use a2d_system::error::Result;
use serde_json::{Value, json};

/// Runs the benchmarks on a device. `threads` is only reported with the results.
///
/// # Errors
///
/// Misuse: unusable batches. The device was lost; a NaN loss.
pub fn measure(
    request: &BenchRequest,
    device: &Chosen,
    threads: usize,
) -> Result<Vec<Measurement>> {
    if let Some(image) = &request.image {
        return image::measure(request, image, threads);
    }
    let input = Input::new(request)?;
    let work = Bench { request, input, threads, device: device.device() };
    device.run(request.precision, work)
}

/// A benchmark with its input.
struct Bench<'a> {
    request: &'a BenchRequest,
    input: Input,
    threads: usize,
    device: Device,
}

impl Work for Bench<'_> {
    type Output = Vec<Measurement>;

    fn go<B: Train>(self, b: &mut B) -> Result<Self::Output> {
        let mut found = if self.request.profile {
            let clock = Clock::default();
            let mut timed = Timed::new(b, clock.clone());
            self.measure(&mut timed, Some(&clock))
        } else {
            self.measure(b, None)
        }?;
        // Measured last, because a device's pool keeps the memory of these products. Measured twice, because other
        // processes may disturb one measurement.
        let peak = machine::peak_gflops(b)?.max(machine::peak_gflops(b)?);
        found.iter_mut().for_each(|measurement| measurement.peak_gflops = peak);
        Ok(found)
    }
}

impl Bench<'_> {
    /// Device, precision and threads, as reported.
    fn place(&self) -> [(&'static str, Value); 3] {
        [
            ("device", json!(self.device.to_string())),
            ("precision", json!(self.request.precision.to_string())),
            ("threads", json!(self.threads)),
        ]
    }

    fn measure<B: Train>(&self, b: &mut B, clock: Option<&Clock>) -> Result<Vec<Measurement>> {
        match self.request.what {
            BenchWhat::Train | BenchWhat::Distill => Ok(vec![steps::measure(self, b, clock)?]),
            BenchWhat::Translate => {
                let one = |beam| translation::measure(self, b, beam, clock);
                self.request.beams().into_iter().map(one).collect()
            }
        }
    }
}
