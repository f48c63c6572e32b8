//! The data that a distillation method needs.

use core::ops::BitOr;

/// The data that a method needs in addition to the reference translation. Other data is not computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The teacher's distribution over the next word, at every target token.
    pub words: bool,
    /// Attention maps of teacher and student.
    pub maps: bool,
    /// Hidden states of each layer of teacher and student.
    pub hidden: bool,
    /// Queries, keys and values of teacher and student.
    pub projections: bool,
    /// The teacher's translations of the training source, in place of the references.
    pub translations: bool,
}

impl Needs {
    /// No data: training without a teacher.
    pub const NONE: Self =
        Self { words: false, maps: false, hidden: false, projections: false, translations: false };

    /// Whether the teacher runs on every training batch.
    pub const fn teacher_beside(self) -> bool {
        self.words || self.maps || self.hidden || self.projections
    }

    /// Whether the method needs a teacher.
    pub const fn teacher(self) -> bool {
        self.teacher_beside() || self.translations
    }
}

impl BitOr for Needs {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self {
            words: self.words || other.words,
            maps: self.maps || other.maps,
            hidden: self.hidden || other.hidden,
            projections: self.projections || other.projections,
            translations: self.translations || other.translations,
        }
    }
}
