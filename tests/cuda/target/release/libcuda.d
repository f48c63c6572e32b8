/work/w-cuda/tests/cuda/target/release/libcuda.so: /work/w-cuda/tests/cuda/src/lib.rs
