//! Feeds [`a2d_fuzz::sentencepiece`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    a2d_fuzz::sentencepiece(data);
});
