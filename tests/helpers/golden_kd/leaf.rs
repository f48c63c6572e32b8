//! Where the elements of a tensor stand in the arrays of a file.

use std::collections::BTreeMap;

use a2d_core::kd::{Projection, Side};
use a2d_core::params::Spec;

use crate::helpers::compare::Array;

/// The place of a leaf's elements in an input of the file.
pub enum Part {
    /// Rows of the source or of the target, in a block `[B, n, d]` of the input.
    Rows { target: bool, block: usize },
    /// A block of the outermost dimension.
    Block(usize),
    /// Columns from this one.
    Columns(usize),
    /// Queries whose products with unit keys are scores, in a block `[B, H, Q, K]` of the input.
    Scores { kind: usize, block: usize },
    /// Not in the file.
    Nowhere,
}

/// A leaf of the tape.
pub struct Leaf {
    /// The input of the file.
    pub input: String,
    pub part: Part,
    /// Whether the product has a gradient of it.
    pub trained: bool,
}

impl Leaf {
    pub fn new(input: impl Into<String>, part: Part) -> Self {
        Self { input: input.into(), part, trained: true }
    }

    /// The weight or the bias of a projection, which the file names in its own way.
    pub fn parameter(method: &str, variant: &str, of: &Projection<Spec>, weight: bool) -> Self {
        let (letter, slot) = (if weight { "W" } else { "b" }, of.slot);
        let side = if slot.side == Side::Encoder { "enc" } else { "dec" };
        let model = if slot.fixed { "t" } else { "s" };
        let concatenated = (method, variant) == ("rail", "concat");
        let input = match method {
            "ckd" if variant == "attn" => format!("regular.{side}.{letter}"),
            "ckd" => format!("{}.{side}.{letter}", variant.trim_start_matches("nmt.")),
            "tinybert" => format!("{side}.fit.{letter}"),
            "rail" if concatenated => format!("{side}.cat.{letter}{model}"),
            "rail" => format!("{side}.{letter}{model}"),
            _ => format!("{side}.{letter}"),
        };
        let part = match (method, weight) {
            ("rail", true) if concatenated => Part::Columns(slot.number * of.weight.shape.cols()),
            ("rail", false) if concatenated => Part::Block(0),
            ("tinybert", _) => Part::Block(0),
            _ => Part::Block(slot.number),
        };
        Self { input: format!("param.{input}"), part, trained: !slot.fixed }
    }

    /// The element of the input for each of `len` elements of a parameter.
    pub fn places(&self, input: &Array, len: usize) -> Vec<Option<usize>> {
        let last = *input.shape.last().expect("an array with dimensions");
        match self.part {
            Part::Block(block) => (block * len..(block + 1) * len).map(Some).collect(),
            Part::Columns(first) => {
                let rows = input.data.len() / last;
                let row = |r: usize| (0..len / rows).map(move |c| Some(r * last + first + c));
                (0..rows).flat_map(row).collect()
            }
            _ => unreachable!("a parameter"),
        }
    }
}

/// The elements of an input at `places`; 0 where the file has none.
pub fn elements(input: &Array, places: Vec<Option<usize>>) -> Vec<f32> {
    places.into_iter().map(|at| at.map_or(0.0, |at| input.data[at] as f32)).collect()
}

/// The gradients of the inputs that leaves are made of, summed from those of the leaves. `places` has the element of the
/// input for each element of a leaf.
pub fn gathered<'l, 'a>(
    name: &str,
    grads: impl Iterator<Item = (&'l Leaf, Vec<f32>)>,
    input: impl Fn(&str) -> &'a Array,
    places: impl Fn(&Leaf, &Array, usize) -> Vec<Option<usize>>,
) -> BTreeMap<&'l str, Vec<f64>> {
    let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let compared = |leaf: &Leaf| leaf.trained && !matches!(leaf.part, Part::Nowhere);
    for (leaf, grad) in grads.filter(|(leaf, _)| compared(leaf)) {
        let input = input(&leaf.input);
        let sum = all.entry(&leaf.input).or_insert_with(|| vec![0.0; input.data.len()]);
        for (at, x) in places(leaf, input, grad.len()).into_iter().zip(grad) {
            match at {
                Some(at) => sum[at] += f64::from(x),
                None => assert_eq!(x, 0.0, "{name}: a gradient of padding"),
            }
        }
    }
    all
}
