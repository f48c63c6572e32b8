//! Reads the answers of sacreBLEU.

use std::fs;

use a2d_host::cli::{Cli, Verb};
use a2d_host::score::command::ScoreRequest;
use a2d_host::score::{Metric, MetricOptions};
use clap::Parser;
use serde_json::Value;

/// A file of `fixtures/score`, or the one that an environment variable names (see its README.md).
pub fn fixture(name: &str, variable: &str) -> Value {
    let fixture = format!("{}/../fixtures/score/{name}", env!("CARGO_MANIFEST_DIR"));
    let path = std::env::var(variable).unwrap_or(fixture);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub fn strings(value: &Value) -> Vec<String> {
    list(value).iter().map(|line| text(line).to_owned()).collect()
}

pub fn streams(value: &Value) -> Vec<Vec<String>> {
    list(value).iter().map(strings).collect()
}

/// The metric of a line of arguments that begins with its name.
pub fn metric(options: &str, sentence: bool) -> Box<dyn Metric> {
    let (metrics, options) = parsed(options);
    let mut options = options;
    options.bleu.effective_order = sentence;
    options.metrics(&metrics).unwrap().remove(0)
}

/// The names and settings of metrics, as the command line takes them.
pub fn parsed(options: &str) -> (Vec<String>, MetricOptions) {
    let line = format!("host score --hypothesis - --reference - --metrics {options}");
    let Verb::Score(args) = Cli::try_parse_from(line.split(' ')).unwrap().verb else { panic!() };
    let request = ScoreRequest::try_from(args).unwrap();
    (request.metrics, request.options)
}

/// A line without its last setting, the version of the program.
pub fn versionless(line: &str) -> String {
    let (signature, rest) = line.split_once(" = ").unwrap_or((line, ""));
    let (settings, version) = signature.rsplit_once('|').unwrap();
    assert!(version.starts_with("version:"), "{line}");
    format!("{settings} = {rest}")
}

/// Whether a number equals that of sacreBLEU, within an absolute tolerance.
pub fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9
}
