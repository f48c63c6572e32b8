//! Sums that are computed where they are read: gradients that products round, and what these are added to.

use crate::context::Context;
use crate::tensor::{Tensor, Terms};

/// The most rounded terms: each is an argument of the kernels that read the sum.
const MOST: usize = 8;

/// `sum + part`, where `part` is held rounded.
pub(crate) fn plus(context: &Context, sum: Option<Tensor>, part: Tensor) -> Tensor {
    let Some(sum) = sum else { return part };
    let mut terms = match sum.terms() {
        Some(terms) if !sum.is_held_full() && terms.rounded.len() < MOST => terms.clone(),
        None if sum.is_held_rounded() => Terms { full: None, rounded: vec![sum] },
        Some(_) => {
            // Its terms are needed no more.
            let full = Tensor::of(context.full(&sum), sum.shape);
            Terms { full: Some(full), rounded: Vec::new() }
        }
        None => Terms { full: Some(sum), rounded: Vec::new() },
    };
    terms.rounded.push(part);
    Tensor::sum_of(terms)
}
