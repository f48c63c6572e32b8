//! Terms on the hidden states and projections of a file.

use std::collections::BTreeMap;

use a2d_core::backend::{Kv, Train};
use a2d_core::batch::{Batch, Layout, Run};
use a2d_core::kd::{Auxiliary, Counted, Counts, Inputs, Projection, Terms};
use a2d_core::needs::Needs;
use a2d_core::nn::{Projections, Site, Trace};
use a2d_core::params::Spec;
use a2d_core::shape::Shape;
use a2d_core::tape::Tape;

use super::attention;
use super::leaf::{Leaf, Part, elements, gathered};
use super::variants::{METHODS, Settings, terms as terms_of};
use super::{Case, GRADIENT, LOSS, close, files, value};
use crate::helpers::compare::{Array, Findings};
use crate::helpers::model::{batch, read, runs, sentences};

/// Compares every variant that the product offers, padded and packed. Panics with all differences.
pub fn terms<B: Train>(make: impl Fn() -> B) {
    let (mut findings, mut ran) = (Findings::default(), 0);
    let of = |method| files(method).map(move |file| (method, file));
    for (method, file) in METHODS.into_iter().flat_map(of) {
        for case in file.cases() {
            for variant in case.variants() {
                let Some(terms) = terms_of(method, variant, &Settings::of(method, case.settings()))
                else {
                    continue;
                };
                for layout in [Layout::Padded, Layout::Packed] {
                    let name = format!("{method}/{}/{variant}", case.name);
                    Problem::new(method, case, layout).check(
                        &mut make(),
                        &name,
                        &terms,
                        variant,
                        &mut findings,
                    );
                    ran += 1;
                }
            }
        }
    }
    println!("{ran} comparisons of terms");
    assert!(ran >= 90, "only {ran} comparisons");
    findings.finish();
}

/// The rows of one side in a file, `[B, n]`, and in a batch.
pub struct Rows {
    /// Tokens before each sentence in the file.
    before: Vec<usize>,
    pub runs: Vec<Run>,
    /// n
    width: usize,
}

impl Rows {
    pub fn new(mask: &Array, layout: Layout) -> Self {
        let width = mask.shape[1];
        let rows = || mask.data.chunks(width);
        let lengths: Vec<usize> = rows().map(|row| row.iter().sum::<f64>() as usize).collect();
        assert_eq!(lengths.iter().max(), Some(&width), "a batch is as wide as its longest");
        let before = rows().map(|row| row.iter().take_while(|x| **x == 0.0).count()).collect();
        Self { before, runs: runs(lengths.into_iter(), layout), width }
    }

    pub fn lengths(&self) -> Vec<usize> {
        self.runs.iter().map(|run| run.valid).collect()
    }

    fn count(&self) -> usize {
        self.runs.last().map_or(0, |run| run.start + run.len)
    }

    /// The column in the file of row `t` of sentence `b`; padding follows the sentence.
    pub fn column(&self, b: usize, t: usize) -> usize {
        (self.before[b] + t) % self.width
    }

    /// Sentence, column in the file and position of each row of the batch.
    fn places(&self) -> Vec<[usize; 3]> {
        let sentences = self.runs.iter().enumerate();
        let rows = sentences.flat_map(|(b, run)| (0..run.len).map(move |t| (b, t)));
        rows.map(|(b, t)| [b, self.column(b, t), t]).collect()
    }
}

/// Makes a tensor or a leaf of these elements.
type Make<'m, T> = dyn FnMut(Vec<f32>, Shape, Leaf) -> T + 'm;

/// The names of the attentions in the files.
pub const KINDS: [&str; 3] = ["enc_self", "dec_self", "cross"];

struct Problem<'a> {
    method: &'a str,
    case: Case<'a>,
    layout: Layout,
    source: Rows,
    target: Rows,
}

impl<'a> Problem<'a> {
    fn new(method: &'a str, case: Case<'a>, layout: Layout) -> Self {
        let [source, target] =
            ["src_mask", "tgt_mask"].map(|mask| Rows::new(case.input(mask), layout));
        Self { method, case, layout, source, target }
    }

    fn side(&self, target: bool) -> &Rows {
        if target { &self.target } else { &self.source }
    }

