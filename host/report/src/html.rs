//! The HTML page around its data.

use serde_json::Value;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// The parts of the script, which the page joins.
const SCRIPTS: [&str; 3] =
    [include_str!("draw.js"), include_str!("learned.js"), include_str!("page.js")];

/// The complete page for `data`.
pub fn page(title: &str, data: &Value) -> String {
    let (title, data) = (text(title), script_json(data));
    let [draw, learned, sections] = SCRIPTS;
    let parts = [
        ("{title}", &*title),
        ("{style}", STYLE),
        ("{data}", &data),
        ("{draw}", draw),
        ("{learned}", learned),
        ("{page}", sections),
    ];
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
