//! Golden tests of distillation methods: values by the authors' own code where it could be had, and by independent
//! formulas, see `fixtures/golden/kd/README.md`.
//!
//! `A2D_GOLDEN_KD=FOLDER` names a folder of further cases in the same format.

use a2d_host::backend::cpu::Cpu;
use a2d_tests::helpers::golden_kd;

#[test]
fn terms_agree_with_the_formulas() {
    golden_kd::terms(|| Cpu::new(2));
}

#[test]
fn fixed_mappings_agree_with_the_formulas() {
    golden_kd::controls(|| Cpu::new(2));
}

#[test]
fn two_passes_agree_with_the_formulas() {
    golden_kd::agreement(|| Cpu::new(2));
}

#[test]
fn selections_agree_with_the_formulas() {
    golden_kd::selection(|| Cpu::new(2));
}

#[test]
fn whole_models_agree_with_the_formulas() {
    golden_kd::models(|| Cpu::new(2));
}
