#!/usr/bin/env bash
# The CUDA backend without a graphics card: tests/cuda/run.sh [VERB] [ARGUMENTS…]
#
#   get      NVRTC and CUDA's headers, where CUDA_PATH names none, into target/cuda
#   compile  the stand-in for the driver, cuBLASLt and NCCL, and the GPU backend's tests
#   suite    these tests on cuda:0 (the default); arguments go to the test program: names, --skip, --nocapture
#   shell    any command that then finds a device: target/release/host devices
#   unit     the stand-in's own tests
#   budget   launches and bytes of a training step, counted and not run, compared with budget.tsv
#   tools    ptxas and a disassembler, into target/cuda
#   ptxas    registers, memory and instructions of a step's kernels for two architectures, compared with ptxas.tsv
#            --write: both write their table anew
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
kit=$target/cuda
version=13.5.37
# Compute capabilities, and what ptxas calls them.
architectures="90=sm_90a 80=sm_80"
# Shapes of `host bench`, and padded tokens of a batch.
loads="paper=4096 large=16384"

# install FOLDER PACKAGE…: Python packages of NVIDIA's, without what they depend on.
install() {
    [ -x "$kit/venv/bin/pip" ] || python3 -m venv "$kit/venv"
    "$kit/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$@"
}

# The compiler and the headers that it reads, of one version.
get() {
    if [ -n "${CUDA_PATH:-}" ]; then return; fi
    export CUDA_PATH=$kit/nvidia/cu13
    if [ ! -e "$CUDA_PATH/done" ]; then
        install "$kit" nvidia-cuda-nvrtc==$version nvidia-cuda-runtime==$version nvidia-cuda-crt==$version \
            nvidia-cuda-cccl==13.3.5.0.6
        ln -sfn libnvrtc.so.13 "$CUDA_PATH/lib/libnvrtc.so"
        touch "$CUDA_PATH/done"
    fi
}

driver() {
    (cd "$root/tests/cuda" && cargo build -q --release --target-dir "$target/cuda/driver")
    # A folder with nothing else: what is beside it would be found before the system's.
    mkdir -p "$kit/lib"
    # It is all three libraries, which so share the device's memory.
    local name
    for name in libcuda.so libcublasLt.so libnccl.so.2; do
        ln -sfn "$target/cuda/driver/release/libcuda.so" "$kit/lib/$name"
    done
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
    # Compiled kernels are kept where that is asked for.
    LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} A2D_TEST_DEVICE=${A2D_TEST_DEVICE:-cuda:0} \
        A2D_CACHE=${A2D_CACHE-} "$@"
}

suite() {
    local tests
    tests=$(program)
    # As cargo runs it.
    cd "$root/tests"
    # Two processes train together on two devices.
    A2D_CUDA_DEVICES=${A2D_CUDA_DEVICES:-2} shell "$target/release/deps/${tests##*/}" --test-threads 1 "$@"
}

unit() { cd "$root/tests/cuda" && cargo test --release --target-dir "$target/cuda/driver" "$@"; }

# record NAME VARIABLE=VALUE…: steps of each load, in a folder each under NAME: what is logged, and modules.
record() {
    local load folder jobs=()
    for load in $loads; do
        folder=$kit/step/$1/${load%=*}
        rm -rf "$folder"
        mkdir -p "$folder"
        shell env A2D_CUDA_RUN=0 A2D_CUDA_LOG=1 A2D_CUDA_PTX="$folder" "${@:2}" \
            "$target/release/host" bench distill --shape "${load%=*}" --max-tokens "${load#*=}" \
            --backend gpu --device cuda:0 --precision bf16 --repeats 1 >"$folder/out" 2>"$folder/log" &
        jobs+=($!)
    done
    for load in $loads; do
        if ! wait "${jobs[0]}"; then
            tail -n 3 "$kit/step/$1/${load%=*}/log" >&2
            return 1
        fi
        jobs=("${jobs[@]:1}")
    done
}

# The program whose steps are counted, built before CUDA_PATH is ours, and the compiler of the version that the tables are of.
prepare() {
    unset CUDA_PATH
    (cd "$root" && cargo build -q --release --bin host)
    get
    driver
}

# The assembler of that version.
tools() {
    if [ ! -e "$kit/tools/done" ]; then
        # Apart: pip adds nothing to a folder that another package has made.
        install "$kit/tools/nvcc" nvidia-cuda-nvcc==$version
        install "$kit/tools/nvdisasm" nvidia-cuda-nvdisasm==$version
        touch "$kit/tools/done"
    fi
}

# compare WHAT ARGUMENTS…: the table of WHAT with the one that is kept.
compare() { python3 "$root/tests/cuda/step.py" "$1" "$root/tests/cuda/$1.tsv" "${@:2}"; }

budget() {
    prepare
    record budget A2D_CUDA_TRAFFIC=1
    compare budget "$kit"/step/budget/* "$@"
}

# With cubek's products, whose kernels are ours to compile.
ptxas() {
    prepare
    tools
    local each places=()
    for each in $architectures; do
        record "${each#*=}" A2D_CUDA_CAPABILITY="${each%=*}" A2D_CUBLASLT=0
        for folder in "$kit/step/${each#*=}"/*; do places+=("${each#*=}=$folder"); done
    done
    compare ptxas "$kit/tools" "${places[@]}" "$@"
}

verb=${1:-suite}
case $verb in
    get | compile | suite | shell | unit | budget | tools | ptxas) shift $(($# > 0)) ;;
    *) verb=suite ;;
esac
$verb "$@"
