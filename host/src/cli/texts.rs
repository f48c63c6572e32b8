//! `predict`, `embed`.

use super::DeviceArgs;
use super::values::positive;
use crate::translate::source::OnBadInput;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `a2d predict`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  echo 'play some jazz' | a2d predict runs/intents
  a2d predict runs/intents --input texts.txt --output labels.tsv --top 3
One line out for each line in: the label and its probability. Lines come out as they are read, also from a pipe that stays
open.")]
pub struct PredictArgs {
    /// The run of a classifier, or an image of it
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The texts and where the results go.
    #[command(flatten)]
    pub lines: LineArgs,
    /// Write the N most probable labels of each text, one a line: number of the text, label, probability
    #[arg(long, value_name = "N", value_parser = positive)]
    pub top: Option<usize>,
    /// Write a JSON object for each text
    #[arg(long)]
    pub json: bool,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// `a2d embed`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  echo 'a text' | a2d embed runs/embedder
  a2d embed runs/embedder --input texts.txt --output vectors.npy --format npy
One vector of length 1 for each line in.")]
pub struct EmbedArgs {
    /// The run of an embedder, or an image of it
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The texts and where the results go.
    #[command(flatten)]
    pub lines: LineArgs,
    /// How vectors are written: json (a list a line) or npy (one array [texts, width] of f32, at the end)
    #[arg(long, value_name = "NAME", value_enum, default_value_t, hide_possible_values = true)]
    pub format: VectorForm,
    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Texts, and where their results go.
#[derive(Debug, Args)]
pub struct LineArgs {
    /// Texts, one a line; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// Where the results go; - is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// What to do with a line that is not UTF-8: fail (once the lines before it are done), replace (its wrong bytes become
    /// U+FFFD) or skip-line (it is read as an empty text)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t, hide_possible_values = true)]
    pub on_bad_input: OnBadInput,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum VectorForm {
    /// A list of numbers a line.
    #[default]
    Json,
    /// One array of f32, as NumPy reads it.
    Npy,
}
