"""Translates with CTranslate2 what `a2d export --format ctranslate2` wrote, and compares it with a2d's translations.

usage: check.py F32 INT8 SOURCE GREEDY BEAM

F32 and INT8 are exports of one run, SOURCE a text, GREEDY and BEAM its translations by `a2d translate --beam 1` and
`--beam 5`. Text is cut as README.md of the export says. Prints the number of equal lines. Fails unless all greedy lines of
F32 are equal, and nine in ten of its beam's: a search may end otherwise. Lines of INT8 are only counted.
"""

import pathlib
import sys

import ctranslate2
import sentencepiece
import tokenizers

# Scores, per token, that are closer are a tie.
TIE = 1e-5


def cut(folder, name):
    """How text becomes tokens."""
    model = folder / f"{name}.spm"
    if model.exists():
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
        return lambda text: pieces.encode(text, out_type=str)
    pieces = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return lambda text: pieces.encode(text, add_special_tokens=False).tokens


def text(tokens):
    """The text of a translation, without unknown tokens."""
    return "".join(token for token in tokens if token != "<unk>").replace("\u2581", " ").strip()


def translator(folder):
    return ctranslate2.Translator(str(folder), device="cpu", inter_threads=1, intra_threads=1)


def translate(model, sources, beam):
    return [text(one.hypotheses[0]) for one in model.translate_batch(sources, beam_size=beam, max_decoding_length=256)]


def score(model, source, target):
    """The mean log-probability of a translation's tokens."""
    found = model.score_batch([source], [target])[0].log_probs
    return sum(found) / len(found)


def compare(name, found, expected, least):
    """Prints how many lines are equal, and fails if they are less than a part `least`; gives the others."""
    others = [line for line, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b]
    equal = len(found) - len(others)
    print(f"{name}: {equal} of {len(found)} lines equal")
    if equal < least * len(found):
        for line in others:
            print(f"  line {line + 1}: ctranslate2 {found[line]!r}, a2d {expected[line]!r}", file=sys.stderr)
        sys.exit(1)
    return others


def main(f32, int8, *texts):
    f32 = pathlib.Path(f32)
    lines, greedy, beam = (pathlib.Path(name).read_text(encoding="utf-8").splitlines() for name in texts)
    greedy, beam = ([line.strip() for line in of] for of in (greedy, beam))
    source, target = cut(f32, "source"), cut(f32, "target")
    sources = [source(line) + ["</s>"] for line in lines]
    model, small = translator(f32), translator(int8)
    compare("f32, greedy", translate(model, sources, 1), greedy, 1.0)
    found = translate(model, sources, 5)
    for line in compare("f32, beam 5", found, beam, 0.9):
        ours, theirs = (score(model, sources[line], target(of[line])) for of in (beam, found))
        which = "a tie" if abs(ours - theirs) < TIE else f"a2d's scores {ours:.4f}, CTranslate2's {theirs:.4f}"
        print(f"  line {line + 1}: {which}")
    compare("int8, greedy", translate(small, sources, 1), greedy, 0.0)
    compare("int8, beam 5", translate(small, sources, 5), beam, 0.0)


main(*sys.argv[1:])
