//! What each verb does.

pub mod devices;
