//! The two names of the program, its version, and what is made of the command line: completions and the manual.

use crate::desk::{Desk, Done, binary, done};
use a2d_host::cli;
use a2d_host::system::program;
use a2d_tests::helpers::skip::skipped;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

fn verbs() -> Vec<String> {
    cli::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect()
}

fn run(program: &Path, line: &str) -> Done {
    done(Command::new(program).args(line.split_whitespace()).stdin(Stdio::null()).output().unwrap())
}

/// The binary of this name, where one was built.
fn built(name: &str) -> Option<std::path::PathBuf> {
    let path = binary().with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    path.is_file().then_some(path)
}

/// Help, usage, version and errors name this program alone.
#[track_caller]
fn names_itself(program: &Path, name: &str, other: &str) {
    assert!(run(program, "--version").out.starts_with(&format!("{name} 0.")));
    let wrong = run(program, "fly").err;
    assert!(wrong.ends_with(&format!("see `{name} --help`\n")), "{wrong}");
    let no_run = run(program, "translate nowhere").err;
    assert!(no_run.contains(&format!("`{name} train CONFIG.toml`")), "{no_run}");
    let verbs = verbs();
    for line in verbs.iter().map(|verb| format!("{verb} --help")).chain(["--help".to_owned()]) {
        let help = run(program, &line).out;
        let usage = format!("Usage: {name} {}", line.strip_suffix("--help").unwrap());
        assert!(help.contains(usage.trim_end()), "{line}: {help}");
        let foreign = verbs.iter().find(|verb| help.contains(&format!("{other} {verb}")));
        assert!(foreign.is_none(), "{line} names `{other} {}`", foreign.unwrap());
    }
}

#[test]
fn the_program_goes_by_the_name_that_it_was_started_under() {
    for (name, other) in [("a2d", "host"), ("host", "a2d")] {
        match built(name) {
            Some(program) => names_itself(&program, name, other),
            None => skipped(&format!("A2D_TEST_HOST names a folder without {name}")),
        }
        // One file under both names, as in the archives.
        let desk = Desk::new();
        let linked = desk.path(&format!("{name}{}", std::env::consts::EXE_SUFFIX));
        fs::copy(binary(), &linked).unwrap();
        names_itself(&linked, name, other);
    }
    assert_eq!(program::command("prepare"), "`a2d prepare`", "in a test no binary has started");
}

/// The long version has what `devices` has, under the same names.
#[test]
fn the_version_tells_the_build() {
    let desk = Desk::new();
    assert_eq!(desk.host("-V").out, concat!("host ", env!("CARGO_PKG_VERSION"), "\n"));
    let version = desk.host("--version").out;
    let lines: Vec<_> = version.lines().collect();
    let [_, commit, features, backends] = lines[..] else { panic!("{version}") };
    assert!(commit.strip_prefix("commit: ").is_some_and(|hash| hash.len() >= 7), "{version}");
    let gpu = a2d_host::backend::gpu::BUILT;
    assert!(features.starts_with("features: "), "{version}");
    assert_eq!((features.contains("gpu"), backends.contains("cuda")), (gpu, gpu), "{version}");
    let distributed = a2d_host::train::ranks::BUILT;
    assert_eq!(features.contains("distributed"), distributed, "{version}");
    let devices: Value = serde_json::from_str(&desk.host("devices --json").well()).unwrap();
    let cpu = format!("backends: cpu ({})", devices[0]["features"].as_str().unwrap());
    assert!(backends.starts_with(&cpu), "{version} {devices}");
}

#[test]
fn completions_name_every_verb() {
    let desk = Desk::new();
    for shell in SHELLS {
        let script = desk.host(&format!("completions {shell}")).well();
        for verb in verbs() {
            assert!(script.contains(&verb), "{shell}: {verb}");
        }
        assert!(script.contains("max-bleu-drop") && script.contains("host"), "{shell}");
    }
    desk.refused(
        "completions tcsh",
        2,
        &["[possible values: bash, elvish, fish, powershell, zsh]"],
    );
}

/// Shells that are there accept the script, and bash completes by it.
#[test]
fn shells_accept_the_completions() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        desk.write(shell, desk.host(&format!("completions {shell}")).well());
        match Command::new(shell).arg("-n").arg(desk.path(shell)).output() {
            Ok(output) => {
                assert!(output.status.success() && output.stderr.is_empty(), "{output:?}")
            }
            Err(_) => skipped(&format!("no {shell}")),
        }
    }
    let script = "source ./bash; COMP_WORDS=(host tra); COMP_CWORD=1; _host host tra host; \
        echo ${COMPREPLY[@]}";
    let completed = Command::new("bash").args(["-c", script]).current_dir(desk.path("")).output();
    if let Ok(completed) = completed {
        assert_eq!(done(completed).well(), "train translate\n");
    }
}

#[test]
fn every_verb_has_a_man_page() {
    let desk = Desk::new();
    assert_eq!(desk.host("man --out share/man1").well(), "");
    let page = |name: &str| desk.read(&format!("share/man1/{name}.1"));
    for verb in verbs() {
        let page = page(&format!("host-{verb}"));
        assert!(page.contains(".SH EXAMPLES") && page.contains(&format!("host {verb}")), "{page}");
        assert!(page.lines().any(|line| line.starts_with(&format!(".TH host-{verb} 1"))), "{page}");
        assert!(page.lines().all(|line| !line.contains("a2d train")), "{page}");
    }
    assert_eq!(fs::read_dir(desk.path("share/man1")).unwrap().count(), verbs().len() + 1);
    assert_eq!(desk.host("man").well(), page("host"), "without --out it is the main page");
    desk.refused("man --out tiny.toml", 1, &["cannot create tiny.toml: file exists"]);
}
