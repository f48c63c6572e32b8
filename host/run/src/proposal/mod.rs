//! A configuration that is proposed for a corpus.

mod choose;

pub use choose::{choose, vocab_size};

use crate::config::RunConfig;
use crate::config::reference::{Key, comment, sections, toml_text};
use a2d_system::program;

/// A configuration, and why its values were chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The configuration. Its texts are not named yet.
    pub run: RunConfig,
    /// Keys with the reason for their values, which may be the reason for the keys after them, too.
    pub reasons: Vec<(&'static str, String)>,
    /// Updates in an epoch, about.
    pub updates_per_epoch: usize,
}

/// Keys of `[model]` and `[teacher.model]` that are written even if they have their defaults.
const SIZES: [&str; 7] = [
    "d_model",
    "ffn_dim",
    "encoder_layers",
    "decoder_layers",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "dropout",
];

fn is_size(path: &str) -> bool {
    let name = path.strip_prefix("teacher.").unwrap_or(path).strip_prefix("model.");
    name.is_some_and(|name| SIZES.contains(&name))
}

impl Proposal {
    /// The chosen values as TOML, each after its reason, under the comment `head`. A key of
    /// `[teacher.train]` is left out if it has the value of `[train]`.
    pub fn to_toml(&self, head: &str) -> String {
        let mut out = String::new();
        head.lines().for_each(|line| comment(&mut out, line));
        for section in sections() {
            let keys: Vec<_> = section.keys.iter().filter(|key| self.is_chosen(key)).collect();
            if !keys.is_empty() {
                out.push_str(&format!("\n[{}]\n", section.path));
            }
            keys.into_iter().for_each(|key| self.assign(key, &mut out));
        }
        let all = program::command("config");
        out.push_str(&format!("\n# Every other key has its default: {all} lists them all.\n"));
        out
    }

    /// The chosen keys and their values.
    pub fn choices(&self) -> Vec<(String, toml::Value)> {
        let keys = sections().into_iter().flat_map(|section| section.keys);
        let chosen = keys.filter(|key| self.is_chosen(key));
        chosen.filter_map(|key| Some((key.path.clone(), self.run.value(&key.path)?))).collect()
    }

    fn assign(&self, key: &Key, out: &mut String) {
        let reason = self.reasons.iter().find(|(path, _)| *path == key.path);
        reason.iter().for_each(|(_, reason)| comment(out, reason));
        if let Some(value) = self.run.value(&key.path) {
            out.push_str(&format!("{} = {}\n", key.name(), toml_text(&value)));
        }
    }

    /// Whether the value is written: it is a size, has a reason, or differs from that of an absent key.
    fn is_chosen(&self, key: &Key) -> bool {
        let absent = match &key.inherits {
            Some(from) => self.run.value(from),
            None => key.default.clone().filter(|_| !key.derived),
        };
        let value = self.run.value(&key.path);
        let has_reason = self.reasons.iter().any(|(path, _)| *path == key.path);
        value.is_some() && (is_size(&key.path) || has_reason || value != absent)
    }
}
