//! Finds the labels of its arguments, in the memory that firmware would have.
//!
//!     cargo run -p a2d-core --features text --example classify -- "play some jazz"

mod intents;

use a2d_core::micro::{Arena, Classifier, Error, Model};
use std::env;

fn main() -> Result<(), Error> {
    let model = Model::<{ intents::LAYERS }>::new(intents::IMAGE)?;
    let mut arena = Arena::<{ intents::ARENA_BYTES }>::new();
    let mut classifier = Classifier::new(&model, &mut arena, intents::LIMITS)?.cutting();
    let mut probabilities = [0.0; intents::OUTPUTS];
    for text in env::args().skip(1) {
        let label = classifier.classify(&text, &mut probabilities)?;
        println!("{}\t{:.3}", label.name, label.probability);
    }
    Ok(())
}
