//! Range checks of a run's values. Every problem names its key.

use super::layers::Origin;
use super::{
    DataConfig, DistillConfig, Groups, MapInput, Mapping, Method, ModelConfig, Positions,
    RunConfig, SelectBy, StageConfig, Staging, Task, TinyBertConfig, TrainConfig,
};
use a2d_data::vocab::{LARGEST, Patterns};
use a2d_system::error::Error;
use std::collections::BTreeMap;
use std::path::Path;

/// An invalid value and its key.
#[derive(Debug)]
pub(super) struct Problem {
    key: String,
    text: String,
}

type Checked = Result<(), Problem>;

/// The most layers. More are probably a typing error.
const MOST_LAYERS: usize = 32;
/// The largest width. More is probably a typing error.
pub(crate) const WIDEST: usize = 65_536;

impl Problem {
    fn new(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), text: text.into() }
    }

    /// Prefixes the key with `table`.
    fn within(self, table: &str) -> Self {
        Self { key: format!("{table}.{}", self.key), text: self.text }
    }

    /// The error, with the origin of the key, or the file if the value is a default.
    pub(super) fn locate(self, file: &Path, origins: &BTreeMap<String, Origin>) -> Error {
        let place = origins.get(&self.key).map_or(file.display().to_string(), Origin::to_string);
        Error::misuse(format!("{place}: `{}` {}", self.key, self.text))
    }
}

/// Checks every table.
pub(super) fn run(run: &RunConfig) -> Checked {
    of_data(run)?;
    model(&run.model, run.task).map_err(|p| p.within("model"))?;
    train(&run.train).map_err(|p| p.within("train"))?;
    distill(&run.distill).map_err(|p| p.within("distill"))?;
    model(&run.teacher.model, run.task).map_err(|p| p.within("teacher.model"))?;
    train(&run.teacher.train).map_err(|p| p.within("teacher.train"))?;
    let RunConfig { model, distill, .. } = run;
    let drops = model.dropout + model.attention_dropout + model.activation_dropout > 0.0;
    let text = "is \"r-drop\", but all dropouts of `model` are 0: both passes would be the same";
    ensure(drops || !distill.method.has(Method::RDrop), "distill.method", text)?;
    let once = model.init.is_none() || distill.init_from_teacher.is_none();
    ensure(once, "distill.init_from_teacher", "has no meaning with `model.init`: leave one out")?;
    let translates = run.distill.method.needs().translations;
    let text = format!("has \"seq-kd\", which has no meaning with `task = \"{}\"`", run.task);
    ensure(!(translates && run.task.is_of_texts()), "distill.method", text)?;
    let accuracy = run.train.select_by == SelectBy::Accuracy;
    let text = "is \"accuracy\", which only `task = \"classify\"` has";
    ensure(!accuracy || run.task == Task::Classify, "train.select_by", text)?;
    let how = "has a meaning only with `distill.method = \"seq-kd\"`";
    ensure(translates || run.data.monolingual.is_none(), "data.monolingual", how)?;
    ensure(translates || run.distill.translations.is_none(), "distill.translations", how)?;
    stages(run)
}

/// Checks the models between the teacher and the student.
fn stages(run: &RunConfig) -> Checked {
    let DistillConfig { stages, staging, method, .. } = &run.distill;
    if stages.is_empty() {
        return Ok(());
    }
    let why = match method.needs().teacher() {
        true => "`distill.translations` takes its place".to_owned(),
        false => format!("`distill.method` is \"{method}\""),
    };
    ensure(run.has_teacher(), STAGES, format!("needs a teacher, but {why}"))?;
    let begins = *staging == Staging::Curriculum && run.distill.init_from_teacher.is_some();
    let twice =
        "has no meaning with a curriculum: its student begins with the weights of the stage before";
    ensure(!begins, "distill.init_from_teacher", twice)?;
    stages.iter().enumerate().try_for_each(|(i, one)| {
        let name = &one.name;
        let same = |other: &StageConfig| other.name.eq_ignore_ascii_case(name);
        let shown = name.escape_debug();
        ensure(!stages[..i].iter().any(same), STAGES, format!("has two stages \"{shown}\""))?;
        let wrong =
            |text: String| Problem::new(STAGES, format!("has a stage \"{shown}\", which {text}"));
        stage(run, one).map_err(wrong)
    })
}

/// The key of the stages.
const STAGES: &str = "distill.stages";

/// Checks a stage. An error says what it does or has.
fn stage(run: &RunConfig, stage: &StageConfig) -> Result<(), String> {
    stage.check_name()?;
    let RunConfig { model: own, train: its, teacher, .. } = run.stage(stage, None)?.run;
    let own = match run.distill.staging {
        Staging::Assistants => own,
        Staging::Curriculum => teacher.model,
    };
    let within = |table: &str, p: Problem| format!("has `{table}.{}` that {}", p.key, p.text);
    model(&own, run.task).map_err(|p| within("model", p))?;
    train(&its).map_err(|p| within("train", p))
}

