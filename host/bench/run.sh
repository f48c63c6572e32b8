#!/usr/bin/env bash
# Side by side with PyTorch on the same batches: A B A B ..., then a table of medians and their ratios.
#
#   host/bench/run.sh PEERS [RESULTS.jsonl]
#   host/bench/run.sh --table RESULTS.jsonl
#
# PEERS is a folder with bench_train.py, bench_decode.py, gemm.py, quiet.py and data/batches.safetensors.
# By environment:
#   PYTHON   an interpreter with torch and safetensors (python3)
#   HOST     the program (default: this checkout's release build, made now)
#   WHAT     "student teacher distill"; also masked, rows, word-kd (all set against PyTorch's distill) and translate
#   THREADS  "1 2"
#   BATCHES  "4096 1024"
#   ROUNDS   3
#   REPEATS  2: counted repetitions of each program in each round, after its warm-up
#   WAIT     0: seconds that each program waits for the others on this machine to be quiet
#   ENGINES  torch: what bench_decode.py runs (it needs ctranslate2, and to write into PEERS/data)
# Results are added to RESULTS.jsonl (default: a temporary file).
set -euo pipefail

# Runs a program once; adds each result that it printed to a file, with the cores that others used meanwhile.
record=$(cat <<'PY'
import json, re, resource, subprocess, sys, time

peers, results, wait, label, *command = sys.argv[1:]
sys.path.insert(0, peers)
from quiet import busy, wait_quiet


def own():
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


wait_quiet(float(wait))
start, all_before, own_before = time.perf_counter(), busy(), own()
run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
seconds = time.perf_counter() - start
others = (busy() - all_before - (own() - own_before)) / seconds
if run.returncode:
    sys.exit("failed: " + " ".join(command))
with open(results, "a") as file:
    for line in run.stdout.splitlines():
        product = re.match(r"threads (\d) (\(.*\)) GFLOP/s best ([\d.]+)", line)
        if product:
            threads, shape, best = product.groups()
            found = dict(threads=int(threads), product=shape, peak_gflops=float(best))
        elif line.startswith("{"):
            found = json.loads(line)
        else:
            continue
        found |= json.loads(label) | dict(others=round(max(others, 0), 2))
        file.write(json.dumps(found) + "\n")
PY
)

table=$(cat <<'PY'
import json, sys
from collections import defaultdict
from statistics import median

rates = ("tok_s_median", "sent_s_median", "tokens_per_second", "sentences_per_second")
runs, peaks = defaultdict(lambda: defaultdict(list)), defaultdict(list)
for line in open(sys.argv[1]):
    of = json.loads(line)
    if "product" in of:
        peaks[of["threads"], of["product"], "PyTorch"].append(of["peak_gflops"])
        continue
    step = of["step"] + (f", beam {of['beam']}" if "beam" in of else "")
    runs[of["threads"], of["size"], step][of.get("engine", of["program"])].append(of)
    if "peak_gflops" in of:
        peaks[of["threads"], "(1024, 1024, 1024)", "a2d"].append(of["peak_gflops"])


def middle(found, *keys):
    values = [of[key] for of in found for key in keys if key in of]
    return median(values) if values else float("nan")


def per_processor_second(found):
    """Work over the processor time of all threads: the less disturbed figure where others use the machine."""
    ours = [(of.get("tokens") or of.get("sentences")) / of["processor_seconds_min"]
            for of in found if of.get("processor_seconds_min")]
    return median(ours) if ours else middle(found, "tok_s_per_cpu_s", "sent_s_per_cpu_s")


print("| threads | batch | step | peer | peer, per s | a2d, per s | ratio | ratio by processor time "
      "| of a2d's sgemm | others' cores: peer, a2d |")
print("|---|---|---|---|---|---|---|---|---|---|")
for (threads, size, step), programs in sorted(runs.items()):
    ours = programs.pop("a2d", [])
    if step in ("masked", "rows", "word-kd"):
        programs = {"torch": runs[threads, size, "distill"]["torch"]}
    for peer, theirs in programs.items() or [("", [])]:
        a, b = middle(theirs, *rates), middle(ours, *rates)
        processor = per_processor_second(ours) / per_processor_second(theirs)
        share = f"{100 * middle(ours, 'fraction_of_peak'):.0f} %"
        others = f"{middle(theirs, 'others'):.2f}, {middle(ours, 'others'):.2f}"
        cells = (threads, size, step, peer, f"{a:,.0f}", f"{b:,.0f}", f"{b / a:.2f}", f"{processor:.2f}", share, others)
        print("|", " | ".join(map(str, cells)), "|")
print("\n| threads | sgemm | program | GFLOP/s: median of each run's best |\n|---|---|---|---|")
for (threads, shape, program), found in sorted(peaks.items()):
    print(f"| {threads} | {shape} | {program} | {median(found):.0f} |")
PY
)

python=${PYTHON:-python3}
if [ "${1:-}" = --table ]; then
    exec "$python" -c "$table" "$2"
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
peers=$(cd "${1:?the folder of the peers}" && pwd)
results=${2:-$(mktemp --suffix .jsonl)}
batches=$peers/data/batches.safetensors
repeats=${REPEATS:-2}
if [ -z "${HOST:-}" ]; then
    cargo build --release --manifest-path "$root/Cargo.toml" --bin host
    HOST=${CARGO_TARGET_DIR:-$root/target}/release/host
fi

# measure PROGRAM STEP SIZE COMMAND...
measure() {
    local label="{\"program\": \"$1\", \"step\": \"$2\", \"size\": \"$3\"}"
    echo "$(date +%T) $1 $2 $3: ${*:4}" >&2
    "$python" -c "$record" "$peers" "$results" "${WAIT:-0}" "$label" "${@:4}"
}

torch() { # STEP SIZE THREADS
    measure torch "$1" "$2" "$python" "$peers/bench_train.py" \
        --threads "$3" --batch "$2" --what "$1" --reps "$repeats"
}

ours() { # STEP SIZE THREADS
    local what
    case $1 in
        student | teacher) what=(train --model "$1") ;;
        distill) what=(distill --preset official) ;;
        *) what=(distill --preset "$1") ;;
    esac
    measure a2d "$1" "$2" "$HOST" bench "${what[@]}" --batches "$batches" --max-tokens "$2" \
        --threads "$3" --repeats "$repeats" --json
}

translation() { # THREADS
    measure torch translate 64 "$python" "$peers/bench_decode.py" \
        --threads "$1" --reps "$repeats" --engines "${ENGINES:-torch}"
    measure a2d translate 64 "$HOST" bench translate --sources "$peers/data/ids.test_2016_flickr.de.txt" \
        --threads "$1" --repeats "$repeats" --json
}

for round in $(seq "${ROUNDS:-3}"); do
    echo "round $round" >&2
    measure torch sgemm - "$python" "$peers/gemm.py"
    for threads in ${THREADS:-1 2}; do
        for step in ${WHAT:-student teacher distill}; do
            if [ "$step" = translate ]; then
                translation "$threads"
                continue
            fi
            for size in ${BATCHES:-4096 1024}; do
                case $step in
                    student | teacher | distill) torch "$step" "$size" "$threads" ;;
                esac
                ours "$step" "$size" "$threads"
            done
        done
    done
done
echo "results: $results" >&2
exec "$python" -c "$table" "$results"
