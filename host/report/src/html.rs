//! The HTML page around its data.

use serde_json::Value;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// The script of elements, number formats, charts and heat maps, which other scripts build on.
pub const DRAW: &str = include_str!("draw.js");
/// The parts of the script of runs, which the page joins.
const RUNS: [&str; 4] =
    [DRAW, include_str!("learned.js"), include_str!("texts.js"), include_str!("page.js")];

/// The complete page of runs for `data`.
pub fn page(title: &str, data: &Value) -> String {
    page_of(title, data, &RUNS)
}

/// The complete page for `data`, drawn by `scripts`: [`DRAW`], and what builds on it.
pub fn page_of(title: &str, data: &Value, scripts: &[&str]) -> String {
    let (title, data, script) = (text(title), script_json(data), scripts.join("\n"));
    let parts =
        [("{title}", &*title), ("{style}", STYLE), ("{data}", &data), ("{script}", &script)];
    // In one pass, so that marks inside inserted text are not replaced.
    let (mut page, mut rest) = (String::new(), PAGE);
    for (mark, part) in parts {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        page.extend([before, part]);
        rest = after;
    }
    page + rest
}

/// Escapes text for HTML.
fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// JSON that cannot end the script element that contains it.
fn script_json(data: &Value) -> String {
    // In JSON these characters occur in strings only.
    data.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
