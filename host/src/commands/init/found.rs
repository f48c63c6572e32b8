//! What `a2d init` prints.

use super::minutes::Minutes;
use crate::backend::device::Device;
use crate::bench::estimate::Times;
use crate::data::prepare::Outline;
use crate::run::proposal::Proposal;
use crate::system::output::thousands;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;

/// What was found, chosen and measured.
pub(super) struct Found {
    pub corpus: Outline,
    pub proposal: Proposal,
    /// Parameters of the teacher and the student.
    pub sizes: [usize; 2],
    /// Measured times of the teacher and the student.
    pub times: [Times; 2],
    pub minutes: Minutes,
    pub device: Device,
    pub threads: usize,
}

/// Above this an estimate is followed by advice.
const LONG: f64 = 24.0 * 60.0;

impl Found {
    /// Prints it for people, and `end`.
    pub fn tell(&self, end: &str, out: &mut dyn Write) -> std::io::Result<()> {
        self.tell_corpus(out)?;
        self.tell_choices(out)?;
        self.tell_time(out)?;
        out.write_all(end.as_bytes())
    }

    fn tell_corpus(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Outline { pairs, words, characters, alphabet, tokens, .. } = &self.corpus;
        let [train, valid, test] = [pairs.train, pairs.valid, pairs.test].map(thousands);
        writeln!(out, "pairs: train {train}, valid {valid}, test {test}")?;
        let mean = |[source, target]: &[f64; 2]| format!("{source:.1} and {target:.1}");
        let (words, letters, tokens) = (mean(words), mean(characters), mean(tokens));
        writeln!(
            out,
            "a line, source and target: {words} words, {letters} characters, {tokens} tokens"
        )?;
        writeln!(out, "{} different characters", thousands(*alphabet))?;
        let (repeated, overlap) = (thousands(pairs.repeated), thousands(pairs.overlap));
        if pairs.repeated + pairs.overlap > 0 && !self.proposal.run.data.clean {
            let how = "--clean excludes them from training";
            writeln!(
                out,
                "duplicate pairs: {repeated}; with a sentence of valid or test: {overlap} ({how})"
            )?;
        }
        Ok(())
    }

    fn tell_choices(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let run = &self.proposal.run;
        let models = [("teacher", &run.teacher.model), ("student", &run.model)];
        for ((name, model), size) in models.into_iter().zip(self.sizes) {
            let (width, layers, dropout) = (model.d_model, model.encoder_layers, model.dropout);
            let millions = size as f64 / 1e6;
            let layers = format!("{layers} + {layers} layers");
            writeln!(
                out,
                "{name}: {millions:.1} million parameters, {layers} of width {width}, dropout {dropout}"
            )?;
        }
        let train = &run.train;
        let (size, epochs) = (thousands(run.data.vocab_size), train.max_epoch);
        let updates = thousands(epochs * self.proposal.updates_per_epoch);
        let warmup = thousands(train.warmup_updates as usize);
        writeln!(
            out,
            "{size} subwords; {epochs} epochs, {updates} updates, {warmup} of them warm-up"
        )
    }

    fn tell_time(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Minutes { teacher, student, translation } = self.minutes;
        let all = duration(teacher + student + translation);
        let [teacher_time, student_time, translation] =
            [teacher, student, translation].map(duration);
        writeln!(
            out,
            "time at most: {all} (teacher {teacher_time}, student {student_time}, translation {translation})"
        )?;
        let [teacher_step, student_step] = self.times.map(|times| times.step);
        let part = if self.extrapolated() { ", extrapolated from smaller batches" } else { "" };
        let place = match self.device {
            Device::Cpu => format!("cpu, {} threads", self.threads),
            device => device.to_string(),
        };
        writeln!(
            out,
            "measured on this machine ({place}): an update takes {} (teacher) and {} (student){part}",
            seconds(teacher_step),
            seconds(student_step)
        )?;
        if teacher + student > LONG {
            writeln!(out, "for less: a GPU, fewer pairs, or `--set train.max_update=N`")?;
        }
        Ok(())
    }

    /// Whether smaller batches were measured than the configuration's.
    fn extrapolated(&self) -> bool {
        self.times.iter().any(|times| times.extrapolated)
    }

    /// As JSON.
    pub fn json(&self, file: &Path, next: &str) -> Value {
        let choices = self.proposal.choices().into_iter();
        let choices: Map<_, _> = choices.map(|(key, value)| (key, json!(value))).collect();
        let reasons = self.proposal.reasons.iter();
        let reasons: Map<_, _> =
            reasons.map(|(key, text)| ((*key).to_owned(), json!(text))).collect();
        let Minutes { teacher, student, translation } = self.minutes;
        let [teacher_times, student_times] = self.times;
        json!({
            "config": file.display().to_string(),
            "survey": self.corpus,
            "choices": choices,
            "reasons": reasons,
            "parameters": {"teacher": self.sizes[0], "student": self.sizes[1]},
            "updates_per_epoch": self.proposal.updates_per_epoch,
            "estimate": {
                "device": self.device.to_string(),
                "threads": self.threads,
                "minutes": {"teacher": teacher, "student": student, "translation": translation},
                "seconds_per_update": {"teacher": teacher_times.step, "student": student_times.step},
                "seconds_per_sentence": {"teacher": teacher_times.sentence, "student": student_times.sentence},
                "extrapolated": self.extrapolated(),
            },
            "next": next,
        })
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", 1e3 * seconds) } else { format!("{seconds:.1} s") }
}

/// A time in minutes, in the unit that suits it.
fn duration(minutes: f64) -> String {
    match minutes {
        m if m < 1.0 => "under 1 minute".to_owned(),
        m if m < 120.0 => format!("{m:.0} minutes"),
        m if m < 48.0 * 60.0 => format!("{:.0} hours", m / 60.0),
        m => format!("{} days", thousands((m / 1440.0).round() as usize)),
    }
}
