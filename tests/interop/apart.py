"""Writes with transformers a Marian model of random weights whose sides have vocabularies of their own.

usage: apart.py FOLDER SOURCE.spm TARGET.spm
"""

import json
import pathlib
import shutil
import sys

import sentencepiece
import torch
import transformers


def vocabulary(model):
    """The pieces of a SentencePiece model in Marian's order."""
    pieces = sentencepiece.SentencePieceProcessor(model_file=model)
    ordinary = (pieces.id_to_piece(id) for id in range(len(pieces)) if not (pieces.is_control(id) or pieces.is_unknown(id)))
    return {piece: id for id, piece in enumerate(["</s>", "<unk>", *ordinary, "<pad>"])}


def main(folder, *models):
    folder = pathlib.Path(folder)
    folder.mkdir()
    files = [("source.spm", "vocab.json"), ("target.spm", "target_vocab.json")]
    for model, (copy, name) in zip(models, files, strict=True):
        shutil.copy(model, folder / copy)
        (folder / name).write_text(json.dumps(vocabulary(model)), encoding="utf-8")
    source, target = (len(vocabulary(model)) for model in models)
    config = transformers.MarianConfig(
        vocab_size=source, decoder_vocab_size=target, share_encoder_decoder_embeddings=False, d_model=32,
        encoder_layers=2, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=48, decoder_ffn_dim=64, activation_function="gelu", scale_embedding=True,
        static_position_embeddings=True, max_position_embeddings=128, eos_token_id=0, forced_eos_token_id=0,
        pad_token_id=target - 1, decoder_start_token_id=target - 1, bad_words_ids=None)
    torch.manual_seed(1)
    model = transformers.MarianMTModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
        model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias))
        model.model.decoder.embed_tokens.weight[target - 1] = 0.0
        model.final_logits_bias[0, target - 1] = 0.0
    model.save_pretrained(folder)
    keys = {"tokenizer_class": "MarianTokenizer", "separate_vocabs": True, "model_max_length": 128}
    (folder / "tokenizer_config.json").write_text(json.dumps(keys), encoding="utf-8")


main(*sys.argv[1:])
