//! The YAML that Marian writes: keys at the start of a line with a text, or with a list below.

use std::collections::BTreeMap;

/// The values of each key: one, or those of its list.
pub type Keys = BTreeMap<String, Vec<String>>;

/// Reads `text`. Lines of another form are skipped: nothing that is asked for has them.
pub fn read(text: &str) -> Keys {
    let mut keys = Keys::new();
    let mut last = None;
    for line in text.lines().map(str::trim_end) {
        let item = line.trim_start().strip_prefix("- ");
        if let (Some(item), Some(values)) = (item, last.as_ref().and_then(|key| keys.get_mut(key)))
        {
            values.push(scalar(item));
        } else if let Some((key, value)) =
            line.split_once(':').filter(|_| !line.starts_with([' ', '#']))
        {
            let value = value.trim();
            let values = match value.strip_prefix('[').and_then(|list| list.strip_suffix(']')) {
                Some(list) => list.split(',').map(scalar).filter(|item| !item.is_empty()).collect(),
                None if value.is_empty() => vec![],
                None => vec![scalar(value)],
            };
            keys.insert(scalar(key), values);
            last = Some(scalar(key));
        }
    }
    keys
}

/// The text of a scalar, without quotes.
pub fn scalar(text: &str) -> String {
    let text = text.trim();
    let inside = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match (inside('"'), inside('\'')) {
        (Some(text), _) => unescaped(text),
        (_, Some(text)) => text.replace("''", "'"),
        _ => text.to_owned(),
    }
}

fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text.chars());
    while let Some(c) = rest.next() {
        let escaped = if c == '\\' { rest.next() } else { None };
        match escaped {
            None => out.push(c),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('0') => out.push('\0'),
            Some(digits @ ('x' | 'u' | 'U')) => {
                let len = match digits {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let code: String = rest.by_ref().take(len).collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some(other) => out.push(other),
        }
    }
    out
}
