//! Training: epochs of updates, validation, checkpoints.

mod learner;
pub mod memory;
mod objective;
mod progress;
mod resume;
mod unread;
mod validate;

pub use learner::{At, Learning, Pairs, TeacherModel, open_teacher};
pub use objective::objective;
pub use progress::Progress;
pub use resume::{check, finished};
pub use unread::{Unread, Update};

use crate::checkpoint::Saved;
use crate::config::{Method, Run};
use crate::data;
use crate::display::Display;
use crate::error::{Error, Result};
use crate::files::sweep;
use crate::log::Log;
use crate::model::{Plan, core_config};
use crate::prepared::Prepared;
use crate::run_dir::RunDir;
use crate::signals;
use a2d_core::backend::Train;
use a2d_core::kd::{Losses, Objective};
use a2d_core::optim::{Adam, InverseSqrt};
use a2d_core::rng;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is to be trained, and where it goes.
pub struct Job<'a> {
    /// What the display calls it.
    pub label: &'a str,
    /// The run's folder.
    pub dir: &'a RunDir,
    /// The run, complete.
    pub run: &'a Run,
    /// The data.
    pub data: &'a Prepared,
    /// The teacher's finished run, for the methods that need one.
    pub teacher: Option<PathBuf>,
    /// Whether to go on from the last checkpoint.
    pub resume: bool,
    /// Padded tokens that the device has room for at once; batches of more are computed in parts.
    pub room: usize,
}

/// Streams of random numbers that start from one seed.
mod stream {
    pub const INIT: u64 = 0;
    pub const DROPOUT: u64 = 1;
}

/// Trains until a limit of the configuration is reached; returns how far it came.
///
/// Errors: a file cannot be read (misuse) or written; a loss that is no number (the last good checkpoint stays);
/// a signal, after saving.
pub fn train<B: Train>(b: &mut B, job: &Job<'_>, display: &mut Display) -> Result<Progress> {
    let mut trainer = Trainer::new(b, job)?;
    display.begin(job.label, job.run.train.max_update);
    let outcome = trainer.run(b, display);
    display.end();
    outcome?;
    Ok(trainer.progress)
}

struct Trainer<'a, B: Train> {
    job: &'a Job<'a>,
    plan: Plan,
    learning: Learning<B::Tensor>,
    teacher: Option<TeacherModel<B::Tensor>>,
    objective: Objective,
    /// Padded tokens that the device has room for.
    room: usize,
    adam: Adam,
    schedule: InverseSqrt,
    progress: Progress,
    /// The update of the last checkpoint.
    saved: Option<u64>,
    log: Log,
    /// Since the last line of the log.
    window: Window,
    /// Updates that nobody has looked at, in order.
    unseen: Vec<Unseen<B::Tensor>>,
    /// When somebody looked last.
    looked: Instant,
}

/// An update that nobody has looked at.
struct Unseen<T> {
    number: u64,
    epoch: u64,
    lr: f64,
    unread: Unread<T>,
}

/// Updates are looked at when so many are unseen ...
const MOST_UNSEEN: usize = 100;
/// ... or after this time, so that who watches sees that it goes on.
const LONGEST_UNSEEN: Duration = Duration::from_secs(10);

/// Sums over some updates.
struct Window {
    losses: Losses,
    updates: u64,
    tokens: usize,
    norm: f64,
    since: Instant,
}

impl Window {
    fn new() -> Self {
        Self { losses: Losses::default(), updates: 0, tokens: 0, norm: 0.0, since: Instant::now() }
    }

    fn add(&mut self, update: &Update) {
        self.losses = self.losses.plus(&update.losses, 1.0);
        self.updates += 1;
        self.tokens += update.counts.target_tokens;
        self.norm += update.gradient_norm;
    }

    fn mean(&self) -> Losses {
        Losses::default().plus(&self.losses, 1.0 / self.updates.max(1) as f64)
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.since.elapsed().as_secs_f64().max(1e-9)
    }
}

