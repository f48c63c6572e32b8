//! An open folder of prepared data: vocabulary, token files, and text for scoring.

use crate::config::RunConfig;
use crate::run_dir::RunDir;
use a2d_data::corpus::Corpus;
use a2d_data::prepare;
use a2d_data::task::Task;
use a2d_data::vocab::Vocab;
use a2d_system::error::{Error, Result};
use a2d_system::program;
use a2d_system::text::read_lines;
use std::path::{Path, PathBuf};

/// The data for training and scoring.
pub struct Prepared {
    /// The folder.
    pub folder: PathBuf,
    /// What the data are for.
    pub task: Task,
    /// The target language; empty for texts.
    pub target_lang: String,
    /// The joint vocabulary, or that of texts and their labels.
    pub vocab: Vocab,
    /// The training split.
    pub train: Corpus,
    /// The validation split.
    pub valid: Corpus,
}

/// Parallel text: sentences and reference translations, or texts and their labels.
#[derive(Debug)]
pub struct Parallel {
    /// The source sentences, or the texts.
    pub source: Vec<String>,
    /// The reference translations, or the labels; empty for texts without labels.
    pub target: Vec<String>,
}

impl Prepared {
    /// Opens a folder that `a2d prepare` wrote.
    ///
    /// # Errors
    ///
    /// Misuse: a file is missing or damaged, or the files do not match.
    pub fn open(folder: &Path) -> Result<Self> {
        if !folder.join("data.json").is_file() {
            let how = format!("prepare it with {}", program::command("prepare"));
            let how = format!("{how}, or name the text in the config's [data]");
            return Err(Error::misuse(format!("{} holds no data: {how}", folder.display())));
        }
        prepare::check_files(folder)?;
        let vocab = Vocab::load(&folder.join("tokenizer.json"))?;
        let open = |split: &str| {
            let path = folder.join(split).with_extension("bin");
            let corpus = Corpus::open(&path)?;
            if corpus.fingerprint() != vocab.fingerprint() {
                let text = "was written with another vocabulary; prepare the data again";
                return Err(Error::misuse(format!("{} {text}", path.display())));
            }
            if corpus.is_empty() {
                return Err(Error::misuse(format!("{} holds no sentence", path.display())));
            }
            Ok(corpus)
        };
        let (train, valid) = (open("train")?, open("valid")?);
        let prepare::Report { task, target_lang, .. } = prepare::load_report(folder)?;
        Ok(Self { folder: folder.to_owned(), task, target_lang, vocab, train, valid })
    }

    /// The text of `valid` or `test`; `None` if the folder has no such split.
    ///
    /// # Errors
    ///
    /// Misuse: the text cannot be read.
    pub fn text(&self, split: &str) -> Result<Option<Parallel>> {
        text(&self.folder, split)
    }
}

/// The folder of an imported teacher inside its student's.
pub const IMPORTED: &str = "teacher-imported";

/// Folders of the runs that `a2d distill` creates inside a student's folder before it has a configuration, from the same
/// data.
const BESIDE: [&str; 3] = ["teacher", "alone", IMPORTED];

/// The data folder of the finished run in `folder`: as configured, or that of the student whose folder contains the
/// run, directly or in that of a stage.
pub fn folder_of(run: &RunConfig, folder: &Path) -> PathBuf {
    let own = run.data_folder(folder);
    let with_student = || {
        let whole = folder.canonicalize().ok()?;
        let vocab = |path: PathBuf| Some(Vocab::load(&path).ok()?.fingerprint());
        let here = vocab(RunDir::at(&whole).tokenizer())?;
        let beside = BESIDE.iter().any(|name| whole.ends_with(name));
        let is_student = |(up, folder): &(usize, &Path)| {
            RunDir::at(folder).config().is_file() || beside && *up == 1
        };
        let above = whole.ancestors().enumerate().skip(1).take(2).filter(is_student);
        let above = above.map(|(_, folder)| folder.join("data"));
        let same = |data: &PathBuf| vocab(data.join("tokenizer.json")).as_ref() == Some(&here);
        above.filter(|data| data.join("data.json").is_file()).find(same)
    };
    if own.join("data.json").is_file() { own } else { with_student().unwrap_or(own) }
}

/// The text of a split of the finished run in `folder`: the prepared text, or else the files named in the
/// configuration. `None` if both are missing.
///
/// # Errors
///
/// Misuse: the text cannot be read.
pub fn text_of(run: &RunConfig, folder: &Path, split: &str) -> Result<Option<Parallel>> {
    if let Some(found) = text(&folder_of(run, folder), split)? {
        return Ok(Some(found));
    }
    let prefix = if split == "valid" { &run.data.valid } else { &run.data.test };
    let Some(prefix) = prefix.as_ref().and_then(|path| path.to_str()) else { return Ok(None) };
    if run.task.is_of_texts() {
        let path = prepare::or_packed(PathBuf::from(prefix));
        let read = path.is_file().then(|| prepare::read(run.task, &path)).transpose()?;
        return Ok(read.map(|[source, target]| Parallel { source, target }));
    }
    let langs = [&run.data.source_lang, &run.data.target_lang];
    let [source, target] = langs.map(|lang| prepare::find(prefix, lang));
    if !source.is_file() || !target.is_file() {
        return Ok(None);
    }
    Ok(Some(Parallel { source: read_lines(&source)?, target: read_lines(&target)? }))
}

/// The text of a split of the prepared `folder`; `None` if the split is missing. Other files are not checked.
///
/// # Errors
///
/// Misuse: the text cannot be read.
pub fn text(folder: &Path, split: &str) -> Result<Option<Parallel>> {
    let path = |side: &str| folder.join(format!("{split}.{side}"));
    if !path("source").is_file() {
        return Ok(None);
    }
    // Texts to embed have no target.
    let target = Some(path("target")).filter(|path| path.is_file());
    let target = target.map_or(Ok(Vec::new()), |path| read_lines(&path))?;
    Ok(Some(Parallel { source: read_lines(&path("source"))?, target }))
}
