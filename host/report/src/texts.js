// The sections of text models: the confusion matrix, and what the models make of some texts.

// A row of a sample: who says it, a note, what is said.
const line = (who, note, said, extra) => [
  el("div", { class: `who ${extra}` }, who), el("div", { class: `score ${extra}` }, note), el("div", { class: `said ${extra}` }, said)];

// A name that may break between its words.
const breakable = (name) => name.replace(/([\p{Ll}\d])(?=\p{Lu})|([_./-])/gu, "$&\u200b");

const confusion = () => {
  const found = data.confusion?.runs ?? [];
  if (!found.length) return;
  const box = el("div", { class: "box" });
  const told = el("p", { class: "soft" });
  let shaded = [];
  const shade = () => shaded.forEach(([cell, value]) => {
    const back = tint("weight", value);
    cell.style.background = css(back);
    cell.style.color = ink(back);
  });
  const show = (one) => {
    const { labels, rows, texts, f1, confused, all } = one;
    shaded = [];
    const cell = (count, i, k) => {
      const node = el("td", { title: `${labels[i]}, found ${labels[k]}: ${count}` }, count || i === k ? whole(count) : "");
      // Few errors must be seen, too.
      const share = count / texts[i];
      if (count) shaded.push([node, i === k ? 0.5 - share / 2 : 0.5 + Math.sqrt(share) / 2]);
      return node;
    };
    const row = (counts, i) => el("tr", {}, el("th", { scope: "row" }, breakable(labels[i])), counts.map((count, k) => cell(count, i, k)),
      el("td", { class: "sum" }, whole(texts[i])), el("td", { class: "sum" }, fixed(f1[i], 1)));
    box.replaceChildren(el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "true ↓ found →"),
        [...labels, "texts", "F1"].map((name) => el("th", { scope: "col" }, el("span", {}, name))))),
      el("tbody", {}, rows.map(row))));
    const pairs = confused.map(([truth, found, count]) => `${truth} → ${found} ${whole(count)}`);
    told.replaceChildren(`${whole(data.confusion.count)} texts of ${data.confusion.text}: accuracy ${fixed(one.accuracy, 2)}, macro F1 ${fixed(one.macro_f1, 2)}. `,
      pairs.length ? `Most often confused: ${pairs.join(", ")}.` : "None is wrong.",
      labels.length < all ? ` The ${labels.length} of ${whole(all)} labels with the most errors are shown.` : "");
    shade();
  };
  const pick = select("run", found.map((one) => runs[one.run].label), (i) => show(found[i]));
  section("confusion", "Confusion",
    el("p", { class: "soft" }, "The texts of each true label (row) by the label that was found for them (column). Blue is right, orange is wrong; the darker, the larger the share of the row."),
    el("div", { class: "controls" }, found.length > 1 ? pick.node : null, scale("weight", "right", "wrong")),
    told, scroller("Confusion matrix", box, { class: "card" }));
  show(found[0]);
  painters.push(shade);
};

// Labels with their probabilities, or neighbours with their cosines.

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const labelled = (reference, { run, top: [[name, sure], ...others] }) => {
  const tag = !given(reference) ? "b" : name === reference ? "ins" : "del";
  const rest = others.map(([other, share]) => `${other} ${percent(share)}`).join(", ");
  return line([dot(run), runs[run].label], percent(sure), [el(tag, {}, name), el("span", { class: "note" }, rest ? ` ${rest}` : "")], "");
};
const neighbour = ({ run, text, cosine }) => line([dot(run), runs[run].label], fixed(cosine, 2), text, "");
const READINGS = {
  classify: {
    says: () => ["the most probable label of each model, its probability, and the next ones. ", el("ins", {}, "These"), " are right, ", el("del", {}, "these"), " are wrong."],
    lines: (sample) => [
      given(sample.reference) ? line("label", "", sample.reference, "given") : null,
      sample.labels.map((one) => labelled(sample.reference, one))],
  },
  embed: {
    says: () => ["the nearest other text by the vectors of each model, and its cosine."],
    lines: (sample) => sample.neighbours.map(neighbour),
  },
};
const readings = () => {
  const [way, samples] = [READINGS[data.task], data.samples || []];
  if (!way || !samples.some((sample) => (sample.labels ?? sample.neighbours).length)) return;
  const cards = samples.map((sample) => el("div", { class: "card sample" },
    line("text", `line ${sample.number}`, sample.source || "(nothing)", "source"), way.lines(sample)));
  section("texts", "Texts",
    el("p", { class: "soft" }, `From ${data.text}: `, way.says()),
    el("div", { class: "samples" }, cards));
};
