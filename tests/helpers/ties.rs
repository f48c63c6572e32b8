//! What is known to differ from SentencePiece.

/// Whether a golden line of a model has another order of equal pieces here: in 80 dots, which are cut into 26 `...` and 2
/// `.`, the places of the single ones. All cuts have the same sum of scores, and SentencePiece 0.2.3 breaks the tie by a
/// rounding that is not known.
pub fn is_cut_otherwise(model: &str, line: &str) -> bool {
    model == "uni_bytes" && line == ".".repeat(80)
}
