//! Checkpoints and the log of alignment weights.

use super::learner::{save_state, save_weights};
use super::trainer::Trainer;
use super::{Progress, validate};
use a2d_core::backend::Train;
use a2d_core::shape::Shape;
use a2d_run::checkpoint::LONGEST_SOURCE;
use a2d_run::log::Log;
use a2d_run::model::is_alignment;
use a2d_run::provenance;
use a2d_system::display::Display;
use a2d_system::error::Result;
use a2d_system::files::make_folder;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

impl<B: Train> Trainer<'_, B> {
    /// Whether a checkpoint is due, by number of updates or by time since the last one.
    pub(super) fn due_to_save(&self) -> bool {
        let train = &self.job.run.train;
        let interval = train.save_interval_updates;
        let longest = Duration::try_from_secs_f64(60.0 * train.save_interval_minutes);
        let long_ago = longest.is_ok_and(|longest| self.saved.1.elapsed() >= longest);
        (interval > 0 && self.progress.update.is_multiple_of(interval))
            || (train.save_interval_minutes > 0.0 && long_ago)
    }

    /// Writes the last checkpoint. A NaN or infinite loss is an error and leaves the previous checkpoint in place.
    pub(super) fn save_last(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        self.look(b, display)?;
        if self.progress.validated != self.progress.update {
            let model = self.learner.student().model;
            let teacher = self.teacher.as_ref().map(|teacher| &teacher.teacher);
            let loss = validate::probe(b, &model, self.job, (&self.objective, teacher))?;
            self.check_number("loss", loss)?;
        }
        self.check_step(b)?;
        if self.job.ranks.is_first() {
            self.write_last(b)?;
        }
        self.saved = (Some(self.progress.update), Instant::now());
        Ok(())
    }

    fn write_last(&self, b: &mut B) -> Result<()> {
        // The log must be on disk before the checkpoint that follows it.
        self.log.sync()?;
        self.alignment.as_ref().map_or(Ok(()), Log::sync)?;
        save_state(b, &self.learner, &self.job.dir.last(), &self.metadata()?)
    }

    /// Saves the validated weights: as the best checkpoint if `best`, and among the `keep_last` most recent ones.
    pub(super) fn keep(&self, b: &mut B, best: bool) -> Result<()> {
        if best {
            save_weights(b, &self.learner, &self.job.dir.best(), &self.metadata()?)?;
        }
        let (dir, most) = (self.job.dir, self.job.run.train.keep_last);
        if most > 0 {
            make_folder(&dir.checkpoints())?;
            let path = dir.kept(self.progress.update);
            save_weights(b, &self.learner, &path, &self.metadata()?)?;
        }
        dir.keep_last(most)
    }

    /// Appends the weights of the alignment modules, for the report.
    pub(super) fn write_alignment(&mut self, b: &mut B, epoch: u64) -> Result<()> {
        let Some(log) = &mut self.alignment else { return Ok(()) };
        let mut line = Map::new();
        line.insert("update".into(), json!(self.progress.update));
        line.insert("epoch".into(), json!(epoch));
        let weights = self.learner.weights();
        for ((name, spec), tensor) in self.learner.plan.params().iter().zip(weights) {
            let Some(map) = map_name(name) else { continue };
            let mut data = vec![0.0; spec.shape.len()];
            b.read(tensor, &mut data)?;
            line.insert(map.into(), matrix(&data, spec.shape));
        }
        log.write(&Value::Object(line))
    }

    pub(super) fn metadata(&self) -> Result<BTreeMap<String, String>> {
        let vocab = &self.job.data.vocab;
        let teacher = self.teacher.as_ref().map(|t| ("teacher", t.fingerprint().to_owned()));
        let start = self.start.as_ref().map(|start| ("start", start.clone()));
        let progress = Progress { window: self.window.sums.clone(), ..self.progress.clone() };
        let entries = [
            ("config", self.job.run.complete().to_toml()?),
            ("data", self.job.data.train.checksum()),
            ("vocabulary", vocab.fingerprint()),
            ("vocabulary_size", vocab.sizes().to_string()),
            ("program", provenance::program()),
            ("progress", progress.to_string()),
            (LONGEST_SOURCE, self.longest_source().to_string()),
        ];
        let entries = entries.into_iter().chain(teacher).chain(start);
        Ok(entries.map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

impl<B: Train> Trainer<'_, B> {
    /// Length of the longest source in any batch, in tokens without EOS.
    fn longest_source(&self) -> usize {
        let most = self.job.run.train.max_tokens;
        let lengths = self.job.data.train.all_lengths().iter();
        let seen = lengths.filter(|(source, target)| *source.max(target) as usize <= most);
        seen.map(|(source, _)| *source as usize).max().unwrap_or(1) - 1
    }
}

/// The key in `alignment.jsonl` of an alignment parameter.
fn map_name(parameter: &str) -> Option<&'static str> {
    let weight = is_alignment(parameter) && parameter.ends_with(".weight");
    match parameter {
        _ if !weight => None,
        name if name.starts_with("encoder.") => Some("encoder"),
        name if name.contains("self_") => Some("decoder"),
        _ => Some("cross"),
    }
}

/// The rows of a matrix `[M, maps of the student]`, rounded to five digits.
fn matrix(data: &[f32], shape: Shape) -> Value {
    let five = |x: &f32| format!("{x:.4e}").parse::<f64>().unwrap_or(0.0);
    let rows = data.chunks(shape.cols().max(1));
    json!(rows.map(|row| row.iter().map(five).collect::<Vec<_>>()).collect::<Vec<_>>())
}
