//! Checkpoint averaging.

use crate::checkpoint::{LONGEST_SOURCE, Saved, save};
use crate::provenance;
use crate::run_dir::RunDir;
use a2d_data::vocab::Vocab;
use a2d_system::error::{Error, Result};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Metadata that must be equal in all averaged checkpoints.
const COMMON: [&str; 4] = ["data", "vocabulary", "vocabulary_size", "teacher"];

/// The arguments of `a2d average`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AverageRequest {
    /// The folder of the run.
    pub run: PathBuf,
    /// The number of last checkpoints; default: all kept, up to five.
    pub last: Option<usize>,
    /// The folder of the averaged model; default `average` in the run's folder.
    pub out: Option<PathBuf>,
}

/// Averages the kept weights of a run's last validations into a new run that can translate.
///
/// # Errors
///
/// Misuse: there is no such run, too few weights are kept, a checkpoint is damaged, or the output folder contains a
/// run.
pub fn average(request: &AverageRequest, out: &mut dyn Write) -> Result<()> {
    let dir = RunDir::open(&request.run)?;
    let updates = chosen(&dir, request.last)?;
    let target = request.out.clone().unwrap_or_else(|| request.run.join("average"));
    let config = dir.load_config()?;
    let vocab = Vocab::load(&dir.tokenizer())?;
    RunDir::free(&target)?;
    let (weights, mut metadata) = mean_of(&dir, &updates)?;
    metadata.insert("config".to_owned(), config.complete().to_toml()?);
    let target = RunDir::create(&target)?;
    vocab.save(&target.tokenizer())?;
    target.save_config(&config)?;
    let views =
        weights.iter().map(|(name, (shape, data))| (name.clone(), shape.clone(), data.as_slice()));
    save(&target.best(), views, &metadata)?;
    writeln!(out, "{}: the average of updates {}", target.folder().display(), list(&updates))
        .map_err(|e| Error::output("write", Path::new("the result"), &e))
}

/// The default number of checkpoints, if as many are kept.
const USUAL: usize = 5;

/// The last `count` updates with kept weights; by default all of them, up to [`USUAL`].
fn chosen(dir: &RunDir, count: Option<usize>) -> Result<Vec<u64>> {
    let kept = dir.kept_updates();
    let (folder, found) = (dir.checkpoints(), kept.len());
    let count = match count {
        Some(count) if found < count => {
            return Err(Error::misuse(format!(
                "{} holds {found} checkpoints, not {count}: ask for fewer by --last, or train with a larger `train.keep_last`",
                folder.display()
            )));
        }
        None if found == 0 => {
            return Err(Error::misuse(format!(
                "{} holds no checkpoints: train with `train.keep_last`",
                folder.display()
            )));
        }
        count => count.unwrap_or(found.min(USUAL)),
    };
    Ok(kept[found - count..].to_vec())
}

type Averaged = (BTreeMap<String, (Vec<usize>, Vec<f32>)>, BTreeMap<String, String>);

/// The mean of each value, summed in `f64`, and the metadata of the average.
fn mean_of(dir: &RunDir, updates: &[u64]) -> Result<Averaged> {
    let mut sums: BTreeMap<String, (Vec<usize>, Vec<f64>)> = BTreeMap::new();
    let mut common: Option<BTreeMap<String, String>> = None;
    // Equal in all checkpoints, except those of versions that did not write it.
    let mut longest = None;
    for &update in updates {
        let mut saved = Saved::load(&dir.kept(update))?;
        longest = longest.max(saved.metadata.get(LONGEST_SOURCE).cloned());
        let described = COMMON.iter().filter_map(|&key| saved.metadata.get_key_value(key));
        let described = described.map(|(key, text)| (key.clone(), text.clone())).collect();
        if *common.get_or_insert_with(|| BTreeMap::clone(&described)) != described {
            let text = "is of another run than the checkpoints before it";
            return Err(Error::misuse(format!("{} {text}", saved.path().display())));
        }
        if sums.is_empty() {
            let zeros = saved.tensors.iter();
            let zeros = zeros.map(|(name, (shape, data))| {
                (name.clone(), (shape.clone(), vec![0.0; data.len()]))
            });
            sums.extend(zeros);
        }
        for (name, (shape, sum)) in &mut sums {
            let data = saved.take(name, shape)?;
            sum.iter_mut().zip(data).for_each(|(sum, x)| *sum += f64::from(x));
        }
        saved.finish()?;
    }
    let mean = |sum: f64| (sum / updates.len() as f64) as f32;
    let weights = sums
        .into_iter()
        .map(|(name, (shape, sum))| (name, (shape, sum.into_iter().map(mean).collect())));
    let mut metadata = common.unwrap_or_default();
    metadata.extend(longest.map(|tokens| (LONGEST_SOURCE.to_owned(), tokens)));
    metadata.insert("averaged".to_owned(), list(updates));
    metadata.insert("program".to_owned(), provenance::program());
    Ok((weights.collect(), metadata))
}

fn list(updates: &[u64]) -> String {
    updates.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
