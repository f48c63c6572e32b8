//! The least that a firmware of your own needs of `a2d-core`: text in, text out, no allocator.

#![no_std]
#![forbid(unsafe_code)]

use a2d_core::micro::{Error, Limits, Translator};
use heapless::{String, Vec};

/// What the arena is made for.
pub const LIMITS: Limits = Limits { source: 11, target: 14, beam: 1, int8_cache: true };

/// Translates a line into a string of up to BYTES bytes.
pub fn translate<const BYTES: usize>(
    translator: &mut Translator<'_, '_>,
    line: &str,
) -> Result<String<BYTES>, Error> {
    let mut out = Vec::from_array([0; BYTES]);
    let done = translator.translate(line, &mut out);
    #[cfg(feature = "defmt")]
    if let Err(error) = &done {
        defmt::warn!("not translated: {}", error);
    }
    let length = done?.text.len();
    out.truncate(length);
    String::from_utf8(out).map_err(|_| Error::Fault)
}