    fn check<B: Train>(
        &self,
        b: &mut B,
        name: &str,
        terms: &Terms,
        variant: &str,
        findings: &mut Findings,
    ) {
        let lengths = [self.source.lengths(), self.target.lengths()];
        let [sources, targets] = lengths.map(|lengths| sentences(1, &lengths, 9));
        let batch: Batch<B::Index> = batch(b, &sources, &targets, self.layout);
        let models = [true, false].map(|student| self.case.config(student));
        terms.check(&models[0], &models[1]).expect("terms for these models");
        let spec = terms.auxiliary(&models[0], &models[1]);
        let teacher = self.trace("teacher", &mut |data, shape, _| b.tensor(&data, shape));
        let (mut tape, mut leaves) = (Tape::new(b, 0), Vec::new());
        let mut leaf = |data: Vec<f32>, shape, leaf| {
            leaves.push(leaf);
            let x = tape.backend().tensor(&data, shape);
            tape.leaf(x)
        };
        let auxiliary = self.parameters(variant, &spec, &mut leaf);
        let student = self.trace("student", &mut leaf);
        let update = Counts::of(&batch);
        let of = Inputs {
            vectors: None,
            batch: &batch,
            student: &student,
            teacher: &teacher,
            fixed: None,
            auxiliary: &auxiliary,
            update: &update,
            epoch: 1,
        };
        let counted: Vec<_> = terms.iter().flat_map(|term| term.record(&mut tape, &of)).collect();
        let named = |term: &Counted<_>| (term.name, value(tape.backend(), term));
        let parts: BTreeMap<_, _> = counted.iter().map(named).collect();
        self.check_values(name, variant, &parts, findings);
        let grads = tape.backward();
        let grads = leaves.iter().zip(grads.iter().map(|grad| read(b, grad)));
        self.check_gradients(name, variant, grads, findings);
    }

    fn check_values(
        &self,
        name: &str,
        variant: &str,
        parts: &BTreeMap<&str, f64>,
        findings: &mut Findings,
    ) {
        let wanted = match (self.method, variant) {
            ("ckd", attention::VARIANT) => attention::values(self.case),
            _ => self.case.values(variant),
        };
        let loss = parts.values().sum::<f64>();
        close(findings, "loss", &format!("{name} loss"), (&[loss], &[wanted["loss"]]), LOSS);
        for (term, value) in parts {
            if let Some(wanted) = part(term).and_then(|part| wanted.get(part)) {
                close(findings, "part", &format!("{name} {term}"), (&[*value], &[*wanted]), LOSS);
            }
        }
    }

    /// Compares the gradients of all inputs that leaves are made of.
    fn check_gradients<'l>(
        &self,
        name: &str,
        variant: &str,
        grads: impl Iterator<Item = (&'l Leaf, Vec<f32>)>,
        findings: &mut Findings,
    ) {
        let places = |leaf: &Leaf, input: &Array, len| self.places(leaf, input, len);
        let all = gathered(name, grads, |input| self.case.input(input), places);
        assert!(!all.is_empty(), "{name}: no gradients");
        for (input, got) in &all {
            let kind = input.split('.').nth(1).filter(|kind| KINDS.contains(kind));
            let wanted = match (self.method, variant, kind) {
                ("ckd", attention::VARIANT, Some(kind)) => attention::gradient(self.case, kind),
                _ => self.case.gradient(variant, input),
            };
            let place = format!("{name} gradient of {input}");
            close(findings, "gradient", &place, (got, &wanted.data), GRADIENT);
        }
    }

    /// The element of the input for each element of a leaf; `None` for elements that are not in the file.
    fn places(&self, leaf: &Leaf, input: &Array, len: usize) -> Vec<Option<usize>> {
        let last = *input.shape.last().expect("an array with dimensions");
        match leaf.part {
            Part::Nowhere => vec![None; len],
            Part::Block(_) | Part::Columns(_) => leaf.places(input, len),
            Part::Rows { target, block } => {
                let side = self.side(target);
                let before = block * side.runs.len() * side.width;
                let row = |[b, column, _]: [usize; 3]| before + b * side.width + column;
                let rows = side.places().into_iter().map(row);
                rows.flat_map(|row| (row * last..(row + 1) * last).map(Some)).collect()
            }
            Part::Scores { kind, block } => {
                let (queries, keys) = (self.side(kind > 0), self.side(kind == 1));
                let heads = input.shape[2];
                let place = |[b, q, _]: [usize; 3], h: usize, t: usize| {
                    let k = (t < keys.runs[b].len).then(|| keys.column(b, t))?;
                    let map = (block * queries.runs.len() + b) * heads + h;
                    Some((map * queries.width + q) * keys.width + k)
                };
                let all = queries.places().into_iter().flat_map(|row| {
                    (0..heads).flat_map(move |h| (0..keys.width).map(move |t| (row, h, t)))
                });
                all.map(|(row, h, t)| place(row, h, t)).collect()
            }
        }
    }

    /// The elements of a leaf; 0 where the file has none.
    fn elements(&self, leaf: &Leaf, len: usize) -> Vec<f32> {
        let input = self.case.input(&leaf.input);
        elements(input, self.places(leaf, input, len))
    }

