//! What `host compare` prints and refuses.
