//! The GPU backend: the suite that every backend passes, and the authors' values.
//!
//! On a software device, or on the one that `A2D_TEST_DEVICE` names.

mod suite;

use a2d_tests::helpers::golden;

suite!(gpu, a2d_gpu::software());

#[test]
fn gpu_agrees_with_the_authors() {
    golden::run(a2d_gpu::software);
}
