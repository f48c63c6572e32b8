// The sections of a study's page, and their order.

const { study, curves: logs, quality } = data;
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
heading(plural(study.methods.length, "method"), plural(study.students.length, "student"), plural(study.seeds.length, "seed"));

// Names and colours. More methods than colours share them, with other dashes.

const COLOURS = 8;
const place = (method) => study.methods.indexOf(method);
const tone = (method) => colour(place(method) % COLOURS);
const dash = (method) => [null, "6 3", "2 3"][Math.floor(place(method) / COLOURS) % 3];
const spot = (method) => el("i", { class: "dot", style: `background:${tone(method)}` });
const same = (a, b) => ["data", "student", "method", "teacher"].every((key) => a[key] === b[key]);
const teachersOf = (set) => study.teachers.filter((teacher) => teacher.data === set);
const named = (one) => (one.teacher && teachersOf(one.data).length > 1 ? `${one.method} from ${one.teacher}` : one.method);
const resultsOf = (set, test, metric) => study.results.filter((one) => one.data === set.name && one.test === test && one.metric === metric);
const cellsOf = (one) => study.cells.filter((cell) => same(cell, one));
const sets = study.data.flatMap((set) => set.tests.map((test) => ({ set, test: test.name, lines: test.lines })));
const middle = (all) => {
  const known = all.filter(given).sort((a, b) => a - b);
  return known[Math.floor(known.length / 2)] ?? null;
};
const unit = (set, metric) => set.metrics.find((one) => one.name === metric)?.unit;
const inUnit = (set, metric) => (unit(set, metric) ? `${metric}, ${unit(set, metric)}` : metric);
const scored = (x, set, metric) => `${fixed(x, 2)}${unit(set, metric) ? ` ${unit(set, metric)}` : ""} ${metric}`;
const most = (all) => (all.some(given) ? Math.max(...all.filter(given)) : null);
const average = (all) => (all.length ? all.reduce((a, b) => a + b, 0) / all.length : null);
const chance = (p) => (!given(p) ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3));
const significant = (one) => given(one.p_holm) && one.p_holm <= 0.05;
const budget = ({ updates, minutes }) => (given(updates) ? `${whole(updates)} updates` : `${minutes} minutes`);

// What has failed and what a reader should know.

warnings("What has failed", study.failures.map(({ task, why, log }) => [el("b", {}, task), `: ${why}`, el("div", { class: "note" }, log)]));
warnings("Notes", study.notes);

// The best method of each student.

sets.forEach(({ set, test }) => study.students.forEach((student) => {
  const metric = set.metrics[0].name;
  const found = resultsOf(set, test, metric).filter((one) => one.student === student && given(one.mean));
  if (found.length < 2) return;
  const best = found.reduce((a, b) => (b.mean > a.mean ? b : a));
  const against = !given(best.difference) ? "" : best.method === study.baseline ? ""
    : `: ${difference(best.difference)} over ${study.baseline}, ${significant(best) ? "significant" : "not significant"} at 5 %`;
  const where = [sets.length > 1 ? `${set.name}, ${test}` : null, study.students.length > 1 ? student : null].filter(given).join(", ");
  page.append(el("p", { class: "headline" }, where ? `${where}: ` : "", el("b", {}, named(best)), ` is best with ${scored(best.mean, set, metric)}${against}.`));
}));

// The grid.

