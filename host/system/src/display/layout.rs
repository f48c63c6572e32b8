//! The layout of a progress line. What matters most comes first: a narrow terminal cuts the loss terms, not the ETA.

/// Widest bar, in columns ...
const WIDEST_BAR: usize = 12;
/// ... and narrowest one. With less room there is no bar.
const NARROWEST_BAR: usize = 6;
const GAP: &str = "  ";

/// A progress line. A field is shown whole or not at all.
#[derive(Debug)]
pub(super) struct Line {
    pub label: String,
    /// How much is done.
    pub position: String,
    /// The part that is done, for the bar; `None` if the whole is unknown.
    pub share: Option<f64>,
    /// The fields that the bar makes room for.
    pub first: Vec<String>,
    /// The fields that make room for the bar.
    pub rest: Vec<String>,
}

impl Line {
    /// The line of a log: all fields, no bar.
    pub fn whole(&self) -> String {
        let fields = self.first.iter().chain(&self.rest).map(|field| format!("{GAP}{field}"));
        format!("{} {}{}", self.label, self.position, fields.collect::<String>())
    }

    /// The line of a terminal with `width` columns. The bar takes at most a tenth of it.
    pub fn fitted(&self, width: usize) -> String {
        let mut line = format!("{} {}", self.label, self.position);
        let all_first = self.first.iter().try_for_each(|field| append(&mut line, field, width));
        let spare = width.saturating_sub(columns(&line) + 1).min(WIDEST_BAR).min(width / 10);
        if let Some(share) = self.share.filter(|_| spare >= NARROWEST_BAR) {
            line.insert_str(self.label.len(), &format!(" {}", bar(share, spare)));
        }
        all_first.and_then(|()| self.rest.iter().try_for_each(|f| append(&mut line, f, width)));
        line
    }
}

/// Appends a field that fits `width`; `None` if it does not.
fn append(line: &mut String, field: &str, width: usize) -> Option<()> {
    let fits = columns(line) + GAP.len() + columns(field) <= width;
    fits.then(|| line.extend([GAP, field]))
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A bar of `width` columns.
fn bar(share: f64, width: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * width as f64) as usize;
    "█".repeat(full) + &"░".repeat(width - full)
}
