//! Terms on whole models, with the gradients of all parameters.

use a2d_core::backend::Train;
use a2d_core::batch::{Batch, Layout};
use a2d_core::kd::{self, Auxiliary, Counts, Inputs, Plan, Teacher, Terms};
use a2d_core::nn::{Trace, Transformer};
use a2d_core::tape::Tape;
use serde_json::Value;

use super::file::config;
use super::leaf::{Leaf, Part, elements, gathered};
use super::variants::{METHODS, Settings, terms as terms_of};
use super::{File, GRADIENT, LOSS, close, files, value};
use crate::helpers::compare::{Array, Findings};
use crate::helpers::model::{LAYERS, batch, read};
use crate::helpers::padded::tokens;

/// Terms of the file that another test computes.
const ELSEWHERE: [&str; 4] = ["controls", "selective", "tie", "word_kd"];

/// Compares every term that the product offers, padded and packed. Panics with all differences.
pub fn models<B: Train>(make: impl Fn() -> B) {
    let (mut findings, mut ran) = (Findings::default(), 0);
    for file in files("model") {
        for name in file.json["terms"].as_object().expect("terms").keys() {
            let (method, variant) = name.split_once('.').unwrap_or((name, ""));
            if !METHODS.contains(&method) {
                assert!(ELSEWHERE.contains(&method), "kd_model: the term {name} is unknown");
                continue;
            }
            let settings = Settings::of(method, &file.json["config"]);
            let terms = terms_of(method, variant, &settings).expect("a term of the product");
            for layout in [Layout::Padded, Layout::Packed] {
                let of = Term { file: &file, name, method, variant, terms };
                check(&mut make(), &of, layout, &mut findings);
                ran += 1;
            }
        }
    }
    println!("{ran} comparisons of whole models");
    assert!(ran >= 24, "only {ran} comparisons");
    findings.finish();
}

/// A term of the file.
struct Term<'a> {
    file: &'a File,
    name: &'a str,
    method: &'a str,
    variant: &'a str,
    terms: Terms,
}

impl Term<'_> {
    fn array(&self, name: &str) -> &Array {
        self.file.arrays.get(name).unwrap_or_else(|| panic!("kd_model: no {name}"))
    }

    fn described(&self) -> &Value {
        &self.file.json["terms"][self.name]
    }

    /// The student's parameters and those of the term, each with its place in the file.
    fn leaves(
        &self,
        plan: &Plan<LAYERS>,
        auxiliary: &Auxiliary<a2d_core::params::Spec>,
    ) -> Vec<Leaf> {
        let model = plan.params().iter().filter(|(name, _)| !kd::is_auxiliary(name));
        let whole = |name: &str| Leaf::new(format!("student.{name}"), Part::Block(0));
        let mut leaves: Vec<_> = model.map(|(name, _)| whole(name)).collect();
        for of in &auxiliary.projections {
            let parts = [true].into_iter().chain(of.bias.iter().map(|_| false));
            leaves.extend(parts.map(|w| Leaf::parameter(self.method, self.variant, of, w)));
        }
        leaves
    }
}

fn check<B: Train>(b: &mut B, of: &Term<'_>, layout: Layout, findings: &mut Findings) {
    let settings = &of.file.json["config"];
    let (student, teacher) = (config(settings, true), config(settings, false));
    let sides = ["batch.src_tokens", "batch.target"].map(|name| tokens(of.array(name)));
    let batch: Batch<B::Index> = batch(b, &sides[0], &sides[1], layout);
    let model = Transformer::try_new(&teacher, &mut |path, spec| {
        let data: Vec<f32> = floats(of.array(&format!("teacher.{path}")));
        Ok::<_, a2d_core::config::Impossible>(b.tensor(&data, spec.shape))
    });
    let teacher_model = Teacher::<_, LAYERS>::from(model.expect("a model"));
    let needs = of.terms.needs();
    let seen = teacher_model.teach(b, &batch, needs).seen;

    let plan = Plan::new(&student, Some((&of.terms, &teacher))).expect("terms for these models");
    let leaves = of.leaves(&plan, &of.terms.auxiliary(&student, &teacher));
    assert_eq!(leaves.len(), plan.params().len());
    let mut tape = Tape::new(b, 0);
    let vars: Vec<_> = leaves
        .iter()
        .zip(plan.params())
        .map(|(leaf, (_, spec))| {
            let input = of.array(&leaf.input);
            let data = elements(input, leaf.places(input, spec.shape.len()));
            let x = tape.backend().tensor(&data, spec.shape);
            tape.leaf(x)
        })
        .collect();
    let bound = plan.bind(vars);
    let mut trace = Trace::of(needs);
    kd::forward(&bound.model, &mut tape, &batch, &mut trace);
    let update = Counts::of(&batch);
    let inputs = Inputs {
        vectors: None,
        batch: &batch,
        student: &trace,
        teacher: &seen,
        fixed: None,
        auxiliary: &bound.auxiliary,
        update: &update,
        epoch: 1,
    };
    let counted: Vec<_> = of.terms.iter().flat_map(|t| t.record(&mut tape, &inputs)).collect();
    let loss: f64 = counted.iter().map(|term| value(tape.backend(), term)).sum();
    let wanted = of.described()["values_f64"]["loss"].as_f64().expect("a loss");
    close(findings, "loss", &format!("{} loss", of.name), (&[loss], &[wanted]), LOSS);
    let grads = tape.backward();
    let grads = leaves.iter().zip(grads.iter().map(|grad| read(b, grad)));
    let all = gathered(of.name, grads, |name| of.array(name), Leaf::places);
    all.iter().for_each(|(name, got)| check_gradient(of, name, got, findings));
}

/// Compares sum, norm and, where the file has them, all elements.
fn check_gradient(of: &Term<'_>, name: &str, got: &[f64], findings: &mut Findings) {
    let [sum, norm] =
        [0, 1].map(|i| of.described()["grad_sum_norm"][name][i].as_f64().unwrap_or(0.0));
    let place = format!("{} gradient of {name}", of.name);
    let found = got.iter().map(|x| x * x).sum::<f64>().sqrt();
    close(findings, "norm", &place, (&[found], &[norm]), GRADIENT);
    // As large as a sum of elements of one sign.
    let most = norm * (got.len() as f64).sqrt() + 0.05;
    let off = (got.iter().sum::<f64>() - sum).abs();
    findings.check("sum", off / (GRADIENT * most), format!("{place}: the sum is off by {off:.2e}"));
    if let Some(wanted) = of.file.arrays.get(&format!("{}/f64/grad/{name}", of.name)) {
        close(findings, "gradient", &place, (got, &wanted.data), GRADIENT);
    }
}

fn floats(array: &Array) -> Vec<f32> {
    array.data.iter().map(|x| *x as f32).collect()
}