    /// What a model hands out: all hidden states and projections of the file.
    fn trace<T: Clone>(&self, who: &str, make: &mut Make<'_, T>) -> Trace<T> {
        let mut trace = Trace::of(Needs::NONE);
        for (target, name) in [(false, "enc"), (true, "dec")] {
            let name = format!("{who}.{name}.hidden");
            let Some(input) = self.case.find(&name) else { continue };
            let shape = Shape::matrix(self.side(target).count(), input.shape[3]);
            let state = |block| {
                let leaf = Leaf::new(&name, Part::Rows { target, block });
                make(self.elements(&leaf, shape.len()), shape, leaf)
            };
            let states = (0..input.shape[0]).map(state).collect();
            match target {
                false => trace.encoder_hidden = states,
                true => trace.decoder_hidden = states,
            }
        }
        for kind in 0..KINDS.len() {
            match self.method {
                "minilm" => trace.projections.push(self.projections(who, kind, make)),
                "tinybert" | "ckd" => trace.projections.extend(self.scores(who, kind, make)),
                _ => {}
            }
        }
        trace
    }

    /// The projections of an attention of the one layer that the file has.
    fn projections<T>(
        &self,
        who: &str,
        kind: usize,
        make: &mut Make<'_, T>,
    ) -> (Site, Projections<T>) {
        let mut one = |name: &str, target| {
            let name = format!("{who}.{}.{name}", KINDS[kind]);
            let width = self.case.input(&name).shape[2];
            let shape = Shape::matrix(self.side(target).count(), width);
            let leaf = Leaf::new(&name, Part::Rows { target, block: 0 });
            make(self.elements(&leaf, shape.len()), shape, leaf)
        };
        let (q, k, v) = (one("q", kind > 0), one("k", kind == 1), one("v", kind == 1));
        let heads = self.case.number(if who == "student" { "Hs" } else { "Ht" });
        (site(kind, 0), Projections { q, kv: Kv { k, v }, heads })
    }

    /// Projections with the scores of the file: each query holds its scores, each key is a unit vector.
    fn scores<T: Clone>(
        &self,
        who: &str,
        kind: usize,
        make: &mut Make<'_, T>,
    ) -> Vec<(Site, Projections<T>)> {
        let name = format!("{who}.{}.scores", KINDS[kind]);
        let Some(input) = self.case.find(&name) else { return Vec::new() };
        let (layers, heads) = (input.shape[0], input.shape[2]);
        let (queries, keys) = (self.side(kind > 0), self.side(kind == 1));
        let width = keys.width;
        let unit = (width as f32).sqrt();
        let key = |[_, _, t]: [usize; 3]| {
            (0..heads * width).map(move |c| if c % width == t { unit } else { 0.0 })
        };
        let keys_data: Vec<f32> = keys.places().into_iter().flat_map(key).collect();
        let mut layer = |block| {
            let shape = |rows| Shape::matrix(rows, heads * width);
            let leaf = Leaf::new(&name, Part::Scores { kind, block });
            let q = shape(queries.count());
            let q = make(self.elements(&leaf, q.len()), q, leaf);
            let k = make(keys_data.clone(), shape(keys.count()), Leaf::new("", Part::Nowhere));
            (site(kind, block), Projections { q, kv: Kv { v: k.clone(), k }, heads })
        };
        (0..layers).map(&mut layer).collect()
    }

    /// The parameters of the terms, which the file names in its own way.
    fn parameters<T>(
        &self,
        variant: &str,
        spec: &Auxiliary<Spec>,
        make: &mut Make<'_, T>,
    ) -> Auxiliary<T> {
        let mut projections = Vec::new();
        for of in &spec.projections {
            let mut one = |spec: &Spec, weight: bool| {
                let leaf = Leaf::parameter(self.method, variant, of, weight);
                make(self.elements(&leaf, spec.shape.len()), spec.shape, leaf)
            };
            let (weight, slot) = (one(&of.weight, true), of.slot);
            let bias = of.bias.as_ref().map(|bias| one(bias, false));
            projections.push(Projection { slot, weight, bias });
        }
        Auxiliary { align: None, projections }
    }
}

fn site(kind: usize, layer: usize) -> Site {
    [Site::Encoder, Site::Decoder, Site::Cross][kind](layer)
}

/// The part of the loss that a term is.
fn part(term: &str) -> Option<&'static str> {
    Some(match term {
        "tinybert_encoder" => "rep.enc",
        "tinybert_decoder" => "rep.dec",
        "tinybert_encoder_scores" => "att.enc_self",
        "tinybert_decoder_scores" => "att.dec_self",
        "tinybert_cross_scores" => "att.cross",
        "ckd_encoder_scores" => "enc_self",
        "ckd_decoder_scores" => "dec_self",
        "ckd_cross_scores" => "cross",
        term if term.starts_with("minilm") => return None,
        term if term.ends_with("_encoder") => "enc",
        _ => "dec",
    })
}
