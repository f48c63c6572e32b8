//! The learned alignment of attention heads over the epochs.

use super::jsonl::{LogLine, LogLines, count};
use super::numbers::digits;
use a2d_core::config::Config;
use a2d_run::checkpoint::{Saved, Tensor};
use serde_json::{Map, Value, json};

/// The kinds of attention, with the name of their alignment in a checkpoint.
pub const KINDS: [(&str, &str); 3] = [
    ("encoder", "encoder.alignment_module"),
    ("decoder", "decoder.self_alignment_module"),
    ("cross", "decoder.cross_alignment_module"),
];

/// The most validations shown. Of more, every n-th and the last are shown.
const MOST_FRAMES: usize = 100;

/// The most weights in all frames of a run together.
const MOST_WEIGHTS: usize = 300_000;

/// The weights of one kind in one frame, `[M, C]`: teacher maps by student maps.
type Matrix = Vec<Vec<f64>>;

/// The alignment at one validation.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Completed updates; `None` for weights from a checkpoint.
    pub update: Option<u64>,
    /// The epoch, from 1.
    pub epoch: Option<u64>,
    /// Encoder, decoder and cross, each `[M, C]`; empty where the models have no such attention.
    pub kinds: [Matrix; 3],
}

impl Frame {
    /// Parses a line of `alignment.jsonl`; `None` if it is no alignment.
    fn of(line: &LogLine) -> Option<Self> {
        let mut kinds = KINDS.map(|_| Vec::new());
        for ((name, _), kind) in KINDS.iter().zip(&mut kinds) {
            let Some(found) = line.get(*name) else { continue };
            *kind = serde_json::from_value(found.clone()).ok()?;
            is_matrix(kind).then_some(())?;
        }
        let frame = Self { update: count(line, "update"), epoch: count(line, "epoch"), kinds };
        frame.some()
    }

    /// The alignment in a checkpoint, if any.
    pub fn saved(saved: &Saved) -> Option<Self> {
        let mut kinds = KINDS.map(|_| Vec::new());
        for ((_, name), kind) in KINDS.iter().zip(&mut kinds) {
            let Some(found) = saved.tensors.get(&format!("{name}.weight")) else { continue };
            *kind = rows(found)?;
        }
        Self { update: None, epoch: None, kinds }.some()
    }

    /// The frame, unless it has no weights.
    fn some(self) -> Option<Self> {
        self.kinds.iter().any(|kind| !kind.is_empty()).then_some(self)
    }

    fn shapes(&self) -> [(usize, usize); 3] {
        self.kinds.each_ref().map(|kind| (kind.len(), kind.first().map_or(0, Vec::len)))
    }
}

fn is_matrix(rows: &Matrix) -> bool {
    let width = rows.first().map_or(0, Vec::len);
    width > 0 && rows.iter().all(|row| row.len() == width)
}

/// The rows of a weight `[M, C]`, or `[M, C, 1, 1]` as stored for a convolution.
fn rows((shape, data): &Tensor) -> Option<Matrix> {
    let width = data.len().checked_div(*shape.first()?).filter(|&width| width > 0)?;
    Some(data.chunks(width).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect())
}

/// The frames of `alignment.jsonl`, or else the frame of the checkpoint, with a note in that case.
pub fn frames(log: Option<&LogLines>, saved: Option<Frame>) -> (Vec<Frame>, Option<String>) {
    let found: Vec<_> = log.iter().flat_map(|log| &log.lines).filter_map(Frame::of).collect();
    let Some(last) = found.last().map(Frame::shapes) else {
        let text = "no alignment.jsonl: the alignment is shown as the checkpoint has it, not over the epochs";
        let note = saved.is_some().then_some(text);
        return (saved.into_iter().collect(), note.map(str::to_owned));
    };
    // If two models wrote the file, only the later one counts.
    let found: Vec<_> = found.into_iter().filter(|frame| frame.shapes() == last).collect();
    let weights: usize = last.iter().map(|(rows, cols)| rows * cols).sum();
    let most = (MOST_WEIGHTS / weights.max(1)).clamp(2, MOST_FRAMES);
    let step = found.len().div_ceil(most).max(1);
    let skip = (found.len() - 1) % step;
    (found.into_iter().skip(skip).step_by(step).collect(), None)
}

/// The frames as JSON for the page. `student` and `teacher` give the number of heads per layer.
pub fn json(frames: &[Frame], student: Option<&Config>, teacher: Option<&Config>) -> Value {
    let Some(first) = frames.first() else { return Value::Null };
    let shapes = first.shapes();
    let mut all = Map::new();
    let times = frames.iter().map(|frame| json!({"update": frame.update, "epoch": frame.epoch}));
    all.insert("frames".to_owned(), times.collect());
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        let values = frames.iter().map(|frame| {
            frame.kinds[kind].iter().flatten().map(|&x| digits(x, 3)).collect::<Value>()
        });
        let (rows, cols) = shapes[kind];
        if rows == 0 {
            continue;
        }
        let object = json!({
            "rows": rows,
            "cols": cols,
            "row_heads": heads(teacher, kind, rows),
            "col_heads": heads(student, kind, cols),
            "values": values.collect::<Value>(),
        });
        all.insert((*name).to_owned(), object);
    }
    Value::Object(all)
}

/// The heads per layer, if the model has `maps` attention maps.
fn heads(config: Option<&Config>, kind: usize, maps: usize) -> Option<usize> {
    let config = config?;
    let stack = if kind == 0 { &config.encoder } else { &config.decoder };
    (stack.maps() == maps).then_some(stack.attention_heads)
}
