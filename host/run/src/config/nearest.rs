//! The key that was probably meant.

use super::schema::{name, paths};

/// The longest part of a path that is compared: known keys are shorter.
const LONGEST: usize = 100;

/// Names that other toolkits have for a key, and ours.
const ELSEWHERE: [(&str, &str); 24] = [
    ("adam_beta", "adam_beta1"),
    ("adam_epsilon", "adam_eps"),
    ("average_decay", "ema_decay"),
    ("batch_size", "max_tokens"),
    ("beam_size", "beam"),
    ("dim_ffn", "ffn_dim"),
    ("early_stopping", "patience"),
    ("embed_dim", "d_model"),
    ("epochs", "max_epoch"),
    ("fp16", "precision"),
    ("gradient_accumulation_steps", "update_freq"),
    ("hidden_size", "d_model"),
    ("learning_rate", "lr"),
    ("max_grad_norm", "clip_norm"),
    ("max_steps", "max_update"),
    ("num_beams", "beam"),
    ("num_epochs", "max_epoch"),
    ("num_train_epochs", "max_epoch"),
    ("pre_norm", "normalize_before"),
    ("src_lang", "source_lang"),
    ("temperature", "student_temperature"),
    ("tgt_lang", "target_lang"),
    ("warmup_steps", "warmup_updates"),
    ("weight_averaging", "ema_decay"),
];

/// What is wrong with a path that is no key.
pub(super) fn unknown(path: &str) -> String {
    format!("unknown key `{path}`; did you mean `{}`?", nearest(path))
}

/// The known key or table that is most like `path`. The name counts more than the table, and its beginning most. A path
/// without a table is compared with whole paths.
pub(super) fn nearest(path: &str) -> String {
    let path = &path[..path.floor_char_boundary(LONGEST)];
    let typed = name(path).replace('-', "_");
    let meant = ours(&typed);
    let like = |known: &String| match path.rsplit_once('.') {
        Some((table, _)) => likeness(known, table, meant),
        None if name(known) == meant => 1.0 / known.len() as f64,
        None => -(strsim::damerau_levenshtein(known, meant) as f64),
    };
    paths().into_iter().max_by(|a, b| like(a).total_cmp(&like(b))).unwrap_or_default()
}

fn likeness(known: &str, table: &str, meant: &str) -> f64 {
    let (of, same) = (known.rsplit_once('.').map_or("", |(of, _)| of), name(known) == meant);
    let by_name = strsim::jaro_winkler(name(known), meant) + f64::from(same);
    // Of two tables that are both another one, the shorter is likelier.
    let by_table =
        if of == table { 2.0 } else { strsim::jaro_winkler(of, table) - of.len() as f64 / 10.0 };
    by_name + 0.2 * by_table
}

/// Our name of a key that other toolkits call `name`.
fn ours(name: &str) -> &str {
    ELSEWHERE.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours)
}
