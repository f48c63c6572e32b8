//! Reading a folder.

use super::folder::Folder;
use super::text::Text;
use super::weights::{Orders, Weights};
use a2d_data::vocab::Sizes;
use a2d_run::model::{Plan, core_config};
use a2d_system::error::Result;
use std::path::Path;

/// Reads the BERT model in `folder`, which may be one of sentence-transformers.
///
/// # Errors
///
/// Misuse: a file is missing or damaged, the model is of another kind, or its files contradict each other.
pub fn import(folder: &Path) -> Result<Text> {
    let folder = Folder::read(folder)?;
    let mut weights = Weights::open(&folder.encoder, &folder.config.keys)?;
    let head = folder.head(weights.has_pooler())?;
    let model = folder.model(&head);
    let orders = Orders { tokens: folder.words.rows(), labels: sorted(&head.labels) };
    let sizes = Sizes { source: orders.tokens.len(), target: head.labels.len().max(1) };
    let plan = Plan::new(&core_config(&model, head.task, sizes), None);
    let plan = plan.map_err(|e| folder.config.error(&format!("is not usable: {e}")))?;
    let parameters = weights.parameters(&plan, &orders)?;
    let pretraining = weights.finish()?;
    let pretraining = pretraining.then(|| "the heads of pretraining (`cls.`) are left out".into());
    Ok(Text {
        task: head.task,
        model,
        parameters,
        words: folder.words.keep(&orders.tokens),
        labels: orders.labels.iter().map(|number| head.labels[*number].clone()).collect(),
        untrimmed: None,
        notes: folder.notes().into_iter().chain(pretraining).collect(),
    })
}

/// The numbers of the labels, sorted by name as prepared data has them.
fn sorted(labels: &[String]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|number| &labels[*number]);
    order
}
