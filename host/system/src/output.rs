//! What people read: standard output that ends quietly with its reader, and text that no terminal obeys.

use std::borrow::Cow;
use std::io::{ErrorKind, Result, Stderr, StdoutLock, Write};

/// Standard output, whose reader may go at any time (`host translate ... | head`).
#[derive(Debug)]
pub struct Output {
    out: StdoutLock<'static>,
    /// Whether nothing is left to be done where nobody reads.
    ends: bool,
}

/// Standard output for data, the last that a program gives: without a reader it is done.
pub fn data() -> Output {
    Output { out: std::io::stdout().lock(), ends: true }
}

/// Standard output for people, who are told of work: it goes on where nobody listens.
pub fn people() -> Shown<Output> {
    Shown(Output { out: std::io::stdout().lock(), ends: false })
}

/// Standard error, for people.
pub fn stderr() -> Shown<Stderr> {
    Shown(std::io::stderr())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.out.write(bytes);
        self.quietly(written, bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.out.flush();
        self.quietly(flushed, ())
    }
}

impl Output {
    /// The result, or `done` where nobody reads.
    fn quietly<T>(&self, result: Result<T>, done: T) -> Result<T> {
        match result {
            Err(e) if e.kind() == ErrorKind::BrokenPipe && self.ends => std::process::exit(0),
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(done),
            result => result,
        }
    }
}

/// A place that people read: what is written there goes through [`printable`], each time a whole piece of text.
#[derive(Debug)]
pub struct Shown<W>(pub W);

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let all = bytes.len();
        for chunk in bytes.utf8_chunks() {
            self.0.write_all(printable(chunk.valid()).as_bytes())?;
            self.0.write_all(chunk.invalid())?;
        }
        Ok(all)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

/// Text with everything that a terminal would obey, or that would turn the order of what stands around it, as its
/// number in the form of JSON: `\u001b`. Ends of lines and tabs stay, and so does JSON's meaning.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if is_obeyed(c) => shown += &format!("\\u{:04x}", u32::from(c)),
            _ => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Bytes of a message that are shown; what a file or a flag holds may be longer than any screen.
const LONGEST: usize = 2000;

/// A message as one line of bearable length: how it begins and how it ends.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    if text.len() > LONGEST {
        let (start, end) = (text.floor_char_boundary(LONGEST / 2), text.len() - LONGEST / 2);
        let end = text.ceil_char_boundary(end);
        text = format!("{} … {}", &text[..start], &text[end..]).into();
    }
    if text.contains(['\n', '\u{2028}', '\u{2029}']) {
        let separate = |text: String, (from, to)| text.replace(from, to);
        let marks = [("\n", "\\n"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")];
        text = marks.into_iter().fold(text.into_owned(), separate).into();
    }
    text
}
