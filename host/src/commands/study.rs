//! `a2d study`: a grid of trainings.

use crate::bench::estimate::{self, Lengths};
use crate::cli::{DeviceArgs, Globals, StudyArgs};
use crate::study::{self, Asked, Estimate, StudyRequest};
use crate::system::error::Result;
use clap::ValueEnum;
use std::ffi::OsString;
use std::io::Write;

/// Runs the study.
///
/// # Errors
///
/// As [`study::run`]; no such device (misuse).
pub fn run(args: StudyArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let request = StudyRequest {
        file: args.file,
        out: args.out,
        jobs: args.jobs,
        threads: globals.threads,
        device: options(&args.device),
        dry_run: args.dry_run,
        resume: args.resume,
        quiet: globals.quiet,
    };
    study::run(&request, &|asked| estimate(asked, &args.device, globals), out)
}

/// The options that choose the same device.
fn options(args: &DeviceArgs) -> Vec<OsString> {
    let backend = args.backend.to_possible_value().map(|value| value.get_name().to_owned());
    let backend = backend.map(|name| ["--backend".to_owned(), name]);
    let device = args.device.map(|device| ["--device".to_owned(), device.to_string()]);
    backend.into_iter().chain(device).flatten().map(Into::into).collect()
}

/// Measures a few updates and translations of a training.
fn estimate(asked: &Asked<'_>, device: &DeviceArgs, globals: &Globals) -> Result<Estimate> {
    let Asked { run, teacher, shape } = *asked;
    let [source, target] = shape.lengths;
    let device = device.choose(globals)?;
    let times = estimate::times(run, teacher, shape.sizes, Lengths { source, target }, &device)?;
    let train = &run.train;
    let batches = (shape.pairs as f64 * shape.longer / train.max_tokens as f64).ceil().max(1.0);
    let epoch = (batches / train.update_freq as f64).ceil() as u64;
    let step = times.step * train.update_freq as f64;
    let by_time = (train.time_limit_seconds > 0.0).then(|| train.time_limit_seconds / step);
    let updates = estimate::updates(train, epoch).map(|updates| updates as f64);
    let updates = updates.into_iter().chain(by_time).reduce(f64::min);
    let training = updates.map(|updates| times.training(train, updates, epoch, shape.valid));
    Ok(Estimate { training, sentence: times.sentence })
}
