//! The training loop: epochs, validations and limits.

use super::cache::{Choice, Source};
use super::due::{Due, Unseen};
use super::learner::{self, At, TeacherModel};
use super::objective::{learns_alignment, objective};
use super::selection::Standing;
use super::window::Window;
use super::{Job, Progress, resume, validate, warm_start};
use a2d_core::backend::Train;
use a2d_core::config::Config;
use a2d_core::kd::{Objective, Step};
use a2d_core::optim::{Adam, InverseSqrt};
use a2d_core::rng;
use a2d_data::batches;
use a2d_run::checkpoint::Saved;
use a2d_run::config::SelectBy;
use a2d_run::log::Log;
use a2d_run::model::{Learner, Plan, core_config, plan};
use a2d_run::provenance;
use a2d_system::display::Display;
use a2d_system::error::{Error, Result};
use a2d_system::files::{remove, sweep};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A first update that takes no longer is not spoken of.
const LONG: Duration = Duration::from_secs(1);

/// Random streams derived from the seed.
mod stream {
    pub const INIT: u64 = 0;
    pub const DROPOUT: u64 = 1;
    pub const MAPPING: u64 = 8;
}

/// Trains until a limit of the configuration is reached and returns the progress. Collective over all ranks.
///
/// # Errors
///
/// Misuse: a file cannot be read. A file cannot be written; a NaN loss (the last good checkpoint remains); a signal,
/// after saving.
pub fn train<B: Train>(b: &mut B, job: &Job<'_>, display: &mut Display) -> Result<Progress> {
    let mut trainer = job.ranks.agree(Trainer::new(b, job))?;
    trainer.check_start(b)?;
    display.begin(job.label, job.run.train.log_interval);
    let outcome = trainer.run(b, display);
    display.end();
    outcome?;
    // Rank 0 has written its files before any rank returns.
    job.ranks.meet();
    Ok(trainer.progress)
}

pub(super) struct Trainer<'a, B: Train> {
    pub(super) job: &'a Job<'a>,
    pub(super) learner: Learner<B::Tensor>,
    pub(super) teacher: Option<TeacherModel<B::Tensor>>,
    /// Fingerprint of the earlier training's weights that the first ones are, if any.
    pub(super) start: Option<String>,
    /// The model's parameters that are not among those weights, if the training begins now.
    new: Option<Vec<String>>,
    pub(super) objective: Objective,
    pub(super) progress: Progress,
    /// Seconds spent in updates, including earlier parts of the run found in the log.
    pub(super) seconds: f64,
    /// Update and time of the last checkpoint.
    pub(super) saved: (Option<u64>, Instant),
    pub(super) log: Log,
    pub(super) alignment: Option<Log>,
    /// Updates since the last line of the log.
    pub(super) window: Window,
    /// Updates whose numbers are not yet read, in order.
    pub(super) unseen: Vec<Unseen<B::Tensor>>,
    /// Time of the last read.
    pub(super) looked: Instant,
    /// Whether the next update is the first on a device that compiles kernels for it.
    pub(super) compiles: bool,
    /// Actions due after the last update.
    pub(super) due: Due,
    /// Whether a NaN or infinite value was found.
    pub(super) spoilt: bool,
    /// The criterion last announced as a fallback for the configured one.
    stands_in: Option<SelectBy>,
}

impl<'a, B: Train> Trainer<'a, B> {
    fn new(b: &mut B, job: &'a Job<'a>) -> Result<Self> {
        let (run, vocab) = (job.run, &job.data.vocab);
        let needs = run.distill.method.needs();
        let saved = if job.resume { resume::open(job.dir, run)? } else { None };
        if let Some(saved) = &saved {
            resume::check_data(job.dir, saved, job.data)?;
        }
        let folder = job.teacher.as_ref().filter(|_| needs.teacher_beside());
        let mut teacher = folder
            .map(|folder| TeacherModel::open(b, folder, vocab, run.distill.teacher_aam))
            .transpose()?;
        if let (Some(saved), Some(teacher)) = (&saved, &teacher) {
            resume::check_teacher(saved, teacher.fingerprint())?;
        }
        let start = resume::start(saved.as_ref(), job)?;
        let objective = objective(run);
        let maps = teacher.as_ref().map(TeacherModel::maps_config);
        let taught = maps.as_ref().map(|maps| (&objective.terms, maps));
        let student = core_config(&run.model, run.task, vocab.sizes());
        check_lengths(job, &student, maps.as_ref())?;
        let plan = plan(&student, taught)?;
        if let Some(teacher) = &mut teacher {
            let key = rng::derive(run.train.seed, stream::MAPPING);
            teacher.fix(b, &objective, &student, key);
        }
        let begun = match saved {
            Some(saved) => load(b, job, &plan, saved)?,
            None => begin(b, job, &plan)?,
        };
        let Begun { learner, progress, new } = begun;
        let (log, alignment) = logs(job, &progress)?;
        Ok(Self {
            job,
            learner,
            teacher,
            start,
            new,
            objective,
            seconds: log.seconds(),
            saved: ((progress.update > 0).then_some(progress.update), Instant::now()),
            log,
            alignment,
            window: Window::from(progress.window.clone()),
            progress,
            unseen: Vec::new(),
            looked: Instant::now(),
            compiles: !B::READS_ARE_FREE,
            due: Due::default(),
            spoilt: false,
            stands_in: None,
        })
    }

