//! How to use a folder: CTranslate2 takes tokens, not text.

/// `README.md` of a folder, with SentencePiece models or for a `tokenizer.json`.
pub fn text(is_sentencepiece: bool, adds_eos: bool) -> String {
    let (package, load, encode) = if is_sentencepiece {
        let load = "cut = sentencepiece.SentencePieceProcessor(\"source.spm\")";
        ("sentencepiece", load, "cut.encode(text, out_type=str)")
    } else {
        let load = "cut = tokenizers.Tokenizer.from_file(\"tokenizer.json\")";
        ("tokenizers", load, "cut.encode(text, add_special_tokens=False).tokens")
    };
    let end = if adds_eos { "" } else { " + [\"</s>\"]" };
    let from = match is_sentencepiece {
        true => "",
        false => {
            "\n`tokenizer.json` is that of the run that this model was exported from. Of a run \
             with a tokenizer for each side, `cut` is that of the source.\n"
        }
    };
    format!(
        "# A translation model for CTranslate2\n{from}\n```python\nimport ctranslate2, {package}\n{load}\n\
         model = ctranslate2.Translator(\".\")\ntokens = {encode}{end}\n\
         tokens = model.translate_batch([tokens])[0].hypotheses[0]\n\
         print(\"\".join(tokens).replace(\"\u{2581}\", \" \").strip())\n```\n"
    )
}
