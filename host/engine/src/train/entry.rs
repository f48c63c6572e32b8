//! The finished runs of a command.

use std::path::PathBuf;

/// A finished run with its name.
pub struct Entry<'a> {
    /// Name in the table.
    pub label: &'a str,
    /// The run's folder.
    pub folder: PathBuf,
    /// Its part in the command.
    pub role: Role,
}

/// The part of a run in a distillation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The teacher.
    Teacher,
    /// The student trained without a teacher, with which the student is compared.
    Alone,
    /// A model between the teacher and the student.
    Stage,
    /// The model that is asked for.
    Student,
}
