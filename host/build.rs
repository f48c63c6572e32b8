//! Tells the program which commit it is built from, where that is known.

use std::process::Command;

/// Where files lie that make a build differ from its commit.
const WATCHED: [&str; 13] = [
    "build.rs",
    "src",
    "system",
    "data",
    "score",
    "cpu",
    "run",
    "report",
    "engine",
    "../core/src",
    "../gpu/src",
    "../gpu/gemm/src",
    "../Cargo.lock",
];

fn main() {
    for path in WATCHED {
        println!("cargo:rerun-if-changed={path}");
    }
    if let Some(folder) = git(&["rev-parse", "--absolute-git-dir"]) {
        println!("cargo:rerun-if-changed={folder}/HEAD");
        println!("cargo:rerun-if-changed={folder}/logs/HEAD");
    }
    let commit = git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    println!("cargo:rustc-env=A2D_COMMIT={}", commit.unwrap_or_default());
}

/// What git says; nothing outside a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
