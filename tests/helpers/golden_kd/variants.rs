//! What the variants of the files are in the product.

use a2d_core::kd::{
    Alp, Ckd, Draw, Grouping, LayerSet, MiniLm, Pkd, Rail, RailForm, Side, Term, Terms, TinyBert,
    Version,
};

use serde_json::Value;

use super::file::{lists, number};

/// Variants that the product does not offer, and why.
const OTHERS: [(&str, &str, &str); 21] = [
    ("pkd", "tokens", "sums over layers and tokens"),
    ("pkd", "total", "a whole loss with those sums"),
    ("pkd", "bert", "one token of each sentence, in a mean over the width"),
    ("pkd", "bert_raw", "the same without normalisation"),
    ("pkd", "bert_total", "a whole loss for classes"),
    ("ckd", "tokens.regular", "sums over layers and tokens"),
    ("ckd", "tokens.overlap", "sums over layers and tokens"),
    ("ckd", "tokens.skip_middle", "sums over layers and tokens"),
    ("ckd", "tokens.cross", "sums over layers and tokens"),
    ("ckd", "tokens.skip_comb", "sums over layers and tokens"),
    ("ckd", "total.regular.enc", "a whole loss with those sums"),
    ("ckd", "total.regular.both", "a whole loss with those sums"),
    ("rail", "layerwise_shared", "one projection for all layers"),
    ("rail", "third.l2_layerwise", "lengths without a square, padding counts"),
    ("rail", "third.l2_concat", "lengths without a square, padding counts"),
    ("rail", "third.sq_layerwise", "sums over sentences, padding counts"),
    ("rail", "third.sq_concat", "sums over sentences, padding counts"),
    ("alp", "third.cls", "one token of each sentence"),
    ("tinybert", "enc", "padding counts"),
    ("tinybert", "dec", "padding counts"),
    ("tinybert", "pred", "words, as a mean over the vocabulary"),
];

/// The files with the terms that are computed here.
pub const METHODS: [&str; 6] = ["pkd", "ckd", "rail", "alp", "tinybert", "minilm"];

/// The terms of a variant, or `None` for one that the product does not offer.
///
/// # Panics
///
/// The variant is unknown.
pub fn terms(method: &str, variant: &str, settings: &Settings) -> Option<Terms> {
    if OTHERS.iter().any(|(of, name, _)| (*of, *name) == (method, variant)) {
        return None;
    }
    let sides = |term: &dyn Fn(Side) -> Term| Some(Side::BOTH.into_iter().map(term).collect());
    let only = |term: Term| Some(Terms::new([term]));
    match (method, variant) {
        ("pkd", "nmt" | "nmt_inner") => {
            let inner = variant == "nmt_inner";
            sides(&|side| Term::Pkd(Pkd { side, inner, weight: 1.0 }))
        }
        ("ckd", of) if of.starts_with("nmt.") => {
            let groups = grouping(&of["nmt.".len()..]);
            sides(&|side| Term::Ckd(Ckd { side, groups, weight: 1.0, attention: 0.0 }))
        }
        ("ckd", "attn") => sides(&|side| {
            Term::Ckd(Ckd { side, groups: Grouping::Regular, weight: 0.0, attention: 1.0 })
        }),
        ("rail", "layerwise" | "concat") => {
            let form =
                if variant == "concat" { RailForm::Concatenated } else { RailForm::Layerwise };
            sides(&|side| {
                let draw = Draw::Given(LayerSet::of(settings.selected[side as usize].clone()));
                Term::Rail(Rail { side, form, width: settings.width, draw, weight: 1.0 })
            })
        }
        ("alp", "nmt" | "nmt_scaled" | "nmt_detached") => sides(&|side| {
            let (scaled, detached) = (variant == "nmt_scaled", variant == "nmt_detached");
            let groups = settings.buckets[side as usize];
            Term::Alp(Alp { side, groups, scaled, detached, weight: 1.0 })
        }),
        ("tinybert", "nmt") => only(Term::TinyBert(TinyBert {
            encoder: true,
            decoder: true,
            cross: true,
            states: true,
            scores: true,
            weight: 1.0,
        })),
        ("minilm", of) => {
            let (version, kind) = of.split_once('.').expect("a version and a kind");
            let version = match version {
                "v1" => Version::One,
                "v2" => Version::Two(settings.heads),
                other => panic!("minilm {other}: no such version"),
            };
            let on = |name: &str| kind == name;
            assert!(["enc_self", "dec_self", "cross"].contains(&kind), "minilm {of}");
            only(Term::MiniLm(MiniLm {
                version,
                layer: 0,
                encoder: on("enc_self"),
                decoder: on("dec_self"),
                cross: on("cross"),
                weight: 1.0,
            }))
        }
        _ => panic!("kd_{method}: the variant {variant} is neither computed nor listed"),
    }
}

fn grouping(name: &str) -> Grouping {
    match name {
        "regular" => Grouping::Regular,
        "overlap" => Grouping::Overlap,
        "skip_middle" => Grouping::SkipMiddle,
        "cross" => Grouping::Cross,
        "skip_comb" => Grouping::SkipComb,
        other => panic!("ckd: the grouping {other} is unknown"),
    }
}

/// The settings of a case that terms depend on.
pub struct Settings {
    /// The layers that RAIL-KD drew, by side.
    pub selected: [Vec<usize>; 2],
    /// The width of RAIL-KD's projections.
    pub width: usize,
    /// The layers that ALP-KD attends to, by side.
    pub buckets: [Grouping; 2],
    /// The relation heads of MiniLMv2.
    pub heads: usize,
}

impl Settings {
    /// Those of a configuration of `method`.
    pub fn of(method: &str, config: &Value) -> Self {
        let buckets = |name: &str| match lists(config, name) {
            Some(lists) => Grouping::given(lists.into_iter().map(LayerSet::of)),
            None => Grouping::All,
        };
        let selected = |name: &str| lists(config, name).map(|lists| lists.concat());
        Self {
            selected: ["selected_enc", "selected_dec"].map(|n| selected(n).unwrap_or_default()),
            width: if method == "rail" { number(config, "u") } else { 0 },
            buckets: ["buckets_enc", "buckets_dec"].map(buckets),
            heads: if method == "minilm" { number(config, "relation_heads") } else { 0 },
        }
    }
}
