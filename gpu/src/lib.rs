//! The CubeCL training backend. It is not written yet: this crate holds its place in the workspace.
