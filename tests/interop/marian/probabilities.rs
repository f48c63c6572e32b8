//! Log-probabilities of given translations.

use a2d_core::backend::Device;
use a2d_core::batch::Layout;
use a2d_core::kd;
use a2d_host::backend::cpu::Cpu;
use a2d_host::run::model::Model;
use a2d_tests::helpers::model::{batch_of, read};

/// Sentences of one pass.
const AT_ONCE: usize = 16;

/// The log-probability of each token of `targets`. Of the tokens that are never written, `padding`, if it is given, is the
/// logit of one that has a probability all the same.
pub fn of(
    b: &mut Cpu,
    model: &Model<<Cpu as Device>::Tensor>,
    sources: &[Vec<u32>],
    targets: &[Vec<u32>],
    padding: Option<f64>,
) -> Vec<Vec<f64>> {
    let mut out = Vec::new();
    let special = model.config.special;
    for (sources, targets) in sources.chunks(AT_ONCE).zip(targets.chunks(AT_ONCE)) {
        let batch = batch_of(b, &special, sources, targets, Layout::Packed);
        let hidden = kd::forward(model, b, &batch, &mut ());
        let logits = model.logits(b, &hidden);
        let logits = read(b, &logits);
        let mut rows = logits.chunks(model.config.target_vocabulary);
        for target in targets {
            let probability = |token: &u32| {
                let row = rows.next().unwrap();
                log_probability(row, *token, special.never(), padding)
            };
            out.push(target.iter().map(probability).collect());
        }
    }
    out
}

fn log_probability(logits: &[f32], token: u32, never: [u32; 2], padding: Option<f64>) -> f64 {
    let written = (0..).zip(logits).filter(|(id, _)| !never.contains(id));
    let all = || written.clone().map(|(_, x)| f64::from(*x)).chain(padding);
    let most = all().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = all().map(|x| (x - most).exp()).sum();
    f64::from(logits[token as usize]) - most - sum.ln()
}
