//! Watches a running job through its folder.

mod limits;

use super::{Best, History, LogLine, Quality, number};
use a2d_core::kd;
use a2d_run::checkpoint::{Reached, reached};
use a2d_run::config::{RunConfig, TrainConfig};
use a2d_run::run_dir::RunDir;
use a2d_system::display::duration;
use a2d_system::error::{Error, Result};
use a2d_system::output::{one_line, printable};
use limits::{Limit, Limits};
use serde_json::{Value, json};
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Columns of a sparkline.
const SPARKS: usize = 32;

/// How long a run may be unlocked: a command that trains several models releases one lock before it takes the next.
const GRACE: Duration = Duration::from_secs(5);

/// The arguments of `a2d watch`.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchRequest {
    /// The folder of the run.
    pub run: PathBuf,
    /// Whether to print the state once and exit.
    pub once: bool,
    /// Seconds between updates of the display.
    pub interval: f64,
    /// Whether to print JSON.
    pub json: bool,
}

/// Displays the state of a run until it is finished. The run is not modified. Ctrl-C exits at once with exit code 130.
///
/// # Errors
///
/// Misuse: there is no run. Failure: the run stopped unfinished or was removed, or `out` cannot be written.
pub fn watch(request: &WatchRequest, out: &mut dyn Write) -> Result<()> {
    let refused = |e: std::io::Error| Error::failed(format!("cannot watch for signals: {e}"));
    let always = Arc::new(AtomicBool::new(true));
    flag::register_conditional_shutdown(SIGINT, 128 + SIGINT, always).map_err(refused)?;
    let told = |e| Error::output("write", Path::new("the state"), &e);
    let live = !request.once && !request.json && std::io::stdout().is_terminal();
    let mut screen = Screen { live, json: request.json, lines: 0, seen: None, stopped: false };
    let (mut idle, grace) = (None, if request.once { Duration::ZERO } else { GRACE });
    loop {
        let mut state = match Watched::read(&request.run) {
            Err(_) if screen.seen.is_some() => {
                let text = "has gone: there is no run any more";
                return Err(Error::failed(format!("{} {text}", request.run.display())));
            }
            state => state?,
        };
        // A working process is recognised by the lock or by progress.
        let alive = state.locked || screen.seen.as_ref().is_some_and(|seen| *seen != state.now());
        let since = *idle.get_or_insert_with(Instant::now);
        if alive {
            idle = None;
        } else if since.elapsed() >= grace && !state.ended() {
            state.stopped = Some(state.why_stopped());
        }
        screen.show(&state, request.once, out).map_err(told)?;
        match state.stopped {
            Some(why) if !request.once => {
                return Err(Error::failed(format!("{}: {why}", state.label)));
            }
            _ if request.once || state.ended() => return Ok(()),
            _ => std::thread::sleep(Duration::from_secs_f64(request.interval)),
        }
    }
}

