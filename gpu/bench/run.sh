#!/usr/bin/env bash
# On a machine with a GPU, in 25 minutes: the authors' values, training steps and products beside PyTorch's, A B A B …,
# trainings, a sanitizer, and tables.
#
#   gpu/bench/run.sh PEERS [RESULTS.jsonl]
#   gpu/bench/run.sh --table RESULTS.jsonl
#
# PEERS is a folder with bench_train.py and a2d_torch.py. Nothing is compiled on that machine but kernels: `host` and the test
# program are built elsewhere (`cargo build --release --bin host`,
# `cargo test --release -p a2d-tests --features gpu --test gpu --no-run`) and carried there; release builds are stripped.
# One process measures all steps of a shape. What matters most comes first; what the time is too short for is named and left out.
# By environment:
#   HOST        the program (target/release/host)
#   TESTS       the test program; without it the authors' values are left out
#   CHECKS      the tests of TESTS that are run: values and gradients in f32, then the short precisions
#   PYTHON      an interpreter with torch and safetensors; without torch only a2d is measured (python3)
#   DEVICE      cuda:0
#   SHAPES      "paper large"; also base and tiny, which PyTorch does not measure here
#   PRECISIONS  "bf16 tf32"; also f32
#   PRESETS     "official rows"; PyTorch has the first
#   ROUNDS      2
#   REPEATS     4: repetitions of a2d in each round, of 5 steps each; PyTorch has its own 20 steps
#   COMPILE     1: torch.compile too, once; 0: not
#   MAX_TOKENS  the size of the batch; without it 4096, for the large shape 16384
#   PARTS       "first values rounds profile products runs sanitizer ncu": what is done, for machines lent for less at a time;
#               results are added to what RESULTS.jsonl has
#   FILL        options of the training whose batches fill the memory; without it, a model of the large shape
#   UPDATES     2000: of the training that is killed and resumed
#   MINUTES     25: after these nothing more is begun, and what runs is ended
#   A2D_CACHE   the folder of compiled kernels: one of its own, so that the first step compiles all
set -euo pipefail