impl<'a, B: Train> Trainer<'a, B> {
    fn new(b: &mut B, job: &'a Job<'a>) -> Result<Self> {
        let (run, vocab) = (job.run, &job.data.vocab);
        let method = run.distill.method;
        let saved = if job.resume { resume::open(job.dir, run)? } else { None };
        if let Some(saved) = &saved {
            resume::check_data(job.dir, saved, job.data)?;
        }
        let teacher = match (&job.teacher, method) {
            (Some(folder), Method::A2d | Method::WordKd) => {
                Some(TeacherModel::open(b, folder, vocab, run.distill.teacher_aam)?)
            }
            _ => None,
        };
        let aligned = teacher.as_ref().filter(|_| method == Method::A2d);
        let aligned = aligned.map(|t| t.maps_config());
        let plan = Plan::new(&core_config(&run.model, vocab.len()), aligned.as_ref())?;

        let (learning, progress, log) = match saved {
            Some(saved) => Self::load(b, job, &plan, teacher.as_ref(), saved)?,
            None => {
                let seed = rng::derive(run.train.seed, stream::INIT);
                let log = Log::create(&job.dir.log())?;
                (Learning::new(b, &plan, seed), Progress::default(), log)
            }
        };
        let train = &run.train;
        Ok(Self {
            job,
            plan,
            learning,
            teacher,
            objective: objective(run),
            room: job.room,
            adam: Adam {
                beta1: train.adam_beta1 as f32,
                beta2: train.adam_beta2 as f32,
                eps: train.adam_eps as f32,
                weight_decay: train.weight_decay as f32,
                clip_norm: train.clip_norm as f32,
            },
            schedule: InverseSqrt {
                lr: train.lr,
                warmup_updates: train.warmup_updates,
                warmup_init_lr: train.warmup_init_lr.max(0.0),
            },
            progress,
            saved: (progress.update > 0).then_some(progress.update),
            log,
            window: Window::new(),
            unseen: Vec::new(),
            looked: Instant::now(),
        })
    }

    fn load(
        b: &mut B,
        job: &Job<'_>,
        plan: &Plan,
        teacher: Option<&TeacherModel<B::Tensor>>,
        mut saved: Saved,
    ) -> Result<(Learning<B::Tensor>, Progress, Log)> {
        if let Some(teacher) = teacher {
            resume::check_teacher(&saved, teacher.fingerprint())?;
        }
        let progress: Progress = saved.get("progress")?;
        let learning = Learning::load(b, plan, &mut saved)?;
        saved.finish()?;
        Ok((learning, progress, Log::resume(&job.dir.log(), progress.update)?))
    }

    fn run(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        if let Some(reason) = self.reason_to_end().filter(|_| self.progress.finished) {
            let (label, folder) = (self.job.label, self.job.dir.folder().display());
            display.line(&format!("{label}: {folder} is finished ({reason}), taken as it is"));
            return Ok(());
        }
        sweep(self.job.dir.folder());
        self.job.data.vocab.save(&self.job.dir.tokenizer())?;
        self.job.dir.save_config(self.job.run)?;
        // A limit may have been moved.
        self.progress.finished = false;
        loop {
            if self.progress.position == 0 && self.progress.validated != self.progress.update {
                self.validate(b, display)?;
                if self.reason_to_end().is_none() {
                    self.save_last(b, display)?;
                }
            }
            if let Some(reason) = self.reason_to_end() {
                return self.finish(b, display, reason);
            }
            self.epoch(b, display)?;
        }
    }