    /// Restores the last checkpoint, or starts again if there is none.
    pub(super) fn go_back(&mut self, b: &mut B) -> Result<()> {
        let job = self.job;
        let mut earlier = || {
            let plan = &self.learner.plan;
            let Begun { learner, progress, .. } = match resume::open(job.dir, job.run)? {
                Some(saved) => load(b, job, plan, saved)?,
                None => begin(b, job, plan)?,
            };
            let logs = logs(job, &progress)?;
            Ok((learner, progress, logs))
        };
        let (learner, progress, (log, alignment)) = job.ranks.agree(earlier())?;
        (self.learner, self.progress) = (learner, progress);
        (self.log, self.alignment) = (log, alignment);
        self.window = Window::from(self.progress.window.clone());
        self.unseen.clear();
        Ok(())
    }

    fn run(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        self.keep_step();
        if let Some(reason) = self.reason_to_end().filter(|_| self.progress.finished) {
            let (label, folder) = (self.job.label, self.job.dir.folder().display());
            display.line(&format!("{label}: {folder} is finished ({reason}), taken as it is"));
            return Ok(());
        }
        self.tell_start(display);
        let remembered = self.remember(b, display);
        self.job.ranks.agree(remembered)?;
        if self.job.ranks.is_first() {
            self.record()?;
        }
        // The limit may have been raised since.
        self.progress.finished = false;
        loop {
            match self.go(b, display) {
                Err(error) if self.spoilt => self.retry(b, display, error)?,
                outcome => return outcome,
            }
        }
    }

    /// Says with whose weights the training begins, if they are of another run.
    fn tell_start(&self, display: &Display) {
        let Some((start, new)) = self.job.start.as_ref().zip(self.new.as_ref()) else { return };
        let new = if new.is_empty() { String::new() } else { format!("; new: {}", new.join(", ")) };
        let (label, start) = (self.job.label, start.display());
        display.line(&format!("{label}: begins with the weights of {start}{new}"));
    }

    /// Keeps what the teacher says, if the configuration has a place for it.
    fn remember(&mut self, b: &mut B, display: &Display) -> Result<()> {
        let Some(teacher) = &mut self.teacher else { return Ok(()) };
        let Job { run, data, device, .. } = self.job;
        let (checksum, fingerprint) = (data.train.checksum(), teacher.fingerprint());
        let mapping = (&self.objective.terms, run.train.seed, run.train.precision);
        let program = provenance::program();
        let source = Source {
            lengths: data.train.all_lengths(),
            needs: self.objective.needs(),
            layout: self.objective.layout(),
            key: format!("{checksum} {fingerprint} {mapping:?} {device} {program}"),
        };
        teacher.remember(b, &Choice::of(&run.distill, &cache_of(self.job)), &source)?;
        if let Some(cache) = &teacher.cache {
            let outline = cache.outline(data.train.len());
            display.line(&format!("{}: {outline}", self.job.label));
        }
        Ok(())
    }

    /// Writes vocabulary, configuration and provenance into the folder.
    fn record(&self) -> Result<()> {
        sweep(self.job.dir.folder());
        self.job.data.vocab.save(&self.job.dir.tokenizer())?;
        self.job.dir.save_config(self.job.run)?;
        let teacher = self.teacher.as_ref().map(|teacher| teacher.fingerprint());
        provenance::record(&provenance::Start {
            dir: self.job.dir,
            device: &self.job.device.to_string(),
            ranks: self.job.ranks.size(),
            precision: self.job.run.train.precision,
            data: self.job.data,
            teacher,
            start: self.start.as_deref(),
            from_update: self.progress.update,
        })
    }

