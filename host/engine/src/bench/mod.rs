//! Benchmarks of training steps, distillation steps, translation and matrix products. Other toolkits can measure the same work.
//!
//! A repetition is a full training step (forward, losses, backward, Adam, with dropout) on each of several batches, or
//! the translation of a set of sentences, or a product.

pub mod estimate;
mod image;
mod input;
mod latency;
mod machine;
mod measurement;
mod products;
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
use a2d_run::config::Precision;
use a2d_system::error::Result;
use serde_json::{Value, json};

/// The peak rates that were measured, by precision.
#[derive(Debug, Default)]
pub struct Peaks(Vec<(Precision, f64)>);

impl Peaks {
    fn of(&self, precision: Precision) -> Option<f64> {
        self.0.iter().find(|(of, _)| *of == precision).map(|&(_, peak)| peak)
    }
}

/// Runs the benchmarks on a device. `threads` is only reported with the results. A peak rate that `peaks` lacks is measured.
///
/// # Errors
///
/// Misuse: unusable batches. The device was lost; a NaN loss.
pub fn measure(
    request: &BenchRequest,
    device: &Chosen,
    threads: usize,
    peaks: &mut Peaks,
) -> Result<Vec<Measurement>> {
    if let Some(image) = &request.image {
        return image::measure(request, image, threads);
    }
    let input = Input::new(request)?;
    let work = Bench { request, input, threads, device: device.device(), peaks };
    device.run(request.precision, work)
}

/// A benchmark with its input.
struct Bench<'a> {
    request: &'a BenchRequest,
    input: Input,
    threads: usize,
    device: Device,
    peaks: &'a mut Peaks,
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
        let peak = self.peak(b)?;
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

    /// The peak rate of the device. Measured last, because a device's pool keeps the memory of these products. Measured
    /// twice, because other processes may disturb one measurement.
    fn peak<B: Train>(self, b: &mut B) -> Result<f64> {
        let precision = self.request.precision;
        if let Some(peak) = self.peaks.of(precision) {
            return Ok(peak);
        }
        let peak = machine::peak_gflops(b)?.max(machine::peak_gflops(b)?);
        self.peaks.0.push((precision, peak));
        Ok(peak)
    }

    fn measure<B: Train>(&self, b: &mut B, clock: Option<&Clock>) -> Result<Vec<Measurement>> {
        match self.request.what {
            BenchWhat::Train | BenchWhat::Distill => Ok(vec![steps::measure(self, b, clock)?]),
            BenchWhat::Products => products::measure(self, b, clock),
            BenchWhat::Translate => {
                let one = |beam| translation::measure(self, b, beam, clock);
                self.request.beams().into_iter().map(one).collect()
            }
        }
    }
}
