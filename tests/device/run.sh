#!/usr/bin/env bash
# Builds the device program for a target, runs it, and compares the tokens that it finds with those of the host.
#
#   tests/device/run.sh TARGET...        host packed freestanding m4f m33f m3 m0 riscv32 armv7 aarch64 s390x wasm32 wasm32-simd, or all
#   tests/device/run.sh panics           no panic in the firmware, and its size
#   tests/device/run.sh web              a page that translates and classifies, in one file, and its test in Chromium
#   tests/device/run.sh web --page       the page alone
#   tests/device/run.sh web --bench      its speed with the image and one of 11 MB, as JSON
#   tests/device/run.sh consumer         the test of a crate that uses the core
#   tests/device/run.sh examples         the firmware of core/examples; QEMU runs that for RTIC
#   tests/device/run.sh lint             rustfmt and clippy
#   tests/device/run.sh host --choose    writes sentences.txt: lines that the vocabulary and the limits have room for
#   tests/device/run.sh host --write     writes the fingerprints of sentences and texts that all targets must find
#
# A target translates sentences, and then classifies texts. A2D_IMAGE is the image that translates, A2D_TEXT_IMAGE the one
# that classifies, A2D_SENTENCES how many sentences (10 or, by default, all have a fingerprint).
# What needs a target that cannot be had says "skipped: why"; alone it has the exit status 77.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
source "$here/targets.sh"

# What is done: nothing for translation, or `text`.
task=
text_image=$(realpath -m "${A2D_TEXT_IMAGE:-$here/../../fixtures/intents/intents.a2d}")
A2D_IMAGE=$(realpath -m "${A2D_IMAGE:-$root/fixtures/nano/nano.a2d}")
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")/device
export A2D_IMAGE CARGO_TARGET_DIR
for image in "$A2D_IMAGE" "$text_image"; do
    if [ ! -f "$image" ]; then
        echo "there is no image $image: make it by host export, or name another in A2D_IMAGE or A2D_TEXT_IMAGE" >&2
        exit 1
    fi
done
unset RUSTC RUSTFLAGS CARGO_BUILD_TARGET

# Bytes of code and constants that the firmware may have beside its image.
most_code=65536

targets="host packed freestanding m4f m33f m3 m0 riscv32 armv7 aarch64 s390x wasm32 wasm32-simd"
others="all web panics consumer examples lint"

# build CRATE [OPTION...]: with the options, in release. The module for WebAssembly does both tasks.
build() {
    local how=("${@:2}")
    if [ -n "$task" ] && [ "$1" != wasm ]; then how+=(--features "$task"); fi
    (cd "$here/$1" && cargo build --quiet --locked --release "${how[@]}")
}

# as_text COMMAND...: runs it with the image that classifies.
as_text() { task=text A2D_IMAGE=$text_image "$@"; }

# The fingerprints of the task.
fingerprints() { echo "$here/fingerprint${task:+.$task}"; }

# check COMMAND...: runs it, shows what it prints, and compares the fingerprints in that.
check() {
    local out count
    out=$(mktemp)
    "$@" | tee "$out"
    count=$(sed -n 's/^sentences=\([0-9]*\) .*/\1/p' "$out")
    compare 10 "$(sed -n 's/^first=//p' "$out")"
    compare "$count" "$(tail -n 1 "$out" | sed -n 's/^fingerprint=//p')" needed
    rm "$out"
}

# compare COUNT FOUND [needed]: with the line of the file for so many sentences.
compare() {
    local wanted
    if [ -z "$2" ] && [ -z "${3:-}" ]; then return; fi
    wanted=$(awk -v count="$1" '$1 == count { print $2 }' "$(fingerprints)")
    if [ -z "$2" ] || [ "$2" != "$wanted" ]; then
        echo "other results than on the host: fingerprint ${2:-none} of $1 sentences, not ${wanted:-known}" >&2
        return 1
    fi
}

# The host's own target; with --choose or --write, what all others are compared with.
host() {
    build linux
    local program=$CARGO_TARGET_DIR/release/a2d-device-linux
    case ${1:-} in
        --choose) "$program" choose <"$root/fixtures/quickstart/test.de" >"$here/sentences.new"
            mv "$here/sentences.new" "$here/sentences.txt" ;;
        --write) "$program" | awk -F= '
            { print > "/dev/stderr" }
            /^sentences=/ { split($2, word, " "); all = word[1] }
            /^first=/ { print 10, $2 }
            /^fingerprint=/ { print all, $2 }' >"$(fingerprints).new"
            mv "$(fingerprints).new" "$(fingerprints)" ;;
        *) check "$program" ;;
    esac
}

