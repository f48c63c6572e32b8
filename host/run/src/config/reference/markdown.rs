//! The reference as Markdown.

use super::{Key, Section, repeats, same_keys, sections, toml_text};
use std::fmt::Write;

const HEAD: &str = "# Configuration

<!-- Written by `a2d config --markdown > fixtures/guides/configuration.md`: change the doc comments in
host/run/src/config instead, then run this command. -->

A configuration is a TOML file: `a2d distill CONFIG.toml`. A key has the value of the last of these that sets it: the
default, the file, the environment (`A2D_TRAIN__LR=1e-3`: two underscores between levels), the command line (`--set
train.lr=1e-3`). Paths in a file are relative to its folder. An unknown key is an error.

A default that is \"derived from the data\" is what `a2d init` would choose for the text or the prepared data
([the rules](own-data.md#configure)), and suits the keys that are set: the heads divide the width, the learning rate goes by
it, a teacher is at least twice as wide as its student (as wide with `distill.init_from_teacher`), the warm-up is a sixth of
all updates that the limits allow, and `max_epoch` is 0 where `max_update` is set. A training says at its start what it has
derived. Its `config.toml` keeps it, and `--resume` takes it from there. Without data the value is the one that `a2d config
--explain KEY` prints; so it is in a [study](researchers.md#studies) and for what is built with the library, which derive
nothing.

`a2d config` prints this reference as a configuration, `a2d config --explain train.lr` prints one key, and `a2d config
CONFIG.toml` prints the values that a configuration leads to, with their origins. `RUN/config.toml` of a run holds every
value that it was trained with.
";

/// Every key with its meaning, its allowed values and its default, a table of each section.
pub fn markdown() -> String {
    let mut out = HEAD.to_owned();
    let all = sections();
    for (i, section) in all.iter().enumerate() {
        table(&mut out, section, same_keys(&all[..i], section));
    }
    out
}

fn table(out: &mut String, section: &Section, earlier: Option<&Section>) {
    match section.path.as_str() {
        "" => out.push_str("\n## Outside any table\n"),
        path => _ = write!(out, "\n## `[{path}]`\n\n{}\n", section.meaning),
    }
    if let Some(earlier) = earlier {
        _ = write!(out, "\n{}\n", repeats(section, earlier));
    } else if !section.keys.is_empty() {
        out.push_str("\n| key | default | meaning |\n|---|---|---|\n");
        section.keys.iter().for_each(|key| out.push_str(&row(key)));
    }
}

fn row(key: &Key) -> String {
    let mut meaning = cell(&key.meaning);
    for allowed in &key.values {
        _ = write!(meaning, "<br>`{:?}`: {}", allowed.value, cell(&allowed.meaning));
    }
    let default = match (key.fixed(), key.derived) {
        (Some(value), _) => format!("`{}`", toml_text(value)),
        (None, true) if key.from_data => "derived from the data".to_owned(),
        (None, true) => "derived".to_owned(),
        (None, false) => String::new(),
    };
    format!("| `{}` | {default} | {meaning} |\n", key.name())
}

/// `text` inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
