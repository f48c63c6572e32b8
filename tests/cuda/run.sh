#!/usr/bin/env bash
# The CUDA backend without a graphics card: tests/cuda/run.sh [get|compile|suite|shell COMMAND…|unit] [ARGUMENTS…]
#
#   get      NVRTC and CUDA's headers, where CUDA_PATH names none, into target/cuda
#   compile  the stand-in for the driver and cuBLASLt, and the GPU backend's tests
#   suite    these tests on cuda:0 (the default); arguments go to the test program: names, --skip, --nocapture
#   shell    any command that then finds a device: target/release/host devices
#   unit     the stand-in's own tests
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
kit=$target/cuda
version=13.5.37

# The compiler and the headers that it reads, of one version.
get() {
    if [ -n "${CUDA_PATH:-}" ]; then return; fi
    export CUDA_PATH=$kit/nvidia/cu13
    if [ ! -e "$CUDA_PATH/done" ]; then
        python3 -m venv "$kit/venv"
        "$kit/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$kit" \
            nvidia-cuda-nvrtc==$version nvidia-cuda-runtime==$version nvidia-cuda-crt==$version \
            nvidia-cuda-cccl==13.3.5.0.6
        ln -sfn libnvrtc.so.13 "$CUDA_PATH/lib/libnvrtc.so"
        touch "$CUDA_PATH/done"
    fi
}

driver() {
    (cd "$root/tests/cuda" && cargo build -q --release --target-dir "$target/cuda/driver")
    # A folder with nothing else: what is beside it would be found before the system's.
    mkdir -p "$kit/lib"
    # It is both libraries, which so share the device's memory.
    ln -sfn "$target/cuda/driver/release/libcuda.so" "$kit/lib/libcuda.so"
    ln -sfn "$target/cuda/driver/release/libcuda.so" "$kit/lib/libcublasLt.so"
}

compile() {
    driver
    program
}

# The GPU backend's tests, and where they are. CUDA_PATH is not ours yet: with another one the crates of CUDA are built anew.
program() {
    local said
    said=$(cd "$root" && cargo test --release -p a2d-tests --features gpu --test gpu --no-run 2>&1) || {
        echo "$said" >&2
        return 1
    }
    echo "$said" | sed -n 's/.*Executable.*(\(.*\))$/\1/p'
}

# Runs a command that finds the stand-in, and NVRTC.
shell() {
    get
    driver
    local libraries=$kit/lib:$CUDA_PATH/lib:$CUDA_PATH/lib64
    LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} A2D_TEST_DEVICE=${A2D_TEST_DEVICE:-cuda:0} "$@"
}

suite() {
    local tests
    tests=$(program)
    # As cargo runs it.
    cd "$root/tests"
    shell "$target/release/deps/${tests##*/}" --test-threads 1 "$@"
}

unit() { cd "$root/tests/cuda" && cargo test --release --target-dir "$target/cuda/driver" "$@"; }

verb=${1:-suite}
case $verb in
    get | compile | suite | shell | unit) shift $(($# > 0)) ;;
    *) verb=suite ;;
esac
$verb "$@"
