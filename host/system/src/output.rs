//! Standard output and standard error: a closed pipe is no error, and terminal control characters are escaped.

use std::borrow::Cow;
use std::io::{ErrorKind, Result, Stderr, StdoutLock, Write};

/// Standard output whose reader may close the pipe at any time (`a2d translate ... | head`).
#[derive(Debug)]
pub struct Output {
    out: StdoutLock<'static>,
    /// Whether a closed pipe ends the process.
    ends: bool,
}

/// Standard output for data, the program's final result: a closed pipe ends the process with exit code 0.
pub fn data() -> Output {
    Output { out: std::io::stdout().lock(), ends: true }
}

/// Standard output for messages. Work continues after the pipe is closed.
pub fn people() -> Shown<Output> {
    Shown(Output { out: std::io::stdout().lock(), ends: false })
}

/// Standard error, for messages.
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
    /// The result; on a closed pipe, `done` or the end of the process.
    fn quietly<T>(&self, result: Result<T>, done: T) -> Result<T> {
        match result {
            Err(e) if e.kind() == ErrorKind::BrokenPipe && self.ends => std::process::exit(0),
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(done),
            result => result,
        }
    }
}

/// A writer for people. All text goes through [`printable`]; each write must contain complete characters.
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

/// Escapes control characters and bidirectional overrides as in JSON: `\u001b`. Newlines and tabs stay. JSON text keeps
/// its meaning.
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

/// Formats `1234567` as `1,234,567`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The longest message in bytes. A file or flag quoted in it may be longer.
const LONGEST: usize = 2000;

/// The message as one line, shortened in the middle to 2000 bytes.
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