# The engine with packed weights, with every instruction set of the processor.
packed() {
    build linux
    instructions "$CARGO_TARGET_DIR/release/a2d-device-linux"
}

# instructions COMMAND...: the device program.
instructions() {
    local isa all
    all=$("$@" isa)
    for isa in $all; do
        echo "$isa"
        check "$@" isa "$isa"
    done
}

# A process of system calls alone, which nothing but the kernel may be linked to.
freestanding() {
    need_apt readelf binutils
    build freestanding
    local program=$CARGO_TARGET_DIR/release/freestanding
    local symbols segments undefined
    symbols=$(nm -C "$program")
    undefined=$(nm -u "$program")
    segments=$(readelf -lW "$program")
    need "$symbols" ' _start$'
    deny "undefined symbols" "$undefined" .
    deny "a dynamic loader" "$segments" 'INTERP|DYNAMIC'
    deny "std or an allocator" "$symbols" ' (std|alloc)::|__rust_alloc|malloc'
    check "$program"
}

# need TEXT PATTERN: what every program has; without it there is nothing to look at.
need() {
    if ! grep -qE "$2" <<<"$1"; then
        echo "the program's symbols cannot be seen: no $2" >&2
        return 1
    fi
}

# deny WHAT TEXT PATTERN: the text must not have it.
deny() {
    local found
    if found=$(grep -E "$3" <<<"$2"); then
        printf '%s in the program:\n%s\n' "$1" "$found" >&2
        return 1
    fi
}

# firmware TARGET BOARD [OPTION...]: builds it.
firmware() {
    need_target "$1"
    BOARD=$2 build firmware --target "$1" "${@:3}"
}

# board TARGET BOARD [OPTION...]: one instruction is a nanosecond of the emulated clock.
board() {
    need_apt qemu-system-arm qemu-system-arm
    firmware "$@"
    echo "$2, $1"
    check timeout 300 qemu-system-arm -machine "$2" -icount shift=0 -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native -kernel "$CARGO_TARGET_DIR/$1/release/firmware"
}

m4f() { board thumbv7em-none-eabihf mps2-an386; }
m33f() { board thumbv8m.main-none-eabihf mps2-an505 --features smlad; }
m3() { board thumbv7m-none-eabi mps2-an385; }
m0() { board thumbv6m-none-eabi microbit; }

# The machine "virt" without firmware; the counter of instructions is exact.
riscv32() {
    local target=riscv32imac-unknown-none-elf
    need_apt qemu-system-riscv32 qemu-system-misc
    need_target $target
    build riscv --target $target
    check timeout 300 qemu-system-riscv32 -machine virt -bios none -icount shift=0 -display none -monitor none \
        -serial stdio -kernel "$CARGO_TARGET_DIR/$target/release/riscv"
}

