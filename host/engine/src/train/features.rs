//! The terms of methods beside Align-to-Distill.

use a2d_core::kd::{
    Alp, Ckd, Draw, Grouping, LayerSet, MiniLm, Pkd, RDrop, Rail, RailForm, Selective, Side, Term,
    TinyBert, Version,
};
use a2d_core::rng;
use a2d_run::config::{
    self, DistillConfig, GroupName, Groups, Method, PkdLayers, RunConfig, SelectMode,
};

/// The stream of the run's seed that layers are drawn from. Streams of small numbers are the trainer's.
const LAYERS: u64 = 0x7a11;

/// The terms of `method` that a run has; none for methods without such terms.
pub(super) fn terms(run: &RunConfig, method: Method) -> Vec<Term> {
    let distill = &run.distill;
    match method {
        Method::Selective => vec![Term::Selective(selective(distill))],
        Method::Pkd => pkd(distill),
        Method::Ckd => ckd(distill),
        Method::RailKd => rail(distill, rng::derive(run.train.seed, LAYERS)),
        Method::AlpKd => alp(distill),
        Method::Tinybert => vec![Term::TinyBert(tinybert(distill))],
        Method::Minilm => vec![Term::MiniLm(minilm(distill))],
        Method::RDrop => vec![Term::RDrop(RDrop { weight: distill.rdrop.weight as f32 })],
        Method::A2d | Method::WordKd | Method::SeqKd | Method::None => Vec::new(),
    }
}

/// A term for each side that is on.
fn sides(encoder: bool, decoder: bool, term: impl Fn(Side) -> Term) -> Vec<Term> {
    let on = Side::BOTH.into_iter().zip([encoder, decoder]).filter(|(_, on)| *on);
    on.map(|(side, _)| term(side)).collect()
}

fn selective(distill: &DistillConfig) -> Selective {
    let of = &distill.selective;
    Selective { ratio: of.ratio, queue: (of.mode == SelectMode::Global).then_some(of.queue) }
}

fn pkd(distill: &DistillConfig) -> Vec<Term> {
    let of = &distill.pkd;
    let (inner, weight) = (of.layers == PkdLayers::Inner, of.weight as f32);
    sides(of.encoder, of.decoder, |side| Term::Pkd(Pkd { side, inner, weight }))
}

fn ckd(distill: &DistillConfig) -> Vec<Term> {
    let of = &distill.ckd;
    let (groups, weight) = (grouping(&of.groups), of.weight as f32);
    let attention = of.attention_weight as f32;
    sides(of.encoder, of.decoder, |side| Term::Ckd(Ckd { side, groups, weight, attention }))
}

fn rail(distill: &DistillConfig, seed: u64) -> Vec<Term> {
    let of = &distill.rail;
    let form = match of.form {
        config::RailForm::Layerwise => RailForm::Layerwise,
        config::RailForm::Concatenated => RailForm::Concatenated,
    };
    let (draw, width, weight) = (Draw::Seed(seed), of.width, of.weight as f32);
    sides(of.encoder, of.decoder, |side| Term::Rail(Rail { side, form, width, draw, weight }))
}

fn alp(distill: &DistillConfig) -> Vec<Term> {
    let of = &distill.alp;
    let (groups, weight) = (grouping(&of.groups), of.weight as f32);
    let (scaled, detached) = (of.scaled, of.detached);
    let term = |side| Term::Alp(Alp { side, groups, scaled, detached, weight });
    sides(of.encoder, of.decoder, term)
}

fn tinybert(distill: &DistillConfig) -> TinyBert {
    let of = &distill.tinybert;
    TinyBert {
        encoder: of.encoder,
        decoder: of.decoder,
        cross: of.cross,
        states: of.states,
        scores: of.scores,
        weight: of.weight as f32,
    }
}

fn minilm(distill: &DistillConfig) -> MiniLm {
    let of = &distill.minilm;
    MiniLm {
        version: match of.version {
            1 => Version::One,
            _ => Version::Two(of.relation_heads),
        },
        layer: of.layer,
        encoder: of.encoder,
        decoder: of.decoder,
        cross: of.cross,
        weight: of.weight as f32,
    }
}

fn grouping(groups: &Groups) -> Grouping {
    match groups {
        Groups::Named(name) => match name {
            GroupName::All => Grouping::All,
            GroupName::Regular => Grouping::Regular,
            GroupName::Overlap => Grouping::Overlap,
            GroupName::SkipMiddle => Grouping::SkipMiddle,
            GroupName::Cross => Grouping::Cross,
            GroupName::SkipComb => Grouping::SkipComb,
        },
        Groups::Listed(lists) => {
            Grouping::given(lists.iter().map(|list| LayerSet::of(list.iter().copied())))
        }
    }
}
