//! JSON files.

use crate::line::line;
use a2d_system::error::{Error, Result};
use a2d_system::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};
use std::path::Path;

/// Reads the file at `path`.
///
/// # Errors
///
/// Misuse: it cannot be read, or is not JSON of the expected form.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = files::read(path).map_err(|e| Error::input("read", path, &e))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::misuse(format!("{} is not usable: {}", path.display(), line(&e.to_string())))
    })
}

/// The text of `value` as Python's `json.dump` writes it: indented, in ASCII.
pub fn text(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Ascii(PrettyFormatter::new()));
    // Neither a vector nor the values that are written here can fail.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(out).unwrap_or_default()
}

/// Escapes every character beyond ASCII, so that line ends of other kinds stay inside texts.
struct Ascii(PrettyFormatter<'static>);

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        text.chars().try_for_each(|c| match c.is_ascii() && c != '\x7f' {
            true => write!(out, "{c}"),
            false => {
                c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
            }
        })
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}
