//! The time that trainings take, said before they begin.

use crate::backend::device::Chosen;
use crate::bench::estimate::{self, Lengths};
use crate::config::{ModelConfig, RunConfig};
use crate::data::batches::fixed_batches;
use crate::run::prepared::Prepared;
use crate::system::display::{Display, duration};
use crate::system::error::Result;

/// Fewer updates are over before their time is measured.
const FEWEST: u64 = 300;

/// A training to come.
pub(super) struct Coming<'a> {
    pub label: String,
    pub run: &'a RunConfig,
    /// The teacher that takes part in each update.
    pub teacher: Option<ModelConfig>,
}

/// Measures a few updates of each training on random sentences, and says how long all of them take. Patience may end
/// them earlier.
///
/// # Errors
///
/// Misuse: sizes that are no model. The device was lost.
pub(super) fn tell(
    coming: &[Coming<'_>],
    data: &Prepared,
    device: &Chosen,
    display: &Display,
) -> Result<()> {
    let epochs: Vec<u64> = coming.iter().map(|of| epoch(of.run, data)).collect();
    let updates =
        coming.iter().zip(&epochs).map(|(of, epoch)| estimate::updates(&of.run.train, *epoch));
    let updates: Option<Vec<u64>> = updates.collect();
    let Some(updates) = updates.filter(|all| all.iter().sum::<u64>() >= FEWEST) else {
        return Ok(());
    };
    let lengths = lengths(data);
    let mut seconds = Vec::new();
    for ((of, epoch), updates) in coming.iter().zip(epochs).zip(updates) {
        let (sizes, teacher) = (data.vocab.sizes(), of.teacher.as_ref());
        let times = estimate::times(of.run, teacher, sizes, lengths, device)?;
        seconds.push(times.training(&of.run.train, updates as f64, epoch, data.valid.len()));
    }
    let text = |seconds: f64| duration(seconds.round() as u64);
    let parts = coming.iter().zip(&seconds);
    let parts: Vec<_> =
        parts.map(|(of, seconds)| format!("{} {}", of.label, text(*seconds))).collect();
    let (all, parts) = (text(seconds.iter().sum()), parts.join(", "));
    display.line(&format!("time at most: {all}, by measured updates ({parts})"));
    Ok(())
}

/// Updates of an epoch.
fn epoch(run: &RunConfig, data: &Prepared) -> u64 {
    let batches = fixed_batches(data.train.all_lengths(), run.train.max_tokens).batches.len();
    batches.div_ceil(run.train.update_freq.max(1)).max(1) as u64
}

/// The mean lengths of the training text.
fn lengths(data: &Prepared) -> Lengths {
    let mean = |length: fn(&(u32, u32)) -> u32| data.train.mean(length).round() as usize;
    Lengths { source: mean(|pair| pair.0), target: mean(|pair| pair.1) }
}
