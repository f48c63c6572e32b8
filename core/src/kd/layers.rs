//! Which layers of a teacher a student's layers are compared with.

use super::auxiliary::{Auxiliary, Side, Slot};
use super::inputs::Inputs;
use crate::backend::{RelationForm, RelationLoss, StateLoss, Train};
use crate::batch::Grid;
use crate::config::{Config, Impossible, Stack};
use crate::shape::Shape;
use crate::tape::{Tape, Var};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// A set of layers, which count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerSet(u32);

impl LayerSet {
    /// The largest number of a layer.
    pub const MOST: usize = u32::BITS as usize;

    /// These layers; numbers outside `1..=MOST` are left out.
    pub fn of(layers: impl IntoIterator<Item = usize>) -> Self {
        let known = layers.into_iter().filter(|layer| (1..=Self::MOST).contains(layer));
        Self(known.fold(0, |all, layer| all | 1 << (layer - 1)))
    }

    /// The layers, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (1..=Self::MOST).filter(move |layer| self.0 >> (layer - 1) & 1 == 1)
    }

    /// The number of layers.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is no layer.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The teacher's layers for each layer of the student.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All layers for each.
    All,
    /// As many layers for each, one group after the other: of six for two, 1 to 3 and 4 to 6.
    Regular,
    /// Of six layers for two: 1 to 4, 3 to 6.
    Overlap,
    /// Of six layers for two: 1 and 2, 5 and 6.
    SkipMiddle,
    /// Of six layers for two: 1 and 3, 4 and 6.
    Cross,
    /// Of six layers for two: 1, 3 and 5; 2, 4 and 6.
    SkipComb,
    /// These sets, the first for the student's first layer.
    Given([LayerSet; LayerSet::MOST]),
}

impl Grouping {
    /// The sets of a list of groups.
    pub fn given(groups: impl IntoIterator<Item = LayerSet>) -> Self {
        let mut all = [LayerSet::default(); LayerSet::MOST];
        all.iter_mut().zip(groups).for_each(|(set, group)| *set = group);
        Self::Given(all)
    }

    /// The set for layer `number`, from 0, of `students`, out of `teachers`.
    pub fn of(&self, number: usize, students: usize, teachers: usize) -> LayerSet {
        let pair = |first: [usize; 4], second: [usize; 4]| {
            LayerSet::of(if number == 0 { first } else { second })
        };
        match self {
            Self::All => LayerSet::of(1..=teachers),
            Self::Regular => {
                let first = number * teachers / students + 1;
                LayerSet::of(first..=first.max((number + 1) * teachers / students))
            }
            Self::Overlap => pair([1, 2, 3, 4], [3, 4, 5, 6]),
            Self::SkipMiddle => pair([1, 2, 0, 0], [5, 6, 0, 0]),
            Self::Cross => pair([1, 3, 0, 0], [4, 6, 0, 0]),
            Self::SkipComb => pair([1, 3, 5, 0], [2, 4, 6, 0]),
            Self::Given(sets) => sets.get(number).copied().unwrap_or_default(),
        }
    }

    /// Checks that every layer of the student has layers of the teacher.
    ///
    /// # Errors
    ///
    /// The groups are for models of other depths.
    pub(super) fn check(
        &self,
        method: &'static str,
        side: Side,
        student: &Config,
        teacher: &Config,
    ) -> Result<(), Impossible> {
        let (students, teachers) = (side.of(student).layers, side.of(teacher).layers);
        let fits = match self {
            Self::All | Self::Regular => true,
            Self::Given(sets) => {
                let deepest = sets.iter().flat_map(|set| set.iter()).max().unwrap_or(0);
                let (own, rest) = sets.split_at(students.min(sets.len()));
                deepest <= teachers
                    && own.iter().all(|set| !set.is_empty())
                    && rest.iter().all(|set| set.is_empty())
            }
            Self::Overlap | Self::SkipMiddle | Self::Cross | Self::SkipComb => {
                (students, teachers) == (2, 6)
            }
        };
        let why = "these groups are for other numbers of layers";
        let found = [students, teachers];
        if fits { Ok(()) } else { Err(Impossible::Pair { method, why, found }) }
    }
}

impl Side {
    /// The sizes of this side.
    pub(super) const fn of(self, config: &Config) -> &Stack {
        match self {
            Self::Encoder => &config.encoder,
            Self::Decoder => &config.decoder,
        }
    }
}

