// The sections of the page, and their order.

// What a task is judged by: `scores` are names in the scores of a run, with a title and decimal places; the first counts.
// `valid` is the same of validations. `items` are what its speed counts, `terms` other names for terms of the loss.
const TASK = {
  translate: {
    scores: [["BLEU", "BLEU", 2], ["chrF2", "chrF2", 2]], valid: ["BLEU", 2], use: "translation", items: ["tokens", "target tokens"], terms: {},
  },
  classify: {
    about: "labels of texts", scores: [["accuracy", "accuracy", 2], ["macro F1", "macro F1", 2], ["calibration error", "ECE", 2]],
    valid: ["accuracy", 2], use: "prediction", items: ["texts", "texts"],
    terms: { ce: ["Cross-entropy", "nats per text"], kd: ["Teacher's labels", "kd"] },
  },
  embed: {
    about: "vectors of texts", scores: [["Spearman", "Spearman", 4], ["cosine", "cosine", 4]],
    valid: ["loss", 4], use: "embedding", items: ["texts", "texts"], terms: {},
  },
}[data.task];
const [[MAIN, MAIN_TITLE, PLACES]] = TASK.scores;
const quality = (run) => score(run, MAIN) ?? null;

// The top of the page.

const languages = asked.map((run) => run.facts.languages).find((names) => names?.length);
heading(
  languages?.join(" → "), TASK.about,
  asked.length === 1 ? kindOf(asked[0]) : `${asked.length} runs`);

// The baseline of a run: the same student without a teacher, trained with the run or named on the command line.
const baseline = (run) => {
  const beside = runs.find((other) => other.role === "alone" && other.label === `${run.label}/alone`);
  const own = ({ settings }) => JSON.stringify((settings || []).filter(([key]) => /^(model|train)\./.test(key)));
  return beside ?? asked.find((other) => other !== run && other.facts.method === "none" && own(other) === own(run));
};

// What distillation gained or lost: first of all against the student that was trained alone.

const tested = (run, alone) => {
  const against = alone.role === "alone" ? run.scores?.against : null;
  if (!given(against)) return "The significance was not tested.";
  if (!given(against.p_value)) return "No line differs.";
  const p = against.p_value < 0.001 ? "p < 0.001" : `p = ${against.p_value.toFixed(3)}`;
  return `${against.test ? "McNemar's exact test" : "Paired bootstrap"}: ${p}, ${against.p_value < 0.05 ? "significant" : "not significant"} at 5 %.`;
};
const verdict = (run, alone) => {
  const byTest = [run, alone].every((one) => given(quality(one)));
  const [unit, value] = byTest ? [MAIN_TITLE, quality] : [`${TASK.valid[0]} on the validation set`, (one) => one.facts.best];
  const [mine, low] = [value(run), value(alone)];
  if (![mine, low].every(given)) return null;
  const [gain, name] = [+(mine - low).toFixed(2), asked.length > 1 ? `${run.label}: ` : ""];
  const sizes = `${mine.toFixed(2)} ${unit} by distillation, ${low.toFixed(2)} alone (${difference(gain)}).`;
  const says = gain < 0
    ? ["lost", "The student lost to the one trained alone."]
    : gain > 0 ? ["won", "Distillation helped."] : ["lost", "Distillation changed nothing."];
  const high = run.teacher === null ? null : value(runs[run.teacher]);
  const share = Math.round(((mine - low) / (high - low)) * 100);
  const teacher = !given(high) ? "" : high <= low
    ? ` The teacher has ${high.toFixed(2)}, no more than the student alone.`
    : ` The teacher has ${high.toFixed(2)}${gain > 0 ? `: ${share} % of the gap is closed` : ""}.`;
  return el("p", { class: `headline ${says[0]}` }, name, el("b", {}, says[1]), ` ${sizes} `, byTest ? tested(run, alone) : "", teacher);
};
asked.map((run) => [run, baseline(run)]).filter(([, alone]) => alone).forEach(([run, alone]) => {
  const found = verdict(run, alone);
  if (found) page.append(found);
});
const missing = new Map();
runs.forEach((run) => run.notes.forEach((note) => missing.set(note, [...(missing.get(note) ?? []), run.label])));
warnings("What is missing", [...missing].map(([note, labels]) => [el("b", {}, labels.join(", ")), ": ", note]));