    /// Why training is over, if it is.
    fn reason_to_end(&self) -> Option<&'static str> {
        let (train, progress) = (&self.job.run.train, &self.progress);
        let over = |limit: u64, value: u64| limit > 0 && value >= limit;
        if over(train.max_update, progress.update) {
            Some("max_update")
        } else if over(train.max_epoch as u64, progress.epoch) {
            Some("max_epoch")
        } else if over(train.patience as u64, progress.without_better) {
            Some("patience")
        } else if train.time_limit_seconds > 0.0 && progress.seconds >= train.time_limit_seconds {
            Some("time_limit_seconds")
        } else {
            None
        }
    }

    /// The updates that are left of an epoch, or those until training ends.
    fn epoch(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        let train = &self.job.run.train;
        let epoch = self.progress.epoch + 1;
        let batches = self.batches(epoch, display)?;
        let updates: Vec<_> = batches.chunks(train.update_freq).collect();
        self.window = Window::new();
        while let Some(batches) = updates.get(self.progress.position as usize) {
            self.update(b, display, batches, epoch)?;
            let ended = self.progress.position as usize == updates.len();
            if ended {
                self.end_epoch();
            }
            self.stop_if_asked(b, display)?;
            if self.due_to_save() {
                self.save_last(b, display)?;
            }
            if ended || self.reason_to_end().is_some() {
                return Ok(());
            }
        }
        self.end_epoch();
        Ok(())
    }

    fn end_epoch(&mut self) {
        self.progress.epoch += 1;
        self.progress.position = 0;
    }

    /// The batches of an epoch. Pairs that fit into none are told of, once.
    fn batches(&self, epoch: u64, display: &Display) -> Result<Vec<Vec<u32>>> {
        let train = &self.job.run.train;
        let lengths = self.job.data.train.all_lengths();
        let cut = data::batches(lengths, train.max_tokens, train.seed, epoch);
        if cut.batches.is_empty() {
            let text = format!("`train.max_tokens` {} is too small for any pair", train.max_tokens);
            return Err(Error::misuse(text));
        }
        if self.progress.update == 0 && !cut.too_long.is_empty() {
            display.line(&format!(
                "{}: {} of {} pairs are longer than max_tokens {} and are left out",
                self.job.label,
                cut.too_long.len(),
                lengths.len(),
                train.max_tokens
            ));
        }
        Ok(cut.batches)
    }

    /// Saves and ends where a signal asks for it.
    fn stop_if_asked(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        match signals::go_on() {
            Ok(()) => Ok(()),
            Err(asked) => {
                self.save_last(b, display)?;
                let (label, update) = (self.job.label, self.progress.update);
                display.line(&format!("{label}: saved at update {update}; go on with --resume"));
                Err(asked)
            }
        }
    }

    fn due_to_save(&self) -> bool {
        let interval = self.job.run.train.save_interval_updates;
        interval > 0 && self.progress.update.is_multiple_of(interval)
    }

    fn update(
        &mut self,
        b: &mut B,
        display: &mut Display,
        batches: &[Vec<u32>],
        epoch: u64,
    ) -> Result<()> {
        let start = Instant::now();
        let train = &self.job.run.train;
        let lr = self.schedule.rate(self.progress.update);
        let key = rng::derive(rng::derive(train.seed, stream::DROPOUT), self.progress.update);
        let batches = batches.iter().map(|rows| learner::pairs(&self.job.data.train, rows));
        let batches = batches.collect::<Result<Vec<_>>>()?;
        let unread = self.learning.update(
            b,
            &self.plan,
            &batches,
            self.teacher.as_ref(),
            &self.objective,
            &learner::At {
                adam: self.adam,
                step: self.progress.update + 1,
                lr,
                epoch,
                key,
                room: self.room,
            },
        );
        self.progress.update += 1;
        self.progress.position += 1;
        self.unseen.push(Unseen { number: self.progress.update, epoch, lr, unread });
        self.progress.seconds += start.elapsed().as_secs_f64();
        if self.due_to_look() { self.look(b, display) } else { Ok(()) }
    }

    /// Where looking makes a device and the host wait for each other, it is done now and then.
    fn due_to_look(&self) -> bool {
        B::READS_ARE_FREE
            || self.progress.update.is_multiple_of(self.job.run.train.log_interval)
            || self.unseen.len() >= MOST_UNSEEN
            || self.looked.elapsed() >= LONGEST_UNSEEN
    }

    /// Shows and logs the updates since the last look.
    ///
    /// Errors: the device was lost, one of them is spoilt, the log cannot be written.
    fn look(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        let start = Instant::now();
        let unseen = std::mem::take(&mut self.unseen);
        let updates = Unread::read(b, unseen.iter().map(|one| &one.unread))?;
        self.looked = Instant::now();
        self.progress.seconds += start.elapsed().as_secs_f64();
        unseen.iter().zip(&updates).try_for_each(|(one, update)| self.take_in(one, update, display))
    }

    fn take_in(
        &mut self,
        one: &Unseen<B::Tensor>,
        update: &Update,
        display: &mut Display,
    ) -> Result<()> {
        let Unseen { number, epoch, lr, .. } = *one;
        for (what, x) in [("loss", update.losses.loss), ("gradient", update.gradient_norm)] {
            check_number(x).map_err(|x| {
                self.not_a_number(&format!("the {what} of update {number} is {x}"), lr)
            })?;
        }
        self.window.add(update);
        let terms = self.shown(&update.losses);
        display.step(number, &terms, lr, self.window.tokens_per_second());
        if number.is_multiple_of(self.job.run.train.log_interval) {
            self.log_window(number, epoch, lr)?;
        }
        Ok(())
    }

    fn shown(&self, losses: &Losses) -> Vec<(&'static str, f64)> {
        let wanted = |name: &str| match name {
            "loss" | "ce" => true,
            "kd" => self.teacher.is_some(),
            "kl_encoder" | "kl_decoder" | "kl_cross" => self.objective.maps.is_some(),
            _ => false,
        };
        losses.named().into_iter().filter(|(name, _)| wanted(name)).collect()
    }

    fn log_window(&mut self, number: u64, epoch: u64, lr: f64) -> Result<()> {
        let mut line = Map::new();
        line.insert("update".into(), json!(number));
        line.insert("epoch".into(), json!(epoch));
        for (name, value) in self.window.mean().named() {
            line.insert(name.into(), json!(value));
        }
        line.insert("lr".into(), json!(lr));
        line.insert(
            "gradient_norm".into(),
            json!(self.window.norm / self.window.updates.max(1) as f64),
        );
        line.insert("tokens_per_second".into(), json!(self.window.tokens_per_second().round()));
        line.insert("seconds".into(), json!(self.progress.seconds));
        self.window = Window::new();
        self.log.write(&Value::Object(line))
    }

    fn not_a_number(&self, what: &str, lr: f64) -> Error {
        let last = self.job.dir.last();
        let good = match self.saved {
            Some(update) => {
                format!("the last good checkpoint is {} (update {update})", last.display())
            }
            None => "no checkpoint was saved yet".to_owned(),
        };
        let label = self.job.label;
        Error::failed(format!(
            "{label}: {what} (lr {lr:.2e}); {good}; try a lower `lr`, or a `clip_norm`"
        ))
    }

    /// Loss and BLEU on the validation set; keeps the model if it is the best so far.
    fn validate(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        self.look(b, display)?;
        let model = self.plan.bind(self.learning.params.iter().cloned()).model;
        let found = match validate::validate(b, &model, self.job, &self.objective) {
            Err(Error::Interrupted(_)) => return self.stop_if_asked(b, display),
            found => found?,
        };
        check_number(found.losses.loss).map_err(|x| self.spoilt("validation loss", x))?;
        let better = self.progress.best_bleu.is_none_or(|best| found.bleu > best);
        if better {
            self.progress.best_bleu = Some(found.bleu);
            self.progress.best_update = self.progress.update;
            self.progress.without_better = 0;
            self.progress.validated = self.progress.update;
            self.save_best(b)?;
        } else if self.progress.position == 0 {
            // A validation where training was cut off says nothing about the epoch.
            self.progress.without_better += 1;
        }
        self.progress.validated = self.progress.update;
        let epoch = self.progress.epoch + u64::from(self.progress.position > 0);
        display.line(&format!(
            "{}: epoch {}, update {}: valid loss {:.4}, perplexity {:.2}, BLEU {:.2}{}",
            self.job.label,
            epoch,
            self.progress.update,
            found.losses.loss,
            found.losses.nll.exp(),
            found.bleu,
            if better { " (best)" } else { "" },
        ));
        self.log.write(&json!({
            "update": self.progress.update,
            "epoch": epoch,
            "valid_loss": found.losses.loss,
            "valid_nll": found.losses.nll,
            "bleu": found.bleu,
            "best": better,
            "seconds": self.progress.seconds,
        }))
    }

    /// A last validation if updates came after the one before, and the final checkpoint.
    fn finish(&mut self, b: &mut B, display: &mut Display, reason: &str) -> Result<()> {
        if self.progress.validated != self.progress.update {
            self.validate(b, display)?;
        }
        self.progress.finished = true;
        self.save_last(b, display)?;
        display.line(&format!(
            "{}: ends after {} updates ({reason}), {:.0} s; best BLEU {:.2} at update {}",
            self.job.label,
            self.progress.update,
            self.progress.seconds,
            self.progress.best_bleu.unwrap_or(0.0),
            self.progress.best_update,
        ));
        Ok(())
    }

    fn save_best(&self, b: &mut B) -> Result<()> {
        self.learning.save_weights(b, &self.plan, &self.job.dir.best(), &self.metadata()?)
    }

    /// Writes the last checkpoint, if it is worth going on from.
    fn save_last(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        self.look(b, display)?;
        if self.progress.validated != self.progress.update {
            let model = self.plan.bind(self.learning.params.iter().cloned()).model;
            let loss = validate::probe(b, &model, self.job, &self.objective)?;
            check_number(loss).map_err(|x| self.spoilt("loss", x))?;
        }
        self.learning.save_state(b, &self.plan, &self.job.dir.last(), &self.metadata()?)?;
        self.saved = Some(self.progress.update);
        Ok(())
    }

    /// The error of a model whose loss is `x`.
    fn spoilt(&self, what: &str, x: f64) -> Error {
        let (update, lr) = (self.progress.update, self.schedule.rate(self.progress.update));
        self.not_a_number(&format!("the {what} after update {update} is {x}"), lr)
    }

    fn metadata(&self) -> Result<std::collections::BTreeMap<String, String>> {
        let vocab = &self.job.data.vocab;
        let teacher = self.teacher.as_ref().map(|t| ("teacher", t.fingerprint().to_owned()));
        let entries = [
            ("config", self.job.run.complete().to_toml()?),
            ("data", self.job.data.train.checksum()),
            ("vocabulary", vocab.fingerprint()),
            ("vocabulary_size", vocab.len().to_string()),
            ("program", format!("a2d-host {}", env!("CARGO_PKG_VERSION"))),
            ("progress", self.progress.to_string()),
        ];
        let entries = entries.into_iter().chain(teacher);
        Ok(entries.map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

/// Whether `x` is a number to work with; otherwise it is the error.
fn check_number(x: f64) -> Result<(), f64> {
    if x.is_finite() { Ok(()) } else { Err(x) }
}
