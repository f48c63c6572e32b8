//! Runs what is missing of a study, in several processes at a time.

use crate::grid::Grid;
use crate::tasks::{Computing, Task};
use crate::usage::Usage;
use a2d_system::display::{Display, duration};
use a2d_system::error::{Error, Result};
use a2d_system::files::{append, make_folder_of};
use a2d_system::leash::Leashed;
use a2d_system::memory;
use a2d_system::output::{one_line, printable};
use a2d_system::signals;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// Between two looks at the processes.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes at the end of a log that are searched for the error.
const TAIL: u64 = 1 << 16;

/// A task that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the task.
    pub label: String,
    /// The last error that its process printed, or why it was not started.
    pub why: String,
    /// The file with all that its process printed, below the study's folder.
    pub log: PathBuf,
}

impl Failure {
    /// What was wrong, without what to do: that depends on what was saved before.
    pub fn cause(&self) -> &str {
        self.why.split("; ").next().unwrap_or_default()
    }
}

/// The state of a task.
#[derive(Debug, Clone, PartialEq)]
enum State {
    Waiting,
    Running,
    Done,
    Failed(String),
}

/// Runs the tasks of a grid.
pub struct Schedule<'a> {
    grid: &'a Grid<'a>,
    computing: Computing,
    jobs: usize,
    display: &'a Display,
    tasks: Vec<Task>,
    /// The places of the tasks that each task waits for.
    needs: Vec<Vec<usize>>,
    states: Vec<State>,
    running: BTreeMap<usize, Running>,
    /// What determines the translations that a student learns from, of the trainings that were ready.
    recipes: BTreeMap<usize, Option<String>>,
}

/// The process of a task.
struct Running {
    process: Leashed,
    /// Its output. The lock of this file is held until the process ends, even if the study was killed before.
    log: File,
    /// Where its own output begins.
    begin: u64,
    start: Instant,
    peak_memory: Option<u64>,
}

impl<'a> Schedule<'a> {
    /// The tasks of `grid`, at most `jobs` at a time.
    pub fn new(
        grid: &'a Grid<'a>,
        computing: Computing,
        jobs: usize,
        display: &'a Display,
    ) -> Self {
        let tasks = grid.tasks();
        let state = |task: &Task| if grid.is_done(*task) { State::Done } else { State::Waiting };
        let states = tasks.iter().map(state).collect();
        let places: HashMap<_, _> = tasks.iter().enumerate().map(|(i, task)| (*task, i)).collect();
        let needs = |task: &Task| {
            grid.needs(*task).iter().filter_map(|need| places.get(need)).copied().collect()
        };
        let needs = tasks.iter().map(needs).collect();
        let (running, recipes) = (BTreeMap::new(), BTreeMap::new());
        Self { grid, computing, jobs, display, tasks, needs, states, running, recipes }
    }

