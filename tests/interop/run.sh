#!/bin/bash
# run.sh A2D FOLDER: exports models for CTranslate2, and compares its translations with those of the program A2D: the one of
# fixtures/interop/marian, a student with a2d's own byte-pair vocabulary, and hf-marian/model of the folder that A2D_INTEROP
# names, if it is set. FOLDER has a Python environment `python` with ctranslate2, sentencepiece and tokenizers, and room for
# files.
set -euo pipefail
a2d=$(realpath "$1") folder=$2
here=$(dirname "$(realpath "$0")")
fixtures=$here/../../fixtures
head -n 100 "$fixtures/quickstart/test.de" >"$folder/source.de"

# check NAME: the run NAME in FOLDER.
check() {
    local run=$folder/$1
    echo "== $1"
    for numbers in f32 int8; do
        "$a2d" export "$run" --format ctranslate2 --quantize $numbers --out "$run-$numbers" | head -n 1
    done
    for beam in 1 5; do
        "$a2d" translate "$run" --beam $beam --max-length-a 0 --max-length-b 256 --input "$folder/source.de" \
            --output "$run-$beam.en" --quiet
    done
    "$folder/python/bin/python" "$here/check.py" "$run"-{f32,int8} "$folder/source.de" "$run"-{1,5}.en
}

"$a2d" import "$fixtures/interop/marian" --out "$folder/marian"
check marian

"$a2d" train "$here/byte-pair.toml" --out "$folder/byte-pair" --quiet
check byte-pair

if [ -n "${A2D_INTEROP:-}" ]; then
    "$a2d" import "$A2D_INTEROP/hf-marian/model" --out "$folder/hf-marian"
    check hf-marian
fi
