"""Makes another Marian model of one with transformers: each side gets a vocabulary and a table of its own.

usage: apart.py FOLDER MODEL

The target's vocabulary is in another order than that of MODEL, and lacks some of its pieces.
"""

import json
import pathlib
import shutil
import sys

import transformers

# One piece in so many is left out.
LEFT_OUT = 50


def main(folder, model):
    folder, model = pathlib.Path(folder), pathlib.Path(model)
    vocabulary = json.loads((model / "vocab.json").read_text(encoding="utf-8"))
    pieces = sorted(vocabulary, key=vocabulary.get)
    kept = [0, 1, *(id for id in reversed(range(2, len(pieces) - 1)) if id % LEFT_OUT), len(pieces) - 1]
    pad = len(kept) - 1
    keys = {"decoder_vocab_size": len(kept), "decoder_start_token_id": pad, "pad_token_id": pad}
    config = transformers.MarianConfig.from_pretrained(model, share_encoder_decoder_embeddings=False, **keys)
    made, state = transformers.MarianMTModel(config), transformers.MarianMTModel.from_pretrained(model).state_dict()
    shared = state.pop("model.shared.weight")
    for table in ("model.decoder.embed_tokens.weight", "lm_head.weight"):
        state[table] = shared[kept]
    state["final_logits_bias"] = state["final_logits_bias"][:, kept]
    made.load_state_dict(state)
    made.generation_config = transformers.GenerationConfig.from_pretrained(
        model, decoder_start_token_id=pad, pad_token_id=pad, bad_words_ids=[[pad]])
    made.save_pretrained(folder)
    for name in ("source.spm", "target.spm", "vocab.json"):
        shutil.copy(model / name, folder)
    target = {pieces[id]: number for number, id in enumerate(kept)}
    (folder / "target_vocab.json").write_text(json.dumps(target), encoding="utf-8")
    keys = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8")) | {"separate_vocabs": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(keys), encoding="utf-8")


main(*sys.argv[1:])