const chosen = { set: 0, metric: 0 };
const metricsOf = () => sets[chosen.set].set.metrics.map((metric) => metric.name);
const grid = () => {
  const { set, test } = sets[chosen.set];
  const metric = metricsOf()[chosen.metric];
  const of = (one, name) => study.results.find((other) => same(other, one) && other.test === test && other.metric === name);
  const rows = resultsOf(set, test, metric).map((one) => {
    const cells = cellsOf(one);
    const usage = (key) => cells.map((cell) => cell.usage[key]);
    return { ...one, label: named(one), parameters: cells[0]?.parameters, step: middle(usage("step_seconds")), speed: middle(usage("tokens_per_second")), memory: most(usage("peak_memory_bytes")) };
  });
  const teachers = teachersOf(set.name).map((one) => ({
    ...one, label: one.teacher, student: "", isTeacher: true, mean: one.scores[test]?.[metric] ?? null, step: one.usage.step_seconds,
    speed: one.usage.tokens_per_second, memory: one.usage.peak_memory_bytes,
  }));
  const all = [...rows, ...teachers];
  const top = Math.max(...all.map((one) => one.mean).filter(given), 1);
  const meter = (one) => el("span", { class: "meter", "aria-hidden": "true" },
    el("i", { style: `width:${(100 * Math.max(0, one.mean)) / top}%;background:${one.isTeacher ? "var(--soft)" : tone(one.method)}` }));
  const spread = (one) => (given(one.deviation) ? ` ± ${one.deviation.toFixed(2)}` : "");
  const counted = (one) => {
    const known = (one.scores ?? []).filter?.(given).length;
    return known !== undefined && known < study.seeds.length ? el("div", { class: "note" }, `${known} of ${plural(study.seeds.length, "seed")}`) : null;
  };
  const others = metricsOf().filter((name) => name !== metric).map((name) => {
    const value = (one) => (one.isTeacher ? one.scores[test]?.[name] : of(one, name)?.mean) ?? null;
    return [inUnit(set, name), value, (one) => [fixed(value(one), 2), one.isTeacher ? "" : spread(of(one, name) ?? {})]];
  });
  const columns = [
    ["method", (one) => one.label, (one) => [one.isTeacher ? null : spot(one.method), one.label,
      el("div", { class: "note" }, one.isTeacher ? "teacher" : one.student)]],
    [inUnit(set, metric), (one) => one.mean, (one) => [fixed(one.mean, 2), spread(one), given(one.mean) ? meter(one) : null, counted(one)]],
    ...(given(study.baseline) ? [
      [`over ${study.baseline}`, (one) => one.difference ?? null, (one) => (given(one.difference)
        ? el("span", { class: significant(one) ? (one.difference > 0 ? "better" : "worse") : null }, difference(one.difference), significant(one) ? " *" : "") : "–")],
      ["p (Holm)", (one) => one.p_holm ?? null, (one) => [chance(one.p_holm), given(one.p_value) ? el("div", { class: "note" }, `${chance(one.p_value)} alone`) : null]]] : []),
    ["gap closed", (one) => one.gap_closed ?? null, (one) => (given(one.gap_closed) ? `${Math.round(100 * one.gap_closed)} %` : "–")],
    ...others,
    ["parameters", (one) => one.parameters ?? null, (one) => whole(one.parameters)],
    ["a step", (one) => one.step, (one) => (given(one.step) ? `${(1000 * one.step).toPrecision(3)} ms` : "–")],
    ["tokens/s", (one) => one.speed, (one) => whole(one.speed)],
    ["memory", (one) => one.memory, (one) => (given(one.memory) ? `${whole(one.memory / 2 ** 20)} MiB` : "–")],
  ];
  return sortable("Table of results", columns, all, (one) => one.mean);
};

// Quality against size: a column of points for each student, with the standard deviation; teachers as dashed lines.

