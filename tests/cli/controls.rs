//! Fixed mappings, R-Drop and the alignment's own optimiser, from the command line.

use crate::desk::Desk;
use crate::resume::{trained, trained_alike};

const LINE: &str = "distill tiny.toml --data data --teacher full/teacher --quiet";

/// Whether a run has trained alignment modules.
fn aligned(desk: &Desk, run: &str) -> bool {
    let names = desk.tensors(&format!("{run}/best.safetensors"));
    names.keys().any(|name| name.contains("alignment_module"))
}

/// Whether every training line has a positive `term`.
fn has(desk: &Desk, run: &str, term: &str) -> bool {
    trained(desk, run).iter().all(|line| line[term].as_f64().is_some_and(|x| x > 0.0))
}

#[test]
fn a_fixed_mapping_trains_nothing_and_goes_on_exactly() {
    let desk = Desk::with_run();
    let learned = "--set distill.map_input=scores --out learned";
    desk.host(&format!("{LINE} {learned}")).well();
    assert!(aligned(&desk, "learned") && has(&desk, "learned", "kl_cross"));
    for mapping in ["random_heads", "block"] {
        let line = format!("{LINE} --set distill.map_input=scores --set distill.mapping={mapping}");
        desk.host(&format!("{line} --out {mapping}")).well();
        assert!(!aligned(&desk, mapping) && has(&desk, mapping, "kl_encoder"), "{mapping}");
        let cut = format!("{line} --out {mapping}-cut");
        desk.host(&format!("{cut} --set train.max_update=9")).well();
        desk.host(&format!("{cut} --resume")).well();
        trained_alike(&desk, mapping, &format!("{mapping}-cut"));
    }
    let other = "--set distill.map_input=scores --set distill.mapping=skip --out block --resume";
    let line = LINE.replace(" --quiet", "");
    desk.refused(&format!("{line} {other}"), 2, &["`distill.mapping`"]);
    desk.host("report block --out block.html").well();
}

#[test]
fn the_alignment_may_stand_still() {
    let desk = Desk::with_run();
    let still = "--set distill.align_lr=0 --set distill.align_weight_decay=0";
    for (run, updates) in [("one", 1), ("more", 6)] {
        let line = format!("{LINE} {still} --set train.max_update={updates} --out {run}");
        desk.host(&line).well();
    }
    let bytes =
        |run: &str, name: &str| desk.tensors(&format!("{run}/last.safetensors"))[name].clone();
    let moved = |name: &str| bytes("one", name) != bytes("more", name);
    assert!(!moved("encoder.alignment_module.weight"));
    assert!(moved("encoder.layers.0.fc1.weight"));
}

#[test]
fn two_passes_need_no_teacher_and_go_with_one() {
    let desk = Desk::with_run();
    let alone = "distill tiny.toml --data data --quiet --method r-drop --set model.dropout=0.1";
    desk.host(&format!("{alone} --out whole")).well();
    assert!(has(&desk, "whole", "r_drop") && !desk.path("whole/teacher").exists());
    desk.host(&format!("{alone} --out cut --set train.max_update=9")).well();
    desk.host(&format!("{alone} --out cut --resume")).well();
    trained_alike(&desk, "whole", "cut");
    let both = format!("{LINE} --method a2d,r-drop --set model.dropout=0.1 --out both");
    desk.host(&both).well();
    assert!(["r_drop", "kd", "kl_encoder"].iter().all(|term| has(&desk, "both", term)));
}
