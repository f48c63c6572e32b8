"""Translates with CTranslate2 what `a2d export --format ctranslate2` wrote, and compares it with a2d's translations.

usage: ct2.py F32 INT8 SOURCE GREEDY BEAM TEXT

F32 and INT8 are exports of one run, SOURCE a text, GREEDY and BEAM its translations by `a2d translate --n-best 1` with
`--beam 1` and `--beam 5`. Text is cut as README.md of the export says. Prints the number of equal lines. Fails unless all
greedy lines of F32 are equal, and nine in ten of its beam's: a search may end otherwise. Of INT8 they are only counted,
but all of TEXT must come out as from F32 where CTranslate2 itself turns that into int8. Writes the translations of TEXT
with beam 5 beside the exports, F32.en and INT8.en.
"""

import pathlib
import sys

import ctranslate2
import sentencepiece
import tokenizers

from compare import compare, texts, translations


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


def translator(folder, numbers="default"):
    return ctranslate2.Translator(str(folder), device="cpu", compute_type=numbers, inter_threads=1, intra_threads=1)


def translate(model, sources, beam):
    """The score and the tokens of each line. The search's own scores forbid an empty translation before the softmax."""
    found = model.translate_batch(sources, beam_size=beam, max_decoding_length=256, max_batch_size=32)
    found = [one.hypotheses[0] for one in found]
    scores = model.score_batch(sources, found, max_batch_size=32)
    return [(sum(of.log_probs) / len(of.log_probs), tokens) for of, tokens in zip(scores, found, strict=True)]


def spelt(found):
    return [(score, text(tokens)) for score, tokens in found]


def gap(model, sources, found, expected, target):
    """What a2d's text loses at the first token that differs; over the whole text, for each token, if it is a beam's."""

    def scores(line, tokens):
        return model.score_batch([sources[line]], [tokens])[0].log_probs

    def first(line):
        theirs, ours = found[line][1], target(expected[line][1])
        at = next((at for at, (a, b) in enumerate(zip(theirs, ours)) if a != b), min(len(theirs), len(ours)))
        return scores(line, theirs)[at] - scores(line, ours)[at]

    def whole(line):
        theirs, ours = (scores(line, tokens) for tokens in (found[line][1], target(expected[line][1])))
        return sum(theirs) / len(theirs) - sum(ours) / len(ours)

    return first, whole


def main(f32, int8, *names):
    f32, int8 = pathlib.Path(f32), pathlib.Path(int8)
    lines, (greedy, beam), every = texts(names[0]), map(translations, names[1:3]), texts(names[3])
    source, target = cut(f32, "source"), cut(f32, "target")
    sources, every = ([source(line) + ["</s>"] for line in of] for of in (lines, every))
    model, small = translator(f32), translator(int8)
    found = translate(model, sources, 1)
    compare("CTranslate2, f32, greedy", spelt(found), greedy, 1.0, gap(model, sources, found, greedy, target)[0])
    found = translate(model, sources, 5)
    compare("CTranslate2, f32, beam 5", spelt(found), beam, 0.9, gap(model, sources, found, beam, target)[1])
    compare("CTranslate2, int8, greedy", spelt(translate(small, sources, 1)), greedy, 0.0)
    compare("CTranslate2, int8, beam 5", spelt(translate(small, sources, 5)), beam, 0.0)
    found = {folder: translate(of, every, 5) for folder, of in ((f32, model), (int8, small))}
    for folder, of in found.items():
        folder.with_name(folder.name + ".en").write_text("".join(line + "\n" for _, line in spelt(of)), encoding="utf-8")
    own = translate(translator(f32, "int8"), every, 5)
    equal = sum(a == b for a, b in zip(found[int8], own, strict=True))
    print(f"CTranslate2, int8, beam 5: {equal} of {len(own)} lines and scores as in its own int8 of f32")
    if equal < len(own):
        sys.exit("the int8 export is not CTranslate2's own int8 of the f32 export")


main(*sys.argv[1:])