    /// Runs all tasks that are not done, and returns the failures.
    ///
    /// # Errors
    ///
    /// A signal, after all processes have saved and ended.
    pub fn run(mut self) -> Result<Vec<Failure>> {
        loop {
            if signals::stop_requested().is_some() {
                self.stop();
                signals::go_on()?;
            }
            self.reap();
            let waits = self.start();
            if self.running.is_empty() && !waits {
                return Ok(self.failures());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Lets all processes save and end.
    fn stop(&mut self) {
        for running in self.running.values_mut() {
            running.process.let_go();
        }
        let count = self.running.len();
        if count > 0 {
            self.display.line(&format!("stopping {count} processes, which save first"));
        }
        for running in self.running.values_mut() {
            let _ = running.process.child.wait();
        }
        let (done, all) = (self.count(), self.tasks.len());
        self.display.line(&format!("{done} of {all} tasks are done; go on with --resume"));
    }

    /// Takes the processes that have ended.
    fn reap(&mut self) {
        let places: Vec<_> = self.running.keys().copied().collect();
        for place in places {
            let Some(running) = self.running.get_mut(&place) else { continue };
            match running.process.child.try_wait() {
                Ok(None) => {
                    let now = memory::peak(Some(running.process.child.id()));
                    running.peak_memory = running.peak_memory.max(now);
                }
                Ok(Some(status)) => self.ended(place, status),
                Err(error) => {
                    self.running.remove(&place);
                    self.states[place] = State::Failed(error.to_string());
                }
            }
        }
    }

    fn ended(&mut self, place: usize, status: ExitStatus) {
        let Some(mut running) = self.running.remove(&place) else { return };
        let task = self.tasks[place];
        let seconds = running.start.elapsed().as_secs_f64();
        let usage = Usage { seconds, peak_memory_bytes: running.peak_memory };
        let why = match self.grid.record(task, usage) {
            Err(error) => Some(error.to_string()),
            Ok(()) if status.success() && self.grid.is_done(task) => None,
            Ok(()) => Some(last_error(&mut running.log, running.begin, status)),
        };
        let (label, took) = (self.grid.label(task), duration(seconds.round() as u64));
        let count = self.count();
        match why {
            None => {
                self.states[place] = State::Done;
                let count = count + 1;
                self.display.line(&format!("{count}/{} {label}: {took}", self.tasks.len()));
            }
            Some(why) => {
                self.display.line(&format!("{label} failed: {why}"));
                self.states[place] = State::Failed(why);
            }
        }
    }

    /// The number of tasks that are done.
    fn count(&self) -> usize {
        self.states.iter().filter(|state| **state == State::Done).count()
    }

    /// Starts tasks while there is room. Returns whether any waits for a process of an earlier study.
    fn start(&mut self) -> bool {
        let mut waits = false;
        for place in 0..self.tasks.len() {
            if self.running.len() >= self.jobs {
                return true;
            }
            if self.states[place] != State::Waiting || !self.is_ready(place) {
                continue;
            }
            match self.begin(self.tasks[place]) {
                Ok(Some(running)) => {
                    self.states[place] = State::Running;
                    self.running.insert(place, running);
                }
                Ok(None) => waits = true,
                Err(error) => {
                    let label = self.grid.label(self.tasks[place]);
                    self.display.line(&format!("{label} failed: {error}"));
                    self.states[place] = State::Failed(error.to_string());
                }
            }
        }
        waits
    }

    /// Whether all that a task needs is there. A task whose need has failed fails too.
    fn is_ready(&mut self, place: usize) -> bool {
        let task = self.tasks[place];
        for &of in &self.needs[place] {
            let need = self.tasks[of];
            match &self.states[of] {
                State::Done => {}
                State::Failed(_) if self.grid.can_do_without(task, need) => {}
                State::Failed(_) => {
                    let text = format!("not started: {} failed", self.grid.label(need));
                    self.states[place] = State::Failed(text);
                    return false;
                }
                State::Waiting | State::Running => return false,
            }
        }
        !self.waits_for_translations(place)
    }

    /// Whether a running training is making the translations that a task needs.
    fn waits_for_translations(&mut self, place: usize) -> bool {
        let Self { grid, tasks, running, recipes, .. } = self;
        let Task::Train(model) = tasks[place] else { return false };
        let recipe = recipes.entry(place).or_insert_with(|| grid.recipe_of(model)).clone();
        let makes = |other: &usize| match tasks[*other] {
            Task::Train(model) => {
                recipes.get(other) == Some(&recipe) && !grid.has_translations(model)
            }
            _ => false,
        };
        recipe.is_some() && running.keys().any(makes)
    }

    /// Starts the process of a task; `None` if one of an earlier study still works on it.
    fn begin(&self, task: Task) -> Result<Option<Running>> {
        let path = self.grid.log(task);
        make_folder_of(&path)?;
        let wrong = |e: std::io::Error| Error::output("write", &path, &e);
        let log = append(&path).map_err(wrong)?;
        if log.try_lock().is_err() {
            return Ok(None);
        }
        let begin = log.metadata().map_err(wrong)?.len();
        let program = std::env::current_exe().map_err(|e| Error::failed(e.to_string()))?;
        let mut command = Command::new(program);
        command.args(self.grid.arguments(task, &self.computing)?);
        command.stdout(log.try_clone().map_err(wrong)?).stderr(log.try_clone().map_err(wrong)?);
        let process = Leashed::start(&mut command);
        let process = process.map_err(|e| Error::failed(format!("cannot start a process: {e}")))?;
        Ok(Some(Running { process, log, begin, start: Instant::now(), peak_memory: None }))
    }

    fn failures(&self) -> Vec<Failure> {
        let failure = |(task, state): (&Task, &State)| match state {
            State::Failed(why) => {
                let (label, log) = (self.grid.label(*task), self.grid.log(*task));
                let log = log.strip_prefix(self.grid.layout.folder()).unwrap_or(&log).to_owned();
                Some(Failure { label, why: why.clone(), log })
            }
            _ => None,
        };
        // That a model which failed reads nothing goes without saying.
        let tells = |(task, _): &(&Task, &State)| match task {
            Task::Read(model, _) => self.grid.is_finished(*model),
            _ => true,
        };
        self.tasks.iter().zip(&self.states).filter(tells).filter_map(failure).collect()
    }
}

/// The last error in a process's output, or else how it ended.
fn last_error(log: &mut File, begin: u64, status: ExitStatus) -> String {
    let mut bytes = Vec::new();
    let end = log.metadata().map_or(begin, |found| found.len());
    let from = begin.max(end.saturating_sub(TAIL));
    let read = log.seek(SeekFrom::Start(from)).and_then(|_| log.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let errors = text.lines().rev().find_map(|line| {
        line.strip_prefix("error: ").or(line.starts_with("internal error: ").then_some(line))
    });
    match errors.filter(|_| read.is_ok()) {
        Some(line) => one_line(&printable(line)).into_owned(),
        None => status.to_string(),
    }
}