table=$(cat <<'PY'
import json, sys
from collections import defaultdict
from statistics import median

runs, floors, profiles, peaks, first = defaultdict(lambda: defaultdict(list)), [], {}, defaultdict(float), []
products = defaultdict(dict)
for line in open(sys.argv[1]):
    of = json.loads(line)
    program = of["program"]
    if program == "cublas":
        peaks[of["precision"]] = max(peaks[of["precision"]], of["gflops"])
        continue
    if of["what"] == "products":
        sizes = "{rows} x {inputs} x {outputs}".format(**of)
        products[of["shape"], of["product"], sizes, of["precision"]][program] = of["gflops"] / 1e3
        continue
    precision = of.get("precision") or of["amp"]
    step = "distill" if of["what"] == "distill" else of.get("model") or of["what"]
    key = of["shape"], step, precision
    if of.get("preset", "official") != "official":
        program += f", {of['preset']}"
    if program.startswith("first"):
        first.append(of)
    elif program.startswith("floor"):
        floors.append(of)
    elif "profile" in of:
        profiles[*key, program] = of["profile"]
    else:
        runs[key][program].append(of)


def row(found, peak):
    """Step in ms, tokens/s, peak memory in MiB, share of real positions in percent, share of the rate of a large product in
    percent: cuBLAS's, if known, or our own."""
    of = lambda key, scale=1.0: median(x[key] for x in found if x.get(key) is not None) * scale
    if "ms_median" in found[0]:
        return of("ms_median"), of("tok_s"), of("peak_mib"), 100 * of("ntok") / of("padded"), None
    real = 100 * of("tokens") / of("max_tokens")
    share = of("gflops", 100 / peak) if peak else of("fraction_of_peak", 100)
    return of("seconds_median", 1e3), of("tokens_per_second"), of("peak_memory_bytes", 1 / 2**20), real, share


for of in first:
    print(f"first step, {of['program'].split(', ')[1]}: {of['warm_up_seconds']:.1f} s")
for of in floors:
    print(f"a step of {of['tokens']} tokens, {of['shape']} in {of['precision']}: {1e3 * of['seconds_median']:.2f} ms")
print()
columns = ["shape", "step", "precision", "program", "ms", "tokens/s", "a2d / it", "peak memory, MiB", "real positions"]
columns.append("of the product's peak, real positions alone")
print("|", " | ".join(columns), "|")
print("|" + "---|" * len(columns))
for key, programs in sorted(runs.items()):
    peak = peaks.get(key[2])
    ours = row(programs["a2d"], peak) if "a2d" in programs else None
    for name in sorted(programs):
        ms, rate, memory, real, share = row(programs[name], peak)
        ratio = f"{ours[1] / rate:.2f}" if ours and not name.startswith("a2d") else ""
        share = f"{share:.0f} %" if share is not None else ""
        cells = (*key, name, f"{ms:.2f}", f"{rate:,.0f}", ratio, f"{memory:,.0f}", f"{real:.0f} %", share)
        print("|", " | ".join(map(str, cells)), "|")
for precision, gflops in sorted(peaks.items()):
    print(f"\ncuBLAS on a large square product in {precision}: {gflops / 1e3:,.1f} TFLOP/s")
if products:
    columns = ["shape", "product", "rows x inputs x outputs", "precision", "a2d, TFLOP/s", "cubek", "torch", "a2d / torch"]
    print("\n|", " | ".join([*columns, "cubek / torch"]), "|\n|" + "---|" * 9)
low = defaultdict(list)
for key, rates in products.items():
    rates = [rates.get(name) for name in ("a2d", "cubek", "torch")]
    shares = [own / rates[2] if own and rates[2] else None for own in rates[:2]]
    for name, share in zip(("a2d", "cubek"), shares):
        if share is not None and share < 0.6:
            low[name].append(" ".join((key[0], key[1], key[3])))
    cells = [f"{rate:.1f}" if rate else "" for rate in rates]
    cells += [f"{share:.0%}" if share is not None else "" for share in shares]
    print("|", " | ".join((*key, *cells)), "|")
for name, which in low.items():
    print(f"\n{name}, below 60 % of cuBLAS: {', '.join(which)}")
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
shapes=${SHAPES:-paper large}
precisions=${PRECISIONS:-bf16 tf32}
checks=${CHECKS:-agree gradients_are short_precisions products_round}
end=$(($(date +%s) + 60 * ${MINUTES:-25}))
parts=${PARTS:-first values rounds profile products runs sanitizer ncu}
fill=${FILL:---set model.d_model=1024 --set model.ffn_dim=4096 --set model.encoder_layers=12 --set model.decoder_layers=12 --set
    model.encoder_attention_heads=16 --set model.decoder_attention_heads=16}
runs=$(mktemp -d)
kept=$(mktemp -d)
trap 'rm -rf "$runs" "$kept"' EXIT
# Where toolkits have their tools.
PATH=$PATH:${CUDA_PATH:-/usr/local/cuda}/bin
# Kernels that are kept from elsewhere would hide the time that the first step takes.
export A2D_CACHE=${A2D_CACHE:-$kept}

# within WHAT COMMAND...: runs a command while there is time. A failure is told, and the rest goes on.
within() {
    local what=${1%%$'\n'*} left=$((end - $(date +%s)))
    if [ $left -le 0 ]; then
        echo "left out: $what" >&2
        return
    fi
    echo "$(date +%T) $what" >&2
    timeout "$left" "${@:2}" || echo "failed or out of time: $what" >&2
}

# keep PROGRAM COMMAND...: adds the JSON lines that a command prints to the results.
keep() {
    within "$1: ${*:3}" "${@:2}" | "$python" -c '
import json, sys
for line in sys.stdin:
    if line.startswith("{"):
        print(json.dumps({"program": sys.argv[1]} | json.loads(line)), flush=True)
' "$1" >>"$results"
}

list() { echo "${*// /,}"; }

# ours PROGRAM SHAPE PRECISIONS WHAT [OPTION...]: steps of a shape.
ours() {
    local tokens=4096
    [ "$2" = large ] && tokens=16384
    keep "$1" "$host" bench "$4" --backend gpu --device "$device" --precision "$3" --shape "$2" \
        --max-tokens "${MAX_TOKENS:-$tokens}" --repeats "${REPEATS:-4}" --json "${@:5}"
}

# torch PROGRAM SHAPE [OPTION]: the same steps in each precision.
torch() {
    local precision
    for precision in $precisions; do
        keep "$1" "$python" "$peers/bench_train.py" --device cuda --shape "$2" --amp "$precision" \
            --what distill,student,teacher --reps 20 "${@:3}"
    done
}

# The best rate of PyTorch's product, cuBLAS's, of two square matrices.
cublas() { # PRECISION
    keep cublas "$python" -c '
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
print(json.dumps({"precision": precision, "gflops": 2 * side**3 / best / 1e6}))
' "$1" "$device"
}

# PyTorch's products of the sizes that ours had: as many are started before they are waited for.
multiply='
import json, sys, time, torch
from statistics import median
path, device, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
kinds = {"bf16": torch.bfloat16, "f16": torch.float16}
ours = [of for of in map(json.loads, open(path)) if of.get("what") == "products" and of["program"] == "a2d"]
for of in ours:
    torch.backends.cuda.matmul.allow_tf32 = of["precision"] == "tf32"
    random = lambda *sizes: torch.randn(*sizes, device=device, dtype=kinds.get(of["precision"], torch.float32))
    rows, inputs, outputs = (of[key] for key in ("rows", "inputs", "outputs"))
    x, w, dy = random(rows, inputs), random(outputs, inputs), random(rows, outputs)
    gradients = of["products"] == 2
    def once(times):
        start = time.perf_counter()
        for _ in range(times):
            (dy @ w, dy.T @ x) if gradients else x @ w.T
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / times
    once(1)
    seconds = median(once(of["rounds"]) for _ in range(repeats))
    flop = 2 * rows * inputs * outputs * of["products"]
    keys = ("what", "shape", "product", "rows", "inputs", "outputs", "precision")
    print(json.dumps({key: of[key] for key in keys} | {"gflops": flop / seconds / 1e9}), flush=True)
'

# Trains whole, and again until the first checkpoint, then to the end: resume FOLDER COMMAND...
resume='
set -e
folder=$1
shift
"$@" --out "$folder/whole"
"$@" --out "$folder/part" &
until [ -e "$folder/part/last.safetensors" ] || ! kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -KILL $! 2>/dev/null || echo "it was finished before it could be killed"
wait $! 2>/dev/null || true
"$@" --out "$folder/part" --resume
if cmp "$folder/whole/last.safetensors" "$folder/part/last.safetensors"; then
    echo "killed and resumed: the same weights"
else
    echo "killed and resumed: other weights"
    exit 1
fi
'

# Whether a part is to be done.
does() { [[ " $parts " = *" $1 "* ]]; }

# Whether a tool of the toolkit is there.
has() { command -v "$1" >/dev/null || { echo "no $1" >&2 && false; }; }

touch "$results"
"$host" devices >&2
first=${shapes%% *}
precision=${precisions%% *}
if does first; then
    for what in compiled "kernels kept"; do
        REPEATS=1 ours "first, $what" "$first" "$precision" distill
    done
fi
if does values && [ -n "${TESTS:-}" ]; then
    A2D_TEST_DEVICE=$device within "the authors' values" "$TESTS" --test-threads 1 $checks >&2
fi
peer=1
"$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || peer=0
[ $peer = 1 ] || echo "no torch with CUDA: only a2d is measured" >&2
measures() { [ $peer = 1 ] && [ "$1" != base ] && [ "$1" != tiny ]; }
rounds=0
if does rounds; then rounds=${ROUNDS:-2}; fi
for round in $(seq "$rounds"); do
    echo "round $round" >&2
    for shape in $shapes; do
        ours a2d "$shape" "$(list "$precisions")" distill,train --model student,teacher \
            --preset "$(list "${PRESETS:-official rows}")"
        if measures "$shape"; then torch eager "$shape"; fi
    done
    if [ "$round" = 1 ]; then
        MAX_TOKENS=48 ours floor "$first" "$(list "$precisions")" distill
        if [ $peer = 1 ]; then for each in $precisions; do cublas "$each"; done; fi
        for shape in $shapes; do
            if [ "${COMPILE:-1}" = 1 ] && measures "$shape"; then torch compile "$shape" --compile; fi
        done
    fi
done
if does profile; then
    for shape in $shapes; do
        REPEATS=2 ours a2d "$shape" "$precision" distill --profile
    done
fi
if does products; then
    for shape in $shapes; do
        ours a2d "$shape" "$(list "$precisions")" products
        A2D_CUBLASLT=0 ours cubek "$shape" "$(list "$precisions")" products
    done
    if [ $peer = 1 ]; then
        keep torch "$python" -c "$multiply" "$results" "$device" "${REPEATS:-4}"
    fi
fi
if does runs; then
    train=("$host" train "$root/fixtures/quickstart/distill.toml" --backend gpu --device "$device" --precision "$precision"
        --set train.valid_bleu_sentences=20)
    within "batches that fill the memory" "${train[@]}" --out "$runs/full" --max-tokens auto --set train.max_update=5 $fill >&2
    within "a run that is killed and resumed" bash -c "$resume" resume "$runs" "${train[@]}" \
        --set train.max_update="${UPDATES:-2000}" --set train.save_interval_updates=$((${UPDATES:-2000} / 5)) >&2
fi
if does sanitizer && has compute-sanitizer; then
    for tool in memcheck racecheck initcheck; do
        within "$tool" timeout 90 compute-sanitizer --tool $tool --error-exitcode 9 "$host" bench distill --backend gpu \
            --device "$device" --precision "$precision" --shape tiny --max-tokens 96 --repeats 1 >&2
    done
fi
if does ncu && has ncu; then
    # As many launches as a step of the large shape has, after the first steps.
    metrics=gpu__time_duration.sum,dram__bytes.sum,launch__registers_per_thread
    metrics+=,sm__warps_active.avg.pct_of_peak_sustained_active
    within "a step under ncu: $results.csv" ncu --clock-control none --launch-skip 1500 --launch-count 500 \
        --metrics $metrics --csv --log-file "$results.csv" "$host" bench distill --backend gpu --device "$device" \
        --precision "$precision" --shape "$first" --repeats 1 >&2
fi
echo "results: $results" >&2
"$python" -c "$table" "$results"
