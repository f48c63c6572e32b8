//! Provenance of a run: one line of `provenance.jsonl` per start or resume.

use super::prepared::Prepared;
use super::run_dir::RunDir;
use crate::config::Precision;
use a2d_system::error::{Error, Result};
use a2d_system::files::append;
use a2d_system::program::environment;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The program's name and version.
pub fn program() -> String {
    format!("a2d-host {}", env!("CARGO_PKG_VERSION"))
}

/// The commit of the program. The binary crate sets it, so that only that crate is recompiled at every commit.
static COMMIT: OnceLock<&str> = OnceLock::new();

/// Sets the commit that the program was built from; an empty text means unknown.
pub fn built_from(commit: &'static str) {
    COMMIT.get_or_init(|| commit);
}

/// The commit that the program was built from, with `-dirty` if files were modified. `None` if it was built outside a
/// repository.
pub fn commit() -> Option<&'static str> {
    COMMIT.get().copied().filter(|commit| !commit.is_empty())
}

/// A training that starts or resumes.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The run's folder.
    pub dir: &'a RunDir,
    /// The device.
    pub device: &'a str,
    /// The number of ranks.
    pub ranks: usize,
    /// The precision of matrix products.
    pub precision: Precision,
    /// The data.
    pub data: &'a Prepared,
    /// The fingerprint of the teacher's weights, if there is a teacher.
    pub teacher: Option<&'a str>,
    /// The fingerprint of the weights of another run that the training began with, if it did.
    pub start: Option<&'a str>,
    /// The number of completed updates.
    pub from_update: u64,
}

/// Appends a line for a training that starts now.
///
/// # Errors
///
/// The file cannot be written.
pub fn record(start: &Start<'_>) -> Result<()> {
    let path = start.dir.provenance();
    let text = format!("{}\n", line(start));
    let file = append(&path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| Error::output("write", &path, &e))
}

fn line(start: &Start<'_>) -> Value {
    let data = start.data;
    json!({
        "program": program(),
        "commit": commit(),
        "time": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        "command": std::env::args_os().map(|text| text.to_string_lossy().into_owned()).collect::<Vec<_>>(),
        "environment": settings(),
        "folder": std::env::current_dir().ok().map(|path| path.display().to_string()),
        "machine": machine(),
        "device": start.device,
        "threads": rayon::current_num_threads(),
        "ranks": start.ranks,
        "precision": start.precision.to_string(),
        "data": {
            "train": data.train.checksum(),
            "valid": data.valid.checksum(),
            "vocabulary": data.vocab.fingerprint(),
        },
        "teacher": start.teacher,
        "start": start.start,
        "from_update": start.from_update,
    })
}

/// The environment variables that set configuration keys.
fn settings() -> BTreeMap<String, String> {
    let is_setting = |name: &str| name.starts_with("A2D_") && name.contains("__");
    environment().filter(|(name, _)| is_setting(name)).collect()
}

fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let os = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": cores,
        "memory_bytes": field("/proc/meminfo", "MemTotal").as_deref().and_then(kibibytes),
        "os": os,
    })
}

/// The first value of `name` in a file of `name: value` lines. Linux only.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next()
}

fn kibibytes(text: &str) -> Option<u64> {
    Some(1024 * text.strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}
