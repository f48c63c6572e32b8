//! A preparation in a few lines, for a command that does more than prepare.

use super::report::{Report, Split};
use super::{FINDINGS, PrepareRequest};
use a2d_system::output::thousands;

impl Report {
    /// Lines that say how much text there is, how much of it has flaws, and which file has the findings. Warnings
    /// follow.
    pub fn summary(&self, request: &PrepareRequest) -> Vec<String> {
        let findings = request.out.join(FINDINGS);
        let mut lines = vec![
            format!("data: {}", self.sizes()),
            format!("data: {}; all findings: {}", self.flaws(request), findings.display()),
        ];
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines
    }

    fn sizes(&self) -> String {
        let of = |Split { name, kept, lines, .. }: &Split| match kept == lines {
            true => format!("{} {name}", thousands(*kept)),
            false => format!("{} of {} {name}", thousands(*kept), thousands(*lines)),
        };
        let sizes = self.splits.iter().map(of).collect::<Vec<_>>().join(", ");
        let tokens = thousands(self.vocabulary.size);
        let protected = match self.vocabulary.symbols {
            0 => String::new(),
            symbols => format!(", {symbols} of them protected texts"),
        };
        let items = self.task.items();
        let labels = match self.labels.len() {
            0 => String::new(),
            labels => format!(" of {} labels", thousands(labels)),
        };
        format!("{sizes} {items}{labels}, a vocabulary of {tokens} tokens{protected}")
    }

    /// How many pairs have flaws, and the most frequent one.
    fn flaws(&self, request: &PrepareRequest) -> String {
        let items = self.task.items();
        let left_out = |split: &Split| split.lines - split.kept;
        // Pairs that are cleaned out are not counted as flawed.
        let cleaned = |split: &Split| if request.cleans(&split.name) { left_out(split) } else { 0 };
        let flawed: usize = self.splits.iter().map(|split| split.flawed + cleaned(split)).sum();
        let out: usize = self.splits.iter().map(left_out).sum();
        let most = self.splits.iter().flat_map(|split| {
            let flaws = split.findings.iter().filter(|finding| finding.check.is_flaw(self.task));
            flaws.map(move |finding| (split, finding))
        });
        match most.max_by_key(|(_, finding)| finding.count).filter(|_| flawed > 0) {
            None => format!("no {} has a flaw", items.trim_end_matches('s')),
            Some((split, finding)) => format!(
                "{} {items} have flaws, {} of them left out, most often in {}: {} ({})",
                thousands(flawed),
                thousands(out),
                split.name,
                split.says(finding.check, request),
                thousands(finding.count),
            ),
        }
    }
}