/// Checks the table `[data]`.
pub(super) fn of_data(run: &RunConfig) -> Checked {
    let checked = data(&run.data).and_then(|()| match run.task {
        Task::Translate => languages(&run.data),
        task => texts(&run.data, task),
    });
    checked.map_err(|p| p.within("data"))
}

fn data(data: &DataConfig) -> Checked {
    within("vocab_size", data.vocab_size, 5, LARGEST)?;
    within("max_length", data.max_length, 1, WIDEST)?;
    tokenizer(data)?;
    let patterns = Patterns::new(&data.protect);
    patterns.map_err(|bad| Problem::new("protect", format!("entry {}, {bad}", bad.index + 1)))?;
    language("source_lang", &data.source_lang)?;
    language("target_lang", &data.target_lang)
}

/// Checks the languages of a translation.
fn languages(data: &DataConfig) -> Checked {
    let text = data.train.is_some() || data.valid.is_some() || data.test.is_some();
    ensure(!text || !data.source_lang.is_empty(), "source_lang", "is needed, as in \"de\"")?;
    ensure(!text || !data.target_lang.is_empty(), "target_lang", "is needed, as in \"en\"")?;
    let same = !data.source_lang.is_empty() && data.source_lang == data.target_lang;
    ensure(!same, "target_lang", "is the same as `data.source_lang`")
}

/// Checks that a text model is asked for nothing that translation alone has.
fn texts(data: &DataConfig, task: Task) -> Checked {
    let models = data.tokenizer.len();
    ensure(models < 2, "tokenizer", format!("names {models} models, expected one for texts"))?;
    for (key, is_set) in [
        ("target_lang", !data.target_lang.is_empty()),
        ("monolingual", data.monolingual.is_some()),
        ("bleu_tokenizer", data.bleu_tokenizer.is_some()),
    ] {
        ensure(!is_set, key, format!("has no meaning with `task = \"{task}\"`"))?;
    }
    Ok(())
}

/// Checks that nothing is asked of a vocabulary whose models are given.
fn tokenizer(data: &DataConfig) -> Checked {
    let DataConfig { vocab_size, normalization, .. } = DataConfig::default();
    let learned = data.tokenizer.is_empty();
    let count = data.tokenizer.len();
    let how = format!("names {count} models, expected one for both languages, or two");
    ensure(count <= 2, "tokenizer", how)?;
    let own = "has no effect with `data.tokenizer`: leave one of them out";
    ensure(learned || data.vocab_size == vocab_size, "vocab_size", own)?;
    ensure(learned || data.normalization == normalization, "normalization", own)?;
    ensure(learned || data.protect.is_empty(), "protect", own)
}

/// Checks a language, which is a file extension: no separators, white space or control characters.
fn language(key: &str, name: &str) -> Checked {
    let foreign = |c: char| matches!(c, '/' | '\\') || c.is_whitespace() || c.is_control();
    let plain = !name.contains(foreign);
    ensure(plain, key, format!("\"{}\" is not the ending of a file", name.escape_debug()))
}

fn model(model: &ModelConfig, task: Task) -> Checked {
    encoder(model)?;
    fraction("dropout", model.dropout)?;
    fraction("attention_dropout", model.attention_dropout)?;
    fraction("activation_dropout", model.activation_dropout)?;
    fraction("norm_epsilon", model.norm_epsilon)?;
    // A text model has no decoder.
    if task.is_of_texts() { head(model, task) } else { decoder(model) }
}

/// Checks what only a text model has.
fn head(model: &ModelConfig, task: Task) -> Checked {
    let learned = model.positions == Positions::Learned;
    let text = "is needed with `positions = \"learned\"`, and only then";
    ensure(learned == (model.max_positions > 0), "max_positions", text)?;
    within("max_positions", model.max_positions, 0, WIDEST)?;
    within("token_types", model.token_types, 0, WIDEST)?;
    within("vector_width", model.vector_width, 0, WIDEST)?;
    let embeds = task == Task::Embed || model.vector_width == 0;
    ensure(embeds, "vector_width", "has a meaning only with `task = \"embed\"`")
}

/// Checks that a translator has nothing of a text model.
fn no_head(model: &ModelConfig) -> Checked {
    let usual = ModelConfig::default();
    for (key, is_usual) in [
        ("positions", model.positions != Positions::Learned),
        ("max_positions", model.max_positions == 0),
        ("pooling", model.pooling == usual.pooling),
        ("pooler", !model.pooler),
        ("vector_width", model.vector_width == 0),
        ("embedding_norm", !model.embedding_norm),
        ("token_types", model.token_types == 0),
    ] {
        ensure(is_usual, key, "is for `task = \"classify\"` and `\"embed\"`")?;
    }
    Ok(())
}

