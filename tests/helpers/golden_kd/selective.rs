//! Selective distillation on given logits.

use a2d_core::backend::{TeacherRows, TokenLoss, Train};
use a2d_core::batch::IGNORE;
use a2d_core::kd::{Chosen, Selective};
use a2d_core::rows::TokenRow;
use a2d_core::shape::Shape;
use a2d_core::tape::Tape;

use super::{Case, GRADIENT, LOSS, PAD, close, files, identity};
use crate::helpers::compare::Findings;
use crate::helpers::model::read;

/// Compares the gate, the queue, the losses and the gradient of each batch. Panics with all differences.
pub fn selection<B: Train>(make: impl Fn() -> B) {
    let mut findings = Findings::default();
    for file in files("selective") {
        for case in file.cases() {
            for variant in case.variants() {
                check(&mut make(), case, variant, &mut findings);
            }
        }
    }
    findings.finish();
}

fn check<B: Train>(b: &mut B, case: Case<'_>, variant: &str, findings: &mut Findings) {
    let rate = case.settings()["rate"].as_f64().expect("a number");
    let of = Selective {
        ratio: rate,
        queue: match variant {
            "batch" => None,
            "global" => Some(case.number("queue")),
            _ => panic!("kd_selective: the variant {variant} is unknown"),
        },
    };
    let (wanted, mut queue) = (case.values(variant), Vec::new());
    for number in 0..case.number("batches") {
        let name = |what: &str| format!("selective/{}/{variant} {what}.{number}", case.name);
        let found = batch(b, case, number, &of, &mut queue);
        for (what, value) in [("gate", found.gate), ("golden", found.golden), ("kd", found.kd)] {
            let wanted = wanted[&*format!("{what}.{number}")];
            close(findings, what, &name(what), (&[value], &[wanted]), LOSS);
        }
        if let Some(wanted) = case.output(variant, &format!("queue.{number}")) {
            let queue: Vec<_> = queue.iter().map(|x| f64::from(*x)).collect();
            assert_eq!(queue.len(), wanted.data.len(), "{}", name("queue"));
            close(findings, "queue", &name("queue"), (&queue, &wanted.data), LOSS);
        }
        let wanted = case.gradient(variant, &format!("student.logits.{number}"));
        close(findings, "gradient", &name("gradient"), (&found.gradient, &wanted.data), GRADIENT);
    }
}

struct Found {
    gate: f64,
    golden: f64,
    kd: f64,
    gradient: Vec<f64>,
}

fn batch<B: Train>(
    b: &mut B,
    case: Case<'_>,
    number: usize,
    of: &Selective,
    queue: &mut Vec<f32>,
) -> Found {
    let logits = |who: &str| case.input(&format!("{who}.logits.{number}"));
    let v = logits("student").shape[2];
    let target = |x: &f64| if *x == PAD { IGNORE } else { *x as u32 };
    let next: Vec<_> = case.input(&format!("tgt.{number}")).data.iter().map(target).collect();
    let (n, targets) = (next.len(), b.index(&next));
    let [own, theirs] = ["student", "teacher"].map(|who| {
        let data: Vec<_> = logits(who).data.iter().map(|x| *x as f32).collect();
        b.tensor(&data, Shape::matrix(n, v))
    });
    let table = b.tensor(&identity(v), Shape::matrix(v, v));
    // The file spreads the smoothing over all tokens, the product over all but the target.
    let smoothing = case.settings()["smoothing"].as_f64().expect("a number");
    let row = TokenRow {
        label_smoothing: (smoothing * (v - 1) as f64 / v as f64) as f32,
        student_temperature: 1.0,
        teacher_temperature: 1.0,
        ce_weight: 1.0,
        kd_weight: 1.0,
        mutual: false,
    };
    let losses = b.token_loss(TokenLoss {
        hidden: &own,
        table: &table,
        bias: None,
        teacher: None,
        targets: &targets,
        row,
        gradient: false,
    });
    let nll: Vec<_> = read(b, &losses.rows).chunks(5).map(|values| values[2]).collect();
    let real = nll.iter().zip(&next).filter(|(_, target)| **target != IGNORE);
    let gate = of.gate(queue, &real.map(|(nll, _)| *nll).collect::<Vec<_>>());
    let chosen = Chosen::new(b, &next, &nll, gate);
    let mut tape = Tape::new(b, 0);
    let (hidden, output) = (tape.leaf(own), tape.constant(table.clone()));
    let teacher = TeacherRows { hidden: &theirs, table: &table, bias: None };
    let values = chosen.record(&mut tape, &hidden, (&output, None), teacher, row);
    let values: Vec<_> = read(tape.backend(), &values).into_iter().map(f64::from).collect();
    let gradient = tape.backward().swap_remove(0);
    let gradient = read(b, &gradient).into_iter().map(f64::from).collect();
    Found { gate: gate.into(), golden: values[0], kd: values[1] - values[4], gradient }
}
