//! Images: the round trip, and damaged or foreign files, which are refused without a panic.

use a2d_core::config::{Config, Head, Output, Pooling, Positions, Special, Stack};
use a2d_core::image::{Error, Format, Image, MAGIC, VERSION, checksum, config_words, version};
use a2d_core::micro::{
    Classifier, Embedder, Limits, Model, Options, TextLimits, Translator, arena_bytes,
};
use a2d_core::token;
use a2d_host::export::{Beside, write, write_with};
use a2d_host::translate::image::Words;
use a2d_tests::helpers::image::{TEXTS, config, image, listed, marian, text, tokenizer, weights};
use std::fs;
use std::path::Path;

const FORMATS: [Format; 3] = [Format::F32, Format::Int8, Format::Int4];

/// The image of the smallest model that has every kind of parameter.
fn tiny(of: Config, format: Format) -> Vec<u8> {
    let stack = Stack { d_model: 4, ffn_dim: 4, attention_heads: 2, layers: 1 };
    let config = Config {
        source_vocabulary: 7,
        target_vocabulary: 7,
        share_embeddings: true,
        encoder: stack,
        decoder: stack,
        ..of
    };
    write(&config, &weights(&config, 7), &tokenizer(), format).expect("an image")
}

/// [`tiny`] with a shortlist in place of the vocabulary.
fn tiny_listed() -> Vec<u8> {
    let stack = Stack { d_model: 4, ffn_dim: 4, attention_heads: 2, layers: 1 };
    let sizes = Config { source_vocabulary: 7, target_vocabulary: 7, ..config(true, true) };
    let config = Config { encoder: stack, decoder: stack, ..sizes };
    let lists: Vec<Vec<u16>> = (0..7).map(|id| vec![id, 6 - id]).collect();
    let listed = listed(&config, &weights(&config, 7), Format::Int8, &[0, 1, 2, 3, 5], &lists);
    listed.bytes().to_vec()
}

/// The image of the smallest text models: one that classifies, with names, and one that embeds.
fn tiny_text(format: Format) -> Vec<u8> {
    let stack = Stack { d_model: 4, ffn_dim: 4, attention_heads: 2, layers: 1 };
    let config = match format {
        Format::Int8 => Config { encoder: stack, source_vocabulary: 7, ..labelled() },
        _ => Config { encoder: stack, source_vocabulary: 7, ..text(8) },
    };
    let labels = if format == Format::Int8 { names() } else { Vec::new() };
    let beside = Beside { labels, ..Beside::default() };
    write_with(&config, &weights(&config, 7), &tokenizer(), &beside, format).expect("an image")
}

/// A model of three labels with everything that a text model can have.
fn labelled() -> Config {
    let head = Head { pooling: Pooling::Mean, dense: true, output: Output::Labels(3) };
    Config { head: Some(head), target_vocabulary: 3, ..text(25) }
}

fn names() -> Vec<String> {
    ["", "größer", "b"].map(String::from).into()
}

fn all() -> [Vec<u8>; 7] {
    let [f32, int8, int4] = FORMATS.map(|format| tiny(config(true, true), format));
    let texts = [Format::Int8, Format::F32].map(tiny_text);
    let [labels, vector] = texts;
    [f32, int8, int4, tiny(marian(true), Format::Int8), tiny_listed(), labels, vector]
}

#[test]
fn an_image_has_the_oldest_version_that_can_say_it() {
    for (of, version) in [(config(true, true), 1), (config(false, false), 1), (marian(true), 2)] {
        let image = image(&of, &weights(&of, 7), Format::Int4);
        assert_eq!(image.bytes()[8..12], u32::to_le_bytes(version));
        assert_eq!(*Model::<6>::new(image.bytes()).unwrap().config(), of);
    }
    for of in (0..TEXTS).map(text) {
        let image = image(&of, &weights(&of, 7), Format::Int4);
        assert_eq!(image.bytes()[8..12], u32::to_le_bytes(3));
        assert_eq!(*Model::<6>::new(image.bytes()).unwrap().config(), of);
    }
}

#[test]
fn names_of_labels_are_read() {
    let bytes = tiny_text(Format::Int8);
    let copy = Words::new(&bytes);
    let model: Model<'_> = Model::new(copy.bytes()).expect("an image");
    let labels = model.image().labels().expect("names");
    assert!(labels.iter().eq(names()));
    assert_eq!((labels.len(), labels.get(1), labels.get(3)), (3, Some("größer"), None));
    assert!(labels.get(usize::MAX).is_none());
    let without = tiny_text(Format::F32);
    assert!(Model::<6>::new(Words::new(&without).bytes()).unwrap().image().labels().is_none());
}