# process TARGET LINKER QEMU ROOT: an ordinary process for another processor.
process() {
    need_target "$1" std
    local linker=CARGO_TARGET_${1//-/_}_LINKER
    export "${linker^^}=$2"
    build linux --target "$1"
    check "$3" -L "$4" "$CARGO_TARGET_DIR/$1/release/a2d-device-linux"
}

armv7() {
    need_apt qemu-arm qemu-user
    need_apt arm-linux-gnueabihf-gcc gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
    process armv7-unknown-linux-gnueabihf arm-linux-gnueabihf-gcc qemu-arm /usr/arm-linux-gnueabihf
}

# As a static program, which has no loader; then with packed weights, on a processor that lacks later instructions and on
# one that has all.
aarch64() {
    need_apt qemu-aarch64 qemu-user
    need_apt aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    local target=aarch64-unknown-linux-musl cpu
    process $target aarch64-linux-gnu-gcc qemu-aarch64 /usr/aarch64-linux-gnu
    for cpu in cortex-a53 max; do
        instructions qemu-aarch64 -cpu "$cpu" "$CARGO_TARGET_DIR/$target/release/a2d-device-linux"
    done
}

# The one whose numbers begin with their most significant byte.
s390x() {
    need_apt qemu-s390x qemu-user
    need_apt s390x-linux-gnu-gcc gcc-s390x-linux-gnu libc6-dev-s390x-cross
    process s390x-unknown-linux-gnu s390x-linux-gnu-gcc qemu-s390x /usr/s390x-linux-gnu
}

# Compiler's flags for vectors in WebAssembly.
vectors=-Ctarget-feature=+simd128

# module [--simd]: builds the module for WebAssembly, or that with vectors, and prints its path.
module() {
    local folder=$CARGO_TARGET_DIR target=wasm32-unknown-unknown
    need_target $target >&2
    if [ "${1:-}" = --simd ]; then
        folder+=/simd
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=$vectors \
            build wasm --target $target --target-dir "$folder" --features packed
    else
        build wasm --target $target
    fi
    echo "$folder/$target/release/a2d_wasm.wasm"
}

# in_node [--simd]
in_node() {
    local module
    need_apt node nodejs
    module=$(module "$@")
    check node "$here/wasm/run.mjs" "$module" "$A2D_IMAGE" $task
}

wasm32() { in_node; }
wasm32-simd() { in_node --simd; }

# web [--page | --bench]: A2D_LANGUAGES are those of the image, "de en" by default; A2D_SHOTS is a folder for pictures of
# the page.
web() {
    need_apt node nodejs
    local page=$CARGO_TARGET_DIR/a2d.html large=$CARGO_TARGET_DIR/large.a2d plain simd program
    plain=$(module)
    simd=$(module --simd)
    node "$here/web/build.mjs" "$plain" "$simd" "$A2D_IMAGE" "$text_image" "$page"
    echo "the page: $page"
    if [ "${1:-}" = --page ]; then return; fi
    node "$here/web/large.mjs" "$large"
    program=$(browser)
    if [ "${1:-}" = --bench ]; then
        node "$here/web/bench.mjs" "$program" "$page" "$A2D_IMAGE" "$large"
        return
    fi
    host >"$CARGO_TARGET_DIR/host.txt"
    as_text host >"$CARGO_TARGET_DIR/texts.txt"
    node "$here/web/test.mjs" "$program" "$page" "$A2D_IMAGE" "$CARGO_TARGET_DIR/host.txt" \
        "$CARGO_TARGET_DIR/texts.txt" "$large" ${A2D_SHOTS:+"$A2D_SHOTS"}
}

# A Chromium of this machine.
browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome || {
        need_apt chromium chromium >&2
        command -v chromium
    }
}

all() { each $targets; }

# each VERB [OPTION]...: one after the other, each in a process of its own, so that the next runs after a skipped one.
each() {
    local code words skipped=
    while [ $# -gt 0 ]; do
        words=("$1")
        shift
        if [[ ${1:-} == --* ]]; then words+=("$1"); shift; fi
        code=0
        CARGO_TARGET_DIR=$(dirname "$CARGO_TARGET_DIR") bash "$here/run.sh" "${words[@]}" || code=$?
        case $code in
            0) ;;
            77) skipped+=" ${words[*]}" ;;
            *) return "$code" ;;
        esac
    done
    if [ -n "$skipped" ]; then echo "skipped:$skipped" >&2; fi
}

# What a firmware is without its image.
panics() {
    need_apt nm binutils
    local failed=0
    lean thumbv7em-none-eabihf mps2-an386
    lean thumbv6m-none-eabi microbit
    as_text lean thumbv7em-none-eabihf mps2-an386
    as_text lean thumbv6m-none-eabi microbit
    return $failed
}

# lean TARGET BOARD: says all that is wrong, and sets `failed`. With ten sentences: a hundred would be 3 KB of text.
lean() {
    A2D_SENTENCES=10 firmware "$@"
    local program=$CARGO_TARGET_DIR/$1/release/firmware all code symbols
    all=$(size -A "$program" | awk '/^\.(vector_table|text|rodata|data) / { sum += $2 } END { print sum }')
    code=$((all - $(stat -Lc %s "$A2D_IMAGE")))
    echo "$2${task:+, $task}: $code bytes of code and constants without the image"
    symbols=$(nm -C "$program")
    need "$symbols" ' main$'
    deny "a panic" "$symbols" 'core::panicking|rust_begin_unwind' || failed=1
    if [ "$code" -gt $most_code ]; then
        echo "more than $most_code bytes" >&2
        failed=1
    fi
}

