//! A minimal user of `a2d-core` in firmware: text in, text out, no allocator.

#![no_std]
#![forbid(unsafe_code)]

use a2d_core::image::stream_bytes;
use a2d_core::micro::{Error, Limits, Model, Translator};
use core::task::Poll;
use heapless::{String, Vec};

/// The image. `A2D_IMAGE` is its path, set by `tests/device/run.sh consumer`.
pub static IMAGE: &[u8] = a2d_core::include_image!(env!("A2D_IMAGE"));

/// The limits, which determine the size of the arena.
pub const LIMITS: Limits = Limits { source: 11, target: 14, beam: 1, int8_cache: true };

/// Opens the image.
///
/// # Errors
///
/// The image is rejected.
pub fn model() -> Result<Model<'static>, Error> {
    Ok(Model::new(IMAGE)?)
}

/// Passes the text of a translation to `show` during the search, piece by piece.
///
/// # Errors
///
/// The image has no vocabulary, the line is too long, or the weights contain NaN.
pub fn show(
    model: &Model<'_>,
    translator: &mut Translator<'_, '_>,
    line: &str,
    mut show: impl FnMut(&str),
) -> Result<(), Error> {
    let mut stream = model.target().ok_or(Error::Tokenizer)?.stream();
    let mut piece = [0; stream_bytes(IMAGE)];
    let mut job = translator.start(line)?;
    loop {
        let (len, ended) = match job.poll()? {
            Poll::Pending => (0, false),
            Poll::Ready(Some(token)) => (stream.push(token, &mut piece)?, false),
            Poll::Ready(None) => (stream.finish(&mut piece)?, true),
        };
        show(core::str::from_utf8(&piece[..len]).unwrap_or_default());
        if ended {
            return Ok(());
        }
    }
}

/// Translates a line into a string of up to BYTES bytes.
///
/// # Errors
///
/// The line is too long, its translation does not fit in BYTES bytes, or the weights contain NaN.
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
