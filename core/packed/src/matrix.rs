//! Matrices, packed for the inner loop.

use crate::dot::{BLOCK, Dot, PANEL, QUAD, Step};
use crate::isa::{Isa, Work};
use a2d_core::image::{Format, GROUP, Weight, float, half, unpack};
use a2d_core::micro;
use a2d_core::shape::Shape;
use alloc::vec::Vec;
use core::fmt;

/// Steps of a group of int4.
pub(crate) const GROUP_STEPS: usize = GROUP / QUAD;

/// The weights `[O, I]` of a product.
#[derive(Debug)]
pub(crate) enum Matrix {
    /// Row by row.
    Floats { rows: Vec<f32>, shape: Shape },
    /// In panels.
    Integers(Integers),
}

/// Bytes in panels of [`PANEL`] outputs. Outputs and inputs that fill the last panel and step are 0.
#[derive(Debug)]
pub(crate) struct Integers {
    pub shape: Shape,
    /// Steps of a panel: whole blocks (int8) or groups (int4).
    pub depth: usize,
    /// The steps of the first panel, then those of the next ones.
    pub steps: Vec<Step>,
    pub scales: Scales,
    /// What is subtracted from the sums of each run of steps that has a scale of its own, see [`Dot::OFFSET`].
    pub offsets: Vec<[i32; PANEL]>,
}

/// The scales of the outputs of each panel.
#[derive(Debug)]
pub(crate) enum Scales {
    /// One for each output (int8).
    Rows(Vec<[f32; PANEL]>),
    /// One for each output and group of inputs (int4).
    Groups(Vec<[f32; PANEL]>),
}

/// There is not enough memory for the packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The size in bytes that was not available.
    pub bytes: usize,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not enough memory: the packed weights need {} more bytes", self.bytes)
    }
}

impl core::error::Error for Memory {}

impl From<Memory> for micro::Error {
    fn from(memory: Memory) -> Self {
        Self::Arena { missing: memory.bytes }
    }
}

/// `len` copies of `value`.
pub(crate) fn filled<T: Clone>(value: T, len: usize) -> Result<Vec<T>, Memory> {
    let mut out = Vec::new();
    out.try_reserve_exact(len).map_err(|_| Memory { bytes: len.saturating_mul(size_of::<T>()) })?;
    out.resize(len, value);
    Ok(out)
}

impl Matrix {
    /// `w` for an instruction set.
    pub fn new(w: &Weight<'_>, isa: Isa) -> Result<Self, Memory> {
        Self::of_rows(w, isa, w.shape().rows(), |row| row)
    }

    /// The matrix of `count` rows of `w`, which `row` numbers.
    pub fn of_rows(
        w: &Weight<'_>,
        isa: Isa,
        count: usize,
        row: impl Fn(usize) -> usize,
    ) -> Result<Self, Memory> {
        let shape = Shape::matrix(count, w.shape().cols());
        Ok(match w.format() {
            Format::F32 => {
                let mut rows = filled(0.0, shape.len())?;
                for (o, out) in rows.chunks_exact_mut(shape.cols()).enumerate() {
                    w.read(row(o), out).expect("a row of the matrix");
                }
                Self::Floats { rows, shape }
            }
            Format::Int8 => Self::Integers(isa.run(Int8(Pack { w, shape, row: &row }))?),
            Format::Int4 => Self::Integers(isa.run(Int4(Pack { w, shape, row: &row }))?),
        })
    }

    pub fn shape(&self) -> Shape {
        match self {
            Self::Floats { shape, .. } => *shape,
            Self::Integers(w) => w.shape,
        }
    }
}

/// Rows of a matrix to be packed.
struct Pack<'a> {
    w: &'a Weight<'a>,
    /// The shape of the packed matrix.
    shape: Shape,
    /// The row of `w` for each row of the packed matrix.
    row: &'a dyn Fn(usize) -> usize,
}

struct Int8<'a>(Pack<'a>);

impl Work for Int8<'_> {
    type Output = Result<Integers, Memory>;

    #[inline(always)]
    fn run<D: Dot>(self, _: D) -> Result<Integers, Memory> {
        let Pack { w, shape, row } = self.0;
        let panels = shape.rows().div_ceil(PANEL);
        let mut scales = filled([0.0; PANEL], panels)?;
        let mut packed = Integers::empty(shape, BLOCK, 1)?;
        for o in 0..shape.rows() {
            let row = row(o);
            let numbers = &w.bytes()[row * shape.cols()..][..shape.cols()];
            packed.set::<D>(o, 0, numbers);
            packed.offsets[o / PANEL][o % PANEL] = D::OFFSET.wrapping_mul(sum(numbers));
            scales[o / PANEL][o % PANEL] = float(w.row_scales()[row]);
        }
        Ok(Integers { scales: Scales::Rows(scales), ..packed })
    }
}

struct Int4<'a>(Pack<'a>);

impl Work for Int4<'_> {
    type Output = Result<Integers, Memory>;

    #[inline(always)]
    fn run<D: Dot>(self, _: D) -> Result<Integers, Memory> {
        let Pack { w, shape, row } = self.0;
        let (panels, groups) = (shape.rows().div_ceil(PANEL), shape.cols().div_ceil(GROUP));
        let mut scales = filled([0.0; PANEL], panels * groups)?;
        let mut packed = Integers::empty(shape, GROUP_STEPS, groups)?;
        let (numbers, steps) = w.groups();
        for o in 0..shape.rows() {
            let row = row(o);
            for g in 0..groups {
                let (at, to) = (row * groups + g, o / PANEL * groups + g);
                let numbers = unpack(&numbers[at]);
                packed.set::<D>(o, g * GROUP, &numbers);
                packed.offsets[to][o % PANEL] = D::OFFSET.wrapping_mul(sum(&numbers));
                scales[to][o % PANEL] = half(steps[at]);
            }
        }
        Ok(Integers { scales: Scales::Groups(scales), ..packed })
    }
}

#[inline(always)]
fn sum(numbers: &[i8]) -> i32 {
    numbers.iter().map(|w| i32::from(*w)).sum()
}

impl Integers {
    /// Zeros, with a multiple of `whole` steps and `runs` offsets for each panel.
    fn empty(shape: Shape, whole: usize, runs: usize) -> Result<Self, Memory> {
        let panels = shape.rows().div_ceil(PANEL);
        let depth = shape.cols().div_ceil(QUAD).next_multiple_of(whole);
        Ok(Self {
            shape,
            depth,
            steps: filled(Step::ZERO, panels * depth)?,
            scales: Scales::Rows(Vec::new()),
            offsets: filled([0; PANEL], panels * runs)?,
        })
    }

    /// Writes the inputs from `first` (a multiple of [`QUAD`]) on of an output.
    #[inline(always)]
    fn set<D: Dot>(&mut self, output: usize, first: usize, numbers: &[i8]) {
        let (panel, o) = (output / PANEL, output % PANEL);
        let (quads, rest) = numbers.as_chunks::<QUAD>();
        let steps = &mut self.steps[panel * self.depth + first / QUAD..];
        for (step, quad) in steps.iter_mut().zip(quads) {
            for q in 0..QUAD {
                step.0[D::place(o, q)] = quad[q];
            }
        }
        for (q, w) in rest.iter().enumerate() {
            steps[quads.len()].0[D::place(o, q)] = *w;
        }
    }
}
