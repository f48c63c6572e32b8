//! Numbers and errors as text without `core::fmt`, which takes some 10 KB of flash.

use a2d_core::micro::Error;

/// Writes the decimal digits of a number.
pub fn decimal(number: u32, mut write: impl FnMut(u8)) {
    let mut unit = 1_000_000_000;
    while unit > 0 {
        let digit = (number / unit % 10) as u8;
        if number >= unit || unit == 1 {
            write(b'0' + digit);
        }
        unit /= 10;
    }
}

/// Why a line is not translated.
pub fn words(error: &Error) -> &'static str {
    match error {
        Error::Image(_) => "the image is rejected",
        Error::Task { .. } => "the image does not translate",
        Error::Arena { .. } | Error::Misaligned | Error::Limits => {
            "the arena does not fit the image"
        }
        Error::Tokenizer => "the image has no vocabulary",
        Error::TooLong { .. } => "the sentence is too long",
        Error::Token { .. } | Error::Output { .. } => "the translation does not fit",
        Error::Utf8 { .. } => "the sentence is not UTF-8",
        Error::Nothing => "no translation found: the weights contain NaN",
        Error::Fault => "a bug in a2d-core",
    }
}
