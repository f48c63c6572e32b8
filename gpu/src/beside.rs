//! Matrices side by side: results of several linear maps of one input, of one product. They are held rounded, as columns of
//! one matrix.

use crate::context::Context;
use crate::kernels::copy::fill_short;
use crate::rounded;
use crate::tensor::{Held, Tensor};
use crate::view::View;
use std::sync::Arc;

/// The columns of `of`, as `count` matrices.
pub(crate) fn split(of: Tensor, count: usize) -> Vec<Tensor> {
    if count == 1 {
        return vec![of];
    }
    let width = of.cols() / count;
    (0..count).map(|number| Tensor::columns(of.clone(), number * width, width)).collect()
}

/// The matrix whose columns `parts` are, in their order and all of them.
pub(crate) fn joined(parts: &[&Tensor]) -> Option<Tensor> {
    if let [whole] = parts {
        return Some((*whole).clone());
    }
    let (whole, _) = columns(parts.first()?)?;
    let mut end = 0;
    for part in parts {
        let (of, first) = columns(part)?;
        if !Arc::ptr_eq(&of.buffer, &whole.buffer) || first != end {
            return None;
        }
        end += part.cols();
    }
    (end == whole.cols()).then(|| whole.clone())
}

/// Uninitialised tensors, held rounded, that lie as keys, values and queries do. None where that leaves columns unused.
pub(crate) fn like(context: &Context, kvq: [&Tensor; 3]) -> Option<[Tensor; 3]> {
    let beside = |parts: &[&Tensor]| {
        joined(parts).map(|of| split(rounded::empty(context, of.shape), parts.len()))
    };
    let (kv, q) = kvq.split_at(2);
    let with_q = |mut all: Vec<Tensor>| {
        all.push(rounded::empty(context, q[0].shape));
        all
    };
    let alone = |x: &&Tensor| columns(x).is_none();
    let all = if kvq.iter().all(alone) {
        // In one row, so that one launch can process them.
        Some(rounded::tensors(context, &kvq.map(|x| x.shape)))
    } else {
        beside(&kvq).or_else(|| beside(kv).filter(|_| q.iter().all(alone)).map(with_q))
    };
    all.map(|all| all.try_into().expect("one for each"))
}

/// Sets all elements to 0.
pub(crate) fn clear(context: &Context, xs: &[&Tensor]) {
    let mut cleared: Vec<&Tensor> = Vec::new();
    for x in xs {
        let of = columns(x).map_or(*x, |(of, _)| of);
        if !cleared.iter().any(|other| Arc::ptr_eq(&other.buffer, &of.buffer)) {
            fill_short(context, &context.short(of), 0.0);
            cleared.push(of);
        }
    }
}

/// Rows that may be apart.
pub(crate) struct Strided {
    pub view: View,
    /// Elements from one row to the next, and before the first element of a row.
    pub width: usize,
    pub first: usize,
}

impl Strided {
    /// The rows of `x` in bf16, where they lie.
    pub fn of(context: &Context, x: &Tensor) -> Self {
        let (of, first) = columns(x).unwrap_or((x, 0));
        Self { view: context.short(of), width: of.cols(), first }
    }

    /// The rows of `x` in bf16, adjacent: a copy where they lie otherwise.
    pub fn adjacent(context: &Context, x: &Tensor) -> Self {
        Self { view: context.short(x), width: x.cols(), first: 0 }
    }
}

/// The matrix that the elements are columns of, and the first of these.
fn columns(x: &Tensor) -> Option<(&Tensor, usize)> {
    match &x.buffer.held {
        Some(Held::Columns(of, first)) => Some((of, *first)),
        _ => None,
    }
}
