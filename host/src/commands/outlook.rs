//! The time that trainings take, said before they begin.

use crate::backend::device::Chosen;
use crate::bench::estimate::{self, Lengths, validated};
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
    let updates = coming.iter().zip(&epochs).map(|(of, epoch)| updates(of.run, *epoch));
    let updates: Option<Vec<u64>> = updates.collect();
    let Some(updates) = updates.filter(|all| all.iter().sum::<u64>() >= FEWEST) else {
        return Ok(());
    };
    let lengths = lengths(data);
    let mut seconds = Vec::new();
    for ((of, epoch), updates) in coming.iter().zip(epochs).zip(updates) {
        let (sizes, teacher) = (data.vocab.sizes(), of.teacher.as_ref());
        let times = estimate::times(of.run, teacher, sizes, lengths, device)?;
        let train = &of.run.train;
        let translated = validated(train, updates, epoch, data.valid.len());
        let batches = updates as f64 * train.update_freq as f64;
        seconds.push(batches * times.step + translated * times.sentence);
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

/// Updates of a training with epochs of `epoch` updates; `None` if only patience or time ends it.
fn updates(run: &RunConfig, epoch: u64) -> Option<u64> {
    let by_epochs = match run.train.max_epoch {
        0 => None,
        epochs => Some(epochs as u64 * epoch),
    };
    let by_updates = Some(run.train.max_update).filter(|most| *most > 0);
    by_epochs.into_iter().chain(by_updates).min()
}

/// The mean lengths of the training text.
fn lengths(data: &Prepared) -> Lengths {
    let all = data.train.all_lengths();
    let mean = |side: fn(&(u32, u32)) -> u32| {
        let sum: u64 = all.iter().map(|pair| u64::from(side(pair))).sum();
        (sum as f64 / all.len().max(1) as f64).round() as usize
    };
    Lengths { source: mean(|pair| pair.0), target: mean(|pair| pair.1) }
}