// Results.

const sizes = () => {
  const scored = runs.filter((run) => given(quality(run)) && given(run.facts.parameters));
  if (new Set(scored.map((run) => run.facts.parameters)).size < 2) return null;
  const lines = scored.map((run) => ({
    name: run.label, key: `size of ${run.label}`, colour: colour(runs.indexOf(run)), points: () => [[run.facts.parameters], [quality(run)]],
  }));
  return el("div", { class: "sizes" },
    chart({ title: `Size and ${MAIN_TITLE}`, note: "by parameters, log scale", x: "parameters", ratio: true, height: 210 }, lines),
    el("div", { class: "small soft" }, scored.map((run) => el("span", {}, dot(runs.indexOf(run)), run.label))));
};
const results = () => {
  const splits = [...new Set(runs.map((run) => run.scores?.split).filter(given))];
  const split = splits.length === 1 ? ` (${splits[0]})` : "";
  const most = Math.max(...runs.map(quality).filter(given), 1);
  const meter = (run, value) => el("span", { class: "meter", "aria-hidden": "true" },
    el("i", { style: `width:${(100 * Math.max(0, value)) / most}%;background:${colour(runs.indexOf(run))}` }));
  const finished = (run) => (run.facts.finished === null ? "no checkpoint" : run.facts.finished ? "finished" : "not finished");
  const columns = [
    ["run", (run) => run.label, (run) => [dot(runs.indexOf(run)), run.label, el("div", { class: "note" }, kindOf(run))]],
    ...TASK.scores.map(([name, title, places]) => [`${title}${name === MAIN ? split : ""}`, (run) => score(run, name) ?? null, (run) => [
      fixed(score(run, name), places), name === MAIN && given(quality(run)) ? meter(run, quality(run)) : null]]),
    [`best valid ${TASK.valid[0]}`, (run) => run.facts.best, (run) => [
      fixed(run.facts.best, TASK.valid[1]),
      given(run.facts.best_update) ? el("div", { class: "note" }, `at update ${whole(run.facts.best_update)}`) : null]],
    ["parameters", (run) => run.facts.parameters, (run) => whole(run.facts.parameters)],
    ["epochs", (run) => run.facts.epochs, (run) => whole(run.facts.epochs)],
    ["updates", (run) => run.facts.updates, (run) => [whole(run.facts.updates), el("div", { class: "note" }, finished(run))]],
    ["training", (run) => run.facts.seconds, (run) => [
      duration(run.facts.seconds), el("div", { class: "note" }, `${whole(run.facts.per_second)} ${TASK.items[0]}/s`)]],
    [TASK.use, (run) => run.scores?.per_second ?? null, (run) => [
      whole(run.scores?.per_second), el("div", { class: "note" }, `${TASK.items[0]}/s`)]],
    ["seed", (run) => run.facts.seed, (run) => String(run.facts.seed ?? "–")],
  ];
  const seeds = data.seeds.map((group) => {
    const scored = group.every((i) => given(quality(runs[i])));
    const values = group.map((i) => (scored ? quality(runs[i]) : runs[i].facts.best)).filter(given);
    const [title, places] = scored ? [MAIN_TITLE, PLACES] : [`validation ${TASK.valid[0]}`, TASK.valid[1]];
    if (values.length < 2) return null;
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1));
    return el("li", {}, `${group.map((i) => runs[i].label).join(", ")}: `,
      el("b", {}, `${mean.toFixed(places)} ± ${deviation.toFixed(places)} ${title}`),
      ` (mean and standard deviation of ${values.length} seeds)`);
  }).filter(given);
  const signature = runs.map((run) => run.scores?.list.find((entry) => entry.name === MAIN)?.signature).find(given);
  section("results", "Results",
    sortable("Table of results", columns, runs, (run) => quality(run) ?? run.facts.best),
    sizes(),
    seeds.length ? el("ul", {}, seeds) : null,
    signature ? el("p", { class: "soft small" }, el("code", {}, signature)) : null);
};

