//! CKD's attention term without the queries of padding, which the file counts.

use std::collections::BTreeMap;

use super::Case;
use super::terms::KINDS;
use crate::helpers::compare::Array;

/// The variant of the file: sums over layers and queries of means over heads.
pub const VARIANT: &str = "attn";

fn input(kind: &str) -> String {
    format!("student.{kind}.scores")
}

/// 1 for each real query `[B, queries]`.
fn mask<'a>(case: Case<'a>, kind: &str) -> &'a [f64] {
    &case.input(if kind == "enc_self" { "src_mask" } else { "tgt_mask" }).data
}

/// The gradient `[layers, B, H, queries, keys]` of the mean over layers and real queries.
pub fn gradient(case: Case<'_>, kind: &str) -> Array {
    let mut gradient = case.gradient(VARIANT, &input(kind));
    let [layers, sentences, heads, queries, keys] = gradient.shape[..] else {
        panic!("{kind}: scores have five dimensions")
    };
    let mask = mask(case, kind);
    let count = layers as f64 * mask.iter().sum::<f64>();
    for (row, of) in gradient.data.chunks_mut(keys).enumerate() {
        let sentence = row / (queries * heads) % sentences;
        let real = mask[sentence * queries + row % queries];
        of.iter_mut().for_each(|x| *x *= real / count);
    }
    gradient
}

/// The values of all kinds and their sum: sums of squares, which follow from their gradients.
pub fn values(case: Case<'_>) -> BTreeMap<&'static str, f64> {
    let value = |gradient: &Array, count: f64| {
        let squares = gradient.data.iter().map(|x| x * x).sum::<f64>();
        0.25 * case.number("Hs") as f64 * count * squares
    };
    let mut values = BTreeMap::new();
    for kind in KINDS {
        let (whole, wanted) = (case.gradient(VARIANT, &input(kind)), case.values(VARIANT)[kind]);
        let found = value(&whole, 1.0);
        assert!((found / wanted - 1.0).abs() < 1e-9, "{kind}: {found}, not {wanted}");
        let count = whole.shape[0] as f64 * mask(case, kind).iter().sum::<f64>();
        values.insert(kind, value(&gradient(case, kind), count));
    }
    values.insert("loss", values.values().sum());
    values
}
