//! The gradient of the whole objective, on the CPU.

use a2d_host::backend::cpu::Cpu;
use a2d_tests::helpers::gradients::{self, Effort};

#[test]
fn gradients_are_finite_differences() {
    gradients::are_differences(|| Cpu::new(1), Effort::WHOLE);
}

#[test]
fn wrong_gradients_are_noticed() {
    gradients::wrong_ones_are_noticed(|| Cpu::new(1));
}