#[test]
fn names_that_are_not_those_of_the_labels_are_refused() {
    let of = labelled();
    let written = |config: &Config, labels: &[&str]| {
        let labels = labels.iter().map(|name| String::from(*name)).collect();
        let beside = Beside { labels, ..Beside::default() };
        write_with(config, &weights(config, 7), &[], &beside, Format::F32)
    };
    let refused =
        |config: &Config, labels: &[&str]| written(config, labels).unwrap_err().to_string();
    assert_eq!(refused(&of, &["a", "b"]), "2 names of labels for a model of 3 labels");
    let none = "1 names of labels for a model of 0 labels";
    assert_eq!([refused(&text(8), &["a"]), refused(&config(true, true), &["a"])], [none; 2]);
    assert!(refused(&of, &["a", "b\n", "c"]).contains("control character"));
    // The same in an image: the section begins with the count, its end is the end of the file.
    let good = written(&of, &["a", "bc", "é"]).expect("an image");
    let section = good.len().next_multiple_of(16) - 32;
    assert_eq!(good[section..section + 4], 3_u32.to_le_bytes());
    assert!(opened(&good).is_ok());
    for (at, byte) in [(0, 2), (4, 9), (8, 0), (12, 4), (12, 9), (16, b'\n'), (18, 0xff)] {
        let mut bad = good.clone();
        bad[section + at] = byte;
        repaired(&mut bad);
        assert_eq!(opened(&bad), Err(Error::Labels), "byte {at} is {byte}");
    }
}