fn encoder(model: &ModelConfig) -> Checked {
    within("d_model", model.d_model, 2, WIDEST)?;
    within("ffn_dim", model.ffn_dim, 1, WIDEST)?;
    within("encoder_d_model", model.encoder_width(), 2, WIDEST)?;
    within("encoder_ffn_dim", model.encoder_inner(), 1, WIDEST)?;
    within("encoder_layers", model.encoder_layers, 1, MOST_LAYERS)?;
    heads("encoder_attention_heads", model.encoder_attention_heads, model.encoder_width())
}

fn decoder(model: &ModelConfig) -> Checked {
    no_head(model)?;
    let (encoder, decoder) = (model.encoder_width(), model.decoder_width());
    within("decoder_d_model", decoder, 2, WIDEST)?;
    within("decoder_ffn_dim", model.decoder_inner(), 1, WIDEST)?;
    within("decoder_layers", model.decoder_layers, 1, MOST_LAYERS)?;
    heads("decoder_attention_heads", model.decoder_attention_heads, decoder)?;
    let table =
        format!("needs one width, found {encoder} in the encoder, {decoder} in the decoder");
    ensure(!model.share_embeddings || encoder == decoder, "share_embeddings", table)
}

fn heads(key: &str, heads: usize, width: usize) -> Checked {
    ensure(heads > 0, key, "is 0, expected 1 or more")?;
    ensure(width.is_multiple_of(heads), key, format!("{heads} does not divide the width {width}"))
}

fn train(train: &TrainConfig) -> Checked {
    let open = train.max_epoch == 0 && train.max_update == 0 && train.patience == 0;
    let open = open && train.time_limit_seconds == 0.0;
    ensure(!open, "max_update", "is 0 and so is every other limit: training would not end")?;
    not_negative("time_limit_seconds", train.time_limit_seconds)?;
    positive("max_tokens", train.max_tokens)?;
    positive("update_freq", train.update_freq)?;
    positive("log_interval", train.log_interval as usize)?;
    positive("validate_interval", train.validate_interval)?;
    not_negative("save_interval_minutes", train.save_interval_minutes)?;
    optimiser(train)?;
    fraction("label_smoothing", train.label_smoothing)?;
    decoding(train)
}

fn optimiser(train: &TrainConfig) -> Checked {
    above_zero("lr", train.lr)?;
    finite("warmup_init_lr", train.warmup_init_lr)?;
    fraction("adam_beta1", train.adam_beta1)?;
    fraction("adam_beta2", train.adam_beta2)?;
    above_zero("adam_eps", train.adam_eps)?;
    not_negative("weight_decay", train.weight_decay)?;
    not_negative("clip_norm", train.clip_norm)?;
    fraction("ema_decay", train.ema_decay)
}

fn decoding(train: &TrainConfig) -> Checked {
    within("beam", train.beam, 1, 1000)?;
    not_negative("length_penalty", train.length_penalty)?;
    not_negative("max_length_a", train.max_length_a)?;
    not_negative("max_length_b", train.max_length_b)?;
    let some = train.max_length_a > 0.0 || train.max_length_b >= 1.0;
    ensure(some, "max_length_b", "and `max_length_a` leave no room for a translation")
}

fn distill(distill: &DistillConfig) -> Checked {
    let share = (0.0..=1.0).contains(&distill.alpha);
    ensure(share, "alpha", format!("is {}, expected 0 to 1", distill.alpha))?;
    not_negative("beta", distill.beta())?;
    let decay = distill.decay > 0.0 && distill.decay <= 1.0;
    ensure(decay, "decay", format!("is {}, expected more than 0, at most 1", distill.decay))?;
    above_zero("student_temperature", distill.student_temperature)?;
    above_zero("teacher_temperature", distill.teacher_temperature)?;
    within("seq_kd_beam", distill.seq_kd_beam, 1, 1000)?;
    not_negative("cache_gib", distill.cache_gib)?;
    maps(distill)?;
    let needs = distill.method.needs();
    let taught = needs.teacher() || distill.init_from_teacher.is_none();
    ensure(taught, "init_from_teacher", "needs a teacher, but `distill.method` is \"none\"")?;
    let maps = distill.encoder_kd || distill.self_kd || distill.cross_kd;
    let none = "is \"a2d\" with encoder_kd, self_kd and cross_kd all off: use \"word-kd\"";
    ensure(maps || !distill.method.has(Method::A2d), "method", none)?;
    features(distill)
}

