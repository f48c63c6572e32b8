// Written by `a2d export fixtures/intents/intents.a2d --max-source 32 --int8-cache --emit-rust core/examples/classify/intents.rs`. Do not edit.

/// The image: int8, 63,936 bytes of flash, a vocabulary of 1000 tokens.
pub static IMAGE: &[u8] = a2d_core::include_image!("../../../fixtures/intents/intents.a2d");

/// The longest text.
#[allow(dead_code)]
pub const LIMITS: a2d_core::micro::TextLimits = a2d_core::micro::TextLimits {
    tokens: 32, // begin and end included
    int8_cache: true,
};

/// Working memory of a text within [`LIMITS`], for [`a2d_core::micro::Arena`].
#[allow(dead_code)]
pub const ARENA_BYTES: usize = 20_252;

/// Number of labels, and of their probabilities.
#[allow(dead_code)]
pub const OUTPUTS: usize = 7;

/// Layers, for [`a2d_core::micro::Model`] and `Classifier`.
#[allow(dead_code)]
pub const LAYERS: usize = 1;

// The checksum of the image that these constants were computed from.
const _: () = assert!(
    matches!(IMAGE.as_chunks().0, [_, _, _, _, [0x6d, 0x94, 0x19, 0x84], ..]),
    "the image has changed: write this file again"
);