/// Images that an earlier program wrote are read, and their configurations would be written again with the same bytes.
#[test]
fn images_of_version_1_are_read() {
    for name in ["nano/nano.a2d", "demo/demo.a2d"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
        let bytes = fs::read(path).expect("an image");
        let copy = Words::new(&bytes);
        let model = Model::<6>::new(copy.bytes()).expect("an image");
        let words = config_words(model.config());
        assert_eq!((bytes[8], version(&words)), (1, 1), "{name}");
        let Config { special, positions, logits_bias, .. } = *model.config();
        let usual = (Special::FAIRSEQ, Positions::Fairseq, false);
        assert_eq!((special, positions, logits_bias), usual, "{name}");
        let start = u32::from_le_bytes(bytes[36..40].try_into().expect("a word")) as usize;
        assert_eq!(
            bytes[start..][..48],
            *words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[test]
fn what_the_format_cannot_say_is_not_written() {
    let config = Config { special: Special { start: 1, ..Special::FAIRSEQ }, ..config(true, true) };
    let refused = write(&config, &[], &tokenizer(), Format::F32).expect_err("no such image");
    assert!(refused.to_string().contains("this model differs"), "{refused}");
}

/// Repairs the checksum.
fn repaired(bytes: &mut [u8]) {
    let sum = checksum(bytes);
    bytes[16..20].copy_from_slice(&sum.to_le_bytes());
}

fn opened(bytes: &[u8]) -> Result<(), Error> {
    let copy = Words::new(bytes);
    Model::<6>::new(copy.bytes()).map(drop)
}

/// Translates with any bytes: nothing may panic. Returns whether they were an image.
fn tried(bytes: &[u8]) -> bool {
    let copy = Words::new(bytes);
    let Ok(model) = Model::<6>::new(copy.bytes()) else { return false };
    if model.config().head.is_some() {
        read(&model);
        return true;
    }
    let limits = Limits { source: 3, target: 2, beam: 2, int8_cache: false };
    let needed = arena_bytes(model.config(), model.quantised(), &limits);
    let mut memory = Words::zeros(needed.min(1 << 20));
    let Ok(mut translator) =
        Translator::new(&model, memory.bytes_mut(), limits, Options::default())
    else {
        return true;
    };
    let _ = translator.translate_tokens(&[4, 5], &mut [0; 2]);
    let _ = translator.translate("a ab", &mut [0; 8]);
    true
}

/// Classifies and embeds with any model.
fn read(model: &Model<'_>) {
    let limits = TextLimits { tokens: 4, int8_cache: true };
    let mut memory = Words::zeros(model.text_arena_bytes(&limits).min(1 << 20));
    if let Ok(mut classifier) = Classifier::new(model, memory.bytes_mut(), limits) {
        let _ = classifier.classify("a", &mut [0.0; 9]);
    }
    if let Ok(mut embedder) = Embedder::new(model, memory.bytes_mut(), limits) {
        let _ = embedder.embed("a", &mut [0.0; 99]);
    }
}

#[test]
fn what_is_written_is_read() {
    for format in FORMATS {
        for config in [config(false, false), config(true, true)] {
            let weights = weights(&config, 3);
            let image = image(&config, &weights, format);
            let model: Model<'_> = Model::new(image.bytes()).expect("an image");
            assert_eq!(model.config(), &config);
            assert_eq!(model.quantised(), format != Format::F32);
            let (mut sensitive, mut number) = (Vec::new(), 0);
            let named = model.transformer().try_map::<(), ()>(&mut |path, _| {
                if path.to_string().ends_with("out_proj.weight") {
                    sensitive.push(number);
                }
                number += 1;
                Ok(())
            });
            assert!(named.is_ok() && !sensitive.is_empty());
            assert!(model.source().is_none() && model.image().tokenizer().is_empty());
            let all = model.image().weights();
            assert_eq!(all.count(), weights.len());
            assert!(all.get(weights.len()).is_none());
            for (number, wanted) in weights.iter().enumerate() {
                let w = all.get(number).expect("a parameter");
                let output = sensitive.contains(&number);
                let kept = if output && format == Format::Int4 { Format::Int8 } else { format };
                assert_eq!(w.format(), if w.shape().rows() > 1 { kept } else { Format::F32 });
                let mut out = vec![f32::NAN; w.shape().len()];
                for (row, out) in out.chunks_mut(w.shape().cols()).enumerate() {
                    w.read(row, out).expect("a row");
                }
                if w.format() == Format::F32 {
                    assert_eq!(&out, wanted);
                }
            }
        }
    }
}

#[test]
fn an_image_is_laid_out_as_it_is_documented() {
    let bytes = tiny(config(true, true), Format::Int8);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(bytes[..8], MAGIC);
    assert_eq!((word(8), word(12) as usize, word(20)), (1, bytes.len(), 4));
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let rest = [&bytes[..16], &bytes[20..]].concat();
    assert_eq!(word(16), crc.checksum(&rest));
    for section in 0..4 {
        let at = 32 + 16 * section;
        assert_eq!(word(at) as usize, section + 1);
        assert_eq!(word(at + 4) % 16, 0);
    }
    // Vocabularies of 7, shared embeddings and pre-norm, GELU; for each stack width 4, inner width 4, 2 heads, 1 layer.
    let config: Vec<u32> = (0..12).map(|i| word(word(36) as usize + 4 * i)).collect();
    assert_eq!(config, [7, 7, 3, 1, 4, 4, 2, 1, 4, 4, 2, 1]);
}

#[test]
fn a_tokenizer_is_checked_with_the_model() {
    let config = config(true, true); // 19 tokens
    let weights = weights(&config, 7);
    let written =
        |tables: &[u8]| opened(&write(&config, &weights, tables, Format::Int8).expect("an image"));
    assert_eq!(written(&tokenizer()), Err(Error::Vocabulary { tokens: 7, model: 19 }));
    assert_eq!(written(b"words"), Err(Error::Tokenizer(token::Error::Foreign)));
    let bytes = tiny(config, Format::Int8);
    let copy = Words::new(&bytes);
    let model: Model<'_> = Model::new(copy.bytes()).expect("an image");
    assert_eq!(model.source().expect("a vocabulary").len(), 7);
}

#[test]
fn the_wrong_file_is_told_apart() {
    let good = tiny(config(true, true), Format::Int8);
    let changed = |at: usize, bytes: &[u8], repair: bool| {
        let mut other = good.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        if repair {
            repaired(&mut other);
        }
        opened(&other)
    };
    assert_eq!(changed(0, b"GGUF", false), Err(Error::Foreign));
    assert_eq!(opened(b"Ein Hund"), Err(Error::Foreign));
    assert_eq!(opened(b""), Err(Error::Truncated));
    assert_eq!(changed(8, &[4], false), Err(Error::Version { found: VERSION + 1 }));
    assert_eq!(changed(good.len() - 1, &[77], false), Err(Error::Damaged));
    assert_eq!(opened(&[&good[..], &[0]].concat()), Err(Error::Damaged));
    assert_eq!(changed(32, &[9], true), Err(Error::Section { number: 1 }));
    let deep = config(false, false);
    let deep = Config { encoder: Stack { layers: 7, ..deep.encoder }, ..deep };
    let deep = image(&deep, &weights(&deep, 1), Format::F32);
    assert_eq!(opened(deep.bytes()), Err(Error::Layers { found: 7, most: 6 }));
    let copy = Words::new(&[&[0], &good[..]].concat());
    assert_eq!(Image::new(&copy.bytes()[1..]).err(), Some(Error::Misaligned));
}

#[test]
fn every_truncation_is_refused() {
    for good in all() {
        assert!(tried(&good));
        for len in 0..good.len() {
            assert!(opened(&good[..len]).is_err(), "{len} of {} bytes", good.len());
            // With length and checksum repaired.
            let mut short = good[..len].to_vec();
            if len >= 32 {
                short[12..16].copy_from_slice(&(len as u32).to_le_bytes());
                repaired(&mut short);
            }
            tried(&short);
        }
    }
}

#[test]
fn every_change_of_a_byte_is_refused_and_harmless() {
    for good in all() {
        for at in 0..good.len() {
            for flip in 1..=255u8 {
                let head = at < 300;
                if !head && !flip.is_power_of_two() && flip != 255 {
                    continue;
                }
                let mut bad = good.clone();
                bad[at] ^= flip;
                assert!(opened(&bad).is_err(), "byte {at} changed by {flip}");
                repaired(&mut bad);
                tried(&bad);
            }
        }
    }
}
