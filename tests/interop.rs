//! Models of other toolkits, compared with the values that the toolkits themselves gave.
//!
//! Everything is found by its format, in `fixtures/interop` and in the folder that `A2D_INTEROP` names:
//!
//! | found | compared |
//! |---|---|
//! | `NAME.model` beside `NAME.json`, perhaps `NAME.charsmap.tsv` | SentencePiece: tokens, texts, normal forms |
//! | a folder whose `config.json` is of Marian | import, export and import again |
//! | such folders `modelX` beside `expected.json`, `expectedX.safetensors` | transformers: tokens, texts, outputs, searches |
//! | `NAME.variables.json`, perhaps the folder `NAME` | CTranslate2: every variable, every file |
//! | `expected.json` with `tokenization`, and the folder `model` beside it | transformers: the tokens of BERT |
//! | folders whose `config.json` is of BERT, beside `expected.safetensors` | transformers: states, maps, outputs |
//! | `NAME_expected.safetensors`, and a folder of sentence-transformers | transformers: tokens, vectors |
//! | `expected.json` with `runs` | CTranslate2: searches |
//! | `model.safetensors.variables.json` | a folder as transformers writes it |
//!
//! What is of another kind is reported as skipped, by its name.

#[path = "interop/folders.rs"]
mod folders;
#[path = "interop/on.rs"]
mod on;
#[path = "interop/values.rs"]
mod values;

#[path = "interop/bert.rs"]
mod bert;
#[path = "interop/ctranslate2/mod.rs"]
mod ctranslate2;
#[path = "interop/marian/mod.rs"]
mod marian;
#[path = "interop/normal_forms.rs"]
mod normal_forms;
#[path = "interop/others.rs"]
mod others;
#[path = "interop/sentencepiece.rs"]
mod sentencepiece;
#[path = "interop/wordpiece.rs"]
mod wordpiece;