/// The layer of `teachers` for layer `number` of `students`, evenly spaced; both count from 1, and 0 is the embeddings.
pub(super) fn spaced(number: usize, students: usize, teachers: usize) -> usize {
    number * teachers / students.max(1)
}

/// The hidden states of one side, and what they are counted by.
pub(super) struct States<'a, B: Train> {
    /// The student's embeddings and the output of each layer.
    pub student: &'a [Var<B::Tensor>],
    /// The teacher's.
    pub teacher: &'a [B::Tensor],
    /// The rows of each sentence.
    pub grid: &'a Grid<B::Index>,
    /// The tokens of the update.
    pub tokens: usize,
}

impl<B: Train> States<'_, B> {
    /// The numbers of layers of student and teacher.
    pub fn layers(&self) -> [usize; 2] {
        [self.student.len(), self.teacher.len()].map(|states| states.saturating_sub(1))
    }

    /// The sum over `layers` of the student of their differences from the teacher's layers `theirs`. The projection
    /// `slot` of a layer, if there is one, comes first. Layers count from 1, and 0 is the embeddings.
    pub fn follow<L: IntoIterator<Item = usize>>(
        &self,
        tape: &mut Tape<'_, B>,
        auxiliary: &Auxiliary<Var<B::Tensor>>,
        layers: RangeInclusive<usize>,
        slot: impl Fn(usize) -> Slot,
        theirs: impl Fn(usize) -> L,
        how: StateLoss,
    ) -> B::Tensor {
        let difference = |layer: usize| {
            let own = auxiliary.project(tape, slot(layer), &self.student[layer]);
            let theirs: Vec<_> = theirs(layer).into_iter().map(|i| &self.teacher[i]).collect();
            tape.state_loss(&own, &theirs, self.grid, how)
        };
        let values: Vec<_> = layers.map(difference).collect();
        total(tape, values)
    }
}

impl<'a, B: Train> Inputs<'a, B> {
    /// The hidden states of a side.
    pub(super) fn states(&self, side: Side) -> States<'a, B> {
        let (student, teacher, batch, update) =
            (self.student, self.teacher, self.batch, self.update);
        match side {
            Side::Encoder => States {
                student: &student.encoder_hidden,
                teacher: &teacher.encoder_hidden,
                grid: &batch.encoder_grid,
                tokens: update.source_tokens,
            },
            Side::Decoder => States {
                student: &student.decoder_hidden,
                teacher: &teacher.decoder_hidden,
                grid: &batch.decoder_grid,
                tokens: update.target_tokens,
            },
        }
    }
}

impl<B: Train> Inputs<'_, B> {
    /// The heads of student and teacher of an attention, see [`crate::batch::Batch::grid`].
    pub(super) fn heads(&self, kind: usize) -> [usize; 2] {
        let (own, theirs) = (self.student.projections_of(kind), self.teacher.projections_of(kind));
        [own[0].heads, theirs[0].heads]
    }

    /// The sum over the student's layers, heads, queries and the keys that they see of the squared differences of an
    /// attention's scaled scores from those of evenly spaced layers of the teacher.
    pub(super) fn follow_scores(
        &self,
        tape: &mut Tape<'_, B>,
        kind: usize,
        weight: f32,
    ) -> B::Tensor {
        let (own, theirs) = (self.student.projections_of(kind), self.teacher.projections_of(kind));
        let how = RelationLoss { form: RelationForm::Scores, heads: self.heads(kind), weight };
        let values: Vec<_> = own
            .iter()
            .enumerate()
            .map(|(number, student)| {
                let theirs = theirs[spaced(number + 1, own.len(), theirs.len()).max(1) - 1];
                let (left, right) = ([&student.q, &student.kv.k], [&theirs.q, &theirs.kv.k]);
                tape.relation_loss(left, right, self.batch.grid(kind), how)
            })
            .collect();
        total(tape, values)
    }
}

/// The sum of values `[1]`.
pub(super) fn total<B: Train>(
    tape: &mut Tape<'_, B>,
    values: impl IntoIterator<Item = B::Tensor>,
) -> B::Tensor {
    let b = tape.backend();
    let zero = b.zeros(Shape::vector(1));
    values.into_iter().fold(zero, |sum, value| b.add(sum, &value))
}
