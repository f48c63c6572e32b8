//! The controls of Align-to-Distill: attention maps under fixed mappings.

use a2d_core::backend::{MapInput, Train};
use a2d_core::batch::Layout;
use a2d_core::kd::{Align, Auxiliary, Counts, FixedMaps, FixedMix, HeadMix, Inputs, MapTerms};
use a2d_core::kd::{Mapping, Term};
use a2d_core::needs::Needs;
use a2d_core::nn::Trace;
use a2d_core::shape::Shape;
use a2d_core::tape::{Tape, Var};

use super::terms::{KINDS, Rows};
use super::{Case, GRADIENT, LOSS, close, files, value};
use crate::helpers::compare::Findings;
use crate::helpers::model::{batch, read, sentences};

/// The mappings by their names in the file; the draws of the last three are the file's.
const MAPPINGS: [(&str, Mapping); 9] = [
    ("uniform", Mapping::Uniform),
    ("block", Mapping::Block),
    ("skip", Mapping::Skip),
    ("last", Mapping::Last),
    ("reversed", Mapping::Reversed),
    ("all_to_one", Mapping::AllToOne),
    ("random_layers", Mapping::RandomLayers),
    ("random_heads", Mapping::RandomHeads),
    ("frozen", Mapping::Frozen),
];

/// Mappings that are drawn.
const DRAWN: [Mapping; 3] = [Mapping::RandomLayers, Mapping::RandomHeads, Mapping::Frozen];

/// The forms of the losses, with the layout of their batches.
fn form(name: &str) -> Option<(MapTerms, Layout)> {
    Some(match name {
        "official" => (MapTerms::OFFICIAL, Layout::Padded),
        "masked" => (MapTerms::MASKED, Layout::Packed),
        "rows" => (MapTerms { input: MapInput::Probabilities, ..MapTerms::ROWS }, Layout::Packed),
        "rows_log" => (MapTerms::ROWS, Layout::Packed),
        // Fixed pairs of hidden states are no mapping of the product.
        "hidden" => return None,
        _ => panic!("kd_controls: the form {name} is unknown"),
    })
}

/// Compares every mapping and form. Panics with all differences.
pub fn controls<B: Train>(make: impl Fn() -> B) {
    let (mut findings, mut ran) = (Findings::default(), 0);
    for file in files("controls") {
        for case in file.cases() {
            for variant in case.variants() {
                let (name, mapping) = variant.split_once('.').expect("a form and a mapping");
                let Some((terms, layout)) = form(name) else { continue };
                let problem = Problem::new(case, variant, mapping, layout);
                let of = MAPPINGS.iter().find(|(name, _)| *name == mapping);
                let mapping = of.unwrap_or_else(|| panic!("the mapping {mapping} is unknown")).1;
                let terms = MapTerms { mapping, ..terms };
                problem.check(&mut make(), terms, &mut findings);
                ran += 1;
            }
        }
    }
    println!("{ran} comparisons of controls");
    assert!(ran >= 70, "only {ran} comparisons");
    findings.finish();
}

struct Problem<'a> {
    case: Case<'a>,
    variant: &'a str,
    mapping: &'a str,
    layout: Layout,
    sides: [Rows; 2],
}

impl<'a> Problem<'a> {
    fn new(case: Case<'a>, variant: &'a str, mapping: &'a str, layout: Layout) -> Self {
        let sides = ["src_mask", "tgt_mask"].map(|mask| Rows::new(case.input(mask), layout));
        Self { case, variant, mapping, layout, sides }
    }

    fn check<B: Train>(&self, b: &mut B, terms: MapTerms, findings: &mut Findings) {
        let lengths = self.sides.each_ref().map(Rows::lengths);
        let [sources, targets] = lengths.map(|lengths| sentences(1, &lengths, 9));
        let batch = batch(b, &sources, &targets, self.layout);
        let fixed = self.fixed(b, terms.mapping);
        let mut teacher = self.trace("teacher", &mut |data, shape| b.tensor(&data, shape));
        fixed.teacher.mix(b, &mut teacher, &batch, MapInput::Probabilities);
        let update = Counts::of(&batch);
        let mut losses = Vec::new();
        // The fixed mixtures, and the same mixtures as parameters, which have gradients.
        for constant in [true, false] {
            let mut tape = Tape::new(b, 0);
            let student = self.trace("student", &mut |data, shape| {
                let x = tape.backend().tensor(&data, shape);
                tape.leaf(x)
            });
            let align = (!constant).then(|| leaves(&mut tape, &fixed.student));
            let of = Inputs {
                vectors: None,
                batch: &batch,
                student: &student,
                teacher: &teacher,
                fixed: constant.then_some(&fixed.student),
                auxiliary: &Auxiliary::aligned(align),
                update: &update,
                epoch: 1,
            };
            let counted = Term::Maps(terms).record(&mut tape, &of);
            assert_eq!(counted.len(), KINDS.len());
            let mut values = Vec::new();
            for (term, kind) in counted.iter().zip(KINDS) {
                let value = value(tape.backend(), term);
                let wanted = self.case.values(self.variant)[kind];
                let place = format!("{}/{} {kind}", self.case.name, self.variant);
                close(findings, "loss", &place, (&[value], &[wanted]), LOSS);
                values.push(value);
            }
            losses.push(values);
            let grads = tape.backward();
            let grads = grads.iter().map(|x| read(b, x)).collect();
            self.check_gradients(grads, constant, findings);
        }
        assert_eq!(losses[0], losses[1], "{}", self.variant);
    }

