// Building blocks of the page: elements, number formats, colours, charts, heat maps.

const body = document.body;
body.dataset.errors = "0";
addEventListener("error", () => { body.dataset.errors = Number(body.dataset.errors) + 1; });

const data = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");
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
// A frame around `box`, whose edges are shaded where the box has more to show. With a `label` the keyboard can scroll it.
const scroller = (label, box, attributes) => {
  const edges = ["left", "right", "up", "down"].map((side) => el("i", { class: `edge ${side}`, "aria-hidden": "true" }));
  if (label) fill(box, { role: "region", "aria-label": label }, []);
  const look = () => {
    const [across, along] = [box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight];
    const more = [box.scrollLeft, across - box.scrollLeft, box.scrollTop, along - box.scrollTop];
    edges.forEach((edge, i) => edge.classList.toggle("more", more[i] > 1));
    if (label && Math.max(across, along) > 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  box.addEventListener("scroll", look, { passive: true });
  const sizes = new ResizeObserver(look);
  [box, ...box.children].forEach((node) => sizes.observe(node));
  painters.push(look);
  return el("div", { ...attributes, class: `scroller ${attributes?.class ?? ""}` }, box, edges);
};
// A table whose columns sort its rows. `columns`: [name, value of an item, what is shown of it]; the first is the row's head.
const sortable = (label, columns, items, first) => {
  const rows = el("tbody");
  const order = (value, downwards) => {
    const rank = (x) => (given(x) ? x : downwards ? -Infinity : Infinity);
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
    const sorted = [...items].sort((a, b) => compare(rank(value(a)), rank(value(b))) * (downwards ? -1 : 1) || 0);
    rows.replaceChildren(...sorted.map((item) => el("tr", {}, columns.map(([, , show], i) =>
      el(i ? "td" : "th", i ? {} : { scope: "row" }, show(item))))));
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
  order(first, true);
  const table = el("table", {}, el("thead", {}, el("tr", {}, heads)), rows);
  return scroller(label, el("div", { class: "box" }, table), { class: "card" });
};

// The frame of the page.

const links = el("div", { class: "links" });
const heading = (...facts) => page.append(
  el("h1", {}, document.title),
  el("div", { class: "soft" }, [...facts, data.program].filter(given).join(" · ")),
  el("nav", { "aria-label": "Sections" }, scroller(null, links)));
const warnings = (title, lines) => (lines.length
  ? page.append(el("details", { class: "card warn", open: "" }, el("summary", {}, title), el("ul", {}, lines.map((line) => el("li", {}, line)))))
  : null);
const section = (id, title, ...children) => {
  const node = el("section", { id, class: id }, el("h2", {}, title), ...children);
  page.append(node);
  links.append(el("a", { href: "#" + id }, title));
  return node;
};
const ending = (...children) => {
  page.append(el("footer", {}, children, `Made by ${data.program}. Nothing on this page is loaded from elsewhere.`));
  body.append(tip);
  paint();
  body.dataset.ready = "1";
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
const difference = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(2);
const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toPrecision(2);
const head = (i, heads) => (heads ? `L${Math.floor(i / heads) + 1}H${(i % heads) + 1}` : `map ${i + 1}`);
const colour = (run) => `var(--c${run % 8})`;
const dot = (run) => el("i", { class: "dot", style: `background:${colour(run)}` });
const score = (run, name) => run.scores?.list.find((entry) => entry.name === name)?.score;
const kindOf = (run) => (run.role === "teacher" ? "teacher" : run.facts.method === "none" ? "no teacher" : run.facts.method ?? "");

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

// Painters: they redraw what depends on sizes or colours when these change.

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

// Charts: lines over updates or time, with one cross-hair for all.

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

// So few points are no curve: they are drawn as points with their values, without a line between them.
const FEW = 3;
const sparse = (line) => line.xs.length <= FEW;
// The values beside the points of `lines`. Values that would cover each other move apart.
const values = (lines, atX, atY, box) => {
  const all = lines.flatMap((line) => line.xs.map((x, i) => ({ x: atX(x), y: atY(line.ys[i]) + 4, text: short(line.ys[i]) })));
  all.sort((a, b) => a.y - b.y);
  // Downwards from the highest, then upwards from the axis.
  const apart = (list, way, end) => list.forEach((one, i) => {
    const near = list.slice(0, i).filter((other) => Math.abs(other.x - one.x) < 46).map((other) => way * other.y + 12);
    one.y = way * Math.max(way * one.y, way * end, ...near);
  });
  apart(all, 1, box.top);
  apart(all.reverse(), -1, box.bottom - 2);
  return svg("g", {}, all.map(({ x, y, text }) => svg("text", { class: "value", x: x + 8, y }, text)));
};

// `lines`: { name, colour, key, points: () => [xs, ys] }; a key can be hidden.
// `x` names an axis of its own, which is logarithmic with `ratio`; the others are updates or time.
const chart = ({ title, note, wide, loss, log: always, marks, height, x: axis, ratio }, lines) => {
  const tall = () => (innerWidth > 620 ? height || 190 : height ? 220 : 150);
  const drawing = svg("svg", { tabindex: 0, role: "img" });
  const node = el("figure", { class: `chart card${wide ? " wide" : ""}` },
    el("figcaption", {}, title, el("span", { class: "note" }, note || "")), drawing);
  let view = null;
  const draw = () => {
    const [w, h] = [drawing.clientWidth || 320, tall()];
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
    const marksY = shown.length ? (log ? logTicks(low, high) : ticks(low, high, 5)) : [];
    const longest = Math.max(0, ...marksY.map((y) => short(y).length));
    const beside = Math.max(0, ...shown.filter(sparse).flatMap((line) => line.ys.map((y) => 7 * short(y).length + 6)));
    const box = { left: Math.max(48, 7 * longest + 10), right: w - 10 - beside, top: 10, bottom: h - 24 };
    const xs = shown.flatMap((line) => line.xs);
    let [first, last] = [Math.min(...xs), Math.max(...xs)];
    if (ratio) [first, last] = [first / 1.5, last * 1.5];
    else if (first === last) [first, last] = [first - 1, last + 1];
    const place = (x, from, to, start, end) => start + ((x - from) / (to - from)) * (end - start);
    const along = ratio ? Math.log : (x) => x;
    const atX = (x) => place(along(x), along(first), along(last), box.left, box.right);
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
    for (const y of marksY) {
      drawing.append(
        svg("line", { class: "grid", x1: box.left, x2: box.right, y1: atY(y), y2: atY(y) }),
        svg("text", { x: box.left - 6, y: atY(y) + 4, "text-anchor": "end" }, short(y)));
    }
    const marksX = ratio ? logTicks(first, last) : ticks(first, last, Math.max(2, Math.floor(w / 80)), byTime && !axis);
    for (const x of marksX) {
      const label = axis ? short(x) : byTime ? duration(x) : short(x);
      drawing.append(svg("text", { x: atX(x), y: h - 7, "text-anchor": "middle" }, label));
    }
    drawing.append(svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
    for (const line of shown) {
      const d = line.xs.map((x, i) => `${i ? "L" : "M"}${atX(x).toFixed(1)} ${atY(line.ys[i]).toFixed(1)}`).join("");
      if (!sparse(line)) drawing.append(svg("path", { d, fill: "none", style: `stroke:${line.colour}`, "stroke-width": 1.8, "stroke-linejoin": "round", "stroke-dasharray": line.dash }));
      if (marks || sparse(line))
        line.xs.forEach((x, i) => drawing.append(
          svg("circle", { cx: atX(x), cy: atY(line.ys[i]), r: sparse(line) ? 4 : 2.6, style: `fill:${line.colour}` })));
    }
    drawing.append(values(shown.filter(sparse), atX, atY, box));
    const hair = svg("line", { class: "cross", y1: box.top, y2: box.bottom, visibility: "hidden" });
    const spots = svg("g");
    drawing.append(hair, spots);
    const stops = axis ? [...new Set(xs)].sort((a, b) => a - b) : shown[0].xs;
    view = { shown, box, first, last, atX, atY, hair, spots, w, stops };
    const ends = shown.map((line) => (sparse(line)
      ? `${line.name}: ${line.ys.map(short).join(", ")}`
      : `${line.name} ends at ${short(line.ys[line.ys.length - 1])}`));
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
    const reaches = (line) => (axis ? line.xs.includes(x) : x <= Math.max(...line.xs) + 1e-9);
    return shown.filter(reaches).map((line) => {
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
    cursor = view.stops[nearest(view.stops.map(view.atX), at)];
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
    const { stops } = view;
    const i = cursor === null ? 0 : Math.min(stops.length - 1, Math.max(0, nearest(stops, cursor) + by));
    cursor = stops[i];
    const rect = drawing.getBoundingClientRect();
    told(cursor, rect.left + (view.atX(cursor) / view.w) * rect.width, rect.top + 40);
  });
  charts.push({ draw, point, axis });
  painters.push(draw);
  return node;
};
const charts = [];
const redraw = () => charts.forEach((one) => one.draw());

// Heat maps: cells on a canvas; the pointer or the arrow keys show values.

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