/// The options of methods beside Align-to-Distill.
fn features(distill: &DistillConfig) -> Checked {
    let DistillConfig { pkd, ckd, rail, alp, tinybert, minilm, .. } = distill;
    for (table, method, weight, on) in [
        ("pkd", Method::Pkd, pkd.weight, pkd.encoder || pkd.decoder),
        ("ckd", Method::Ckd, ckd.weight, ckd.encoder || ckd.decoder),
        ("rail", Method::RailKd, rail.weight, rail.encoder || rail.decoder),
        ("alp", Method::AlpKd, alp.weight, alp.encoder || alp.decoder),
        ("tinybert", Method::Tinybert, tinybert.weight, compares(tinybert)),
        ("minilm", Method::Minilm, minilm.weight, minilm.encoder || minilm.decoder || minilm.cross),
    ] {
        not_negative("weight", weight).map_err(|p| p.within(table))?;
        let used = distill.method.has(method);
        let none =
            format!("is \"{method}\", but [distill.{table}] has nothing to compare switched on");
        ensure(on || !used, "method", none)?;
        let aam =
            "changes only the attention maps of \"a2d\"; other methods need the teacher as it is";
        ensure(!used || !distill.teacher_aam, "teacher_aam", aam)?;
    }
    not_negative("weight", distill.rdrop.weight).map_err(|p| p.within("rdrop"))?;
    let ratio = distill.selective.ratio;
    let share = format!("is {ratio}, expected more than 0, at most 1");
    ensure(ratio > 0.0 && ratio <= 1.0, "selective.ratio", share)?;
    positive("selective.queue", distill.selective.queue)?;
    not_negative("ckd.attention_weight", ckd.attention_weight)?;
    groups(&ckd.groups).map_err(|p| p.within("ckd"))?;
    groups(&alp.groups).map_err(|p| p.within("alp"))?;
    within("rail.width", rail.width, 1, WIDEST)?;
    within("minilm.version", minilm.version, 1, 2)?;
    within("minilm.relation_heads", minilm.relation_heads, 0, WIDEST)?;
    within("minilm.layer", minilm.layer, 0, MOST_LAYERS)
}

/// Whether anything is compared.
fn compares(of: &TinyBertConfig) -> bool {
    let states = of.states && (of.encoder || of.decoder);
    states || of.scores && (of.encoder || of.decoder || of.cross)
}

/// Checks lists of layers.
fn groups(groups: &Groups) -> Checked {
    let Groups::Listed(lists) = groups else { return Ok(()) };
    let count = (1..=MOST_LAYERS).contains(&lists.len());
    ensure(count, "groups", "needs a list of the teacher's layers for each layer of the student")?;
    for list in lists {
        let known = list.iter().all(|layer| (1..=MOST_LAYERS).contains(layer));
        let text = format!("has the list {list:?}, expected layers from 1 to {MOST_LAYERS}");
        ensure(known && !list.is_empty(), "groups", text)?;
        let ascending = list.windows(2).all(|pair| pair[0] < pair[1]);
        let text = format!("has the list {list:?}: name each layer once, in ascending order");
        ensure(ascending, "groups", text)?;
    }
    Ok(())
}

/// Checks the comparison of attention maps.
fn maps(distill: &DistillConfig) -> Checked {
    not_negative("align_lr", distill.align_lr)?;
    not_negative("align_weight_decay", distill.align_weight_decay.unwrap_or(0.0))?;
    let fixed = distill.mapping != Mapping::Learned;
    let twice = "has no meaning with `distill.teacher_aam`, which maps the teacher's heads itself";
    ensure(!fixed || !distill.teacher_aam, "mapping", twice)?;
    let maps = distill.maps();
    let how = "is \"scores\", which needs `map_normalisation = \"row\"` and `map_mask = true`";
    ensure(maps.admit_scores() || maps.input != MapInput::Scores, "map_input", how)
}

fn ensure(holds: bool, key: &str, text: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Problem::new(key, text)) }
}

fn positive(key: &str, value: usize) -> Checked {
    ensure(value > 0, key, "is 0, expected 1 or more")
}

fn within(key: &str, value: usize, least: usize, most: usize) -> Checked {
    let text = format!("is {value}, expected {least} to {most}");
    ensure((least..=most).contains(&value), key, text)
}

fn finite(key: &str, value: f64) -> Checked {
    ensure(value.is_finite(), key, format!("is {value}, expected a finite number"))
}

fn above_zero(key: &str, value: f64) -> Checked {
    let text = format!("is {value}, expected a finite number above 0");
    ensure(value.is_finite() && value > 0.0, key, text)
}

fn not_negative(key: &str, value: f64) -> Checked {
    let text = format!("is {value}, expected a finite number, 0 or more");
    ensure(value.is_finite() && value >= 0.0, key, text)
}

fn fraction(key: &str, value: f64) -> Checked {
    ensure((0.0..1.0).contains(&value), key, format!("is {value}, expected 0 to less than 1"))
}