const sizes = (drawing, caption) => {
  const { set, test } = sets[chosen.set];
  const metric = metricsOf()[chosen.metric];
  caption.textContent = `${inUnit(set, metric)} by parameters, log scale`;
  const points = resultsOf(set, test, metric).filter((one) => given(one.mean) && !hidden.has(one.method))
    .map((one) => ({ ...one, size: cellsOf(one)[0]?.parameters, low: one.mean - (one.deviation ?? 0), high: one.mean + (one.deviation ?? 0) }))
    .filter((one) => given(one.size));
  const teachers = teachersOf(set.name).map((one) => ({ name: one.teacher, size: one.parameters, mean: one.scores[test]?.[metric] })).filter((one) => given(one.mean) && given(one.size));
  const [w, h] = [drawing.clientWidth || 320, innerWidth > 620 ? 340 : 300];
  drawing.setAttribute("height", h);
  drawing.setAttribute("viewBox", `0 0 ${w} ${h}`);
  drawing.replaceChildren();
  if (!points.length) return drawing.append(svg("text", { x: w / 2, y: h / 2, "text-anchor": "middle" }, "nothing to show"));
  const heights = [...points.flatMap((one) => [one.low, one.high]), ...teachers.map((one) => one.mean)];
  const pad = (Math.max(...heights) - Math.min(...heights)) * 0.08 || 1;
  const [low, high] = [Math.max(0, Math.min(...heights) - pad), Math.max(...heights) + pad];
  const box = { left: 48, right: w - 14, top: 12, bottom: h - 40 };
  const columns = [...new Set([...points, ...teachers].map((one) => one.size))].sort((a, b) => a - b);
  const [first, last] = [Math.log(columns[0]), Math.log(columns[columns.length - 1])];
  const inner = Math.min(80, (box.right - box.left) / (2 * columns.length));
  const atX = (size) => (first === last ? (box.left + box.right) / 2
    : box.left + inner + ((Math.log(size) - first) / (last - first)) * (box.right - box.left - 2 * inner));
  const atY = (y) => box.bottom - ((y - low) / (high - low)) * (box.bottom - box.top);
  for (const y of ticks(low, high, 6)) drawing.append(
    svg("line", { class: "grid", x1: box.left, x2: box.right, y1: atY(y), y2: atY(y) }),
    svg("text", { x: box.left - 6, y: atY(y) + 4, "text-anchor": "end" }, short(y)));
  drawing.append(svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  let free = -Infinity;
  columns.forEach((size) => {
    const who = [...new Set(points.filter((one) => one.size === size).map((one) => one.student)), ...teachers.filter((one) => one.size === size).map((one) => one.name)];
    const text = who.join(", ");
    const wide = Math.max(text.length * 6.2, 44);
    if (atX(size) - wide / 2 < free) return;
    free = atX(size) + wide / 2 + 6;
    drawing.append(
      svg("text", { x: atX(size), y: h - 23, "text-anchor": "middle" }, text),
      svg("text", { x: atX(size), y: h - 8, "text-anchor": "middle" }, short(size)));
  });
  teachers.forEach((one) => drawing.append(
    svg("line", { class: "cross", x1: box.left, x2: box.right, y1: atY(one.mean), y2: atY(one.mean) }),
    svg("circle", { cx: atX(one.size), cy: atY(one.mean), r: 5, style: "fill:var(--card);stroke:var(--ink)", "stroke-width": 1.6 })));
  const kinds = [...new Set(points.map(named))];
  const gaps = columns.slice(1).map((size, i) => atX(size) - atX(columns[i]));
  const step = Math.min(11, (0.8 * Math.min(2 * inner, ...gaps)) / kinds.length);
  const at = (one) => [atX(one.size) + (kinds.indexOf(named(one)) - (kinds.length - 1) / 2) * step, atY(one.mean)];
  const told = (one) => () => {
    const rect = drawing.getBoundingClientRect();
    const [x, y] = at(one);
    showTip(rect.left + x, rect.top + y, el("div", {}, spot(one.method), `${named(one)}, ${one.student}`),
      el("div", {}, el("b", {}, fixed(one.mean, 2)), given(one.deviation) ? ` ± ${one.deviation.toFixed(2)}` : "", ` ${inUnit(set, metric)}`),
      el("div", { class: "soft" }, `${whole(one.size)} parameters`));
  };
  kinds.forEach((kind) => {
    const line = points.filter((one) => named(one) === kind).sort((a, b) => a.size - b.size);
    const d = line.map((one, i) => `${i ? "L" : "M"}${at(one).map((x) => x.toFixed(1)).join(" ")}`).join("");
    drawing.append(svg("path", { d, fill: "none", style: `stroke:${tone(line[0].method)}`, "stroke-opacity": 0.45, "stroke-dasharray": dash(line[0].method) }));
  });
  points.forEach((one) => {
    const [x, y] = at(one);
    drawing.append(
      svg("line", { x1: x, x2: x, y1: atY(Math.max(low, one.low)), y2: atY(one.high), style: `stroke:${tone(one.method)}`, "stroke-width": 1.4 }),
      svg("circle", { cx: x, cy: y, r: 4.5, tabindex: 0, role: "img", style: `fill:${tone(one.method)}`,
        "aria-label": `${named(one)}, ${one.student}: ${scored(one.mean, set, metric)}`,
        onpointerenter: told(one), onpointerdown: told(one), onfocus: told(one), onpointerleave: hideTip, onblur: hideTip }));
  });
  return null;
};

// Learning curves: the validations of each student, the mean over the seeds.

const course = (group) => {
  const runs = group.map((cell) => logs.find((log) => log.run === cell.run)?.log).filter((log) => log?.[quality.key]);
  const counts = new Map();
  runs.forEach((log) => log.update.forEach((update, i) => {
    if (!given(log[quality.key][i])) return;
    const at = counts.get(update) ?? { scores: [], seconds: [] };
    at.scores.push(log[quality.key][i]);
    at.seconds.push(log.seconds?.[i] ?? update);
    counts.set(update, at);
  }));
  const shared = [...counts].filter(([, at]) => at.scores.length === runs.length).sort(([a], [b]) => a - b);
  return [shared.map(([update, at]) => (byTime ? average(at.seconds) : update)), shared.map(([, at]) => average(at.scores))];
};
const learning = () => {
  const panels = study.data.flatMap((set) => study.students.map((student) => {
    const kinds = resultsOf(set, set.tests[0].name, set.metrics[0].name).filter((one) => one.student === student);
    const lines = kinds.map((one) => ({ name: named(one), key: one.method, colour: tone(one.method), dash: dash(one.method), points: () => course(cellsOf(one)) }));
    return [{ title: student, note: study.data.length > 1 ? set.name : `validation ${quality.title}`, wide: true, height: 260 }, lines.filter((line) => line.points()[0].length)];
  })).filter(([, lines]) => lines.length);
  return panels.map(([options, lines]) => chart(options, lines));
};

// One choice of test set, metric and methods for all that is drawn.

const drawing = svg("svg", { role: "group", "aria-label": "Quality against size" });
const caption = el("span");
const table = el("div");
const grids = new Map();
const shown = () => {
  const key = `${chosen.set} ${chosen.metric}`;
  if (!grids.has(key)) grids.set(key, grid());
  return grids.get(key);
};
const refresh = () => { table.replaceChildren(shown()); paint(); };
const chips = study.methods.map((method) => {
  const chip = button(spot(method), {
    class: "button chip", "aria-pressed": true, onclick: () => {
      if (!hidden.delete(method)) hidden.add(method);
      chip.setAttribute("aria-pressed", !hidden.has(method));
      refresh();
    },
  }, method);
  return chip;
});
const metricTabs = el("span");
const offer = () => metricTabs.replaceChildren(tabs("Metric", metricsOf(), (i) => { chosen.metric = i; refresh(); }));
const choice = select("Test set ", sets.map(({ set, test, lines }) => `${set.name}, ${test} (${whole(lines)} lines)`), (i) => {
  chosen.set = i;
  chosen.metric = Math.min(chosen.metric, metricsOf().length - 1);
  offer();
  refresh();
});
offer();
section("results", "Results",
  el("p", { class: "soft" }, `Mean ± standard deviation of ${plural(study.seeds.length, "seed")}; students train for `,
    [...new Set(study.data.map((set) => budget(set.budget)))].join(" or "), ". ",
    given(study.baseline) ? `* is significant at 5 %: paired bootstrap against ${study.baseline}, ${whole(study.significance.resamples)} resamples, with Holm's correction over ${plural(study.significance.comparisons, "comparison")}. ` : "",
    given(study.alone) ? `Gap closed: the share of the way from ${study.alone} to the teacher.` : ""),
  el("div", { class: "controls" }, sets.length > 1 ? choice.node : null, metricTabs),
  table);
section("sizes", "Quality against size",
  el("div", { class: "controls" }, el("div", { class: "chips" }, chips)),
  el("figure", { class: "chart card", style: "margin:0" }, el("figcaption", {}, caption, el("span", { class: "note" }, "rings: teachers")), drawing));
painters.push(() => sizes(drawing, caption));
const panels = learning();
if (panels.length) section("curves", "Learning curves",
  el("div", { class: "controls" }, tabs("Over", ["updates", "time"], (i) => { byTime = i === 1; cursor = null; redraw(); }),
    el("span", { class: "soft" }, `Validation ${quality.title}, mean of the seeds`)),
  el("div", { class: "charts" }, panels));

// The trials of each method.

if (study.tuning.length) {
  const said = (settings) => Object.entries(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}`).join(", ");
  const one = (group) => el("details", { class: "card" },
    el("summary", {}, spot(group.method), `${named(group)}, ${group.student}`, study.data.length > 1 ? `, ${group.data}` : "",
      el("span", { class: "note" }, group.as ? ` as for ${group.as}` : ` ${plural(group.trials.length, "trial")}`,
        given(group.settings) ? `: ${said(group.settings)}` : ": no trial has ended")),
    group.trials.length ? el("div", { class: "box" }, el("table", {},
      el("thead", {}, el("tr", {}, ["trial", "settings", `validation ${quality.title}`, "loss"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, group.trials.map((trial) => el("tr", { class: trial.number === group.chosen ? "differs" : null },
        el("th", { scope: "row" }, String(trial.number)), el("td", {}, said(trial.settings)),
        el("td", {}, fixed(trial.validation?.[quality.title], 2)), el("td", {}, fixed(trial.validation?.loss, 3))))))) : null);
  section("tuning", "Tuning",
    el("p", { class: "soft" }, `Settings were chosen by ${quality.title} on the validation text; the number of trials is the same for every method whose space has as many points.`),
    el("div", { class: "stack" }, study.tuning.map(one)));
}

const signatures = [...new Set(study.data.flatMap((set) => set.metrics.map(({ name, signature }) => `${name}|${signature}`)))];
table.replaceChildren(shown());
ending(signatures.map((text) => el("div", {}, el("code", {}, text))));
