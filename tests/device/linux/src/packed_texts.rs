//! The texts, with packed weights and the vector instructions of the processor.

use a2d_core::micro::Model;
use a2d_demo::{FEW, Summary, record};
use a2d_device_data::{IMAGE, LAYERS, LIMITS, SENTENCES};
use a2d_packed::{Classifier, Isa, Weights};

/// Classifies the texts with an instruction set.
///
/// # Errors
///
/// The processor does not have it, the image is rejected, or a text cannot be classified.
pub fn run(isa: &str) -> Result<Summary, String> {
    let isa: Isa = isa.parse().map_err(|error| format!("{isa}: {error}"))?;
    let model = Model::<LAYERS>::new(IMAGE).map_err(|error| error.to_string())?;
    let weights = Weights::new(&model, isa).map_err(|error| error.to_string())?;
    let classifier =
        Classifier::new(&model, &weights, LIMITS).map_err(|error| error.to_string())?;
    let (mut classifier, mut summary) = (classifier.cutting(), Summary::default());
    for text in SENTENCES {
        let mut probabilities = vec![0.0; model.config().target_vocabulary];
        let label = classifier.classify(text, &mut probabilities);
        let label = label.map_err(|error| format!("{text}: {error}"))?;
        record(label.number, &probabilities, &mut summary);
        if summary.sentences <= FEW {
            summary.first = summary.all;
        }
    }
    Ok(summary)
}
