//! Which student maps a teacher map is compared with: a learned mixture, or a fixed one as a control.

use super::align::{Align, HeadMix};
use crate::backend::Train;
use crate::config::{Config, Stack};
use crate::params::Init;
use crate::rng;
use crate::shape::Shape;
use alloc::vec;
use alloc::vec::Vec;

/// How teacher maps and student maps belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mapping {
    /// The alignment module: a mixture of all student maps for each teacher map, which is trained.
    #[default]
    Learned,
    /// The alignment module with its initial values.
    Frozen,
    /// The mean of all student maps for each teacher map.
    Uniform,
    /// Every teacher layer with one student layer, as blocks of layers; head with head.
    Block,
    /// Every student layer with one teacher layer, evenly spaced up to the last; head with head.
    Skip,
    /// The student's layers with the last layers of the teacher; head with head.
    Last,
    /// As [`Mapping::Skip`], in reversed order.
    Reversed,
    /// All student layers with the teacher's middle layer; head with head.
    AllToOne,
    /// As [`Mapping::Skip`], in random order.
    RandomLayers,
    /// Every student map with another teacher map, drawn at random.
    RandomHeads,
}

/// Rows that compare one teacher map each with a fixed mixture of student maps.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedMix {
    /// The teacher's map of each row: `layer * H + head`.
    pub rows: Vec<usize>,
    /// `[R, C]`: the weights of the student's maps.
    pub weight: Vec<f32>,
    /// `[R]`
    pub bias: Vec<f32>,
}

/// The fixed mixtures of a mapping, as tensors.
#[derive(Clone, Debug)]
pub struct FixedMaps<T> {
    /// The student's side.
    pub student: Align<T>,
    /// The teacher's side: chooses the map of each row.
    pub teacher: Align<T>,
}

impl Mapping {
    /// The mixture for a stack of `student` and one of `teacher`; draws come from `key`. `None` if it is trained.
    pub fn mix(self, student: &Stack, teacher: &Stack, key: u64) -> Option<FixedMix> {
        let (own, other) = (student.layers, teacher.layers);
        let skip = || (1..=own).map(|layer| (layer * other / own).max(1) - 1).collect::<Vec<_>>();
        let chosen = match self {
            Self::Learned => return None,
            Self::Frozen => return Some(frozen(student, teacher, key)),
            Self::Uniform => return Some(uniform(student, teacher)),
            Self::RandomHeads => return Some(random_heads(student, teacher, key)),
            Self::Block => {
                let pairs: Vec<_> = (0..other).map(|layer| (layer * own / other, layer)).collect();
                return Some(layers(&pairs, student, teacher));
            }
            Self::Skip => skip(),
            Self::Last => (0..own).map(|layer| (other + layer).saturating_sub(own)).collect(),
            Self::Reversed => skip().into_iter().rev().collect(),
            Self::AllToOne => vec![(other / 2).max(1) - 1; own],
            Self::RandomLayers => {
                let skip = skip();
                permutation(own, key).into_iter().map(|layer| skip[layer]).collect()
            }
        };
        let pairs: Vec<_> = chosen.into_iter().enumerate().collect();
        Some(layers(&pairs, student, teacher))
    }

    /// The mixtures for all maps of two models, as tensors. Cross-attention has those of the decoder's self-attention.
    /// `None` if they are trained.
    pub fn fixed<B: Train>(
        self,
        b: &mut B,
        student: &Config,
        teacher: &Config,
        key: u64,
    ) -> Option<FixedMaps<B::Tensor>> {
        let encoder = self.mix(&student.encoder, &teacher.encoder, rng::derive(key, 0))?;
        let decoder = self.mix(&student.decoder, &teacher.decoder, rng::derive(key, 1))?;
        Some(FixedMaps::new(b, &[encoder, decoder.clone(), decoder], teacher))
    }
}

impl<T> FixedMaps<T> {
    /// The mixtures for encoder, decoder and cross-attention of a model and its `teacher`.
    pub fn new<B: Train<Tensor = T>>(
        b: &mut B,
        [encoder, decoder, cross]: &[FixedMix; 3],
        teacher: &Config,
    ) -> Self {
        let (of_encoder, of_decoder) = (teacher.encoder.maps(), teacher.decoder.maps());
        Self {
            student: Align {
                encoder: encoder.tensors(b),
                decoder: decoder.some_tensors(b),
                cross: cross.some_tensors(b),
            },
            teacher: Align {
                encoder: encoder.choice(of_encoder).tensors(b),
                decoder: decoder.choice(of_decoder).some_tensors(b),
                cross: cross.choice(of_decoder).some_tensors(b),
            },
        }
    }
}

