//! The settings of a run, by key.

use a2d_run::config::{RunConfig, Task};
use serde_json::{Map, Value, json};
use toml::Table;

/// Keys that have a meaning in translation alone, beside those of decoders and cross-attention.
const OF_TRANSLATORS: [&str; 13] = [
    "beam",
    "length_penalty",
    "logits_bias",
    "max_length_a",
    "max_length_b",
    "self_kd",
    "seq_kd",
    "seq_kd_beam",
    "share_embeddings",
    "source_lang",
    "target_lang",
    "valid_bleu_sentences",
    "bleu_tokenizer",
];

/// Keys that have a meaning in text models alone.
const OF_TEXTS: [&str; 8] = [
    "cosine",
    "embedding_norm",
    "max_positions",
    "pooler",
    "pooling",
    "relations",
    "token_types",
    "vector_width",
];

/// Each key that has a meaning for the task, with its value and its default, if any: `[key, value, default]`, as TOML.
pub fn json(run: &RunConfig) -> Value {
    let usual = RunConfig { task: run.task, ..RunConfig::default() };
    let [mut given, plain] = [run, &usual].map(flat);
    given.retain(|key, _| has_meaning(run.task, key));
    let entry = |(key, value): (String, Value)| json!([key, value, plain.get(&key)]);
    given.into_iter().map(entry).collect()
}

fn has_meaning(task: Task, key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    match task.is_of_texts() {
        true => {
            !["decoder", "cross"].iter().any(|part| name.contains(part))
                && !OF_TRANSLATORS.contains(&name)
        }
        false => !OF_TEXTS.contains(&name),
    }
}

fn flat(run: &RunConfig) -> Map<String, Value> {
    let (mut keys, mut run) = (Map::new(), run.complete());
    run.teacher.train.select_by = run.of_teacher().select_by();
    run.train.select_by = run.select_by();
    collect("", &Table::try_from(run).unwrap_or_default(), &mut keys);
    keys
}

fn collect(path: &str, table: &Table, keys: &mut Map<String, Value>) {
    for (name, value) in table {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            toml::Value::Table(inner) => collect(&path, inner, keys),
            value => drop(keys.insert(path, json!(value.to_string()))),
        }
    }
}
