//! The page around its data.

use serde_json::Value;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// The script, in parts: it is one to the browser.
const SCRIPTS: [&str; 3] =
    [include_str!("draw.js"), include_str!("learned.js"), include_str!("page.js")];

/// A whole page of `data`.
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
    // In one pass: what is put in holds no marks, whatever it looks like.
    let (mut page, mut rest) = (String::new(), PAGE);
    for (mark, part) in parts {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        page.extend([before, part]);
        rest = after;
    }
    page + rest
}

/// Text as HTML.
fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// JSON that no browser takes for the end of the script that it stands in.
fn script_json(data: &Value) -> String {
    // In JSON these occur within strings only.
    data.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
