//! Golden tests: every value that the authors' own code computed, see `fixtures/golden/README.md`.
//!
//! `A2D_GOLDEN=FOLDER` names a folder of further cases in the same format.

use a2d_host::backend::cpu::Cpu;
use a2d_tests::helpers::golden;

#[test]
fn cpu_agrees_with_the_authors() {
    golden::run(|| Cpu::new(2));
}
