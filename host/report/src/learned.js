// The sections on alignment (teacher heads as mixtures of student heads) and on attention maps.

const { runs } = data;
const asked = runs.filter((run) => run.role === "run");

// The alignment of heads.

const entropy = (weights) => {
  const sizes = weights.map(Math.abs);
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (sum === 0 || sizes.length < 2) return 0;
  return sizes.reduce((h, x) => (x > 0 ? h - (x / sum) * Math.log(x / sum) : h), 0) / Math.log(sizes.length);
};
const rowOf = (matrix, frame, r) => matrix.values[frame].slice(r * matrix.cols, (r + 1) * matrix.cols);
const spark = (values) => {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const y = (v) => (high > low ? 18 - ((v - low) / (high - low)) * 16 : 10);
  const d = values.map((v, i) => `${i ? "L" : "M"}${(2 + (i / (values.length - 1)) * 62).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  return svg("svg", { class: "course", viewBox: "0 0 66 20", role: "img", "aria-label": `from ${values[0].toFixed(2)} to ${values[values.length - 1].toFixed(2)}` },
    svg("path", { d, fill: "none", style: "stroke:var(--mark)", "stroke-width": 1.5 }));
};

const alignment = () => {
  const aligned = runs.filter((run) => run.alignment);
  if (!aligned.length) return;
  const kinds = KINDS.filter(([name]) => aligned[0].alignment[name]);
  let run = aligned[0];
  let frame = 0;
  let kind = 0;
  let peaked = false;
  let timer = null;
  const canvases = kinds.map(heatCanvas);
  const list = el("div", { class: "rows" });
  const where = el("output", {});
  const slider = el("input", { type: "range", min: 0, step: 1, "aria-label": "Epoch", oninput: () => { stop(); go(Number(slider.value)); } });
  const play = button("▶ play", { class: "button", onclick: () => (timer ? stop() : start()) });
  const time = el("span", { class: "controls", style: "margin:0" }, play, slider, where);
  const course = el("div", { class: "charts" });
  const limit = (name) => Math.max(...run.alignment[name].values.flat().map(Math.abs)) || 1;

  const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶ play"; };
  const start = () => {
    const { length } = run.alignment.frames;
    if (frame === length - 1) go(0);
    play.textContent = "❚❚ pause";
    timer = setInterval(() => (frame < length - 1 ? go(frame + 1) : stop()), Math.max(80, 3000 / length));
  };
  const go = (i) => { frame = i; slider.value = i; draw(); };

  const maps = () => kinds.forEach(([name, title], k) => {
    const matrix = run.alignment[name];
    const most = limit(name);
    const value = (r, c) => matrix.values[frame][r * matrix.cols + c];
    heat(canvases[k], {
      rows: matrix.rows, cols: matrix.cols, rowGap: matrix.row_heads, colGap: matrix.col_heads, most: 34, least: 5,
      row: (r) => head(r, matrix.row_heads), col: (c) => head(c, matrix.col_heads),
      colour: (r, c) => tint("weight", 0.5 + value(r, c) / most / 2),
      label: `${title}: ${matrix.rows} teacher heads by ${matrix.cols} student heads`,
      tell: (r, c) => [el("div", {}, "teacher ", el("b", {}, head(r, matrix.row_heads)), " ← student ", el("b", {}, head(c, matrix.col_heads))),
        el("div", {}, "weight ", el("b", {}, signed(value(r, c))))],
    });
  });
  const composition = () => {
    const matrix = run.alignment[kinds[kind][0]];
    const most = limit(kinds[kind][0]);
    const frames = run.alignment.frames.length;
    const room = list.clientWidth - (innerWidth > 620 ? 192 : 102);
    let order = Array.from({ length: matrix.rows }, (_, r) => ({ r, h: entropy(rowOf(matrix, frame, r)) }));
    if (peaked) order = order.sort((a, b) => a.h - b.h);
    const rows = order.map(({ r, h }) => {
      const weights = rowOf(matrix, frame, r).map((w, c) => ({ w, c }));
      const sum = weights.reduce((total, { w }) => total + Math.abs(w), 0) || 1;
      weights.sort((a, b) => Math.abs(b.w) - Math.abs(a.w));
      const bar = weights.map(({ w, c }) => {
        const share = (100 * Math.abs(w)) / sum;
        const back = tint("weight", 0.5 + w / most / 2);
        return el("span", { style: `width:${share}%;background:${css(back)};color:${ink(back)}`, title: `student ${head(c, matrix.col_heads)} ${signed(w)}` },
          room * share > 7200 ? `${head(c, matrix.col_heads)} ${signed(w)}` : "");
      });
      const told = weights.slice(0, 4).map(({ w, c }) => `${head(c, matrix.col_heads)} ${signed(w)}`).join(", ");
      return el("div", { class: "row" }, el("b", {}, head(r, matrix.row_heads)),
        el("div", { class: "bar", role: "img", "aria-label": `mostly ${told}` }, bar),
        frames > 1 ? spark(run.alignment.frames.map((_, f) => entropy(rowOf(matrix, f, r)))) : el("span", { class: "course" }),
        el("span", { class: "peak" }, h.toFixed(2)));
    });
    list.replaceChildren(el("div", { class: "row head" }, el("span", {}, "teacher"), el("span", {}, "student heads, by the size of their weight"),
      el("span", { class: "course" }, frames > 1 ? "over epochs" : ""), el("span", { class: "peak" }, "spread")), ...rows);
  };
  const draw = () => {
    const time = run.alignment.frames[frame];
    where.textContent = given(time.epoch) ? `epoch ${time.epoch}, update ${whole(time.update)}` : "as in the checkpoint";
    maps();
    composition();
  };
  const choose = (i) => {
    stop();
    run = aligned[i];
    const { frames } = run.alignment;
    frame = frames.length - 1;
    slider.max = frame;
    slider.value = frame;
    play.hidden = frames.length < 2;
    slider.hidden = frames.length < 2;
    course.replaceChildren();
    if (frames.length > 1) {
      const xs = frames.map((one, f) => one.update ?? f);
      const lines = kinds.map(([name, title], k) => {
        const matrix = run.alignment[name];
        const mean = (f) => Array.from({ length: matrix.rows }, (_, r) => entropy(rowOf(matrix, f, r))).reduce((a, b) => a + b, 0) / matrix.rows;
        const ys = frames.map((_, f) => mean(f));
        return { name: title, key: `spread of ${name}`, colour: `var(--c${k})`, points: () => [xs, ys] };
      });
      const figure = chart({ title: "Spread of the weights", note: "mean over teacher heads", marks: true, x: "update", height: 210 }, lines);
      figure.style.gridColumn = "1 / -1";
      course.append(figure, el("div", { class: "small soft", style: "grid-column:1/-1" },
        kinds.map(([, title], k) => el("span", { style: "margin-right:16px" }, dot(k), title))));
      charts[charts.length - 1].draw();
    }
    if (placed) draw();
  };
  let placed = false;
  const pick = select("run", aligned.map((one) => one.label), choose);
  const order = el("input", { type: "checkbox", onchange: () => { peaked = order.checked; composition(); } });
  section("alignment", "Alignment",
    el("p", { class: "soft" }, "Every attention head of the teacher (rows) is learned as a mixture of all heads of the student (columns). Blue weights subtract, orange ones add; equal colours are equal weights in all epochs."),
    el("div", { class: "controls" }, aligned.length > 1 ? pick.node : null, time, scale("weight", "− largest", "+ largest")),
    el("div", { class: "maps" }, kinds.map(([name, title], k) => el("div", { class: "card map" },
      el("h3", {}, title, name === "cross" ? "-attention" : " self-attention"), scroller(null, el("div", { class: "box" }, canvases[k]))))),
    el("h3", { style: "margin-top:26px" }, "How each teacher head is composed, and how peaked that is"),
    el("p", { class: "soft small" }, "Each bar is the sum of the weights' sizes of one teacher head. Its spread is their entropy over that of equal weights: 0 where one student head is all, 1 where all count alike."),
    el("div", { class: "controls" },
      kinds.length > 1 ? tabs("Attention", kinds.map(([, title]) => title), (i) => { kind = i; composition(); }) : null,
      el("label", {}, order, "most peaked first")),
    el("div", { class: "card" }, scroller("Composition of the teacher's heads", list)),
    el("div", { style: "height:14px" }), course);
  placed = true;
  choose(0);
  painters.push(draw);
};

// Attention maps.

const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const attention = () => {
  const sentences = (data.attention || []).filter((one) => one.views.length);
  if (!sentences.length) return;
  const students = runs.map((_, i) => i).filter((i) => sentences[0].views.some((view) => view.run === i));
  students.sort((a, b) => (runs[a].role === "teacher") - (runs[b].role === "teacher"));
  let sentence = sentences[0];
  let student = students[0];
  // Cross-attention first.
  const kinds = [KINDS[2], KINDS[0], KINDS[1]].filter(([name]) => sentence.views[0][name]);
  let [kind] = kinds[0];
  let chosen = [];
  const panels = el("div", { class: "maps" });
  const text = el("p", { class: "soft" });
  let drawers = [];

  const views = () => {
    const of = (run, aligned) => sentence.views.find((view) => view.run === run && view.aligned === aligned);
    // A model without a teacher is shown beside any teacher that reads the same tokens.
    const same = (view) => view.source.join() === of(student, false)?.source.join();
    const any = sentence.views.find((view) => runs[view.run].role === "teacher" && same(view))?.run;
    const teacher = runs[student].role === "teacher" ? null : runs[student].teacher ?? any;
    return [
      given(teacher) ? ["teacher", `Teacher: ${runs[teacher].label}`, of(teacher, false)] : null,
      ["aligned", `${runs[student].label}, aligned`, of(student, true)],
      ["student", runs[student].label, of(student, false)],
    ].filter((entry) => entry?.[2]);
  };
  // The student head of the largest weight for a teacher head, if the run has an alignment.
  const closest = (r) => {
    const matrix = runs[student].alignment?.[kind];
    if (!matrix || r >= matrix.rows) return null;
    const weights = rowOf(matrix, runs[student].alignment.frames.length - 1, r);
    const best = weights.reduce((top, w, c) => (w > weights[top] ? c : top), 0);
    return { best, weight: weights[best] };
  };
  const decoded = new Map();
  const cells = (map) => {
    if (!decoded.has(map)) decoded.set(map, bytes(map.data));
    return decoded.get(map);
  };
  const panel = ([role, title, view], follow) => {
    const map = view[kind];
    const values = cells(map);
    const area = map.rows * map.cols;
    const byte = (k, i) => values[k * area + i];
    const value = (k, i) => {
      const [low, high] = map.ranges?.[k] ?? [0, 1];
      return low + (byte(k, i) / 255) * (high - low);
    };
    const [rowTokens, colTokens] = { encoder: [view.source, view.source], decoder: [view.inputs, view.inputs], cross: [view.target, view.source] }[kind];
    const heads = role === "aligned" ? follow.heads : map.heads;
    const canvas = heatCanvas();
    const name = el("span", { class: "note" });
    const thumbs = [];
    let current = 0;
    const draw = () => {
      const far = map.divergence ? `: ${map.divergence[current].toFixed(2)} nats a row from the teacher's` : "";
      name.textContent = `${head(current, heads)}${far}${follow.says(role, current)}`;
      heat(canvas, {
        rows: map.rows, cols: map.cols, most: 32, least: 13,
        row: (r) => rowTokens[r], col: (c) => colTokens[c],
        colour: (r, c) => tint("attention", byte(current, r * map.cols + c) / 255),
        label: `${title}, ${head(current, heads)}: ${map.rows} by ${map.cols} tokens`,
        tell: (r, c) => [el("div", {}, el("b", {}, rowTokens[r]), " looks at ", el("b", {}, colTokens[c])),
          el("div", {}, map.ranges ? "mixture " : "probability ", el("b", {}, value(current, r * map.cols + c).toFixed(2)))],
      });
      thumbs.forEach(({ node, small, k }) => {
        node.setAttribute("aria-pressed", k === current);
        const c = small.getContext("2d");
        const image = c.createImageData(map.cols, map.rows);
        for (let i = 0; i < area; i += 1) image.data.set([...tint("attention", byte(k, i) / 255), 255], 4 * i);
        c.putImageData(image, 0, 0);
      });
    };
    const show = (k) => { current = Math.min(k, map.count - 1); draw(); };
    const grid = el("div", { class: "thumbs" });
    for (let k = 0; k < map.count; k += 1) {
      if (k % (heads || map.count) === 0) grid.append(el("div"));
      const small = el("canvas", { width: map.cols, height: map.rows });
      const node = button("", { class: "thumb", onclick: () => follow.pick(role, k), "aria-label": head(k, heads) }, small, el("span", {}, head(k, heads), map.divergence ? ` ${map.divergence[k].toFixed(2)}` : ""));
      thumbs.push({ node, small, k });
      grid.lastChild.append(node);
    }
    const cut = view.cut ? el("span", { class: "note" }, " (cut)") : null;
    return { role, show, draw, node: el("div", { class: "card map" }, el("h3", {}, title, cut), name, scroller(null, el("div", { class: "box" }, canvas)), scroller(null, grid)) };
  };
  const build = () => {
    const shown = views();
    const teacher = shown.find(([role]) => role === "teacher")?.[2];
    const says = (role, k) => {
      if (role !== "student") return "";
      const found = closest(chosen[0]);
      return found && found.best === k ? `, which counts most for teacher ${head(chosen[0], follow.heads)} (${signed(found.weight)})` : "";
    };
    const pick = (role, k) => {
      if (role === "student") chosen[1] = k;
      else chosen = [k, closest(k)?.best ?? chosen[1]];
      drawers.forEach((one) => one.show(one.role === "student" ? chosen[1] : chosen[0]));
    };
    const count = teacher?.[kind].count;
    const rows = shown.find(([role]) => role === "aligned")?.[2][kind].count;
    // If the teacher has an alignment of its own, rows are not its heads.
    const follow = { heads: count && (!rows || rows === count) ? teacher[kind].heads : 0, says, pick };
    drawers = shown.map((entry) => panel(entry, follow));
    panels.replaceChildren(...drawers.map((one) => one.node));
    const by = sentence.target_by;
    text.replaceChildren(el("b", {}, `${sentence.number}. `), sentence.text, kind === "encoder" ? "" : ` (${given(by) ? `translation by ${runs[by].label}` : "with its reference"} as what is being written)`);
    const first = teacher ? sharpest(teacher[kind]) : 0;
    pick("teacher", first);
    if (!given(closest(first)) && !given(chosen[1])) pick("student", 0);
  };
  // The most concentrated map, shown first.
  const sharpest = (map) => {
    const values = cells(map);
    const area = map.rows * map.cols;
    const sharp = Array.from({ length: map.count }, (_, k) => values.subarray(k * area, (k + 1) * area).reduce((sum, x) => sum + x * x, 0));
    return sharp.indexOf(Math.max(...sharp));
  };
  const one = select("sentence", sentences.map((s) => `${s.number}. ${s.text.length > 60 ? `${s.text.slice(0, 58)}…` : s.text}`), (i) => { sentence = sentences[i]; build(); });
  const who = select("model", students.map((i) => runs[i].label), (i) => { student = students[i]; chosen = [0, 0]; build(); });
  const which = tabs("Attention", kinds.map(([, title]) => title), (i) => { [kind] = kinds[i]; chosen = [0, 0]; build(); });
  chosen = [0, 0];
  section("attention", "Attention",
    el("p", { class: "soft" }, "What each token (row) looks at (column). Choose a head of the teacher: beside it are what the student's alignment makes of its own maps for that head, with how far each is from the teacher's (KL), and the student's head that counts most in it."),
    el("div", { class: "controls" }, one.node, students.length > 1 ? who.node : null, kinds.length > 1 ? which : null, scale("attention", "0", "1")),
    text, panels);
  build();
  painters.push(() => drawers.forEach((drawer) => drawer.draw()));
};