    /// Trains until a limit is reached or an error occurs.
    fn go(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        loop {
            if self.due_to_validate() {
                self.validate(b, display, true)?;
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

    /// The limit that is reached, if any.
    fn reason_to_end(&self) -> Option<&'static str> {
        let (train, progress) = (&self.job.run.train, &self.progress);
        let over = |limit: u64, value: u64| limit > 0 && value >= limit;
        if over(train.max_update, progress.update) {
            Some("max_update")
        } else if over(train.max_epoch as u64, progress.epoch) {
            Some("max_epoch")
        } else if over(train.patience as u64, progress.without_better) {
            Some("patience")
        } else if self.due.end {
            Some("time_limit_seconds")
        } else {
            None
        }
    }

    /// Whether a validation is due, by epochs or by updates.
    fn due_to_validate(&self) -> bool {
        let Progress { update, epoch, position, validated, .. } = self.progress;
        let train = &self.job.run.train;
        let epochs = position == 0 && epoch.is_multiple_of(train.validate_interval as u64);
        let interval = train.validate_interval_updates;
        let updates = interval > 0 && update.is_multiple_of(interval);
        (epochs || updates) && validated != update
    }

    /// Runs the remaining updates of the epoch, up to the next validation or the end.
    fn epoch(&mut self, b: &mut B, display: &mut Display) -> Result<()> {
        let train = &self.job.run.train;
        let epoch = self.progress.epoch + 1;
        let batches = self.job.ranks.agree(self.batches(epoch, display))?;
        let updates: Vec<_> = batches.chunks(train.update_freq).collect();
        display.expect(self.progress.end(train, updates.len() as u64));
        if self.progress.position == 0 {
            self.window = Window::from(Default::default());
        }
        while let Some(batches) = updates.get(self.progress.position as usize) {
            self.update(b, display, batches, epoch)?;
            let ended = self.progress.position as usize == updates.len();
            if ended {
                self.end_epoch();
            }
            if let Some(signal) = self.due.stop {
                return self.stop(b, display, signal);
            }
            if self.due.save {
                self.save_last(b, display)?;
            }
            if ended || self.due_to_validate() || self.reason_to_end().is_some() {
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

    /// The batches of an epoch. Pairs longer than `max_tokens` are reported once.
    fn batches(&self, epoch: u64, display: &Display) -> Result<Vec<Vec<u32>>> {
        let train = &self.job.run.train;
        let lengths = self.job.data.train.all_lengths();
        let cut = batches::batches(lengths, train.max_tokens, train.seed, epoch);
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

    /// Saves and stops because of a signal.
    fn stop(&mut self, b: &mut B, display: &mut Display, signal: i32) -> Result<()> {
        let asked = Error::Interrupted(signal);
        self.save_last(b, display)?;
        let (label, update) = (self.job.label, self.progress.update);
        let (event, seconds) = (asked.to_string(), self.seconds);
        self.log.write(&json!({"update": update, "event": event, "seconds": seconds}))?;
        display.line(&format!("{label}: saved at update {update}; go on with --resume"));
        Err(self.job.ranks.alike(asked))
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
        let lr = self.rate();
        let key = rng::derive(rng::derive(train.seed, stream::DROPOUT), self.progress.update);
        let numbers = batches;
        let batches = batches.iter().map(|rows| learner::pairs(&self.job.data.train, rows));
        let batches = self.job.ranks.agree(batches.collect::<Result<Vec<_>>>())?;
        let number = self.progress.update + 1;
        let step = Step { adam: self.adam(), number, lr, ema_decay: train.ema_decay };
        let at = At { step, epoch, key, numbers, room: self.job.room, ranks: self.job.ranks };
        let (teacher, objective) = (self.teacher.as_ref(), &self.objective);
        let unread = learner::update(b, &mut self.learner, &batches, teacher, objective, &at)?;
        if let Some(trouble) = teacher.and_then(|teacher| teacher.cache.as_ref()?.trouble()) {
            display.line(&format!("{}: {trouble}", self.job.label));
        }
        self.progress.update += 1;
        self.progress.position += 1;
        self.unseen.push(Unseen { number: self.progress.update, epoch, lr, unread });
        self.seconds += start.elapsed().as_secs_f64();
        self.keep_step();
        if self.due.look {
            self.look(b, display)?;
        }
        if std::mem::take(&mut self.compiles) {
            self.tell_compilation(start.elapsed(), display);
        }
        Ok(())
    }

    /// Says how long the first update took, if that is long.
    fn tell_compilation(&self, took: Duration, display: &Display) {
        if took >= LONG {
            let (label, seconds) = (self.job.label, took.as_secs_f64());
            display
                .line(&format!("{label}: compiling kernels and the first update: {seconds:.1} s"));
        }
    }

    /// The learning rate of the next update.
    pub(super) fn rate(&self) -> f64 {
        let train = &self.job.run.train;
        let schedule = InverseSqrt {
            lr: train.lr,
            warmup_updates: train.warmup_updates,
            warmup_init_lr: train.warmup_init_lr.max(0.0),
        };
        schedule.rate(self.progress.update) * 0.5f64.powi(self.progress.retries as i32)
    }

    fn adam(&self) -> Adam {
        let train = &self.job.run.train;
        Adam {
            beta1: train.adam_beta1 as f32,
            beta2: train.adam_beta2 as f32,
            eps: train.adam_eps as f32,
            weight_decay: train.weight_decay as f32,
            clip_norm: train.clip_norm as f32,
        }
    }

    /// Validates and saves the model if it is the best so far. Only scheduled validations after the warm-up count toward
    /// patience.
    fn validate(&mut self, b: &mut B, display: &mut Display, scheduled: bool) -> Result<()> {
        // A run resumes from its last checkpoint, which must exist before a best one.
        if self.saved.0.is_none() {
            self.save_last(b, display)?;
        }
        self.look(b, display)?;
        let weights = learner::model_weights(b, &self.learner);
        let model = self.learner.plan.bind(weights).model;
        let teacher = self.teacher.as_ref().map(|teacher| &teacher.teacher);
        let of = (&self.objective, teacher);
        let found = match validate::validate(b, &model, self.job, of, display)? {
            Ok(found) => found,
            Err(signal) => return self.stop(b, display, signal),
        };
        self.check_number("validation loss", found.loss)?;
        let (better, decides) = self.judge(&found.standing(), display);
        self.progress.validated = self.progress.update;
        if better {
            self.progress.best = found.standing();
            self.progress.best_update = self.progress.update;
            self.progress.without_better = 0;
        } else if scheduled && self.progress.is_warm(&self.job.run.train) {
            self.progress.without_better += 1;
        }
        if self.job.ranks.is_first() {
            self.keep(b, better)?;
        }
        let epoch = self.progress.epoch + u64::from(self.progress.position > 0);
        self.write_alignment(b, epoch)?;
        let (label, update) = (self.job.label, self.progress.update);
        let verdict = match better {
            true if decides == self.job.run.select_by() => " (best)".to_owned(),
            true => format!(" (best by {decides})"),
            false => String::new(),
        };
        display.line(&format!("{label}: epoch {epoch}, update {update}: {found}{verdict}"));
        let mut line = json!({
            "update": update,
            "epoch": epoch,
            "valid_loss": found.loss,
            "valid_nll": found.nll,
        });
        found.named(self.job.run.task).iter().for_each(|(name, score)| line[*name] = json!(score));
        (line["best"], line["seconds"]) = (json!(better), json!(self.seconds));
        self.log.write(&line)
    }

    /// Whether a model is the best so far, and by which criterion. A fallback from the configured criterion is
    /// announced once.
    fn judge(&mut self, standing: &Standing, display: &Display) -> (bool, SelectBy) {
        let (best, wanted) = (self.progress.best, self.job.run.select_by());
        let first = best == Standing::default();
        let decides = standing.criterion(if first { standing } else { &best }, wanted);
        if decides != wanted && self.stands_in != Some(decides) {
            let text = match wanted {
                SelectBy::Bleu => "BLEU is 0, or no reference has four words",
                _ => "chrF is 0, or there is no text to score",
            };
            display.line(&format!(
                "{}: {text}: the best model is chosen by {decides}",
                self.job.label
            ));
            self.stands_in = Some(decides);
        }
        (first || standing.beats(&best, decides), decides)
    }

    /// Validates if there were updates since the last validation, and writes the final checkpoint.
    fn finish(&mut self, b: &mut B, display: &mut Display, reason: &str) -> Result<()> {
        if self.progress.validated != self.progress.update {
            self.validate(b, display, false)?;
        }
        self.progress.finished = true;
        self.save_last(b, display)?;
        forget_cache(self.job)?;
        display.line(&format!(
            "{}: ends after {} updates ({reason}), {:.0} s; best {} at update {}",
            self.job.label,
            self.progress.update,
            self.seconds,
            self.progress.best.told(self.job.run.select_by()),
            self.progress.best_update,
        ));
        Ok(())
    }
}

/// Checks that student and teacher have a position for every token of a text.
fn check_lengths(job: &Job<'_>, student: &Config, teacher: Option<&Config>) -> Result<()> {
    let rows = [Some(student), teacher].into_iter().flatten().map(|of| of.embedding.positions);
    let Some(rows) = rows.filter(|rows| *rows > 0).min() else { return Ok(()) };
    let all = [&job.data.train, &job.data.valid].into_iter().flat_map(|of| of.all_lengths());
    let longest = all.map(|(source, _)| *source as usize).max().unwrap_or(0);
    if longest <= rows {
        return Ok(());
    }
    let (folder, most) = (job.data.folder.display(), rows.saturating_sub(2));
    let text = format!("{folder} has a text of {longest} tokens, the models have {rows} positions");
    Err(Error::misuse(format!("{text}: prepare it again with `data.max_length` of at most {most}")))
}

/// The file of the teacher's cache.
fn cache_of(job: &Job<'_>) -> PathBuf {
    job.dir.teacher_cache(job.ranks.number())
}

/// Removes the teacher's cache. The first rank also removes those of ranks that only an earlier part of the run had.
fn forget_cache(job: &Job<'_>) -> Result<()> {
    let ranks = job.ranks;
    let others = (ranks.size()..).map(|rank| job.dir.teacher_cache(rank));
    let others = others.take_while(|path| ranks.is_first() && path.is_file());
    [cache_of(job)].into_iter().chain(others).try_for_each(|path| remove(&path))
}

/// Where a training stands when it begins or goes on.
struct Begun<T> {
    learner: Learner<T>,
    progress: Progress,
    /// The parameters that are not those of another run, if the training begins with its weights.
    new: Option<Vec<String>>,
}

/// The initial state of a new run.
fn begin<B: Train>(b: &mut B, job: &Job<'_>, plan: &Plan) -> Result<Begun<B::Tensor>> {
    forget_after(job, 0)?;
    let seed = rng::derive(job.run.train.seed, stream::INIT);
    let mut learner = Learner::random(b, plan.clone(), seed);
    if let (Some(how), Some(teacher)) = (job.run.distill.init_from_teacher, &job.teacher) {
        warm_start::take(b, plan, &mut learner.params, job, teacher, how)?;
    }
    let params = &mut learner.params;
    let carry_on = |earlier| warm_start::carry_on(b, plan, params, job, earlier);
    let new = job.start.as_deref().map(carry_on).transpose()?;
    learner.average = (job.run.train.ema_decay > 0.0).then(|| learner.params.clone());
    Ok(Begun { learner, progress: Progress::default(), new })
}

/// The state stored in a checkpoint.
fn load<B: Train>(
    b: &mut B,
    job: &Job<'_>,
    plan: &Plan,
    mut saved: Saved,
) -> Result<Begun<B::Tensor>> {
    let progress: Progress = saved.get("progress")?;
    let learner = learner::load(b, plan, &mut saved, job.run.train.ema_decay > 0.0)?;
    saved.finish()?;
    forget_after(job, progress.validated)?;
    Ok(Begun { learner, progress, new: None })
}

fn forget_after(job: &Job<'_>, update: u64) -> Result<()> {
    if job.ranks.is_first() { job.dir.forget_after(update) } else { Ok(()) }
}

/// The log and the alignment log (if an alignment is learned), cut to their state at a checkpoint. Only rank 0 has
/// logs.
fn logs(job: &Job<'_>, progress: &Progress) -> Result<(Log, Option<Log>)> {
    if !job.ranks.is_first() {
        return Ok((Log::none(), None));
    }
    let &Progress { update, validated, .. } = progress;
    let mut log = Log::resume(&job.dir.log(), update, validated)?;
    if job.run.train.tensorboard {
        log = log.with_events(&job.dir.tensorboard())?;
    }
    let aligned = learns_alignment(&job.run.distill);
    let alignment = || Log::resume(&job.dir.alignment(), validated, validated);
    Ok((log, aligned.then(alignment).transpose()?))
}
