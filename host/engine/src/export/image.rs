//! Writing an image.

use super::quantise::{int4, int8};
use a2d_core::config::{Config, Head, Output, Special};
use a2d_core::image::{
    ALIGN, ENTRY_WORDS, Format, HEADER_WORDS, MAGIC, MOST_COLUMNS, Section, checksum, config_words,
    version,
};
use a2d_run::model::plan;
use a2d_system::error::{Error, Result};

/// The parameters of a model in canonical order.
pub type Weights = Vec<Vec<f32>>;

/// The image of a model with matrices stored in `format`.
///
/// # Errors
///
/// Misuse: an invalid configuration, a matrix too wide to quantise, or an image of more than 4 GiB.
pub fn write(
    config: &Config,
    weights: &[Vec<f32>],
    tokenizer: &[u8],
    format: Format,
) -> Result<Vec<u8>> {
    write_with(config, weights, tokenizer, &Beside::default(), format)
}

/// Optional sections of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// The tables of the target's vocabulary; empty if they are those of the source.
    pub target: Vec<u8>,
    /// The lexical shortlist; empty for none.
    pub shortlist: Vec<u8>,
    /// The names of the labels of a model that classifies, by number; empty for none.
    pub labels: Vec<String>,
    /// Length of the longest source sentence in training, in tokens, if known.
    pub longest_source: Option<usize>,
}

/// [`write()`] with optional sections.
///
/// # Errors
///
/// As [`write()`]; names of labels that are not as many as the labels, or that have control characters.
pub fn write_with(
    config: &Config,
    weights: &[Vec<f32>],
    tokenizer: &[u8],
    beside: &Beside,
    format: Format,
) -> Result<Vec<u8>> {
    if ![Special::FAIRSEQ, Special::MARIAN].contains(&config.special) {
        let text = "an image has fairseq's special tokens or Marian's: this model differs";
        return Err(Error::misuse(text));
    }
    let plan = plan(config, None)?;
    let (mut directory, mut payload) = (Vec::new(), Vec::new());
    for ((name, spec), data) in plan.params().iter().zip(weights) {
        let (rows, cols) = (spec.shape.rows(), spec.shape.cols());
        let format = match spec.shape.dims().len() {
            1 => Format::F32,
            _ if format == Format::Int4 && is_sensitive(name) => Format::Int8,
            _ => format,
        };
        if format != Format::F32 && cols > MOST_COLUMNS as usize {
            let text = format!("{name} has {cols} columns, {MOST_COLUMNS} can be quantised");
            return Err(Error::misuse(text));
        }
        let offset = number(payload.len())?;
        directory.extend([format as u32, number(rows)?, number(cols)?, offset]);
        let (numbers, scales) = match format {
            Format::F32 => (data.iter().flat_map(|x| x.to_le_bytes()).collect(), Vec::new()),
            Format::Int8 => int8(data, cols),
            Format::Int4 => int4(data, cols),
        };
        for part in [numbers, scales] {
            payload.extend(part);
            pad(&mut payload);
        }
    }
    let mut sections = vec![
        (Section::Config, bytes(&config_words(config))),
        (Section::Tokenizer, tokenizer.to_vec()),
        (Section::Directory, bytes(&directory)),
        (Section::Weights, payload),
    ];
    if !beside.target.is_empty() {
        sections.push((Section::Target, beside.target.clone()));
    }
    if !beside.shortlist.is_empty() {
        sections.push((Section::Shortlist, beside.shortlist.clone()));
    }
    if !beside.labels.is_empty() {
        sections.push((Section::Labels, labels(config, &beside.labels)?));
    }
    if let Some(tokens) = beside.longest_source {
        sections.push((Section::Training, bytes(&[number(tokens)?])));
    }
    assemble(version(&config_words(config)), &sections)
}

/// The names of the labels in the layout of [`a2d_core::image::Labels`].
fn labels(config: &Config, names: &[String]) -> Result<Vec<u8>> {
    let count = match config.head {
        Some(Head { output: Output::Labels(count), .. }) => count,
        _ => 0,
    };
    if names.len() != count {
        let text = format!("{} names of labels for a model of {count} labels", names.len());
        return Err(Error::misuse(text));
    }
    if let Some(name) = names.iter().find(|name| name.contains(char::is_control)) {
        return Err(Error::misuse(format!("the label {name:?} has a control character")));
    }
    let mut words = vec![number(count)?];
    let mut text = String::new();
    for name in names {
        text.push_str(name);
        words.push(number(text.len())?);
    }
    Ok([bytes(&words), text.into_bytes()].concat())
}

/// Whether a matrix must not be quantised to 4 bits. The attention output projections lose most from it and are small.
fn is_sensitive(name: &str) -> bool {
    name.ends_with("out_proj.weight")
}

/// Concatenates header, sections and checksum.
fn assemble(version: u32, sections: &[(Section, Vec<u8>)]) -> Result<Vec<u8>> {
    let head = 4 * (HEADER_WORDS + ENTRY_WORDS * sections.len());
    let (mut entries, mut body) = (Vec::new(), Vec::new());
    for (section, content) in sections {
        let start = number(head + body.len())?;
        entries.extend([*section as u32, start, number(content.len())?, 0]);
        body.extend(content);
        pad(&mut body);
    }
    let mut file = MAGIC.to_vec();
    file.extend(bytes(&[version, number(head + body.len())?, 0, sections.len() as u32, 0, 0]));
    file.extend(bytes(&entries));
    file.extend(body);
    let sum = checksum(&file);
    file[16..20].copy_from_slice(&sum.to_le_bytes());
    Ok(file)
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
}

fn number(size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::misuse("the image would be larger than 4 GiB"))
}
