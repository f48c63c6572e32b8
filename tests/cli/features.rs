//! Methods that compare hidden states and relations, from the command line.

use crate::desk::Desk;
use crate::resume::{trained, trained_alike};

/// Each method with its terms and with how many parameters it has beside the student.
const METHODS: [(&str, &[&str], usize); 6] = [
    ("pkd", &["pkd_encoder", "pkd_decoder"], 0),
    ("ckd", &["ckd_encoder"], 2),
    ("rail-kd", &["rail_encoder", "rail_decoder"], 12),
    ("alp-kd", &["alp_encoder", "alp_decoder"], 0),
    (
        "tinybert",
        &[
            "tinybert_encoder",
            "tinybert_decoder",
            "tinybert_encoder_scores",
            "tinybert_decoder_scores",
            "tinybert_cross_scores",
        ],
        4,
    ),
    ("minilm", &["minilm_encoder", "minilm_decoder", "minilm_cross"], 0),
];

const LINE: &str = "distill tiny.toml --data data --teacher full/teacher --quiet";

#[test]
fn every_method_trains_and_leaves_a_student_alone() {
    let desk = Desk::with_run();
    desk.host(&format!("{LINE} --method word-kd --out words")).well();
    let size = |run: &str| {
        let scores = desk.read(&format!("{run}/scores.json"));
        serde_json::from_str::<serde_json::Value>(&scores).unwrap()["parameters"].clone()
    };
    for (method, terms, beside) in METHODS {
        desk.host(&format!("{LINE} --method {method} --out {method}")).well();
        for line in &trained(&desk, method) {
            for term in ["kd"].iter().chain(terms) {
                assert!(line[term].as_f64().is_some_and(|x| x > 0.0), "{method}: {term} in {line}");
            }
        }
        let names = desk.tensors(&format!("{method}/best.safetensors"));
        let own = names.keys().filter(|name| name.starts_with("kd.")).count();
        assert_eq!(own, beside, "{method}: {:?}", names.keys());
        assert_eq!(size(method), size("words"), "{method}");
    }
    // What a student had beside it is no part of what is made of it.
    let image = |run: &str| {
        desk.host(&format!("export {run} --out {run}.a2d")).well();
        std::fs::metadata(desk.path(&format!("{run}.a2d"))).unwrap().len()
    };
    assert_eq!(image("rail-kd"), image("words"));
    desk.host("translate tinybert --input test.de").well();
    let student = "--teacher rail-kd --method pkd,a2d --set train.max_update=2";
    desk.host(&format!("distill tiny.toml --data data --quiet {student} --out second")).well();
}

#[test]
fn attention_scores_join_hidden_states() {
    let desk = Desk::with_run();
    let scores = "--set distill.ckd.attention_weight=0.4 --set distill.ckd.decoder=true";
    desk.host(&format!("{LINE} --method ckd {scores} --out scores")).well();
    for line in &trained(&desk, "scores") {
        for kind in ["encoder", "decoder", "encoder_scores", "decoder_scores", "cross_scores"] {
            let value = line[format!("ckd_{kind}")].as_f64();
            assert!(value.is_some_and(|x| x > 0.0), "{kind}: {line}");
        }
    }
    desk.host("report scores --out scores.html").well();
}

#[test]
fn drawn_layers_are_told_and_drawn_again() {
    let desk = Desk::with_run();
    let line = format!(
        "{LINE} --method rail-kd --set train.max_update=90 --set train.validate_interval=2 \
         --set train.valid_bleu_sentences=4"
    );
    desk.host(&format!("{line} --out whole")).well();
    desk.host(&format!("{line} --out cut --set train.max_update=41")).well();
    desk.host(&format!("{line} --out cut --resume")).well();
    trained_alike(&desk, "whole", "cut");
    let mut drawn = std::collections::BTreeMap::new();
    for line in &trained(&desk, "whole") {
        for side in ["rail_encoder_layers", "rail_decoder_layers"] {
            let layers = line[side].as_array().unwrap().clone();
            assert_eq!(layers.len(), 1, "as many as the student has: {line}");
            let epoch = (side, line["epoch"].as_u64().unwrap());
            assert_eq!(*drawn.entry(epoch).or_insert_with(|| layers.clone()), layers, "{line}");
        }
    }
    let layers: std::collections::BTreeSet<_> =
        drawn.values().map(|layers| layers[0].as_u64().unwrap()).collect();
    assert!(drawn.len() > 4 && layers.len() == 2, "{drawn:?}");
}

#[test]
fn models_that_cannot_be_compared_are_refused_before_anything_is_trained() {
    let desk = Desk::with_run();
    let cases: [(&str, &[&str]); 8] = [
        (
            "--method minilm --set distill.minilm.version=1",
            &["minilm: version 1", "2 (student), 4"],
        ),
        ("--method minilm --set distill.minilm.relation_heads=3", &["`relation_heads`", "16"]),
        ("--method minilm --set distill.minilm.layer=3", &["lacks the layer"]),
        ("--method ckd --set distill.ckd.groups=overlap", &["ckd: these groups", "1 (student), 2"]),
        ("--method ckd --set distill.ckd.groups=[[1,3]]", &["ckd: these groups"]),
        ("--method alp-kd --set distill.alp.groups=[[1],[2]]", &["alp-kd: these groups"]),
        ("--method pkd --set distill.pkd.layers=inner", &["pkd: without its last layer"]),
        ("--method pkd --set distill.teacher_aam=true", &["`distill.teacher_aam`"]),
    ];
    for (options, says) in cases {
        for teacher in ["", "--teacher full/teacher"] {
            let line = format!("distill tiny.toml --data data --out new {teacher} {options}");
            desk.refused(&line, 2, says);
            assert!(!desk.path("new").exists(), "{options}: nothing is begun");
        }
    }
}
