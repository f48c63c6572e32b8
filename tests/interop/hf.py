"""Runs with transformers what `a2d export --format huggingface` wrote, and compares it with a2d.

usage: hf.py EXPORT SAVED LOGITS SOURCE TARGET GREEDY BEAM

EXPORT is the folder, LOGITS what `logits.rs` wrote of the lines of SOURCE and TARGET, GREEDY and BEAM the translations of
SOURCE by `a2d translate --n-best 1` with `--beam 1` and `--beam 5`. Fails unless all tokens of the texts and all greedy
lines are equal, and nine in ten of the beam's, and unless logits differ by less than 1e-5 of the largest.
`save_pretrained` then writes the model to SAVED.
"""

import sys

import numpy
import safetensors.numpy
import torch
import transformers

from compare import compare, texts, translations

# The tokens that a2d counts before the first one of vocab.json: start and padding.
ADDED = 2
# `</s>` and `<unk>` in vocab.json.
EOS, UNK = 0, 1
# Tokens of a translation, beside the start and the end.
LONGEST = 256


def check_tokens(name, ours, lengths, theirs):
    """Compares the tokens of every line."""
    ours = [part - ADDED for part in numpy.split(ours.astype(int), numpy.cumsum(lengths)[:-1])]
    others = [line + 1 for line, (a, b) in enumerate(zip(ours, theirs, strict=True)) if list(a) != b]
    print(f"transformers, tokens of the {name}: {len(ours) - len(others)} of {len(ours)} lines equal")
    if others:
        sys.exit(f"the tokens of the {name} differ in the lines {others}")


class Model:
    """An export in transformers."""

    def __init__(self, folder):
        load = transformers.MarianMTModel.from_pretrained
        options = {"dtype": torch.float32, "attn_implementation": "eager", "output_loading_info": True}
        self.model, told = load(folder, **options)
        if any(told.values()):
            sys.exit(f"transformers misses or leaves tensors: {told}")
        self.tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
        self.start = self.model.config.decoder_start_token_id

    def logits(self, source, target):
        """The logits of each token of `target` given those before it."""
        shifted = torch.tensor([[self.start] + target[:-1]])
        return self.model(input_ids=torch.tensor([source]), decoder_input_ids=shifted).logits[0]

    def translate(self, source, beam):
        """Score and tokens of a translation."""
        options = {"num_beams": beam, "max_length": LONGEST + 2, "length_penalty": 1.0, "do_sample": False}
        found = self.model.generate(torch.tensor([source]), **options)[0].tolist()[1:]
        scores = self.log_probabilities(source, found)
        return sum(scores) / len(scores), found

    def log_probabilities(self, source, target):
        """Of each token. `<pad>` is never written: it is no part of the sum."""
        logits = self.logits(source, target)
        logits[:, self.start] = -torch.inf
        return logits.log_softmax(-1)[range(len(target)), target].tolist()

    def text(self, tokens):
        """The text of a translation, without unknown tokens."""
        return self.tokenizer.decode([token for token in tokens if token not in (EOS, UNK, self.start)]).strip()


def check_logits(model, sources, targets, ours):
    """Compares all logits but those of `<pad>`, which a2d's models never write."""
    theirs = torch.cat([model.logits(*pair) for pair in zip(sources, targets, strict=True)]).numpy()
    if model.start != theirs.shape[1] - 1:
        sys.exit("<pad> is not the last token")
    ours, theirs = ours[:, ADDED:], theirs[:, :-1]
    largest = abs(theirs).max()
    apart = abs(ours - theirs).max() / largest
    print(f"transformers, logits: {theirs.shape[0]} x {theirs.shape[1]}, to {largest:.1f}, differ by {apart:.1e} of that")
    if not apart < 1e-5:
        sys.exit("the logits differ")


def check_translations(model, name, sources, expected, beam, least):
    found = [model.translate(source, beam) for source in sources]

    def gap(line):
        """What a2d's text loses at the first token that differs; for each token over the whole text, if it is a beam's."""
        theirs, ours = found[line][1], model.tokenizer(text_target=expected[line][1]).input_ids
        at = next((at for at, (a, b) in enumerate(zip(theirs, ours)) if a != b), -1)
        theirs, ours = (model.log_probabilities(sources[line], tokens) for tokens in (theirs, ours))
        return theirs[at] - ours[at] if beam == 1 else sum(theirs) / len(theirs) - sum(ours) / len(ours)

    compare(f"transformers, {name}", [(score, model.text(tokens)) for score, tokens in found], expected, least, gap)


def main(folder, saved, logits, source, target, greedy, beam):
    torch.set_num_threads(1)
    model, ours = Model(folder), safetensors.numpy.load_file(logits)
    sources = model.tokenizer(texts(source)).input_ids
    targets = model.tokenizer(text_target=texts(target)).input_ids
    with torch.inference_mode():
        check_tokens("source", ours["source"], ours["source_lengths"], sources)
        check_tokens("target", ours["target"], ours["target_lengths"], targets)
        check_logits(model, sources, targets, ours["logits"])
        check_translations(model, "greedy", sources, translations(greedy), 1, 1.0)
        check_translations(model, "beam 5", sources, translations(beam), 5, 0.9)
    model.model.save_pretrained(saved)
    model.tokenizer.save_pretrained(saved)


main(*sys.argv[1:])
