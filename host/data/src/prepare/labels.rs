//! The labels of the texts of a classification.

use super::PrepareRequest;
use super::pairs::SplitText;
use super::survey::Survey;
use crate::task::Task;
use crate::vocab::{Labels, Vocab};
use a2d_system::error::{Error, Result};
use a2d_system::text::refused;
use std::collections::HashSet;

/// The labels of the texts of a request: those of a vocabulary that is `given`, or those of the training text, sorted.
/// Empty for texts to embed; `None` for translations, and where the vocabulary has them.
///
/// # Errors
///
/// Misuse: the training text has one label only, or a text has a label that is not among them; the vocabulary is of texts,
/// and the data are translations.
pub(super) fn of(
    request: &PrepareRequest,
    given: Option<&Vocab>,
    texts: &[SplitText],
    surveys: &[Survey],
) -> Result<Option<Vec<String>>> {
    let own = given.and_then(Vocab::labels).map(Labels::names);
    match (request.task, own) {
        (Task::Translate, None) | (Task::Embed, Some([])) => Ok(None),
        (Task::Translate, Some(_)) => {
            Err(Error::misuse("the vocabulary is of texts: it has no target language"))
        }
        (Task::Embed, _) => Ok(Some(Vec::new())),
        (Task::Classify, Some(names @ [_, ..])) => {
            several(&texts[0], &surveys[0])?;
            check(texts, surveys, names, "the vocabulary").map(|()| None)
        }
        (Task::Classify, _) => {
            let names = several(&texts[0], &surveys[0])?;
            check(texts, surveys, &names, "the training text").map(|()| Some(names))
        }
    }
}

/// The vocabulary with these labels, if any are to be added.
///
/// # Errors
///
/// As [`Vocab::with_labels`].
pub(super) fn onto(vocab: Vocab, labels: Option<Vec<String>>) -> Result<Vocab> {
    match labels {
        Some(labels) => vocab.with_labels(labels),
        None => Ok(vocab),
    }
}

/// The labels of the training text, of which there must be two.
fn several(train: &SplitText, survey: &Survey) -> Result<Vec<String>> {
    let names: Vec<String> = survey.labels.keys().map(|name| (**name).to_owned()).collect();
    let only = match &names[..] {
        [] => "no label".to_owned(),
        [name] => format!("one label only, {name:?}"),
        _ => return Ok(names),
    };
    let path = train.path(0).display();
    Err(Error::misuse(format!("{path} has {only}: a classification needs two or more")))
}

/// Checks that all labels of all texts are among `names`, those of `whose`.
fn check(texts: &[SplitText], surveys: &[Survey], names: &[String], whose: &str) -> Result<()> {
    let known: HashSet<&str> = names.iter().map(String::as_str).collect();
    for (text, survey) in texts.iter().zip(surveys) {
        let foreign = survey.labels.iter().filter(|(name, _)| !known.contains(&***name));
        if let Some((name, line)) = foreign.min_by_key(|(_, line)| **line) {
            let why = format!("the label {name:?} is not in {whose}");
            return Err(refused(text.path(0), line + 1, &why));
        }
    }
    Ok(())
}
