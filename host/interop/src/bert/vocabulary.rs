//! `tokenizer.json`, or `vocab.txt` with what `tokenizer_config.json` says of it.

use crate::json;
use crate::line::line;
use a2d_data::vocab::wordpiece::{Model, Rules};
use a2d_system::error::{Error, Result};
use a2d_system::files;
use serde::Deserialize;
use std::path::Path;

/// The keys of `tokenizer_config.json` that are used.
#[derive(Default, Deserialize)]
struct Keys {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
}

impl Keys {
    fn rules(&self) -> Rules {
        let lowercase = self.do_lower_case.unwrap_or(true);
        Rules {
            lowercase,
            strip_accents: self.strip_accents.unwrap_or(lowercase),
            ideographs: self.tokenize_chinese_chars.unwrap_or(true),
        }
    }
}

/// Reads the vocabulary of `folder`, in its own order.
///
/// # Errors
///
/// Misuse: there is none, or it is no WordPiece vocabulary that can be used.
pub fn read(folder: &Path) -> Result<Model> {
    let [document, list] = ["tokenizer.json", "vocab.txt"].map(|name| folder.join(name));
    if document.is_file() {
        let bytes = files::read(&document).map_err(|e| Error::input("read", &document, &e))?;
        return Model::from_json(&bytes).map_err(|e| within(&document, &e));
    }
    if !list.is_file() {
        let folder = folder.display();
        return Err(Error::misuse(format!("{folder} has neither tokenizer.json nor vocab.txt")));
    }
    let keys = folder.join("tokenizer_config.json");
    let keys = if keys.is_file() { json::read(&keys)? } else { Keys::default() };
    let text = files::read(&list).map_err(|e| Error::input("read", &list, &e))?;
    let text = String::from_utf8(text);
    let text = text.map_err(|_| Error::misuse(format!("{} is not UTF-8", list.display())))?;
    Model::from_lines(&text, keys.rules()).map_err(|e| within(&list, &e))
}

/// The misuse of a file.
fn within(path: &Path, error: &Error) -> Error {
    Error::misuse(format!("{}: {}", path.display(), line(&error.to_string())))
}
