//! Feeds [`a2d_fuzz::wordpiece`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    a2d_fuzz::wordpiece(data);
});
