//! The reference as a configuration file that sets every key to its default.

use super::{Key, Section, WIDTH, comment, sections, toml_text, wrap};

const HEAD: &str = "Every key with its default. A key behind `#` has no default, or one that depends on other \
                    keys or on the data. Precedence: default < file < environment < --set.";

/// Every key with its meaning, its allowed values and its default, as TOML that parses to the defaults.
pub fn commented() -> String {
    let mut out = String::new();
    comment(&mut out, HEAD);
    let all = sections();
    for (i, section) in all.iter().enumerate() {
        table(&mut out, section, super::same_keys(&all[..i], section));
    }
    out
}

/// A table. The keys of one that repeats `earlier` are listed without their meanings.
fn table(out: &mut String, section: &Section, earlier: Option<&Section>) {
    out.push('\n');
    if !section.path.is_empty() {
        comment(out, &section.meaning);
        if let Some(earlier) = earlier {
            comment(out, &super::repeats(section, earlier));
        }
        out.push_str(&format!("[{}]\n", section.path));
    }
    for (i, key) in section.keys.iter().enumerate() {
        if earlier.is_none() {
            out.push_str(if i > 0 { "\n" } else { "" });
            described(out, key);
        }
        out.push_str(&assignment(key));
    }
}

fn described(out: &mut String, key: &Key) {
    comment(out, &key.meaning);
    if key.from_data {
        comment(out, "Derived from the data; without data:");
    }
    for allowed in &key.values {
        let text = format!("{:?}: {}", allowed.value, allowed.meaning);
        wrap(&text, WIDTH - 6).iter().for_each(|line| out.push_str(&format!("#     {line}\n")));
    }
}

fn assignment(key: &Key) -> String {
    let (name, fixed) = (key.name(), key.fixed());
    let behind = if fixed.is_some() { "" } else { "# " };
    format!("{behind}{name} = {}\n", toml_text(fixed.unwrap_or(&key.example)))
}