impl FixedMix {
    /// Each row is the teacher's map itself, among `maps` of them.
    fn choice(&self, maps: usize) -> Self {
        let places: Vec<_> = self.rows.iter().map(|&map| Some(map)).collect();
        Self { weight: one_hot(&places, maps), ..self.clone() }.without_bias()
    }

    fn without_bias(self) -> Self {
        Self { bias: vec![0.0; self.rows.len()], ..self }
    }

    /// [`FixedMix::tensors`]; `None` without rows, as of a model without a decoder.
    fn some_tensors<B: Train>(&self, b: &mut B) -> Option<HeadMix<B::Tensor>> {
        (!self.rows.is_empty()).then(|| self.tensors(b))
    }

    fn tensors<B: Train>(&self, b: &mut B) -> HeadMix<B::Tensor> {
        let rows = self.rows.len();
        HeadMix {
            weight: b.tensor(&self.weight, Shape::matrix(rows, self.weight.len() / rows.max(1))),
            bias: b.tensor(&self.bias, Shape::vector(rows)),
        }
    }
}

/// Rows with a 1 at one place, or with zeros alone.
fn one_hot(places: &[Option<usize>], columns: usize) -> Vec<f32> {
    let row = |place: &Option<usize>| {
        let place = *place;
        (0..columns).map(move |column| if place == Some(column) { 1.0 } else { 0.0 })
    };
    places.iter().flat_map(row).collect()
}

/// Pairs of student head and teacher head: the heads of the side with fewer are repeated in blocks.
fn heads(student: usize, teacher: usize) -> impl Iterator<Item = (usize, usize)> {
    let most = student.max(teacher);
    (0..most).map(move |i| (i * student / most, i * teacher / most))
}

/// Pairs of student layer and teacher layer, head with head.
fn layers(pairs: &[(usize, usize)], student: &Stack, teacher: &Stack) -> FixedMix {
    let (own, other) = (student.attention_heads, teacher.attention_heads);
    let pairs = pairs.iter().flat_map(|&(of_student, of_teacher)| {
        heads(own, other).map(move |(a, b)| (of_student * own + a, of_teacher * other + b))
    });
    let (places, rows): (Vec<_>, Vec<_>) = pairs.map(|(own, other)| (Some(own), other)).unzip();
    let weight = one_hot(&places, student.maps());
    FixedMix { rows, weight, bias: Vec::new() }.without_bias()
}

fn uniform(student: &Stack, teacher: &Stack) -> FixedMix {
    let (own, other) = (student.maps(), teacher.maps());
    let weight = vec![1.0 / own as f32; own * other];
    FixedMix { rows: (0..other).collect(), weight, bias: Vec::new() }.without_bias()
}

fn frozen(student: &Stack, teacher: &Stack, key: u64) -> FixedMix {
    let (own, other) = (student.maps(), teacher.maps());
    let init = Init::fan_in(own);
    let values = |stream: u64, len: usize| {
        let key = rng::derive(key, stream);
        (0..len).map(|i| init.value(key, i, own)).collect()
    };
    FixedMix { rows: (0..other).collect(), weight: values(0, own * other), bias: values(1, other) }
}

/// Of unequal numbers of maps, those of the side with fewer are all used, each once.
fn random_heads(student: &Stack, teacher: &Stack, key: u64) -> FixedMix {
    let (own, other) = (student.maps(), teacher.maps());
    let rows: Vec<_> = permutation(other, key).into_iter().take(own).collect();
    let places: Vec<_> = (0..rows.len()).map(Some).collect();
    let weight = one_hot(&places, own);
    FixedMix { rows, weight, bias: Vec::new() }.without_bias()
}

/// The numbers below `n` in random order.
fn permutation(n: usize, key: u64) -> Vec<usize> {
    let mut all: Vec<_> = (0..n).collect();
    for i in (1..n).rev() {
        all.swap(i, rng::bits(key, i as u32) as usize % (i + 1));
    }
    all
}
