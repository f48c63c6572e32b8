//! The page of a study.

use crate::grid::{Grid, Model};
use a2d_report::{History, html};
use a2d_system::error::Result;
use a2d_system::program;
use serde_json::{Value, json};

const SECTIONS: &str = include_str!("study.js");

/// The page of the results `study`: the grid, learning curves, quality against size.
///
/// # Errors
///
/// Misuse: a log cannot be read.
pub fn page(grid: &Grid<'_>, study: &Value) -> Result<String> {
    let curve = |model: Model| {
        let history = History::read(&grid.run(model).log())?.unwrap_or_default();
        Ok(
            json!({"run": grid.layout.name(grid.study, model), "log": history.json()["validations"]}),
        )
    };
    let curves = grid.scored().into_iter().map(curve).collect::<Result<Vec<_>>>()?;
    let data = json!({
        "program": format!("{} {}", program::name(), env!("CARGO_PKG_VERSION")),
        "runs": [],
        "study": study,
        "curves": curves,
    });
    let title = study["study"].as_str().unwrap_or("study");
    Ok(html::page_of(title, &data, &[html::DRAW, SECTIONS]))
}
