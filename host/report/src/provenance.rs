//! How a run was made, and how to make it again.

use super::jsonl::{Line, Lines};
use serde_json::Value;
use std::path::Path;

/// The starts of the program on a run, with the command of each as a shell takes it.
pub fn starts(found: &Lines) -> Value {
    let start = |line: &Line| {
        let mut start = line.clone();
        start.insert("shell".to_owned(), shell(line).map_or(Value::Null, Value::String));
        Value::Object(start)
    };
    found.lines.iter().map(start).collect()
}

/// The command of a start, in its folder.
fn shell(line: &Line) -> Option<String> {
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

/// A command that makes a run like the one in `folder` beside it: its own configuration holds every setting.
pub fn again(folder: &Path, verb: &str) -> String {
    let config = folder.join("config.toml");
    let mut out = folder.as_os_str().to_owned();
    out.push("-again");
    let [config, out] = [config.as_os_str(), &out].map(|path| quoted(&path.to_string_lossy()));
    format!("host {verb} {config} --out {out}")
}

/// A word as a POSIX shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=@%:,./".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
