//! What the models of a study are for: what their test sets are, how these are read, and what counts.

use crate::spec::Test;
use a2d_data::prepare::{find, or_packed, read};
use a2d_data::vocab::Sizes;
use a2d_report::Quality;
use a2d_run::config::{BeamSearch, DataConfig, Task};
use a2d_score::{Accuracy, Bleu, MacroF1, Metric, MetricOptions};
use a2d_system::error::Result;
use a2d_system::files::{make_folder_of, write_whole};
use a2d_system::text::Reader;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What the models are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Translations of a test set's sources.
    Translations,
    /// Labels of a test set's texts.
    Labels,
}

impl Goal {
    /// The goal of models with a task; `None`: a study has no such models.
    pub fn of(task: Task) -> Option<Self> {
        match task {
            Task::Translate => Some(Self::Translations),
            Task::Classify => Some(Self::Labels),
            Task::Embed => None,
        }
    }

    /// The task of the models.
    pub fn task(self) -> Task {
        match self {
            Self::Translations => Task::Translate,
            Self::Labels => Task::Classify,
        }
    }

    /// What models make of test sets, for people.
    pub fn readings(self) -> &'static str {
        match self {
            Self::Translations => "translations of test sets",
            Self::Labels => "labels of test sets",
        }
    }

    /// The names of the metrics; the first two are the usual ones.
    pub fn metric_names(self) -> &'static [&'static str] {
        match self {
            Self::Translations => &["bleu", "chrf", "chrf++", "ter"],
            Self::Labels => &["accuracy", "macro_f1"],
        }
    }

    /// The metrics with these names, of a data set with these labels.
    ///
    /// # Errors
    ///
    /// Misuse: an unknown name.
    pub fn metrics(
        self,
        names: &[String],
        data: &DataConfig,
        labels: &[String],
    ) -> Result<Vec<Box<dyn Metric>>> {
        let of_labels = |name: &String| -> Box<dyn Metric> {
            if name == "macro_f1" { Box::new(MacroF1::new(labels)) } else { Box::new(Accuracy) }
        };
        match self {
            Self::Translations => {
                let bleu = Bleu { tokenizer: data.tokenizer(), ..Bleu::default() };
                MetricOptions { bleu, ..MetricOptions::default() }.metrics(names)
            }
            Self::Labels => Ok(names.iter().map(of_labels).collect()),
        }
    }

    /// What validations are compared by. More is better.
    pub fn quality(self) -> Quality {
        match self {
            Self::Translations => Quality::BLEU,
            Self::Labels => Quality::ACCURACY,
        }
    }

    /// The sizes of a vocabulary of so many subwords before it is learned.
    pub fn sizes(self, subwords: usize, labels: &[String]) -> Sizes {
        match self {
            Self::Translations => Sizes::joint(subwords),
            Self::Labels => Sizes { source: subwords, target: labels.len() },
        }
    }

    /// Source and reference of a test set that the file calls `name`, with the keys of its data; `None`: these lack a language.
    pub fn files(self, name: &str, data: &Table) -> Option<[PathBuf; 2]> {
        match self {
            Self::Translations => {
                let language = |key| data.get(key).and_then(Value::as_str);
                let both = language("source_lang").zip(language("target_lang"));
                both.map(|(source, target)| [find(name, source), find(name, target)])
            }
            Self::Labels => {
                let file = or_packed(PathBuf::from(name));
                Some([file.clone(), file])
            }
        }
    }

    /// What is wrong with a test set of data with these labels.
    ///
    /// # Errors
    ///
    /// Misuse: a file cannot be read, or a line has no label.
    pub fn fault(self, test: &Test, labels: &[String]) -> Result<Option<String>> {
        let (source, reference) = (test.source.display(), test.reference.display());
        match self {
            Self::Translations => {
                let lines = |path| Reader::open(path)?.count();
                let (own, other) = (lines(&test.source)?, lines(&test.reference)?);
                let text = || format!("{source} has {own} lines, {reference} {other}");
                Ok((own != other || own == 0).then(text))
            }
            Self::Labels => {
                let [_, found] = read(Task::Classify, &test.source)?;
                let mut numbered = found.iter().zip(1..);
                let foreign = numbered.find(|(name, _)| !labels.contains(name));
                let text = |(name, line)| {
                    format!("{source}:{line}: the label {name:?} is not in the training text")
                };
                let empty = found.is_empty().then(|| format!("names {source}, which has no text"));
                Ok(foreign.map(text).or(empty))
            }
        }
    }

    /// The command that reads a test set.
    pub fn command(self) -> &'static str {
        match self {
            Self::Translations => "translate",
            Self::Labels => "predict",
        }
    }

    /// What the command reads: the source, or its texts, which are written to `texts`.
    ///
    /// # Errors
    ///
    /// The source cannot be read, or its texts cannot be written.
    pub fn input(self, test: &Test, texts: PathBuf) -> Result<PathBuf> {
        if self == Self::Translations {
            return Ok(test.source.clone());
        }
        let [lines, _] = read(Task::Classify, &test.source)?;
        make_folder_of(&texts)?;
        write_whole(&texts, |out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))?;
        Ok(texts)
    }

    /// The options of the command.
    pub fn options(self, search: &BeamSearch) -> Vec<OsString> {
        if self == Self::Labels {
            return Vec::new();
        }
        let options = [
            ("--beam", search.beam.to_string()),
            ("--length-penalty", search.length_penalty.to_string()),
            ("--max-length-a", search.max_length_a.to_string()),
            ("--max-length-b", search.max_length_b.to_string()),
        ];
        let options = options.into_iter().flat_map(|(name, value)| [name.into(), value.into()]);
        options.chain(["--resume".into()]).collect()
    }
}

/// The labels of the texts of a file, sorted.
///
/// # Errors
///
/// Misuse: the file cannot be read, or a line has no label.
pub fn labels_of(path: &Path) -> Result<Vec<String>> {
    let [_, mut labels] = read(Task::Classify, path)?;
    labels.sort_unstable();
    labels.dedup();
    Ok(labels)
}
