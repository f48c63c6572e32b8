//! The stream that CubeCL launches on, which it shows nowhere but in the debugging text of its server.

use std::fmt::Debug;

/// What precedes the list of streams, and the handle of a stream in it.
const LIST: &str = "streams: [";
const STREAM: &str = "Some(StreamWrapper { stream: Stream { sys: 0x";

/// The handle of the stream that CubeCL takes for thread `id`, from the server's text. The list of streams has one place for
/// each that threads may take, in turn, and one of CubeCL's own.
pub fn of(server: &impl Debug, id: u64) -> Option<usize> {
    let text = format!("{server:?}");
    let all = places(text.split_once(LIST)?.1)?;
    let count = all.len().checked_sub(1).filter(|&count| count > 0)?;
    all[id as usize % count]
}

/// The stream of each place of a list, without those of places that are not taken yet.
fn places(mut text: &str) -> Option<Vec<Option<usize>>> {
    let mut all = Vec::new();
    loop {
        let rest = if let Some(rest) = text.strip_prefix("None") {
            all.push(None);
            rest
        } else {
            let (handle, _) = text.strip_prefix(STREAM)?.split_once(',')?;
            all.push(Some(usize::from_str_radix(handle, 16).ok()?));
            &text[end(text)?..]
        };
        match rest.strip_prefix(", ") {
            Some(more) => text = more,
            None => return rest.starts_with(']').then_some(all),
        }
    }
}

/// Where the first bracket of a text is closed.
fn end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => continue,
        }
        if depth == 0 {
            return Some(at + c.len_utf8());
        }
    }
    None
}