// Vocabularies without the tokens that a text does not use.

const trimmed = () => {
  const found = runs.filter((run) => run.trimmed);
  if (!found.length) return;
  const sizes = (all) => all.map(whole).join(" and ");
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
  const fewer = ([before, after]) => el("div", { class: "note" }, `${(100 * (1 - after / before)).toFixed(0)} % less`);
  const step = (values, show) => `${show(values[0])} → ${show(values[1])}`;
  const side = (run, name, show) => (run.trimmed.valid ? `${name}: ${show(run.trimmed.valid[name])}` : null);
  const both = (run, show) => (run.trimmed.valid ? ["source", "target"].filter((name) => run.trimmed.valid[name])
    .map((name) => el("div", {}, side(run, name, show))) : "–");
  const columns = [
    ["run", (run) => [dot(runs.indexOf(run)), run.label]],
    ["tokens", (run) => step(run.trimmed.tokens, sizes)],
    ["parameters", (run) => [step(run.trimmed.parameters, whole), fewer(run.trimmed.parameters)]],
    ["in f32", (run) => step(run.trimmed.f32, megabytes)],
    ["in int8", (run) => step(run.trimmed.int8, megabytes)],
    ["lines cut otherwise", (run) => both(run, (text) => `${whole(text.otherwise)} of ${whole(text.lines)}`)],
    ["tokens per line", (run) => both(run, (text) => step(text.per_line, (x) => fixed(x, 2)))],
  ];
  const rows = found.map((run) => el("tr", {}, columns.map(([, show], i) =>
    el(i ? "td" : "th", i ? {} : { scope: "row" }, show(run)))));
  section("vocabulary", "The trimmed vocabulary",
    el("p", { class: "soft" }, "With all tokens → with those that a text needs. That text has the same tokens as before; ",
      "the lines of the validation text are counted here."),
    scroller("Table of trimmed vocabularies", el("div", { class: "box" }, el("table", {},
      el("thead", {}, el("tr", {}, columns.map(([name]) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows))), { class: "card" }));
};

// Curves.

const curves = () => {
  const logged = runs.filter((run) => run.log);
  if (!logged.length) return;
  const lines = (kind, key, map) => logged.filter((run) => run.log[kind][key]).map((run) => ({
    name: run.label,
    key: run.label,
    colour: colour(runs.indexOf(run)),
    dash: run.role === "run" ? null : run.role === "teacher" ? "6 3" : "2 3",
    points: () => {
      const log = run.log[kind];
      return [log[byTime ? "seconds" : "update"] || log.update, map ? log[key].map((y) => (given(y) ? map(y) : y)) : log[key]];
    },
  }));
  const all = [
    [{ title: "BLEU", note: "validation", wide: true, marks: true, height: 250 }, lines("validations", "bleu")],
    [{ title: "Accuracy", note: "validation, per cent", wide: true, marks: true, height: 250 }, lines("validations", "accuracy")],
    [{ title: "Macro F1", note: "validation, per cent", wide: true, marks: true, height: 250 }, lines("validations", "macro_f1")],
    data.task === "translate"
      ? [{ title: "Perplexity", note: "validation, log scale", wide: true, marks: true, height: 250, log: true }, lines("validations", "valid_nll", Math.exp)]
      : [{ title: "Loss", note: "validation", marks: true }, lines("validations", "valid_loss")],
    ...data.losses.map(({ name, title, note }) => {
      const [own, remark] = TASK.terms[name] ?? [title, note];
      return [{ title: own, note: remark, loss: true }, lines("windows", name)];
    }),
    [{ title: "Learning rate" }, lines("windows", "lr")],
    [{ title: "Gradient norm", loss: true }, lines("windows", "gradient_norm")],
    [{ title: "Speed", note: `${TASK.items[1]} per second` }, lines("windows", "tokens_per_second")],
  ].filter(([, found]) => found.length);
  if (!all.length) return;
  const chips = logged.map((run) => {
    const chip = button(dot(runs.indexOf(run)), {
      class: "button chip", "aria-pressed": true, onclick: () => {
        if (!hidden.delete(run.label)) hidden.add(run.label);
        chip.setAttribute("aria-pressed", !hidden.has(run.label));
        redraw();
      },
    }, run.label);
    return chip;
  });
  const log = el("input", { type: "checkbox", onchange: () => { logarithmic = log.checked; redraw(); } });
  section("curves", "Curves",
    el("div", { class: "controls" },
      logged.length > 1 ? el("div", { class: "chips" }, chips) : null,
      tabs("Over", ["updates", "time"], (i) => { byTime = i === 1; cursor = null; redraw(); }),
      el("label", {}, log, "log scale for losses")),
    el("div", { class: "charts" }, all.map(([options, found]) => chart(options, found))));
};

// Translations, with differences from the reference marked.

const words = (text) => text.match(/[\p{L}\p{N}\p{M}'’-]+|[^\s\p{L}\p{N}]/gu) ?? [];
const marked = (text, reference) => {
  const [a, b] = [words(reference), words(text)];
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  const parts = [];
  const push = (tag, word) => {
    const last = parts[parts.length - 1];
    if (last?.tag === tag) last.words.push(word);
    else parts.push({ tag, words: [word] });
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { push(null, b[j]); i += 1; j += 1; }
    else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) { push("del", a[i]); i += 1; }
    else { push("ins", b[j]); j += 1; }
  }
  const joined = (list) => list.join(" ").replace(/ ([.,;:!?%)\]])/g, "$1").replace(/([(\[]) /g, "$1");
  return parts.flatMap(({ tag, words: list }) => {
    const tight = /^[.,;:!?%)\]]$/.test(list[0]) && tag === null;
    return [tight ? "" : " ", tag ? el(tag, {}, joined(list)) : joined(list)];
  });
};
// Below this BLEU a sentence's translation has failed.
const FAILED = 15;
const translations = () => {
  const samples = data.samples || [];
  if (!samples.some((sample) => sample.translations?.length)) return;
  const failed = (one, sample) => given(one.bleu) && one.bleu < FAILED && one.text !== sample.reference;
  const folded = samples.filter((sample) => sample.translations.every((one) => failed(one, sample)));
  const cards = samples.map((sample) => {
    const order = sample.translations.map((one, i) => [one, i]).sort(([a, i], [b, k]) => (b.bleu ?? 0) - (a.bleu ?? 0) || i - k);
    const lost = folded.includes(sample);
    const lines = [
      line("source", `line ${sample.number}`, sample.source, "source"),
      given(sample.reference) ? line("reference", "", sample.reference, "given") : null,
      order.map(([one]) => {
        const same = one.text === sample.reference;
        const said = given(sample.reference) && !same ? marked(one.text, sample.reference) : one.text;
        return line([dot(one.run), runs[one.run].label], given(one.bleu) ? (same ? "same" : fixed(one.bleu, 0)) : "",
          failed(one, sample) && !lost ? el("details", {}, el("summary", {}, one.text || "(nothing)"), said) : said, "");
      })];
    if (!lost) return el("div", { class: "card sample" }, lines);
    return el("details", { class: "card" },
      el("summary", {}, sample.source, el("span", { class: "note" }, ` line ${sample.number}, BLEU ${fixed(order[0][0].bleu, 0)} at best`)),
      el("div", { class: "sample" }, lines));
  });
  section("translations", "Translations",
    el("p", { class: "soft" }, `From ${data.text}, beam ${data.beam}; the best of each model. Against the reference, `,
      el("ins", {}, "these words"), " are other or more, ", el("del", {}, "these"), " are missing; the number is the sentence's BLEU.",
      ` Translations below ${FAILED} are folded`, folded.length ? `: no model reaches that for ${folded.length} of these ${samples.length} sentences.` : "."),
    el("div", { class: "samples" }, cards));
};

// Commands to run it again, and settings.

const again = () => {
  const told = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const facts = (pairs) => el("dl", { class: "facts" }, pairs.filter(([, value]) => given(value) && value !== "")
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, told(value))]));
  const machine = ({ machine: m }) => m && [m.cpu, given(m.cores) ? `${m.cores} cores` : null,
    m.memory_bytes ? `${(m.memory_bytes / 2 ** 30).toFixed(1)} GiB` : null, m.os].filter(given).join(", ");
  const start = (one, i, all) => [
    all.length > 1 ? el("h4", {}, i ? `Start ${i + 1}, from update ${whole(one.from_update)}` : "First start") : null,
    one.shell ? el("pre", {}, one.shell) : null,
    facts([["time", one.time], ["program", one.program && `${one.program}${one.commit ? ` (${one.commit})` : ""}`],
      ["machine", machine(one)], ["device", [one.device, one.precision, given(one.threads) ? `${one.threads} threads` : null].filter(given).join(", ")],
      ["training data", one.data?.train], ["validation data", one.data?.valid], ["vocabulary", one.data?.vocabulary], ["teacher", one.teacher]]),
  ];
  const cards = runs.filter((run) => run.role !== "alone" || run.starts.length).map((run) => el("div", { class: "card" },
    el("h3", {}, dot(runs.indexOf(run)), run.label),
    run.starts.length ? run.starts.map(start) : [
      el("p", { class: "soft small", style: "margin:4px 0 0" }, "How it was started is not recorded (no provenance.jsonl). Its own configuration makes it again:"),
      el("pre", {}, run.again)]));
  section("again", "Run it again", el("div", { class: "stack" }, cards));

  // Several runs are compared with each other, a single run with its teacher and its baseline.
  const set = (asked.length > 1 ? asked : runs).filter((run) => run.settings);
  if (!set.length) return;
  const keys = [...new Set(set.flatMap((run) => run.settings.map(([key]) => key)))];
  const value = (run, key) => run.settings.find(([name]) => name === key);
  const rows = keys.map((key) => {
    const values = set.map((run) => value(run, key)?.[1] ?? "–");
    const differs = new Set(values).size > 1;
    const usual = set.every((run) => { const found = value(run, key); return !found || found[1] === found[2]; });
    const row = el("tr", { class: differs ? "differs" : null }, el("th", { scope: "row" }, key), values.map((one) => el("td", {}, one)));
    return { row, quiet: set.length > 1 ? !differs : usual };
  });
  const all = el("input", { type: "checkbox", onchange: () => rows.forEach(({ row, quiet }) => { row.hidden = quiet && !all.checked; }) });
  rows.forEach(({ row, quiet }) => { row.hidden = quiet; });
  section("settings", "Settings",
    el("div", { class: "controls" }, el("label", {}, all, set.length > 1 ? "also those that all have in common" : "also those that are as by default")),
    scroller("Table of settings", el("div", { class: "box" }, el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "key"), set.map((run) => el("th", { scope: "col" }, run.label)))),
      el("tbody", {}, rows.map(({ row }) => row)))), { class: "card" }));
};

results();
trimmed();
curves();
alignment();
confusion();
attention();
translations();
readings();
again();
ending();
