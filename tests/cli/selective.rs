//! Selective distillation, from the command line.

use crate::desk::Desk;
use crate::resume::{trained, trained_alike};

const LINE: &str =
    "distill tiny.toml --data data --teacher full/teacher --quiet --method selective";

const QUEUE: &str = "selective.queue";

#[test]
fn a_queue_goes_on_exactly() {
    let desk = Desk::with_run();
    let line =
        format!("{LINE} --set distill.selective.mode=global --set distill.selective.queue=900");
    let last = |run: &str| desk.tensors(&format!("{run}/last.safetensors"));
    desk.host(&format!("{line} --out whole --threads 2")).well();
    for updates in [1, 9, 17] {
        let cut = format!("{line} --out cut-{updates} --threads 1");
        desk.host(&format!("{cut} --set train.max_update={updates}")).well();
        let held = last(&format!("cut-{updates}"))[QUEUE].clone();
        assert!(held != last("whole")[QUEUE], "the queue goes on after update {updates}");
        desk.host(&format!("{cut} --resume")).well();
        trained_alike(&desk, "whole", &format!("cut-{updates}"));
    }
    let (shape, values) = &last("whole")[QUEUE];
    assert!(shape[0] == values.len() && (100..900).contains(&values.len()), "{shape:?}");
    assert!(values.iter().all(|x| *x > 0.0 && x.is_finite()));
    // What only training needs stays out of the student, and out of the way of one that learns from it.
    assert!(!desk.tensors("whole/best.safetensors").contains_key(QUEUE));
    desk.host("translate whole --input test.de").well();
    std::fs::copy(desk.path("whole/last.safetensors"), desk.path("whole/best.safetensors"))
        .unwrap();
    let next = LINE.replace("full/teacher", "whole");
    desk.host(&format!("{next} --set train.max_update=2 --out next")).well();
    assert!(!last("next").contains_key(QUEUE), "a batch has no queue");
    let other = format!("{line} --set distill.selective.ratio=0.3 --out whole --resume");
    desk.refused(&other.replace(" --quiet", ""), 2, &["`distill.selective.ratio`"]);
}

#[test]
fn all_tokens_are_those_of_words() {
    let desk = Desk::with_run();
    let words = LINE.replace("selective", "word-kd");
    desk.host(&format!("{words} --out words")).well();
    desk.host(&format!("{LINE} --set distill.selective.ratio=1 --out all")).well();
    desk.host(&format!("{LINE} --set distill.selective.ratio=0.4 --out some")).well();
    trained_alike(&desk, "words", "all");
    let first = |run: &str| trained(&desk, run)[0].clone();
    let [words, some] = ["words", "some"].map(first);
    assert_eq!(words["ce"], some["ce"]);
    for term in ["kd", "teacher_nll"] {
        let [all, some] = [&words, &some].map(|line| line[term].as_f64().unwrap());
        assert!(some > 0.2 * all && some < 0.8 * all, "{term}: {some} of {all}");
    }
}

#[test]
fn a_selection_holds_for_all_methods_of_a_list() {
    let desk = Desk::with_run();
    let both = LINE.replace("selective", "selective,a2d,r-drop");
    desk.host(&format!("{both} --set model.dropout=0.1 --out both")).well();
    for line in trained(&desk, "both") {
        for term in ["kd", "kl_encoder", "r_drop"] {
            assert!(line[term].as_f64().is_some_and(|x| x > 0.0), "{term}: {line}");
        }
    }
}
