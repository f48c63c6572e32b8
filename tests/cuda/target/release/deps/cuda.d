/work/w-cuda/tests/cuda/target/release/deps/cuda.d: src/lib.rs

/work/w-cuda/tests/cuda/target/release/deps/libcuda.so: src/lib.rs

/work/w-cuda/tests/cuda/target/release/deps/libcuda.rlib: src/lib.rs

src/lib.rs:
