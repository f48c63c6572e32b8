"use strict";
// Draws the page from the numbers in it. Texts reach the page as text, never as HTML.
(() => {
  const body = document.body;
  body.dataset.errors = "0";
  addEventListener("error", () => { body.dataset.errors = Number(body.dataset.errors) + 1; });

  const data = JSON.parse(document.getElementById("data").textContent);
  const page = document.getElementById("page");
  const runs = data.runs;
  const KINDS = [["encoder", "Encoder"], ["decoder", "Decoder"], ["cross", "Cross"]];

  // Elements.

  const fill = (node, attributes, children) => {
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (key === "style") node.style.cssText = value;
      else node.setAttribute(key, value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return node;
  };
  const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  const button = (text, attributes, ...more) => el("button", { type: "button", ...attributes }, text, ...more);
  const select = (label, options, on) => {
    const list = el("select", { onchange: () => on(Number(list.value)) });
    options.forEach((text, i) => list.append(el("option", { value: i }, text)));
    return { list, node: el("label", {}, label, list) };
  };
  const tabs = (label, names, on) => {
    const press = (i) => {
      all.forEach((tab, k) => tab.setAttribute("aria-pressed", k === i));
      on(i);
    };
    const all = names.map((name, i) => button(name, { "aria-pressed": i === 0, onclick: () => press(i) }));
    return el("div", { class: "tabs", role: "group", "aria-label": label }, all);
  };
  const section = (id, title, ...children) => {
    const node = el("section", { id, class: id }, el("h2", {}, title), ...children);
    page.append(node);
    nav.append(el("a", { href: "#" + id }, title));
    return node;
  };

  // Numbers and names.

  const given = (x) => x !== null && x !== undefined;
  const fixed = (x, places) => (given(x) ? x.toFixed(places) : "–");
  const whole = (x) => (given(x) ? Math.round(x).toLocaleString("en-US") : "–");
  const short = (x) => {
    const size = Math.abs(x);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return x.toExponential(1).replace("e+", "e");
    if (size >= 1e4) return `${+(x / 1e3).toFixed(1)}k`;
    return String(+x.toPrecision(4));
  };
  const duration = (s) => {
    if (!given(s)) return "–";
    const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
    const part = (n, unit) => (n ? ` ${n} ${unit}` : "");
    if (h) return `${h} h${part(m, "min")}`;
    return m ? `${m} min${part(Math.floor(s % 60), "s")}` : `${s < 10 ? +s.toFixed(1) : Math.round(s)} s`;
  };
  const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toPrecision(2);
  const head = (i, heads) => (heads ? `L${Math.floor(i / heads) + 1}H${(i % heads) + 1}` : `map ${i + 1}`);
  const colour = (run) => `var(--c${run % 8})`;
  const dot = (run) => el("i", { class: "dot", style: `background:${colour(run)}` });
  const score = (run, name) => run.scores?.list.find((entry) => entry.name === name)?.score;
  const bleu = (run) => score(run, "BLEU") ?? null;
  const kindOf = (run) => (run.role === "teacher" ? "teacher" : run.facts.method === "none" ? "no teacher" : run.facts.method ?? "");
  const asked = runs.filter((run) => run.role === "run");

  // Colours of heat maps: mixed in OKLab, so that equal steps look equal.

  let printing = false;
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => scheme.matches && !printing;
  const STOPS = {
    light: {
      weight: [[0.38, 0.15, 260], [0.66, 0.11, 250], [0.975, 0, 0], [0.7, 0.15, 50], [0.42, 0.15, 35]],
      attention: [[0.985, 0.003, 250], [0.82, 0.07, 235], [0.55, 0.14, 260], [0.27, 0.11, 280]],
    },
    dark: {
      weight: [[0.86, 0.09, 235], [0.58, 0.13, 250], [0.24, 0.01, 260], [0.6, 0.15, 45], [0.88, 0.1, 75]],
      attention: [[0.22, 0.015, 260], [0.42, 0.12, 290], [0.66, 0.17, 20], [0.92, 0.13, 95]],
    },
  };
  const rgb = ([L, a, b]) => {
    const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
    const linear = [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ];
    return linear.map((x) => {
      const y = Math.min(1, Math.max(0, x));
      return Math.round(255 * (y <= 0.0031308 ? 12.92 * y : 1.055 * y ** (1 / 2.4) - 0.055));
    });
  };
  const lab = ([L, C, h]) => [L, C * Math.cos((h * Math.PI) / 180), C * Math.sin((h * Math.PI) / 180)];
  const ramps = {};
  // 256 colours of a scale, `[red, green, blue]` each.
  const ramp = (name) => {
    const mode = dark() ? "dark" : "light";
    return (ramps[mode + name] ??= Array.from({ length: 256 }, (_, i) => {
      const stops = STOPS[mode][name].map(lab);
      const at = (i / 255) * (stops.length - 1);
      const k = Math.min(Math.floor(at), stops.length - 2);
      return rgb(stops[k].map((x, c) => x + (stops[k + 1][c] - x) * (at - k)));
    }));
  };
  // The colour of a share from 0 to 1.
  const tint = (name, share) => ramp(name)[Math.round(255 * Math.min(1, Math.max(0, share)))];
  const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
  const ink = ([r, g, b]) => (0.3 * r + 0.6 * g + 0.1 * b > 140 ? "#14171b" : "#fff");
  const scale = (name, low, high) => {
    const bar = el("i");
    const node = el("span", { class: "scale" }, low, bar, high);
    painters.push(() => {
      const steps = [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1].map((x) => css(tint(name, x)));
      bar.style.background = `linear-gradient(90deg, ${steps.join(",")})`;
    });
    return node;
  };

  // Whatever depends on sizes or colours is painted again when they change.

  const painters = [];
  const paint = () => painters.forEach((painter) => painter());
  scheme.addEventListener("change", paint);
  addEventListener("beforeprint", () => { printing = true; paint(); });
  addEventListener("afterprint", () => { printing = false; paint(); });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    paint();
  });

  const tip = el("div", { class: "tip", role: "status", hidden: "" });
  const showTip = (x, y, ...content) => {
    tip.replaceChildren(...content);
    tip.hidden = false;
    const { width: w, height: h } = tip.getBoundingClientRect();
    const left = x + 16 + w > innerWidth ? x - w - 12 : x + 16;
    const top = y + 16 + h > innerHeight ? y - h - 12 : y + 16;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  };
  const hideTip = () => { tip.hidden = true; };

  // Charts: lines over updates or time, all with the same cross-hair.

  const hidden = new Set();
  let byTime = false;
  let logarithmic = false;
  let cursor = null;

  const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const ticks = (low, high, count, time) => {
    const rough = (high - low) / count || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const plain = power * ([1, 2, 2.5, 5, 10].find((x) => x * power >= rough * 0.75) ?? 10);
    const step = (time && rough > 1 && TIMES.find((x) => x >= rough * 0.999)) || plain;
    const out = [];
    for (let x = Math.ceil(low / step - 1e-9) * step; x <= high + step * 1e-9; x += step) out.push(+x.toPrecision(12));
    return out;
  };
  const logTicks = (low, high) => {
    const out = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
      for (const digit of [1, 2, 5]) {
        const x = digit * 10 ** power;
        if (x >= low * 0.999 && x <= high * 1.001) out.push(x);
      }
    return out.length > 2 ? out : ticks(low, high, 4);
  };
  const nearest = (xs, x) => {
    let best = 0;
    xs.forEach((other, i) => { if (Math.abs(other - x) < Math.abs(xs[best] - x)) best = i; });
    return best;
  };

  // `lines`: { name, colour, key, points: () => [xs, ys] }; a key can be hidden.
  const chart = ({ title, note, wide, loss, log: always, marks, height, x: axis }, lines) => {
    const tall = () => (innerWidth > 620 ? height || 190 : height ? 220 : 150);
    const drawing = svg("svg", { tabindex: 0, role: "img" });
    const node = el("figure", { class: `chart card${wide ? " wide" : ""}` },
      el("figcaption", {}, title, el("span", { class: "note" }, note || "")), drawing);
    let view = null;
    const draw = () => {
      const [w, h] = [drawing.clientWidth || 320, tall()];
      const box = { left: 48, right: w - 10, top: 10, bottom: h - 24 };
      const shown = lines.filter((line) => !hidden.has(line.key)).map((line) => {
        const [xs, ys] = line.points();
        const kept = xs.map((_, i) => i).filter((i) => given(xs[i]) && given(ys[i]));
        return { ...line, xs: kept.map((i) => xs[i]), ys: kept.map((i) => ys[i]) };
      }).filter((line) => line.xs.length);
      const all = shown.flatMap((line) => line.ys);
      const log = (always || (loss && logarithmic)) && all.every((y) => y > 0);
      let [low, high] = [Math.min(...all), Math.max(...all)];
      if (!log) {
        const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
        [low, high] = [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
      } else if (low === high) [low, high] = [low / 2, high * 2];
      const xs = shown.flatMap((line) => line.xs);
      let [first, last] = [Math.min(...xs), Math.max(...xs)];
      if (first === last) [first, last] = [first - 1, last + 1];
      const place = (x, from, to, start, end) => start + ((x - from) / (to - from)) * (end - start);
      const atX = (x) => place(x, first, last, box.left, box.right);
      const atY = (y) => (log
        ? place(Math.log(y), Math.log(low), Math.log(high), box.bottom, box.top)
        : place(y, low, high, box.bottom, box.top));
      drawing.setAttribute("height", h);
      drawing.setAttribute("viewBox", `0 0 ${w} ${h}`);
      drawing.replaceChildren();
      if (!shown.length) {
        view = null;
        drawing.append(svg("text", { x: w / 2, y: h / 2, "text-anchor": "middle" }, "nothing to show"));
        return;
      }
      for (const y of log ? logTicks(low, high) : ticks(low, high, 5)) {
        drawing.append(
          svg("line", { class: "grid", x1: box.left, x2: box.right, y1: atY(y), y2: atY(y) }),
          svg("text", { x: box.left - 6, y: atY(y) + 4, "text-anchor": "end" }, short(y)));
      }
      for (const x of ticks(first, last, Math.max(2, Math.floor(w / 80)), byTime && !axis)) {
        const label = axis ? short(x) : byTime ? duration(x) : short(x);
        drawing.append(svg("text", { x: atX(x), y: h - 7, "text-anchor": "middle" }, label));
      }
      drawing.append(svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
      for (const line of shown) {
        const d = line.xs.map((x, i) => `${i ? "L" : "M"}${atX(x).toFixed(1)} ${atY(line.ys[i]).toFixed(1)}`).join("");
        drawing.append(svg("path", { d, fill: "none", style: `stroke:${line.colour}`, "stroke-width": 1.8, "stroke-linejoin": "round", "stroke-dasharray": line.dash }));
        if (marks || line.xs.length === 1)
          line.xs.forEach((x, i) => drawing.append(
            svg("circle", { cx: atX(x), cy: atY(line.ys[i]), r: 2.6, style: `fill:${line.colour}` })));
      }
      const hair = svg("line", { class: "cross", y1: box.top, y2: box.bottom, visibility: "hidden" });
      const spots = svg("g");
      drawing.append(hair, spots);
      view = { shown, box, first, last, atX, atY, hair, spots, w };
      const ends = shown.map((line) => `${line.name} ends at ${short(line.ys[line.ys.length - 1])}`);
      drawing.setAttribute("aria-label", `${title}: ${ends.join(", ")}`);
    };
    const point = (x) => {
      if (!view) return [];
      const { shown, box, atX, atY, hair, spots } = view;
      const inside = x !== null && x >= view.first && x <= view.last;
      hair.setAttribute("visibility", inside ? "visible" : "hidden");
      spots.replaceChildren();
      if (!inside) return [];
      hair.setAttribute("x1", atX(x));
      hair.setAttribute("x2", atX(x));
      return shown.filter((line) => x <= Math.max(...line.xs) + 1e-9).map((line) => {
        const i = nearest(line.xs, x);
        spots.append(svg("circle", { cx: Math.min(box.right, atX(line.xs[i])), cy: atY(line.ys[i]), r: 3.5, style: `fill:${line.colour}` }));
        return el("div", {}, el("i", { class: "dot", style: `background:${line.colour}` }), `${line.name} `, el("b", {}, short(line.ys[i])));
      });
    };
    const told = (x, left, top) => {
      const rows = point(x);
      if (!axis) charts.forEach((other) => { if (other.point !== point && !other.axis) other.point(x); });
      if (!rows.length) return hideTip();
      const where = axis ? `${axis} ${short(x)}` : byTime ? duration(x) : `update ${whole(x)}`;
      return showTip(left, top, el("div", { class: "soft" }, where), ...rows.slice(0, 14));
    };
    const move = (event) => {
      if (!view) return;
      const rect = drawing.getBoundingClientRect();
      const at = ((event.clientX - rect.left) / rect.width) * view.w;
      const share = (at - view.box.left) / (view.box.right - view.box.left);
      const x = view.first + Math.min(1, Math.max(0, share)) * (view.last - view.first);
      cursor = view.shown[0].xs[nearest(view.shown[0].xs, x)];
      told(cursor, event.clientX, event.clientY);
    };
    const leave = () => { hideTip(); charts.forEach((other) => other.point(null)); };
    drawing.addEventListener("pointermove", move);
    drawing.addEventListener("pointerdown", move);
    drawing.addEventListener("pointerleave", leave);
    drawing.addEventListener("blur", leave);
    drawing.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || !view) return;
      event.preventDefault();
      const { xs } = view.shown[0];
      const i = cursor === null ? 0 : Math.min(xs.length - 1, Math.max(0, nearest(xs, cursor) + by));
      cursor = xs[i];
      const rect = drawing.getBoundingClientRect();
      told(cursor, rect.left + (view.atX(cursor) / view.w) * rect.width, rect.top + 40);
    });
    charts.push({ draw, point, axis });
    painters.push(draw);
    return node;
  };
  const charts = [];
  const redraw = () => charts.forEach((one) => one.draw());

  // Heat maps: cells on a canvas, with the pointer or the arrow keys telling values.

  // `map`: { rows, cols, colour(r, c), tell(r, c), row(r), col(c), rowGap, colGap, label, most, pick }
  const heat = (canvas, map) => {
    const c = canvas.getContext("2d");
    const font = getComputedStyle(body).fontFamily;
    const style = getComputedStyle(document.documentElement);
    c.font = `11px ${font}`;
    const longest = (count, name) => Math.max(...Array.from({ length: count }, (_, i) => c.measureText(name(i)).width));
    const left = Math.min(110, Math.ceil(longest(map.rows, map.row)) + 8);
    const top = Math.min(110, Math.ceil(longest(map.cols, map.col)) + 8);
    const room = canvas.parentElement.clientWidth - left - 2;
    const gaps = (n, gap) => (gap ? Math.floor((n - 1) / gap) * 3 : 0);
    const size = Math.max(map.least || 11, Math.min(map.most || 30, Math.floor((room - gaps(map.cols, map.colGap)) / map.cols)));
    const at = (i, gap) => i * size + gaps(i + 1, gap);
    const [w, h] = [left + at(map.cols - 1, map.colGap) + size + 2, top + at(map.rows - 1, map.rowGap) + size + 2];
    const density = Math.max(1, devicePixelRatio || 1);
    Object.assign(canvas, { width: w * density, height: h * density });
    Object.assign(canvas.style, { width: `${w}px`, height: `${h}px` });
    c.scale(density, density);
    c.clearRect(0, 0, w, h);
    c.font = `11px ${font}`;
    c.textBaseline = "middle";
    c.fillStyle = style.getPropertyValue("--soft");
    c.textAlign = "right";
    const skip = Math.ceil(12 / size);
    const edge = size > 7 ? 1 : 0;
    for (let r = 0; r < map.rows; r += skip) c.fillText(map.row(r), left - 6, top + at(r, map.rowGap) + size / 2 + 1, left - 6);
    c.textAlign = "left";
    for (let k = 0; k < map.cols; k += skip) {
      c.save();
      c.translate(left + at(k, map.colGap) + size / 2, top - 5);
      c.rotate(-Math.PI / 2);
      c.fillText(map.col(k), 0, 1, top - 6);
      c.restore();
    }
    for (let r = 0; r < map.rows; r += 1)
      for (let k = 0; k < map.cols; k += 1) {
        c.fillStyle = css(map.colour(r, k));
        c.fillRect(left + at(k, map.colGap), top + at(r, map.rowGap), size - edge, size - edge);
      }
    const [r, k] = canvas.cell || [];
    if (canvas.cell && r < map.rows && k < map.cols) {
      c.strokeStyle = style.getPropertyValue("--ink");
      c.lineWidth = 2;
      c.strokeRect(left + at(k, map.colGap), top + at(r, map.rowGap), size - 1, size - 1);
    }
    canvas.setAttribute("aria-label", map.label);
    canvas.spot = (row, col) => [left + at(col, map.colGap) + size, top + at(row, map.rowGap) + size];
    canvas.find = (x, y) => {
      const find = (value, count, gap) => {
        for (let i = 0; i < count; i += 1) if (value >= at(i, gap) && value < at(i, gap) + size) return i;
        return -1;
      };
      return [find(y - top, map.rows, map.rowGap), find(x - left, map.cols, map.colGap)];
    };
    canvas.map = map;
  };
  const heatCanvas = () => {
    const canvas = el("canvas", { tabindex: 0, role: "img" });
    const tell = (cell, x, y) => {
      const outside = !cell || cell[0] < 0 || cell[1] < 0;
      const changed = String(canvas.cell) !== String(outside ? null : cell);
      canvas.cell = outside ? null : cell;
      if (changed) heat(canvas, canvas.map);
      if (outside) return hideTip();
      return showTip(x, y, ...canvas.map.tell(...cell));
    };
    const move = (event) => {
      const rect = canvas.getBoundingClientRect();
      tell(canvas.find(event.clientX - rect.left, event.clientY - rect.top), event.clientX, event.clientY);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerdown", move);
    canvas.addEventListener("click", () => { if (canvas.cell) canvas.map.pick?.(...canvas.cell); });
    canvas.addEventListener("pointerleave", () => tell(null));
    canvas.addEventListener("blur", () => tell(null));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (event.key === "Escape") tell(null);
      if (event.key === "Enter" && canvas.cell) canvas.map.pick?.(...canvas.cell);
      if (!step) return;
      event.preventDefault();
      const [r, k] = canvas.cell || [0, -step[1]];
      const next = [Math.min(canvas.map.rows - 1, Math.max(0, r + step[0])), Math.min(canvas.map.cols - 1, Math.max(0, k + step[1]))];
      const rect = canvas.getBoundingClientRect();
      const [x, y] = canvas.spot(...next);
      tell(next, rect.left + x, rect.top + y);
    });
    return canvas;
  };

  // The top of the page.

  const languages = asked.map((run) => run.facts.languages).find((pair) => pair?.[0]);
  const nav = el("nav", { "aria-label": "Sections" });
  page.append(
    el("h1", {}, document.title),
    el("div", { class: "soft" }, [
      languages ? `${languages[0]} → ${languages[1]}` : null,
      asked.length === 1 ? kindOf(asked[0]) : `${asked.length} runs`,
      data.program,
    ].filter(given).join(" · ")),
    nav);

  // The same student without a teacher: made beside the run, or asked for.
  const baseline = (run) => {
    const beside = runs.find((other) => other.role === "alone" && other.label === `${run.label}/alone`);
    const own = ({ settings }) => JSON.stringify((settings || []).filter(([key]) => /^(model|train)\./.test(key)));
    return beside ?? asked.find((other) => other !== run && other.facts.method === "none" && own(other) === own(run));
  };
  for (const run of asked) {
    const [low, mine, high] = [baseline(run), run, runs[run.teacher]].map((one) => (one ? bleu(one) : null));
    if (![low, mine, high].every(given) || high <= low) continue;
    const share = Math.round(((mine - low) / (high - low)) * 100);
    const name = asked.length > 1 ? `${run.label}: ` : "";
    page.append(el("p", { class: "headline" },
      `${name}${mine.toFixed(1)} BLEU by distillation, ${low.toFixed(1)} alone, ${high.toFixed(1)} the teacher: `,
      el("b", {}, share >= 0 ? `${share} % of the gap is closed` : "the gap has grown"), "."));
  }
  const missing = new Map();
  runs.forEach((run) => run.notes.forEach((note) => missing.set(note, [...(missing.get(note) ?? []), run.label])));
  if (missing.size) {
    page.append(el("details", { class: "card warn", open: "" },
      el("summary", {}, "What is missing"),
      el("ul", {}, [...missing].map(([note, labels]) => el("li", {}, el("b", {}, labels.join(", ")), ": ", note)))));
  }

  // Results.

  const results = () => {
    const splits = [...new Set(runs.map((run) => run.scores?.split).filter(given))];
    const split = splits.length === 1 ? ` (${splits[0]})` : "";
    const mostBleu = Math.max(...runs.map(bleu).filter(given), ...runs.map((run) => run.facts.best_bleu).filter(given), 1);
    const meter = (run, value) => el("span", { class: "meter", "aria-hidden": "true" },
      el("i", { style: `width:${(100 * Math.max(0, value)) / mostBleu}%;background:${colour(runs.indexOf(run))}` }));
    const finished = (run) => (run.facts.finished === null ? "no checkpoint" : run.facts.finished ? "finished" : "not finished");
    const columns = [
      ["run", (run) => run.label, (run) => [dot(runs.indexOf(run)), run.label, el("div", { class: "note" }, kindOf(run))]],
      [`BLEU${split}`, bleu, (run) => [fixed(bleu(run), 2), given(bleu(run)) ? meter(run, bleu(run)) : null]],
      ["chrF2", (run) => score(run, "chrF2") ?? null, (run) => fixed(score(run, "chrF2"), 2)],
      ["best valid BLEU", (run) => run.facts.best_bleu, (run) => [
        fixed(run.facts.best_bleu, 2),
        given(run.facts.best_update) ? el("div", { class: "note" }, `at update ${whole(run.facts.best_update)}`) : null]],
      ["parameters", (run) => run.facts.parameters, (run) => whole(run.facts.parameters)],
      ["epochs", (run) => run.facts.epochs, (run) => whole(run.facts.epochs)],
      ["updates", (run) => run.facts.updates, (run) => [whole(run.facts.updates), el("div", { class: "note" }, finished(run))]],
      ["training", (run) => run.facts.seconds, (run) => [
        duration(run.facts.seconds), el("div", { class: "note" }, `${whole(run.facts.tokens_per_second)} tokens/s`)]],
      ["translation", (run) => run.scores?.tokens_per_second ?? null, (run) => [
        whole(run.scores?.tokens_per_second), el("div", { class: "note" }, "tokens/s")]],
      ["seed", (run) => run.facts.seed, (run) => String(run.facts.seed ?? "–")],
    ];
    const rows = el("tbody");
    const order = (value, downwards) => {
      const rank = (x) => (given(x) ? x : downwards ? -Infinity : Infinity);
      const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
      const sorted = [...runs].sort((a, b) => compare(rank(value(a)), rank(value(b))) * (downwards ? -1 : 1) || 0);
      rows.replaceChildren(...sorted.map((run) => el("tr", {}, columns.map(([, , show], i) =>
        el(i ? "td" : "th", i ? {} : { scope: "row" }, show(run))))));
    };
    const heads = columns.map(([name, value], i) => {
      const head = el("th", { scope: "col" }, button(name, {
        onclick: () => {
          const downwards = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : i > 0;
          heads.forEach((other) => other.removeAttribute("aria-sort"));
          head.setAttribute("aria-sort", downwards ? "descending" : "ascending");
          order(value, downwards);
        },
      }));
      return head;
    });
    order((run) => bleu(run) ?? run.facts.best_bleu, true);
    const seeds = data.seeds.map((group) => {
      const scored = group.every((i) => given(bleu(runs[i])));
      const values = group.map((i) => (scored ? bleu(runs[i]) : runs[i].facts.best_bleu)).filter(given);
      if (values.length < 2) return null;
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1));
      return el("li", {}, `${group.map((i) => runs[i].label).join(", ")}: `,
        el("b", {}, `${mean.toFixed(2)} ± ${deviation.toFixed(2)} ${scored ? "BLEU" : "validation BLEU"}`),
        ` (mean and standard deviation of ${values.length} seeds)`);
    }).filter(given);
    const signature = runs.map((run) => run.scores?.list.find((entry) => entry.name === "BLEU")?.signature).find(given);
    section("results", "Results",
      el("div", { class: "card box" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), rows)),
      seeds.length ? el("ul", {}, seeds) : null,
      signature ? el("p", { class: "soft small" }, el("code", {}, signature)) : null);
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
    })).filter((line) => kind === "validations" || line.points()[1].some((y) => given(y) && y !== 0));
    const all = [
      [{ title: "BLEU", note: "validation", wide: true, marks: true, height: 250 }, lines("validations", "bleu")],
      [{ title: "Perplexity", note: "validation, log scale", wide: true, marks: true, height: 250, log: true }, lines("validations", "valid_nll", Math.exp)],
      [{ title: "Loss", note: "training, all terms", loss: true }, lines("windows", "loss")],
      [{ title: "Cross-entropy", note: "nats per token", loss: true }, lines("windows", "ce")],
      [{ title: "Teacher's words", note: "kd", loss: true }, lines("windows", "kd")],
      [{ title: "Encoder attention", note: "kl_encoder, weighted", loss: true }, lines("windows", "kl_encoder")],
      [{ title: "Decoder attention", note: "kl_decoder, weighted", loss: true }, lines("windows", "kl_decoder")],
      [{ title: "Cross-attention", note: "kl_cross, weighted", loss: true }, lines("windows", "kl_cross")],
      [{ title: "Learning rate" }, lines("windows", "lr")],
      [{ title: "Gradient norm", loss: true }, lines("windows", "gradient_norm")],
      [{ title: "Speed", note: "target tokens per second" }, lines("windows", "tokens_per_second")],
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
    let run = aligned[0];
    let frame = 0;
    let kind = 0;
    let peaked = false;
    let timer = null;
    const canvases = KINDS.map(heatCanvas);
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

    const maps = () => KINDS.forEach(([name, title], k) => {
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
      const matrix = run.alignment[KINDS[kind][0]];
      const most = limit(KINDS[kind][0]);
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
            room * share > 6400 ? `${head(c, matrix.col_heads)} ${signed(w)}` : "");
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
        const lines = KINDS.map(([name, title], k) => {
          const matrix = run.alignment[name];
          const mean = (f) => Array.from({ length: matrix.rows }, (_, r) => entropy(rowOf(matrix, f, r))).reduce((a, b) => a + b, 0) / matrix.rows;
          const ys = frames.map((_, f) => mean(f));
          return { name: title, key: `spread of ${name}`, colour: `var(--c${k})`, points: () => [xs, ys] };
        });
        const figure = chart({ title: "Spread of the weights", note: "mean over teacher heads", marks: true, x: "update", height: 210 }, lines);
        figure.style.gridColumn = "1 / -1";
        course.append(figure, el("div", { class: "small soft", style: "grid-column:1/-1" },
          KINDS.map(([, title], k) => el("span", { style: "margin-right:16px" }, dot(k), title))));
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
      el("div", { class: "maps" }, KINDS.map(([, title], k) => el("div", { class: "card map" },
        el("h3", {}, title, k < 2 ? " self-attention" : "-attention"), el("div", { class: "box" }, canvases[k])))),
      el("h3", { style: "margin-top:26px" }, "How each teacher head is composed, and how peaked that is"),
      el("p", { class: "soft small" }, "Each bar is the sum of the weights' sizes of one teacher head. Its spread is their entropy over that of equal weights: 0 where one student head is all, 1 where all count alike."),
      el("div", { class: "controls" },
        tabs("Attention", KINDS.map(([, title]) => title), (i) => { kind = i; composition(); }),
        el("label", {}, order, "most peaked first")),
      el("div", { class: "card" }, list),
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
    let kind = 2;
    let chosen = [];
    const panels = el("div", { class: "maps" });
    const text = el("p", { class: "soft" });
    let drawers = [];

    const views = () => {
      const of = (run, aligned) => sentence.views.find((view) => view.run === run && view.aligned === aligned);
      // A model without a teacher is shown beside one that reads the same tokens.
      const same = (view) => view.source.join() === of(student, false)?.source.join();
      const any = sentence.views.find((view) => runs[view.run].role === "teacher" && same(view))?.run;
      const teacher = runs[student].role === "teacher" ? null : runs[student].teacher ?? any;
      return [
        given(teacher) ? ["teacher", `Teacher: ${runs[teacher].label}`, of(teacher, false)] : null,
        ["aligned", `${runs[student].label}, aligned to the teacher's heads`, of(student, true)],
        ["student", runs[student].label, of(student, false)],
      ].filter((entry) => entry?.[2]);
    };
    // The student head that counts most for a teacher head, where an alignment says so.
    const closest = (r) => {
      const matrix = runs[student].alignment?.[KINDS[kind][0]];
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
      const map = view[KINDS[kind][0]];
      const values = cells(map);
      const area = map.rows * map.cols;
      const byte = (k, i) => values[k * area + i];
      const value = (k, i) => {
        const [low, high] = map.ranges?.[k] ?? [0, 1];
        return low + (byte(k, i) / 255) * (high - low);
      };
      const [rowTokens, colTokens] = [[view.source, view.source], [view.inputs, view.inputs], [view.target, view.source]][kind];
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
      return { role, show, draw, node: el("div", { class: "card map" }, el("h3", {}, title, cut), name, el("div", { class: "box" }, canvas), grid) };
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
      const count = teacher?.[KINDS[kind][0]].count;
      const rows = shown.find(([role]) => role === "aligned")?.[2][KINDS[kind][0]].count;
      // With a teacher's own alignment between, rows are no heads of its.
      const follow = { heads: count && (!rows || rows === count) ? teacher[KINDS[kind][0]].heads : 0, says, pick };
      drawers = shown.map((entry) => panel(entry, follow));
      panels.replaceChildren(...drawers.map((one) => one.node));
      const by = sentence.target_by;
      text.replaceChildren(el("b", {}, `${sentence.number}. `), sentence.text, ` (${given(by) ? `translation by ${runs[by].label}` : "with its reference"} as what is being written)`);
      const first = teacher ? sharpest(teacher[KINDS[kind][0]]) : 0;
      pick("teacher", first);
      if (!given(closest(first)) && !given(chosen[1])) pick("student", 0);
    };
    // The map with the most on few cells: one that shows something.
    const sharpest = (map) => {
      const values = cells(map);
      const area = map.rows * map.cols;
      const sharp = Array.from({ length: map.count }, (_, k) => values.subarray(k * area, (k + 1) * area).reduce((sum, x) => sum + x * x, 0));
      return sharp.indexOf(Math.max(...sharp));
    };
    const one = select("sentence", sentences.map((s) => `${s.number}. ${s.text.length > 60 ? `${s.text.slice(0, 58)}…` : s.text}`), (i) => { sentence = sentences[i]; build(); });
    const who = select("model", students.map((i) => runs[i].label), (i) => { student = students[i]; chosen = [0, 0]; build(); });
    const kinds = tabs("Attention", ["Cross", "Encoder", "Decoder"], (i) => { kind = [2, 0, 1][i]; chosen = [0, 0]; build(); });
    chosen = [0, 0];
    section("attention", "Attention",
      el("p", { class: "soft" }, "What each token (row) looks at (column). Choose a head of the teacher: beside it are what the student's alignment makes of its own maps for that head, with how far each is from the teacher's (KL), and the student's head that counts most in it."),
      el("div", { class: "controls" }, one.node, students.length > 1 ? who.node : null, kinds, scale("attention", "0", "1")),
      text, panels);
    build();
    painters.push(() => drawers.forEach((drawer) => drawer.draw()));
  };

  // Translations, with what differs from the reference.

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
  const translations = () => {
    const samples = data.samples || [];
    if (!samples.some((sample) => sample.translations.length)) return;
    const line = (who, note, said, extra) => [
      el("div", { class: `who ${extra}` }, who), el("div", { class: `score ${extra}` }, note), el("div", { class: `said ${extra}` }, said)];
    const cards = samples.map((sample) => {
      const order = sample.translations.map((one, i) => [one, i]).sort(([a, i], [b, k]) => (b.bleu ?? 0) - (a.bleu ?? 0) || i - k);
      return el("div", { class: "card sample" },
        line("source", `line ${sample.number}`, sample.source, "source"),
        given(sample.reference) ? line("reference", "", sample.reference, "given") : null,
        order.map(([one]) => {
          const same = one.text === sample.reference;
          return line([dot(one.run), runs[one.run].label], given(one.bleu) ? (same ? "same" : fixed(one.bleu, 0)) : "",
            given(sample.reference) && !same ? marked(one.text, sample.reference) : one.text, "");
        }));
    });
    section("translations", "Translations",
      el("p", { class: "soft" }, `From ${data.text}, beam ${data.beam}; the best of each model. Against the reference, `,
        el("ins", {}, "these words"), " are other or more, ", el("del", {}, "these"), " are missing; the number is the sentence's BLEU."),
      el("div", { class: "samples" }, cards));
  };

  // Settings, and how to do it again.

  const again = () => {
    const told = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
    const facts = (pairs) => el("dl", { class: "facts" }, pairs.filter(([, value]) => given(value) && value !== "")
      .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, told(value))]));
    const machine = ({ machine: m }) => m && [m.cpu, given(m.cores) ? `${m.cores} cores` : null,
      m.memory_bytes ? `${(m.memory_bytes / 2 ** 30).toFixed(1)} GiB` : null, m.os].filter(given).join(", ");
    const start = (one, i, all) => [
      all.length > 1 ? el("h3", {}, i ? `Start ${i + 1}, from update ${whole(one.from_update)}` : "First start") : null,
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

    // Several runs are compared among themselves; one, with what was made for it.
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
      el("div", { class: "card box" }, el("table", {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "key"), set.map((run) => el("th", { scope: "col" }, run.label)))),
        el("tbody", {}, rows.map(({ row }) => row)))));
  };

  results();
  curves();
  alignment();
  attention();
  translations();
  again();
  page.append(el("footer", {}, `Made by ${data.program}, host report. Nothing on this page is loaded from elsewhere.`));
  body.append(tip);
  paint();
  body.dataset.ready = "1";
})();
