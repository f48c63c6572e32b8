//! The programs of ` ```sh ` blocks, which are not run as the page has them: they build, install, or need more than a test
//! can expect of a machine.

/// A program and its test.
pub struct Program {
    /// The start of its commands.
    pub starts: &'static str,
    /// A file that runs it ...
    pub file: &'static str,
    /// ... by this text.
    pub text: &'static str,
}

const fn program(starts: &'static str, file: &'static str, text: &'static str) -> Program {
    Program { starts, file, text }
}

/// All of them.
pub const PROGRAMS: &[Program] = &[
    program("a2d distill", "tests/cli/texts.rs", "distill intents.toml"),
    program("a2d study", "tests/cli/study.rs", "study fixtures/configs/study-"),
    program("cargo build", ".ci/release", "cargo build"),
    program("cargo install", ".ci/release", "cargo build"),
    program("cargo run", "tests/helpers/program.rs", "\"--bins\""),
    program("cargo test", ".ci/run", "cargo test --workspace --release"),
    program("mpirun", "tests/cli/distributed.rs", "mpirun"),
    program("tests/cuda/run.sh", ".ci/run", "tests/cuda/run.sh"),
    program("tests/device/run.sh", ".ci/run", "tests/device/run.sh"),
];

/// The program of a command, after its variables.
pub fn of(command: &str) -> Option<&'static Program> {
    let is_variable =
        |word: &str| word.split_once('=').is_some_and(|(name, _)| !name.contains('-'));
    let mut rest = command;
    while let Some((_, after)) = rest.split_once(' ').filter(|(word, _)| is_variable(word)) {
        rest = after;
    }
    let begins = |of: &&Program| {
        rest.strip_prefix(of.starts).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    PROGRAMS.iter().find(begins)
}
