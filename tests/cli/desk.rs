//! A test folder with a corpus and a configuration, in which the binary runs.

use a2d_host::run::checkpoint::{Saved, Tensor};
pub use a2d_tests::helpers::program::binary;
use a2d_tests::helpers::program::profile;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A configuration small enough to train quickly.
const TINY: &str = r#"
[data]
source_lang = "de"
target_lang = "en"
train = "train"
valid = "valid"
test = "test"
vocab_size = 300
max_length = 40

[model]
d_model = 16
ffn_dim = 32
encoder_layers = 1
decoder_layers = 1
encoder_attention_heads = 2
decoder_attention_heads = 2
dropout = 0.1

[train]
max_tokens = 600
lr = 5e-3
warmup_updates = 20
max_epoch = 0
max_update = 24
beam = 1
log_interval = 1
validate_interval = 1
validate_interval_updates = 0
valid_bleu_sentences = 0

[teacher.model]
d_model = 16
ffn_dim = 32
encoder_layers = 2
decoder_layers = 2
encoder_attention_heads = 4
decoder_attention_heads = 4
dropout = 0.1

[teacher.train]
max_tokens = 600
lr = 5e-3
warmup_updates = 20
max_update = 24
beam = 1
log_interval = 1
"#;

/// A classifier small enough to train quickly.
const INTENTS: &str = r#"
task = "classify"
[data]
train = "train.tsv"
valid = "valid.tsv"
test = "test.tsv"
vocab_size = 300
[model]
d_model = 16
ffn_dim = 32
encoder_layers = 1
encoder_attention_heads = 2
dropout = 0.1
[train]
max_tokens = 600
lr = 1e-2
warmup_updates = 20
max_epoch = 0
max_update = 90
log_interval = 1
[distill]
preset = "rows"
baseline = true
[teacher.model]
d_model = 24
ffn_dim = 48
encoder_layers = 2
encoder_attention_heads = 4
pooling = "first"
pooler = true
[teacher.train]
max_update = 300
"#;

/// Exit code, standard output and standard error of a command.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Asserts exit code 0 and returns the standard output.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }
}

/// A working folder; paths on command lines are relative to it.
pub enum Desk {
    /// Removed when its test ends.
    Own(TempDir),
    /// Shared by all tests and kept.
    Shared(PathBuf),
}

/// The first `lines` lines of a quickstart text.
fn excerpt(split: &str, lang: &str, lines: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/quickstart");
    let text = fs::read_to_string(path.join(format!("{split}.{lang}"))).unwrap();
    text.lines().take(lines).map(|line| format!("{line}\n")).collect()
}

impl Desk {
    /// A new folder with a corpus and `tiny.toml`.
    pub fn new() -> Self {
        let desk = Self::Own(TempDir::new().unwrap());
        desk.furnish();
        desk
    }

