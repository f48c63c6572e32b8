//! A folder in which the commands of a page run.

use a2d_tests::helpers::program::{a2d, binary};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Trainings of seconds. Numbers that depend on them are `[..]` in the pages.
const SHORT: [(&str, &str); 6] = [
    ("A2D_TRAIN__MAX_UPDATE", "6"),
    ("A2D_TRAIN__LOG_INTERVAL", "2"),
    ("A2D_TRAIN__VALID_BLEU_SENTENCES", "10"),
    ("A2D_TRAIN__BEAM", "1"),
    ("A2D_TRAIN__MAX_LENGTH_A", "0"),
    ("A2D_TRAIN__MAX_LENGTH_B", "4"),
];

/// Hides the GPUs of the machine.
const NO_GPU: [(&str, &str); 3] = [
    ("CUDA_VISIBLE_DEVICES", ""),
    ("VK_ICD_FILENAMES", "/dev/null"),
    ("VK_DRIVER_FILES", "/dev/null"),
];

/// The largest folders of the fixtures, which no command reads.
const LEFT_OUT: [&str; 2] = ["golden", "score"];

/// A temporary folder with a copy of the fixtures, and both names of the program on the path.
pub struct Sandbox(TempDir);

/// The result of a command.
pub struct Found {
    pub code: Option<i32>,
    /// Both outputs, in the order of writing.
    pub output: String,
}

impl Sandbox {
    pub fn new(root: &Path) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let programs = folder.path().join("bin");
        fs::create_dir(&programs).expect("a new folder");
        for (name, program) in [("a2d", a2d()), ("host", binary().to_owned())] {
            symlink(program, programs.join(name)).expect("a link");
        }
        copy(&root.join("fixtures"), &folder.path().join("work/fixtures"));
        Self(folder)
    }

    /// Runs a command by bash.
    pub fn run(&self, command: &str) -> Found {
        let said = self.0.path().join("output");
        let output = File::create(&said).expect("a file for the output");
        let errors = output.try_clone().expect("the same file");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut bash = Command::new("bash");
        bash.args(["-o", "pipefail", "-c", command]).current_dir(self.0.path().join("work"));
        bash.env("PATH", format!("{}:{path}", self.0.path().join("bin").display()));
        bash.envs(SHORT).envs(NO_GPU).env("XDG_RUNTIME_DIR", self.0.path());
        bash.stdin(Stdio::null()).stdout(output).stderr(errors);
        let code = bash.status().expect("bash starts").code();
        let output = fs::read(&said).expect("the output");
        Found { code, output: String::from_utf8_lossy(&output).into_owned() }
    }
}

/// Copies a folder, except those that are left out.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true if LEFT_OUT.iter().any(|name| entry.file_name() == *name) => {}
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).expect("a file that can be copied")),
        }
    }
}
