//! The known keys and their value types, derived from the default run.
//!
//! Names, types and defaults are thus declared once, in the structs.

use super::{DistillConfig, InitFromTeacher, ModelConfig, RunConfig, StageConfig, TeacherConfig};
use std::path::PathBuf;
use toml::{Table, Value};

/// The default run with an example of every optional or empty key, as a TOML table.
pub(super) fn example() -> Table {
    let run = RunConfig::default();
    let [init, teacher] = ["runs/encoder", "runs/teacher"].map(|run| Some(PathBuf::from(run)));
    let model = ModelConfig { init, ..ModelConfig::default() };
    let teacher = TeacherConfig { run: teacher, model: model.clone(), ..run.teacher };
    let data = run.data.filled();
    let distill = DistillConfig {
        init_from_teacher: Some(InitFromTeacher::Skip),
        translations: Some(PathBuf::from("train.hyp")),
        align_weight_decay: Some(1e-4),
        stages: vec![StageConfig {
            name: "assistant".to_owned(),
            model: Table::from_iter([("d_model".to_owned(), Value::Integer(384))]),
            ..StageConfig::default()
        }],
        ..run.distill
    };
    let out = Some(PathBuf::from("runs/student"));
    let run = RunConfig { out, data, model, distill, teacher, ..run };
    table(&run.complete())
}

/// The default run, without optional keys.
pub(super) fn defaults() -> Table {
    table(&RunConfig::default())
}

/// `run` as a TOML table.
pub(super) fn table(run: &RunConfig) -> Table {
    Table::try_from(run).expect("defaults are plain values")
}

/// Keys that take one value of their type, or a list of them.
const ONE_OR_MORE: [&str; 3] = ["distill.method", "distill.ckd.groups", "distill.alp.groups"];

/// Whether the key at `path` takes one value of its type, or a list of them.
pub(super) fn takes_list(path: &str) -> bool {
    ONE_OR_MORE.contains(&path)
}

/// The table whose absent keys have the values of another table, and that table.
const INHERITS: [&str; 2] = ["teacher.train", "train"];

/// The key that an absent `path` takes its value from, if any.
pub(super) fn inherited_from(path: &str) -> Option<String> {
    let [table, from] = INHERITS;
    let name = path.strip_prefix(table)?.strip_prefix('.')?;
    Some(join(from, name))
}

/// Keys of `[model]` and `[teacher.model]` that are derived from the data.
const SIZES: [&str; 7] = [
    "d_model",
    "ffn_dim",
    "encoder_layers",
    "decoder_layers",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "dropout",
];

/// Keys of `[train]` that are derived from the data.
const SCHEDULE: [&str; 8] = [
    "max_epoch",
    "max_tokens",
    "lr",
    "warmup_updates",
    "validate_interval",
    "validate_interval_updates",
    "beam",
    "valid_bleu_sentences",
];

/// Whether the value of an absent `path` is derived from the data where there are data.
pub(super) fn is_from_data(path: &str) -> bool {
    match path.rsplit_once('.') {
        Some(("model" | "teacher.model", name)) => SIZES.contains(&name),
        Some(("train", name)) => SCHEDULE.contains(&name),
        _ => path == "data.vocab_size",
    }
}

/// The keys that are derived from the data, with those that inherit from them.
pub fn derivable() -> Vec<String> {
    let is = |path: &String| {
        is_from_data(path) || inherited_from(path).is_some_and(|from| is_from_data(&from))
    };
    paths().into_iter().filter(is).collect()
}

/// The paths of every known key and table.
pub(super) fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    collect("", &example(), &mut paths);
    paths
}

fn collect(path: &str, table: &Table, paths: &mut Vec<String>) {
    for (name, value) in table {
        let path = join(path, name);
        if let Value::Table(inner) = value {
            collect(&path, inner, paths);
        }
        paths.push(path);
    }
}

/// The path of `name` under `path`. A name with a dot is quoted, and therefore unknown.
pub(super) fn join(path: &str, name: &str) -> String {
    let name = if name.contains('.') { format!("{name:?}") } else { name.to_owned() };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// The value or table at `path`, if any.
pub(super) fn find<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match (table.get(first)?, rest) {
        (value, "") => Some(value),
        (Value::Table(inner), rest) => find(inner, rest),
        _ => None,
    }
}

/// Sets `path` to `value`. The tables of `path` exist in every run.
pub(super) fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(first) {
                put(inner, rest, value);
            }
        }
    }
}

/// The last part of a path.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
