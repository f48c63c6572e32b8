//! `host bench`.