    /// The mixtures of the file, which are those of the product unless they are drawn.
    fn fixed<B: Train>(&self, b: &mut B, mapping: Mapping) -> FixedMaps<B::Tensor> {
        let [student, teacher] = [true, false].map(|student| self.case.config(student));
        let numbers = |name: String| self.case.input(&name).data.iter().copied();
        let mixes = KINDS.map(|kind| {
            let name = format!("{}.{kind}", self.mapping);
            FixedMix {
                rows: numbers(format!("rows.{name}")).map(|x| x as usize).collect(),
                weight: numbers(format!("param.{name}.W")).map(|x| x as f32).collect(),
                bias: numbers(format!("param.{name}.b")).map(|x| x as f32).collect(),
            }
        });
        let stacks = [(&student.encoder, &teacher.encoder), (&student.decoder, &teacher.decoder)];
        for (kind, file) in mixes.iter().enumerate() {
            let (own, other) = stacks[kind.min(1)];
            let mix = mapping.mix(own, other, 5).expect("a fixed mapping");
            let shape = |mix: &FixedMix| [mix.rows.len(), mix.weight.len(), mix.bias.len()];
            assert_eq!(shape(&mix), shape(file), "{}: {}", self.case.name, self.mapping);
            assert!(DRAWN.contains(&mapping) || mix == *file, "{}: {mix:?}", self.mapping);
        }
        FixedMaps::new(b, &mixes, &teacher)
    }

    /// The maps of all layers.
    fn trace<T>(&self, who: &str, make: &mut dyn FnMut(Vec<f32>, Shape) -> T) -> Trace<T> {
        let mut trace = Trace::of(Needs::NONE);
        for kind in 0..KINDS.len() {
            let input = self.case.input(&format!("{who}.{}.probs", KINDS[kind]));
            let mut layer = |block| {
                let places = self.places(&input.shape, kind, block);
                let data: Vec<_> = places.iter().map(|&at| input.data[at] as f32).collect();
                let heads = input.shape[2];
                let area = data.len() / heads;
                make(data, Shape::matrix(heads, area))
            };
            let layers = (0..input.shape[0]).map(&mut layer).collect();
            *[&mut trace.encoder, &mut trace.decoder, &mut trace.cross][kind] = layers;
        }
        trace
    }

    /// The element of the input `[layers, B, H, Q, K]` for each element of a layer's maps.
    fn places(&self, shape: &[usize], kind: usize, block: usize) -> Vec<usize> {
        let (queries, keys) =
            (&self.sides[usize::from(kind > 0)], &self.sides[usize::from(kind == 1)]);
        let [sentences, heads, width, depth] = [1, 2, 3, 4].map(|i| shape[i]);
        let mut places = Vec::new();
        for (b, h) in (0..sentences).flat_map(|b| (0..heads).map(move |h| (b, h))) {
            let map = ((block * sentences + b) * heads + h) * width;
            for q in 0..queries.runs[b].len {
                let row = (map + queries.column(b, q)) * depth;
                places.extend((0..keys.runs[b].len).map(|k| row + keys.column(b, k)));
            }
        }
        places
    }

    /// Compares the gradients of the student's maps, then, unless they are constants, of the mixtures.
    fn check_gradients(&self, grads: Vec<Vec<f32>>, constant: bool, findings: &mut Findings) {
        let mut grads = grads.into_iter();
        let mut check = |name: &str, got: Vec<f64>| {
            let wanted = self.case.gradient(self.variant, name);
            let place = format!("{}/{} gradient of {name}", self.case.name, self.variant);
            close(findings, "gradient", &place, (&got, &wanted.data), GRADIENT);
        };
        for (kind, of) in KINDS.iter().enumerate() {
            let name = format!("student.{of}.probs");
            let shape = &self.case.input(&name).shape;
            let mut got = vec![0.0; shape.iter().product()];
            for block in 0..shape[0] {
                let grad = grads.next().expect("a layer's gradient");
                for (at, x) in self.places(shape, kind, block).into_iter().zip(grad) {
                    got[at] = f64::from(x);
                }
            }
            check(&name, got);
        }
        if constant {
            assert!(grads.next().is_none(), "a gradient of a constant");
            return;
        }
        for (kind, part) in KINDS.iter().flat_map(|kind| ["W", "b"].map(|part| (kind, part))) {
            let got = grads.next().expect("a parameter's gradient");
            let name = format!("param.{}.{kind}.{part}", self.mapping);
            check(&name, got.into_iter().map(f64::from).collect());
        }
    }
}

/// The mixtures as parameters.
fn leaves<B: Train>(tape: &mut Tape<'_, B>, of: &Align<B::Tensor>) -> Align<Var<B::Tensor>> {
    let mut leaf = |mix: &HeadMix<B::Tensor>| HeadMix {
        weight: tape.leaf(mix.weight.clone()),
        bias: tape.leaf(mix.bias.clone()),
    };
    let encoder = leaf(&of.encoder);
    let [decoder, cross] = [&of.decoder, &of.cross].map(|of| of.as_ref().map(&mut leaf));
    Align { encoder, decoder, cross }
}
