//! The statements of a PTX text.

use super::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement<'a> {
    /// `{`
    Open,
    /// `}`
    Close,
    /// `name:`
    Label(&'a str),
    /// The head of a function, up to its body.
    Head(&'a str),
    /// Anything that ends with a semicolon.
    Line(&'a str),
}

/// All statements, each with the line that it begins on.
pub fn statements(text: &str) -> Result<Vec<(u32, Statement<'_>)>, Error> {
    let mut rest = Rest { text, at: 0, line: 1 };
    let mut all = Vec::new();
    while rest.skip() {
        let line = rest.line;
        let one = rest
            .statement()
            .ok_or_else(|| Error { line, why: "the statement has no end".into() })?;
        all.extend(one.map(|one| (line, one)));
    }
    Ok(all)
}

/// `text` without comments; line breaks stay.
pub fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = match rest.as_bytes().get(1) {
            Some(b'/') => rest.find('\n').unwrap_or(rest.len()),
            Some(b'*') => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => {
                out.push('/');
                rest = &rest[1..];
                continue;
            }
        };
        out.extend(rest[..end].chars().filter(|&c| c == '\n'));
        rest = &rest[end..];
    }
    out + rest
}

struct Rest<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Rest<'a> {
    fn left(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let taken = &self.left()[..bytes];
        self.at += bytes;
        self.line += taken.matches('\n').count() as u32;
        taken
    }

    /// Skips white space; returns whether anything is left.
    fn skip(&mut self) -> bool {
        let left = self.left();
        self.take(left.len() - left.trim_start().len());
        !self.left().is_empty()
    }

    /// The next statement; `Some(None)` for a directive that is ignored.
    fn statement(&mut self) -> Option<Option<Statement<'a>>> {
        let left = self.left();
        let word = left.split(|c: char| c.is_whitespace()).next()?;
        match word {
            _ if left.starts_with('{') => {
                self.take(1);
                return Some(Some(Statement::Open));
            }
            _ if left.starts_with('}') => {
                self.take(1);
                return Some(Some(Statement::Close));
            }
            ".loc" | ".file" | ".version" | ".target" | ".address_size" => {
                self.take(left.find('\n').unwrap_or(left.len()));
                return Some(None);
            }
            ".section" => {
                self.take(left.find('}')? + 1);
                return Some(None);
            }
            _ => {}
        }
        let name = left.find(|c: char| !(c.is_alphanumeric() || "_$%.".contains(c)))?;
        if name > 0 && left[name..].starts_with(':') {
            return Some(Some(Statement::Label(self.take(name + 1).trim_end_matches(':'))));
        }
        let end = left.find(';')?;
        let body = left.find('{').filter(|&body| body < end);
        if let Some(body) = body
            && left[..body].split_whitespace().any(|word| word == ".entry" || word == ".func")
        {
            return Some(Some(Statement::Head(self.take(body).trim())));
        }
        Some(Some(Statement::Line(self.take(end + 1).trim_end_matches(';').trim())))
    }
}
