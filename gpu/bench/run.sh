#!/usr/bin/env bash
# On a machine with a GPU: the authors' values, then training steps beside PyTorch, A B A B …, and tables.
#
#   gpu/bench/run.sh PEERS [RESULTS.jsonl]
#   gpu/bench/run.sh --table RESULTS.jsonl
#
# PEERS is a folder with bench_train.py and a2d_torch.py. Nothing is compiled on that machine: `host` and the test
# program are built elsewhere (`cargo build --release --bin host`,
# `cargo test --release -p a2d-tests --features gpu --test gpu --no-run`) and carried there.
# By environment:
#   HOST        the program (target/release/host)
#   TESTS       the test program; without it the authors' values are left out
#   PYTHON      an interpreter with torch and safetensors; without torch only a2d is measured (python3)
#   DEVICE      cuda:0
#   SHAPES      "paper large"; also base and tiny, which PyTorch does not measure here
#   PRECISIONS  "f32 tf32 bf16"
#   WHAT        "distill student teacher"
#   ROUNDS      3
#   REPEATS     20: counted steps of each program in each round, after its warm-up
#   COMPILE     1: torch.compile too; 0: not
#   MAX_TOKENS  the size of the batch; without it 4096, for the large shape 16384
set -euo pipefail

table=$(cat <<'PY'
import json, sys
from collections import defaultdict
from statistics import median

runs, profiles, peaks = defaultdict(lambda: defaultdict(list)), {}, defaultdict(float)
for line in open(sys.argv[1]):
    of = json.loads(line)
    key = of["shape"], of["step"], of["precision"]
    if of["program"] == "cublas":
        peaks[of["precision"]] = max(peaks[of["precision"]], of["gflops"])
    elif "profile" in of:
        profiles[key] = of["profile"]
    else:
        runs[key][of["program"]].append(of)


def row(found, peak):
    """Step in ms, tokens/s, peak memory in MiB, share of the rate of a large product: cuBLAS's, if known, or our own."""
    of = lambda key, scale=1.0: median(x[key] for x in found if x.get(key) is not None) * scale
    if "ms_median" in found[0]:
        return of("ms_median"), of("tok_s"), of("peak_mib"), None
    memory = of("peak_memory_bytes", 1 / 2**20)
    share = of("gflops", 100 / peak) if peak else of("fraction_of_peak", 100)
    return of("seconds_median", 1e3), of("tokens_per_second"), memory, share


names = {"a2d": "a2d", "eager": "PyTorch eager", "compile": "torch.compile"}
print("| shape | step | precision | program | ms | tokens/s | a2d / it | peak memory, MiB | of the product's peak |")
print("|---|---|---|---|---|---|---|---|---|")
for key, programs in sorted(runs.items()):
    peak = peaks.get(key[2])
    ours = row(programs["a2d"], peak) if "a2d" in programs else None
    for name in names:
        if name not in programs:
            continue
        ms, rate, memory, share = row(programs[name], peak)
        ratio = f"{ours[1] / rate:.2f}" if ours and name != "a2d" else ""
        share = f"{share:.0f} %" if share is not None else ""
        cells = (*key, names[name], f"{ms:.2f}", f"{rate:,.0f}", ratio, f"{memory:,.0f}", share)
        print("|", " | ".join(map(str, cells)), "|")
for precision, gflops in sorted(peaks.items()):
    print(f"\ncuBLAS on a large square product in {precision}: {gflops / 1e3:,.1f} TFLOP/s")
for key, rows in sorted(profiles.items()):
    print(f"\n{' '.join(key)}: where the time goes, each operation waited for\n")
    print("| operation | calls | ms | share |\n|---|---|---|---|")
    for of in rows[:10]:
        print(f"| {of['operation']} | {of['calls']} | {of['milliseconds']:.2f} | {of['percent']:.0f} % |")
PY
)

python=${PYTHON:-python3}
if [ "${1:-}" = --table ]; then
    exec "$python" -c "$table" "$2"
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
peers=$(cd "${1:?the folder of the peers}" && pwd)
results=${2:-$(mktemp --suffix .jsonl)}
host=${HOST:-$root/target/release/host}
device=${DEVICE:-cuda:0}
repeats=${REPEATS:-20}

# keep PROGRAM SHAPE STEP PRECISION COMMAND...: adds the JSON lines that a command prints to the results.
keep() {
    echo "$(date +%T) $1 $2 $3 $4" >&2
    local label="{\"program\": \"$1\", \"shape\": \"$2\", \"step\": \"$3\", \"precision\": \"$4\"}"
    "${@:5}" | "$python" -c '
import json, sys
label = json.loads(sys.argv[1])
for line in sys.stdin:
    if line.startswith("{"):
        print(json.dumps(json.loads(line) | label), flush=True)
' "$label" >>"$results"
}

ours() { # SHAPE STEP PRECISION [OPTION]
    local what=(train --model "$2") tokens=4096
    [ "$2" = distill ] && what=(distill --preset official)
    [ "$1" = large ] && tokens=16384
    keep a2d "$1" "$2" "$3" "$host" bench "${what[@]}" --backend gpu --device "$device" --precision "$3" \
        --shape "$1" --max-tokens "${MAX_TOKENS:-$tokens}" --repeats "$repeats" --json "${@:4}"
}

torch() { # PROGRAM SHAPE STEP PRECISION [OPTION]
    keep "$1" "$2" "$3" "$4" "$python" "$peers/bench_train.py" \
        --device cuda --shape "$2" --what "$3" --amp "$4" --reps "$repeats" "${@:5}"
}

# The best rate of PyTorch's product, cuBLAS's, of two square matrices.
cublas() { # PRECISION
    keep cublas - product "$1" "$python" -c '
import json, sys, torch
precision, device = sys.argv[1:3]
torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
kind = torch.bfloat16 if precision == "bf16" else torch.float32
side = 8192
a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
best = float("inf")
for i in range(20):
    begin.record()
    a @ b
    end.record()
    torch.cuda.synchronize()
    best = min(best, begin.elapsed_time(end)) if i else best
print(json.dumps({"gflops": 2 * side**3 / best / 1e6}))
' "$1" "$device"
}

if [ -n "${TESTS:-}" ]; then
    A2D_TEST_DEVICE=$device "$TESTS" --test-threads 1 >&2
fi
peer=1
"$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || peer=0
[ $peer = 1 ] || echo "no torch with CUDA: only a2d is measured" >&2
for round in $(seq "${ROUNDS:-3}"); do
    echo "round $round" >&2
    if [ $peer = 1 ]; then
        for precision in ${PRECISIONS:-f32 tf32 bf16}; do cublas "$precision"; done
    fi
    for shape in ${SHAPES:-paper large}; do
        for step in ${WHAT:-distill student teacher}; do
            for precision in ${PRECISIONS:-f32 tf32 bf16}; do
                ours "$shape" "$step" "$precision"
                case $shape in base | tiny) continue ;; esac
                [ $peer = 1 ] || continue
                torch eager "$shape" "$step" "$precision"
                if [ "${COMPILE:-1}" = 1 ]; then
                    torch compile "$shape" "$step" "$precision" --compile
                fi
            done
        done
    done
done
for shape in ${SHAPES:-paper large}; do
    for precision in ${PRECISIONS:-f32 tf32 bf16}; do
        ours "$shape" distill "$precision" --profile
    done
done
echo "results: $results" >&2
exec "$python" -c "$table" "$results"
