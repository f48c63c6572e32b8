//! Feeds [`a2d_fuzz::pickle`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    a2d_fuzz::pickle(data);
});