consumer() {
    cd "$here/consumer"
    cargo test --quiet --locked --release
    cargo check --quiet --locked --release --features defmt
    cd "$here"
}

# The firmware of core/examples, whose .cargo/config.toml names target and linker script.
examples() {
    need_apt qemu-system-arm qemu-system-arm
    need_apt nm binutils
    need_target thumbv6m-none-eabi
    need_target thumbv7em-none-eabihf
    example rtic
    example embassy
    local program=$CARGO_TARGET_DIR/thumbv6m-none-eabi/release/a2d-example-rtic symbols lines
    symbols=$(nm -C "$program")
    need "$symbols" ' main$'
    deny "a panic" "$symbols" 'core::panicking|rust_begin_unwind'
    A2D_IMAGE=$root/fixtures/nano/nano.a2d A2D_SENTENCES=5 build linux
    lines=$("$CARGO_TARGET_DIR/release/a2d-device-linux" | sed -n 's/ \[[0-9 ]*\]$//p')
    answers "$program" <<<"$lines"
}

# example NAME
example() {
    local log
    log=$(mktemp)
    cd "$root/core/examples/$1"
    if ! cargo fetch --quiet --locked 2>"$log"; then
        cat "$log" >&2
        if grep -q 'lock file' "$log"; then return 1; fi
        echo "skipped: the crates of core/examples/$1 cannot be had" >&2
        return 77
    fi
    cargo fmt --check
    cargo clippy --quiet --locked --release -- -D warnings
    cargo build --quiet --locked --release
    cd "$here"
}

# answers FIRMWARE: types each source at the serial port of the board and compares the answers, for lines
# "SOURCE -> TRANSLATION" of the host. An answer ends with the ticks that another task has counted meanwhile.
answers() {
    local wanted answer ticks all=0 failed=0
    coproc board { exec timeout 100 qemu-system-arm -machine microbit -icount shift=0 -display none -monitor none \
        -serial stdio -kernel "$1"; }
    while read -r wanted; do
        echo "${wanted%% -> *}" >&"${board[1]}"
        read -r -t 60 answer <&"${board[0]}" || answer=
        echo "${wanted%% -> *} -> $answer"
        ticks=${answer##*[}
        ticks=${ticks% ticks]}
        if [ "$answer" = "${wanted#* -> } [$ticks ticks]" ]; then all=$((all + ticks)); else failed=1; fi
    done
    kill "${board_PID:-}" || true
    if [ $failed = 1 ]; then echo "the firmware of core/examples/rtic answers otherwise than the host" >&2; fi
    if [ "$all" = 0 ]; then
        echo "no other task of core/examples/rtic ran during a translation" >&2
        failed=1
    fi
    return $failed
}

lint() {
    local crate target
    need_target thumbv7em-none-eabihf
    need_target riscv32imac-unknown-none-elf
    need_target wasm32-unknown-unknown
    for crate in demo data linux freestanding firmware riscv wasm consumer; do
        case $crate in
            firmware) target=(--target thumbv7em-none-eabihf) ;;
            riscv) target=(--target riscv32imac-unknown-none-elf) ;;
            wasm) target=(--target wasm32-unknown-unknown) ;;
            freestanding) target=() ;;
            *) target=(--all-targets) ;;
        esac
        (cd "$here/$crate" && cargo fmt --check && cargo clippy --quiet --locked --release "${target[@]}" -- -D warnings)
    done
    cd "$here/wasm"
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=$vectors cargo clippy --quiet --locked --release \
        --target wasm32-unknown-unknown --target-dir "$CARGO_TARGET_DIR/simd" --features packed -- -D warnings
    cd "$here"
}

if [ $# = 0 ]; then
    echo "usage: tests/device/run.sh VERB...: $targets $others" >&2
    exit 2
fi
for word in "$@"; do
    if [[ $word != --* && " $targets $others " != *" $word "* ]]; then
        echo "no such target: $word; there are $targets $others" >&2
        exit 2
    fi
done
if [ $# = 1 ] || [[ $# = 2 && $2 == --* ]]; then
    echo "== $1"
    "$@"
    if [[ " $targets " == *" $1 "* && ${2:-} != --choose ]]; then
        echo "== $1, texts"
        as_text "$@"
    fi
else
    each "$@"
fi
