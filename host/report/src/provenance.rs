//! The provenance of a run, and the command to reproduce it.

use super::jsonl::{LogLine, LogLines};
use a2d_system::program::{self, quoted};
use serde_json::Value;
use std::path::Path;

/// The starts and resumes of a run, each with its shell command.
pub fn starts(found: &LogLines) -> Value {
    let start = |line: &LogLine| {
        let mut start = line.clone();
        start.insert("shell".to_owned(), shell(line).map_or(Value::Null, Value::String));
        Value::Object(start)
    };
    found.lines.iter().map(start).collect()
}

/// The shell command of a start, including folder and environment.
fn shell(line: &LogLine) -> Option<String> {
    let words = line.get("command")?.as_array()?;
    let words: Vec<_> =
        words.iter().map(|word| word.as_str().map(quoted)).collect::<Option<_>>()?;
    let environment = line.get("environment").and_then(Value::as_object).into_iter().flatten();
    let environment = environment
        .filter_map(|(name, value)| Some(format!("{name}={} ", quoted(value.as_str()?))));
    let folder = line.get("folder").and_then(Value::as_str).map(quoted);
    let folder = folder.map_or(String::new(), |folder| format!("cd {folder} && "));
    Some(folder + &environment.collect::<String>() + &words.join(" "))
}

/// A command that repeats the run in `folder`, with output beside it. The run's configuration has every setting.
pub fn again(folder: &Path, verb: &str) -> String {
    let config = folder.join("config.toml");
    let mut out = folder.as_os_str().to_owned();
    out.push("-again");
    let [config, out] = [config.as_os_str(), &out].map(|path| quoted(&path.to_string_lossy()));
    format!("{} {verb} {config} --out {out}", program::name())
}
