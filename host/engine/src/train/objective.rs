//! The loss of a configuration.

use super::features;
use a2d_core::backend::{MapInput, Normalisation, Target};
use a2d_core::kd::{self, MapTerms, Objective, OwnOptimiser, Reduction, Term, Terms, Vectors};
use a2d_run::config::{
    DistillConfig, KdLoss, LossNorm, MapInput as Input, MapNormalisation, MapReduction, Mapping,
    Method, Preset, RunConfig, Task,
};

/// The loss of `run`.
pub fn objective(run: &RunConfig) -> Objective {
    let distill = &run.distill;
    let needs = distill.method.needs();
    Objective {
        label_smoothing: run.train.label_smoothing as f32,
        alpha: if needs.words { distill.alpha as f32 } else { 0.0 },
        student_temperature: distill.student_temperature as f32,
        teacher_temperature: distill.teacher_temperature as f32,
        kd_loss: match distill.kd_loss {
            KdLoss::Ce => kd::KdLoss::CrossEntropy,
            KdLoss::KlTau2 => kd::KdLoss::KlTau2,
        },
        norm: match distill.norm() {
            LossNorm::Official => kd::LossNorm::Official,
            LossNorm::Mean => kd::LossNorm::Mean,
        },
        terms: terms(run),
    }
}

/// The terms of all methods. A text model has no decoder to compare; if its output is vectors, these are compared.
fn terms(run: &RunConfig) -> Terms {
    let run = &RunConfig { distill: run.distill.of_task(run.task), ..run.clone() };
    let distill = &run.distill;
    let vectors = (run.task == Task::Embed && distill.method.needs().words).then(|| {
        let (cosine, relations) = (distill.cosine as f32, distill.relations as f32);
        Term::Vectors(Vectors { cosine, relations })
    });
    let all = run.distill.method.iter().flat_map(|method| match method {
        Method::A2d => vec![Term::Maps(maps(&run.distill))],
        other => features::terms(run, other),
    });
    vectors.into_iter().chain(all).collect()
}

fn maps(distill: &DistillConfig) -> MapTerms {
    let choices = distill.maps();
    MapTerms {
        mapping: mapping(distill.mapping),
        input: match choices.input {
            Input::Probabilities => MapInput::Probabilities,
            Input::Scores => MapInput::Scores,
        },
        optimiser: optimiser(distill),
        normalisation: match choices.normalisation {
            MapNormalisation::Map => Normalisation::Map,
            MapNormalisation::Row => Normalisation::Row,
        },
        target: match distill.preset {
            Preset::Rows => Target::Probabilities,
            Preset::Official | Preset::Masked => Target::Softmax,
        },
        masked: choices.mask,
        reduction: match (choices.reduction, distill.norm()) {
            (MapReduction::Sum, LossNorm::Official) => Reduction::Sum,
            (MapReduction::Sum, LossNorm::Mean) => Reduction::Sentence,
            (MapReduction::Mean, _) => Reduction::Row,
        },
        encoder: distill.encoder_kd,
        decoder: distill.self_kd,
        cross: distill.cross_kd,
        beta: distill.beta() as f32,
        decay: distill.decay as f32,
    }
}

/// The optimiser of the alignment module, where it differs from the student's.
fn optimiser(distill: &DistillConfig) -> Option<OwnOptimiser> {
    let own = OwnOptimiser { rate: distill.align_lr, weight_decay: distill.align_weight_decay };
    let differs = own.rate != 1.0 || own.weight_decay.is_some();
    differs.then_some(own)
}

/// Whether an alignment module is trained.
pub fn learns_alignment(distill: &DistillConfig) -> bool {
    distill.method.has(Method::A2d) && distill.mapping == Mapping::Learned
}

const fn mapping(of: Mapping) -> kd::Mapping {
    match of {
        Mapping::Learned => kd::Mapping::Learned,
        Mapping::Frozen => kd::Mapping::Frozen,
        Mapping::Uniform => kd::Mapping::Uniform,
        Mapping::Block => kd::Mapping::Block,
        Mapping::Skip => kd::Mapping::Skip,
        Mapping::Last => kd::Mapping::Last,
        Mapping::Reversed => kd::Mapping::Reversed,
        Mapping::AllToOne => kd::Mapping::AllToOne,
        Mapping::RandomLayers => kd::Mapping::RandomLayers,
        Mapping::RandomHeads => kd::Mapping::RandomHeads,
    }
}