/// The names of the stages in a run's folder that have begun, and of their teachers, the latest first.
fn between(folder: &Path) -> Vec<String> {
    if !RunDir::at(folder).was_locked() {
        return Vec::new();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let names = names.filter(|name| !["alone", "teacher"].contains(&&**name));
    let names = names.flat_map(|name| [format!("{name}/teacher"), name]);
    let begun = |name: String| {
        let log = RunDir::at(&folder.join(&name)).log();
        Some((log.metadata().ok()?.modified().ok()?, name))
    };
    let mut begun: Vec<_> = names.filter_map(begun).collect();
    begun.sort_unstable_by(|a, b| b.cmp(a));
    begun.into_iter().map(|(_, name)| name).collect()
}

/// The state compared for changes: label, update, number of validations, whether finished.
type Now = (String, u64, usize, bool);

/// The state of a run.
struct Watched {
    /// The model in training: the run itself, or before it its teacher, its baseline or a stage.
    label: String,
    /// Whether the model in training is the run itself.
    itself: bool,
    train: Option<TrainConfig>,
    history: History,
    reached: Option<Reached>,
    /// Whether a process trains any model of the run.
    locked: bool,
    /// Why training stopped, if it did.
    stopped: Option<String>,
}

impl Watched {
    fn read(folder: &Path) -> Result<Self> {
        let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = name.file_name().unwrap_or_default().to_string_lossy();
        let name = one_line(&printable(&name)).into_owned();
        // In reverse order of training.
        let before = between(folder).into_iter().chain(["alone", "teacher"].map(str::to_owned));
        let shown = |side: &str| format!("{name}/{}", one_line(&printable(side)));
        let before = before.map(|side| (shown(&side), folder.join(side)));
        let stages: Vec<_> =
            [(name.clone(), folder.to_owned())].into_iter().chain(before).collect();
        let begun = |(_, folder): &&(String, PathBuf)| RunDir::at(folder).log().is_file();
        let (label, current) = match stages.iter().find(begun) {
            Some(found) => found.clone(),
            None => (name, RunDir::open(folder)?.folder().to_owned()),
        };
        // Checked before the log is read: a process that releases the lock now has written its whole log.
        let locked = stages.iter().any(|(_, folder)| RunDir::at(folder).is_locked());
        let dir = RunDir::at(&current);
        let reached = reached(&dir.last());
        let train = dir.load_config().map(|run: RunConfig| run.train).ok();
        let history = History::read(&dir.log())?.unwrap_or_default();
        let itself = current == folder;
        Ok(Self { label, itself, train, history, reached, locked, stopped: None })
    }

    fn now(&self) -> Now {
        let History { validations, .. } = &self.history;
        (self.label.clone(), self.history.update(), validations.len(), self.finished())
    }

    /// Why an unlocked, unfinished run stopped.
    fn why_stopped(&self) -> String {
        let update = self.history.update();
        let Some(line) = &self.history.stopped else {
            let text = "no process goes on with it: it was killed or has failed";
            return format!("{text}, after update {update}; go on with --resume");
        };
        let text = |key| line.get(key).and_then(Value::as_str);
        let event = text("event").unwrap_or_default();
        let why = text("why").map_or(String::new(), |why| format!(": {why}"));
        format!("{event} at update {update}{why}").replace(char::is_control, " ")
    }

    /// Whether training is finished. A run extended past its final checkpoint is not.
    fn finished(&self) -> bool {
        let at = |reached: Reached| reached.finished && reached.update >= self.history.update();
        self.reached.is_some_and(at)
    }

    /// Whether the run itself is finished.
    fn ended(&self) -> bool {
        self.itself && self.finished()
    }

    fn limits(&self) -> Limits {
        self.train.as_ref().map_or(Limits::default(), Limits::of)
    }

    /// The limit that ends the training and the estimated seconds to it, at the speed so far, without validations.
    fn eta(&self) -> Option<(Limit, f64)> {
        if self.finished() || self.stopped.is_some() {
            return None;
        }
        self.limits().first(&self.history)
    }

    fn terms(&self) -> Vec<(&'static str, f64)> {
        let Some(last) = self.history.windows.last() else { return Vec::new() };
        let term = |name| Some((name, number(last, name)?));
        let known = kd::names().filter_map(|named| term(named.name));
        known.filter(|(_, value)| *value != 0.0).collect()
    }

    fn last(&self, key: &str) -> Option<f64> {
        number(self.history.windows.last()?, key)
    }

    /// The quality at the last validation.
    fn reached(&self, quality: Quality) -> Option<f64> {
        number(self.history.validations.last()?, quality.key)
    }

    fn json(&self) -> Value {
        let (best, eta) = (self.history.best(), self.eta());
        let quality = best.map_or("bleu", |best| best.quality.key);
        let mut state = json!({
            "run": self.label,
            "update": self.history.update(),
            "epoch": self.history.epoch(),
            "losses": self.terms().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "lr": self.last("lr"),
            "tokens_per_second": self.last("tokens_per_second"),
            "best_update": best.map(|best| best.update),
            "seconds": self.history.seconds(),
            "eta_seconds": eta.map(|(_, seconds)| seconds),
            "eta_limit": eta.map(|(limit, _)| limit.key()),
            "finished": self.finished(),
            "stopped": self.stopped,
        });
        state[quality] = json!(best.and_then(|best| self.reached(best.quality)));
        state[format!("best_{quality}")] = json!(best.map(|best| best.value));
        state
    }

    /// The state in one line.
    fn line(&self) -> String {
        let best = self.best();
        let best = best.map_or(String::new(), |(of, text)| format!("  {} {text}", of.title));
        let loss = self.last("loss").map_or(String::new(), |loss| format!("  loss {loss:.3}  "));
        format!("{}{loss}{}  {}{best}", self.head(), self.losses(), self.speed())
    }

    /// The state in several short lines with sparklines. With `once`, also why training stopped.
    fn text(&self, once: bool) -> String {
        let mut text = self.head() + "\n";
        if let Some(why) = self.stopped.as_ref().filter(|_| once) {
            text += &format!("{why}\n");
        }
        if let Some(loss) = self.last("loss") {
            let course = sparks(&self.history.windows, "loss");
            let (losses, speed) = (self.losses(), self.speed());
            text += &format!("loss  {course}  {loss:.3}\n      {losses}\n      {speed}\n");
        }
        if let Some((Quality { key, title }, best)) = self.best() {
            text += &format!("{title}  {}  {best}\n", sparks(&self.history.validations, key));
        }
        text
    }

    fn head(&self) -> String {
        let of = |limit: Option<u64>| limit.map_or(String::new(), |limit| format!("/{limit}"));
        let limits = self.limits();
        let update = limits.last_update(&self.history).map(|(_, update)| update);
        let Limits { epoch, seconds, .. } = limits;
        let (at, in_epoch) = (self.history.update(), self.history.epoch());
        let place = format!("update {at}{}  epoch {in_epoch}{}", of(update), of(epoch));
        let end = match (self.finished(), self.eta()) {
            (true, _) => "  finished".to_owned(),
            (false, Some((limit, eta))) => format!("  eta {} ({limit})", duration(eta as u64)),
            (false, None) if self.stopped.is_some() => "  stopped".to_owned(),
            (false, None) => String::new(),
        };
        let limit = seconds.map_or(String::new(), |limit| format!("/{}", duration(limit as u64)));
        let time = duration(self.history.seconds() as u64);
        format!("{}  {place}  {time}{limit}{end}", self.label)
    }

    fn speed(&self) -> String {
        let speed = self.last("tokens_per_second").unwrap_or(0.0);
        format!("{speed:.0} tokens/s  lr {:.2e}", self.last("lr").unwrap_or(0.0))
    }

    /// The last and the best quality.
    fn best(&self) -> Option<(Quality, String)> {
        let Best { quality, value, update } = self.history.best()?;
        let last = self.reached(quality)?;
        Some((quality, format!("{last:.2}  best {value:.2} at update {update}")))
    }

    fn losses(&self) -> String {
        let terms = self.terms().into_iter().filter(|(name, _)| *name != "loss");
        let terms = terms.map(|(name, value)| format!("{name} {value:.3}"));
        terms.collect::<Vec<_>>().join("  ")
    }
}

/// A sparkline of a number.
fn sparks(lines: &[LogLine], key: &str) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values: Vec<f64> = lines.iter().filter_map(|line| number(line, key)).collect();
    let group = values.len().div_ceil(SPARKS).max(1);
    let means: Vec<f64> =
        values.chunks(group).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
    let least = means.iter().copied().fold(f64::INFINITY, f64::min);
    let range = means.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    let bar = |x: &f64| match range > 0.0 {
        true => BARS[((x - least) / range * 7.0).round() as usize % 8],
        false => BARS[0],
    };
    means.iter().map(bar).collect()
}

