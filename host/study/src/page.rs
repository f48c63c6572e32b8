//! The page of a study.

use a2d_report::{Quality, html};
use a2d_system::program;
use serde_json::{Value, json};

const SECTIONS: &str = include_str!("study.js");

/// The page of the results `study`: the grid, learning curves of `quality`, quality against size.
pub fn page(study: &Value, curves: &[Value], quality: Quality) -> String {
    let data = json!({
        "program": format!("{} {}", program::name(), env!("CARGO_PKG_VERSION")),
        "study": study,
        "curves": curves,
        "quality": {"key": quality.key, "title": quality.title},
    });
    let title = study["study"].as_str().unwrap_or("study");
    html::page_of(title, &data, &[html::DRAW, SECTIONS])
}
