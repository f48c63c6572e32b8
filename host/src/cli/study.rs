//! `study`.

use super::DeviceArgs;
use super::values::positive;
use clap::Args;
use std::path::PathBuf;

/// `a2d study`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d study fixtures/configs/study-multi30k.toml --dry-run
  a2d study fixtures/configs/study-multi30k.toml --jobs 2
  a2d study fixtures/configs/study-multi30k.toml --resume
With task = \"classify\" it compares labels in place of translations. Trainings and readings of test sets are processes of this
program, --jobs at a time. A study can be stopped at any time: --resume goes on. Writes study.json, study.md, study.html, and of
translations the triples for COMET. Exit code 1: something failed; all else has run.")]
pub struct StudyArgs {
    /// The study
    #[arg(value_name = "STUDY.toml")]
    pub file: PathBuf,
    /// Folder of the study [default: runs/STUDY]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Processes at the same time, which share the cores unless --threads gives each its own [default: the key study.jobs,
    /// or 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub jobs: Option<usize>,
    /// Print the plan and the estimated time, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with what is in the folder; failed parts are tried again
    #[arg(long)]
    pub resume: bool,
    /// The device of the processes.
    #[command(flatten)]
    pub device: DeviceArgs,
}
