"""Translates with CTranslate2 what `a2d export --format ctranslate2` wrote, and compares it with a2d's translations.

usage: check.py FOLDER SOURCE GREEDY BEAM

FOLDER is the export, SOURCE a text, GREEDY and BEAM its translations by `a2d translate --beam 1` and `--beam 5`. Prints the
number of equal lines; fails unless all greedy ones are equal, and nine in ten of the others (a search may end otherwise).
"""

import pathlib
import sys

import ctranslate2
import sentencepiece


def main(folder, source, greedy, beam):
    folder = pathlib.Path(folder)
    encoder = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    decoder = sentencepiece.SentencePieceProcessor(model_file=str(folder / "target.spm"))
    lines = pathlib.Path(source).read_text(encoding="utf-8").splitlines()
    sources = [encoder.encode(line, out_type=str) + ["</s>"] for line in lines]
    translator = ctranslate2.Translator(str(folder), device="cpu", inter_threads=1, intra_threads=1)
    for name, expected, size, least in [("greedy", greedy, 1, 1.0), ("beam 5", beam, 5, 0.9)]:
        found = translator.translate_batch(sources, beam_size=size, max_decoding_length=256)
        texts = [decoder.decode([piece for piece in one.hypotheses[0] if piece != "<unk>"]) for one in found]
        wanted = pathlib.Path(expected).read_text(encoding="utf-8").splitlines()
        equal = sum(a.strip() == b.strip() for a, b in zip(texts, wanted, strict=True))
        print(f"{name}: {equal} of {len(lines)} lines equal")
        if equal < least * len(lines):
            for line, a, b in zip(lines, texts, wanted):
                if a.strip() != b.strip():
                    print(f"  {line!r}: ctranslate2 {a!r}, a2d {b!r}", file=sys.stderr)
            sys.exit(1)


main(*sys.argv[1:])