    /// The folder that all tests read. `data` is prepared data, `full` a student distilled on it with its teacher and
    /// its baseline, `other` data with another vocabulary.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Desk> = OnceLock::new();
        SHARED.get_or_init(|| {
            let name = format!("cli-{}", profile().file_name().unwrap().display());
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            let desk = Self::Shared(folder);
            desk.furnish();
            let prepare = "prepare --source-lang de --target-lang en --train train --valid valid";
            let told = desk.host(&format!(
                "{prepare} --test test --vocab-size 300 --max-length 40 --out data"
            ));
            desk.write("prepared.txt", told.well());
            desk.host(&format!("{prepare} --vocab-size 200 --out other")).well();
            let distill = "distill tiny.toml --data data --out full --set distill.baseline=true";
            let done = desk.host(distill);
            desk.write("progress.txt", &done.err);
            desk.write("table.txt", done.well());
            desk
        })
    }

    /// A new folder with copies of the shared `data` and `full`.
    pub fn with_run() -> Self {
        let desk = Self::new();
        for name in ["data", "full"] {
            copy(&Self::shared().path(name), &desk.path(name));
        }
        desk
    }

    /// A new folder with `intents.toml` and texts of the committed intents.
    pub fn of_intents() -> Self {
        let desk = Self::Own(TempDir::new().unwrap());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/intents");
        for (split, step) in [("train", 12), ("valid", 10), ("test", 5)] {
            let text = fs::read_to_string(folder.join(format!("{split}.tsv"))).unwrap();
            let lines: String =
                text.lines().step_by(step).map(|line| format!("{line}\n")).collect();
            desk.write(&format!("{split}.tsv"), lines);
        }
        desk.write("intents.toml", INTENTS);
        desk
    }

    /// [`Desk::with_run`], and an image of the run, `full.a2d`.
    pub fn with_image() -> Self {
        let desk = Self::with_run();
        desk.host("export full --out full.a2d").well();
        desk
    }

    fn furnish(&self) {
        for (split, lines) in [("train", 600), ("valid", 20), ("test", 20)] {
            for lang in ["de", "en"] {
                self.write(&format!("{split}.{lang}"), excerpt(split, lang, lines));
            }
        }
        self.write("tiny.toml", TINY);
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Own(folder) => folder.path().join(name),
            Self::Shared(folder) => folder.join(name),
        }
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Changes the bytes of a file.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        self.write(name, bytes);
    }

    /// The command of a line, not yet started. It runs on the CPU unless the line names a device, so that no test
    /// depends on the GPUs of the machine.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(line.split_whitespace()).current_dir(self.path(""));
        let verb = line.split_whitespace().next().unwrap_or_default();
        let computes =
            ["train", "distill", "translate", "evaluate", "bench", "study"].contains(&verb);
        if computes && !line.contains("--backend") && !line.contains("--device") {
            command.args(["--backend", "cpu"]);
        }
        // Mesa prints a warning if this is unset.
        command.env("XDG_RUNTIME_DIR", self.path(""));
        // The user's own stays as it is.
        command.env("A2D_CACHE", "");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a line without input.
    pub fn host(&self, line: &str) -> Done {
        done(self.command(line).output().unwrap())
    }

    /// Runs a line with `input` on standard input.
    pub fn pipe(&self, line: &str, input: &[u8]) -> Done {
        let mut child = self.command(line).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).unwrap());
            done(child.wait_with_output().unwrap())
        })
    }

    /// Runs a line and sends it a signal once its progress output holds `mark`.
    #[cfg(unix)]
    pub fn interrupted(&self, line: &str, mark: &str, signal: &str) -> Done {
        disturbed(self.command(line), mark, |child| send(signal, child))
    }

    /// Runs a line and calls `act` once its progress output holds `mark`.
    pub fn meanwhile(&self, line: &str, mark: &str, act: impl FnOnce(&Child)) -> Done {
        disturbed(self.command(line), mark, act)
    }

    /// Runs a line and calls `act` once the file `name` has `lines` lines or more.
    pub fn once(&self, line: &str, name: &str, lines: usize, act: impl FnOnce(&Child)) -> Done {
        let mut child = self.command(line).spawn().unwrap();
        let count = || fs::read(self.path(name)).unwrap_or_default();
        while count().iter().filter(|byte| **byte == b'\n').count() < lines {
            assert!(
                child.try_wait().unwrap().is_none(),
                "it ended before {name} had {lines} lines"
            );
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        act(&child);
        done(child.wait_with_output().unwrap())
    }

    /// Runs a line that must fail: one line on standard error with all `parts`, exit code `code`, and no file changed.
    #[track_caller]
    pub fn refused(&self, line: &str, code: i32, parts: &[&str]) {
        let before = self.files();
        let done = self.host(&format!("{line} --quiet"));
        let one = done.err.starts_with("error: ") && done.err.lines().count() == 1;
        assert!(one && done.code == Some(code), "{line}: {done:#?}");
        let missing: Vec<_> = parts.iter().filter(|part| !done.err.contains(**part)).collect();
        assert!(missing.is_empty(), "{line}: {} lacks {missing:?}", done.err);
        let after = self.files();
        let changed = before.iter().find(|(path, bytes)| after.get(*path) != Some(bytes));
        assert!(changed.is_none(), "{line} changed {}", changed.unwrap().0.display());
    }

    /// Every file below the folder except lock files.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(""), &mut files);
        files.retain(|path, _| !path.ends_with(".lock"));
        files
    }

    /// The tensors of a checkpoint.
    pub fn tensors(&self, name: &str) -> BTreeMap<String, Tensor> {
        Saved::load(&self.path(name)).unwrap().tensors
    }

    /// The lines of a run's log.
    pub fn log(&self, run: &str) -> Vec<serde_json::Value> {
        let text = self.read(&format!("{run}/log.jsonl"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Runs a command and calls `disturb` once its progress output holds `mark`.
pub fn disturbed(mut command: Command, mark: &str, disturb: impl FnOnce(&Child)) -> Done {
    let mut child = command.spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains(mark) {
        assert!(err.read_line(&mut told).unwrap() > 0, "it ended before {mark}: {told}");
    }
    disturb(&child);
    err.read_to_string(&mut told).unwrap();
    Done { err: told, ..done(child.wait_with_output().unwrap()) }
}

pub fn done(output: std::process::Output) -> Done {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[cfg(unix)]
pub fn send(signal: &str, child: &Child) {
    send_to(signal, child.id());
}

/// Sends a signal to a process id.
#[cfg(unix)]
pub fn send_to(signal: &str, process: u32) {
    let kill = Command::new("kill").args([signal, &process.to_string()]).status();
    assert!(kill.unwrap().success());
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// Copies a folder recursively.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
