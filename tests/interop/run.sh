#!/bin/bash
# run.sh A2D FOLDER: exports fixtures/interop/marian for CTranslate2, and compares its translations with those of the program
# A2D. FOLDER has a Python environment `python` with ctranslate2 and sentencepiece, and room for files.
set -euo pipefail
a2d=$(realpath "$1") folder=$2
here=$(dirname "$(realpath "$0")")
fixtures=$here/../../fixtures
"$a2d" import "$fixtures/interop/marian" --out "$folder/run"
"$a2d" export "$folder/run" --format ctranslate2 --quantize f32 --out "$folder/model"
head -n 100 "$fixtures/quickstart/test.de" >"$folder/source.de"
for beam in 1 5; do
    "$a2d" translate "$folder/run" --beam $beam --input "$folder/source.de" --output "$folder/$beam.en" --quiet
done
"$folder/python/bin/python" "$here/check.py" "$folder/model" "$folder/source.de" "$folder/1.en" "$folder/5.en"