/// The display and its last state.
struct Screen {
    /// Whether to redraw in place.
    live: bool,
    json: bool,
    /// Lines on display.
    lines: usize,
    /// The last state shown.
    seen: Option<Now>,
    /// Whether the display already shows that training stopped.
    stopped: bool,
}

impl Screen {
    fn show(&mut self, state: &Watched, once: bool, out: &mut dyn Write) -> std::io::Result<()> {
        let (now, stopped) = (state.now(), state.stopped.is_some());
        let new = self.seen.as_ref() != Some(&now) || self.stopped != stopped;
        (self.seen, self.stopped) = (Some(now), stopped);
        match (self.json, self.live || once) {
            _ if !new => Ok(()),
            (true, _) => writeln!(out, "{}", state.json()),
            (false, true) => self.draw(&state.text(once), out),
            (false, false) => writeln!(out, "{}", state.line()),
        }?;
        out.flush()
    }

    fn draw(&mut self, text: &str, out: &mut dyn Write) -> std::io::Result<()> {
        if self.lines > 0 {
            // Move up to the first line and clear everything below.
            write!(out, "\x1b[{}A\x1b[J", self.lines)?;
        }
        if self.live {
            self.lines = text.lines().count();
            // Truncate long lines: wrapped lines would be miscounted.
            return write!(out, "\x1b[?7l{text}\x1b[?7h");
        }
        out.write_all(text.as_bytes())
    }
}
