// Shows the labels of the request in the second text area.

const REQUESTS = ["play some jazz", "Will it rain in Rome tomorrow?", "Book a table for four"];

/** The most labels that are shown. */
const SHOWN = 7;

/** What the classifier is. */
let classifier;

const classify = () => {
  const text = by("request").value.trim();
  by("labels").replaceChildren();
  by("classified").textContent = "Labels and their probabilities appear here.";
  if (classifier && text) worker.postMessage({ classify: text });
};

/** A label, and a bar of its probability. */
const line = ({ name, probability }) => {
  const node = document.createElement("li");
  const percent = `${(100 * probability).toFixed(1)} %`;
  node.style.setProperty("--share", `${100 * probability}%`);
  node.dataset.probability = probability;
  node.append(...[name, percent].map((text) => Object.assign(document.createElement("span"), { textContent: text })));
  return node;
};

/** Shows what the worker has found, unless the text is another now. */
const label = ({ text, found, ms, failed }) => {
  if (text !== by("request").value.trim()) return;
  by("labels").replaceChildren(...(failed ? [] : found.slice(0, SHOWN).map(line)));
  const { labels, length, arena } = classifier;
  const facts = [count(labels, "label"), `an image of ${count(length, "byte")}`, `an arena of ${count(arena, "byte")}`];
  by("classified").textContent = failed ? `Not classified: ${failed}.` : [time(ms), ...facts].join(" · ");
};

/** Goes on with what was opened; if that failed, with what there is. */
const classifierOpened = (found) => {
  if (found.error) {
    trouble(found.error);
    return;
  }
  classifier = found;
  classify();
};

/** Asks for a classifier, or for other limits of the one that there is if there is no `image`. */
const openClassifier = (limits, image) =>
  worker.postMessage({ classifier: { image, limits } }, image ? [image.buffer] : []);
