// Written by `a2d export fixtures/nano/nano.a2d --beam 1 --max-source 10 --max-target 14 --int8-cache --emit-rust core/examples/rtic/src/student.rs`. Do not edit.

/// The image: int8, 127,344 bytes of flash, a vocabulary of 500 tokens.
pub static IMAGE: &[u8] = a2d_core::include_image!("../../../../fixtures/nano/nano.a2d");

/// The largest translation.
#[allow(dead_code)]
pub const LIMITS: a2d_core::micro::Limits = a2d_core::micro::Limits {
    source: 10, // tokens, EOS included
    target: 14, // tokens, without EOS
    beam: 1,
    int8_cache: true,
};

/// Working memory of a translation within [`LIMITS`], for [`a2d_core::micro::Arena`].
#[allow(dead_code)]
pub const ARENA_BYTES: usize = 9_772;

/// Maximum bytes of the text of one token, for [`a2d_core::token::Stream`].
#[allow(dead_code)]
pub const STREAM_BYTES: usize = 18;

/// Layers of the larger side, for [`a2d_core::micro::Model`] and `Translator`.
#[allow(dead_code)]
pub const LAYERS: usize = 3;

// The checksum of the image that these constants were computed from.
const _: () = assert!(
    matches!(IMAGE.as_chunks().0, [_, _, _, _, [0xcf, 0x81, 0x3f, 0xf1], ..]),
    "the image has changed: write this file again"
);
