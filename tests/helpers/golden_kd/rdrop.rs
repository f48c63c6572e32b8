//! R-Drop on given logits.

use a2d_core::backend::Train;
use a2d_core::kd::RDrop;
use a2d_core::rows::TokenRow;
use a2d_core::shape::Shape;
use a2d_core::tape::Tape;

use super::{Case, GRADIENT, LOSS, PAD, close, files, identity};
use crate::helpers::compare::Findings;
use crate::helpers::model::read;

/// Compares both variants. Panics with all differences.
pub fn agreement<B: Train>(make: impl Fn() -> B) {
    let mut findings = Findings::default();
    for file in files("rdrop") {
        for case in file.cases() {
            for variant in case.variants() {
                check(&mut make(), case, variant, &mut findings);
            }
        }
    }
    findings.finish();
}

fn check<B: Train>(b: &mut B, case: Case<'_>, variant: &str, findings: &mut Findings) {
    let logits = case.input("student.logits");
    let (targets, v) = (&case.input("tgt").data, logits.shape[2]);
    let real: Vec<_> = (0..targets.len()).filter(|&row| targets[row] != PAD).collect();
    let (n, config) = (real.len(), case.settings());
    let number = |name: &str| config[name].as_f64().expect("a number");
    // `sum` is `mean` times twice the tokens, with half the weight.
    let (factor, share) = match variant {
        "mean" => (1.0, 1.0),
        "sum" => (2.0 * n as f64, 0.5),
        _ => panic!("kd_rdrop: the variant {variant} is unknown"),
    };
    let weight = (number("alpha") * share) as f32;
    let per_token = factor / n as f64;
    let index: Vec<_> = real.iter().map(|&row| targets[row] as u32).collect();
    let index = b.index(&index);
    let mut tape = Tape::new(b, 0);
    let one = identity(v);
    let one = tape.backend().tensor(&one, Shape::matrix(v, v));
    let table = tape.constant(one);
    let place = |pass: usize, row: usize| (pass * targets.len() + row) * v;
    let passes = [0, 1].map(|pass| {
        let rows = real.iter().flat_map(|&row| &logits.data[place(pass, row)..][..v]);
        let data: Vec<_> = rows.map(|&x| x as f32).collect();
        let x = tape.backend().tensor(&data, Shape::matrix(n, v));
        tape.leaf(x)
    });
    // The file spreads the smoothing over all tokens, the product over all but the target.
    let smoothing = number("smoothing") * (v - 1) as f64 / v as f64;
    let row = TokenRow {
        label_smoothing: smoothing as f32,
        student_temperature: 1.0,
        teacher_temperature: 1.0,
        ce_weight: (0.5 * per_token) as f32,
        kd_weight: 0.0,
        mutual: false,
    };
    let words = passes.each_ref().map(|hidden| {
        let values = tape.token_loss(hidden, (&table, None), None, &index, row);
        f64::from(read(tape.backend(), &values)[0])
    });
    let of = RDrop { weight };
    let apart = of.record(&mut tape, passes.each_ref(), (&table, None), &index, per_token);
    let kl = f64::from(read(tape.backend(), &apart)[1]);
    let loss = per_token * (0.5 * (words[0] + words[1]) + f64::from(weight) * kl);
    let (wanted, name) = (case.values(variant), format!("rdrop/{}/{variant}", case.name));
    close(findings, "loss", &format!("{name} loss"), (&[loss], &[wanted["loss"]]), LOSS);
    close(findings, "kl", &format!("{name} kl"), (&[kl], &[wanted["kl"]]), LOSS);
    let mut got = vec![0.0; logits.data.len()];
    for (pass, grad) in tape.backward().iter().enumerate() {
        for (&row, grad) in real.iter().zip(read(b, grad).chunks(v)) {
            let to = &mut got[place(pass, row)..][..v];
            to.iter_mut().zip(grad).for_each(|(to, x)| *to = f64::from(*x));
        }
    }
    let wanted = case.gradient(variant, "student.logits");
    close(findings, "gradient", &format!("{name} gradient"), (&got, &wanted.data), GRADIENT);
}
