//! The report as text.

use super::PrepareRequest;
use super::check::Check;
use super::report::{Finding, Normalized, Report, Sample, Split, Vocabulary, excerpt};
use crate::task::Task;
use a2d_system::text::Line;
use std::cmp::Reverse;
use std::io::Write;

/// Labels in the report.
const LABELS: usize = 20;

impl Report {
    /// Prints the report as text.
    ///
    /// # Errors
    ///
    /// `out` cannot be written.
    pub(super) fn tell(
        &self,
        request: &PrepareRequest,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let Vocabulary { size, byte_fallback, normalization, symbols, fingerprint, every } =
            &self.vocabulary;
        let bytes = if *byte_fallback { ", byte fallback" } else { "" };
        let form = format!(", normalization {normalization}");
        writeln!(out, "vocabulary: {size} tokens{bytes}{form}, fingerprint {fingerprint}")?;
        match symbols {
            0 if !request.protect.is_empty() => {
                writeln!(out, "  no protected text occurs twice in the training text")?
            }
            0 => {}
            _ => writeln!(out, "  {symbols} of them protected texts, kept whole")?,
        }
        if *every == 0 {
            writeln!(out, "  as it was given")?;
        } else if *every > 1 {
            let items = self.task.items();
            writeln!(out, "  learnt from one in {every} {items}: the text is large")?;
        }
        if *every > 0 && *size < request.vocab_size {
            let asked = request.vocab_size;
            writeln!(out, "  fewer than the {asked} asked for: the text has no more")?;
        }
        self.tell_labels(out)?;
        self.warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"))?;
        self.splits.iter().try_for_each(|split| split.tell(request, out))
    }

    /// Prints the numbers of texts of the most frequent labels of the training text, a column each split.
    fn tell_labels(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        let Some(train) = self.splits.first().filter(|_| !order.is_empty()) else { return Ok(()) };
        order.sort_by_key(|&label| Reverse(train.labels[label]));
        let names: Vec<_> = self.splits.iter().map(|split| format!("{:>9}", split.name)).collect();
        let says = format!("{} labels, with so many texts", order.len());
        writeln!(out, "{says:<46} {}", names.join(" "))?;
        for &label in order.iter().take(LABELS) {
            let counts = self.splits.iter().map(|split| format!("{:>9}", split.labels[label]));
            let counts = counts.collect::<Vec<_>>().join(" ");
            writeln!(out, "  {:<44} {counts}", excerpt(Line::Text(&self.labels[label])))?;
        }
        let rest = order.get(LABELS..).unwrap_or_default();
        let ends = [rest.first(), rest.last()].map(|label| label.map(|&label| train.labels[label]));
        let [Some(most), Some(least)] = ends else { return Ok(()) };
        writeln!(out, "  and {} more, with {most} to {least} training texts each", rest.len())
    }
}

impl Split {
    fn sizes(&self, task: Task) -> String {
        let mean = |tokens: usize| tokens as f64 / self.kept.max(1) as f64;
        let (source, target) = (mean(self.source_tokens), mean(self.target_tokens));
        match task {
            Task::Translate => format!("{source:.1} source and {target:.1} target tokens each"),
            _ => format!("{source:.1} tokens each, the longest {}", self.longest),
        }
    }

    fn tell(&self, request: &PrepareRequest, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { name, kept, lines, .. } = self;
        let (items, sizes) = (request.task.items(), self.sizes(request.task));
        writeln!(out, "{name}: {kept} of {lines} {items}, {sizes}")?;
        let found = self.findings.iter().filter(|finding| finding.count > 0);
        for Finding { check, count, share, left_out, samples } in found {
            let says = self.says(*check, request);
            let done = match name.as_str() {
                _ if !left_out => "",
                "train" => "  left out",
                // Scoring translates the whole text.
                _ => "  out of the loss, but scored",
            };
            writeln!(out, "  {says:<44} {count:>9} {:>7.3} %{done}", 100.0 * share)?;
            for Sample { line, source, target } in samples {
                match request.task {
                    Task::Embed => writeln!(out, "    {line:>9}: {source}")?,
                    _ => writeln!(out, "    {line:>9}: {source} | {target}")?,
                }
            }
        }
        let Normalized { spaces, invisible, composition } = self.normalized;
        let changes = [
            ("lines with other spaces, normalised", spaces),
            ("lines with invisible characters, dropped", invisible),
            ("lines with characters in another form", composition),
        ];
        for (says, count) in changes.into_iter().filter(|(_, count)| *count > 0) {
            let of = lines * request.task.texts();
            let percent = 100.0 * count as f64 / of as f64;
            writeln!(out, "  {says:<44} {count:>9} {percent:>7.3} %")?;
        }
        if self.unknown > 0 {
            let says = "characters outside the vocabulary";
            writeln!(out, "  {says:<44} {:>9}", self.unknown)?;
        }
        Ok(())
    }
}

impl Split {
    /// The description of a check in the text report.
    pub(super) fn says(&self, check: Check, request: &PrepareRequest) -> String {
        match request.task {
            Task::Translate => self.says_of_pairs(check, request.max_length),
            Task::Classify | Task::Embed => self.says_of_texts(check, request.max_length),
        }
    }

    fn says_of_texts(&self, check: Check, max_length: usize) -> String {
        match check {
            Check::Empty => "empty, and kept".into(),
            Check::TooLong => format!("longer than {max_length} tokens, and cut"),
            Check::Duplicate => "same as an earlier line".into(),
            Check::Overlap => match self.name.as_str() {
                "train" => "in the validation or test text, too".into(),
                "valid" => "in the training text, too".into(),
                _ => "in the training or validation text, too".into(),
            },
            Check::Script => "in another script".into(),
            Check::NearDuplicate => "almost the same as an earlier line".into(),
            Check::Ambiguous => "text of an earlier line, another label".into(),
            _ => self.says_of_pairs(check, max_length),
        }
    }

    fn says_of_pairs(&self, check: Check, max_length: usize) -> String {
        match check {
            Check::Unreadable => "not UTF-8, or over 1 MiB".into(),
            Check::Empty => "a side is empty".into(),
            Check::TooLong => format!("longer than {max_length} tokens"),
            Check::Unbalanced => "sides of very different length".into(),
            Check::Identical => "source and target are the same".into(),
            Check::Duplicate => "same as an earlier pair".into(),
            Check::Overlap => match self.name.as_str() {
                "train" => "a side is in the validation or test text".into(),
                "valid" => "a side is in the training text".into(),
                _ => "a side is in the training or validation text".into(),
            },
            Check::Encoding => "signs of a wrong encoding".into(),
            Check::Script => "a side in another script".into(),
            Check::NearDuplicate => "almost the same as an earlier pair".into(),
            Check::Ambiguous => "source of an earlier pair, another target".into(),
        }
    }
}
