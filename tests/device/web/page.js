// Translates what is in the first text area, sentence by sentence: a worker runs the module that lies in the page.

const EXAMPLES = ["Ist das dein Hund?", "Siehst du es? Geh nicht!", "Das ist viel!"];

const by = (id) => document.getElementById(id);
const whole = (number) => new Intl.NumberFormat("en").format(number);
const count = (number, thing) => `${whole(number)} ${thing}${number === 1 ? "" : "s"}`;
const time = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`);
const decoded = (id) => {
  const text = atob(by(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
};

/** Sentences of a text: they end with a line, or with . ! ? … before a space. After a digit or a single letter, a full
 * stop ends none: "am 3. Mai", "z. B.". */
const split = (text) =>
  text.split(/\n+/).flatMap((line) => line.split(/(?<=[!?…]["'“”»«)]*|(?<!(?:^|[^\p{L}])\p{L}|\d)\.["'“”»«)]*)\s+/u))
    .map((sentence) => sentence.trim()).filter(Boolean);

/** A sentence, and the line that shows its translation. */
class Row {
  static last = 0;

  constructor(source) {
    this.source = source;
    this.node = document.createElement("li");
    this.said = this.node.appendChild(document.createElement("span"));
    this.note = this.node.appendChild(document.createElement("span"));
    this.note.className = "note";
    this.note.ariaLive = "off";
    this.reset();
  }

  /** Forgets the translation; what the worker still says of it has another number. */
  reset() {
    Object.assign(this, { id: ++Row.last, text: "", tokens: [], ms: 0, done: false, failed: null });
  }

  show() {
    this.said.className = this.failed ? "failed" : this.done ? "" : "caret";
    this.said.lang = this.failed ? "en" : model.languages[1];
    if (this.failed) {
      const quote = document.createElement("q");
      quote.textContent = this.source.length > 60 ? `${this.source.slice(0, 60)}…` : this.source;
      quote.lang = model.languages[0];
      this.said.replaceChildren(`Not translated: ${this.failed}. `, quote);
    } else {
      this.said.textContent = this.text;
    }
    this.note.textContent = this.done && !this.failed ? `${count(this.tokens.length, "token")} · ${time(this.ms)}` : "";
    this.node.dataset.tokens = this.tokens.join(" ");
  }
}

let worker;
/** The model that the worker runs. */
let model;
/** Models that it was asked to open. It answers in this order. */
const asked = [];
let rows = [];

/** Makes the rows those of the sentences. What stays at the front and at the end is left alone, the page's reader too. */
const update = (sentences) => {
  const most = Math.min(rows.length, sentences.length);
  let [head, tail] = [0, 0];
  while (head < most && rows[head].source === sentences[head]) head++;
  while (tail < most - head && rows.at(-1 - tail).source === sentences.at(-1 - tail)) tail++;
  const fresh = sentences.slice(head, sentences.length - tail).map((sentence) => new Row(sentence));
  const after = rows[rows.length - tail]?.node ?? null;
  const gone = rows.splice(head, rows.length - tail - head, ...fresh);
  gone.forEach((row) => row.node.remove());
  fresh.forEach((row) => by("out").insertBefore(row.node, after));
};

/** Asks for the sentences of the text as it is now; others are given up. */
const translate = () => {
  update(split(by("source").value));
  by("clear").disabled = !by("source").value;
  const open = rows.filter((row) => !row.done);
  if (model) worker.postMessage({ translate: open.map(({ id, source }) => ({ id, source })) });
  sum();
};

/** Shows what the worker has found. */
const tell = (found, memory) => {
  for (const { id, text, tokens, ms, done, failed } of found) {
    // One that is done may have been asked for again before the page knew.
    const row = rows.find((one) => one.id === id && !one.done);
    if (row) Object.assign(row, { text, tokens, ms, done, failed }).show();
  }
  by("memory").textContent = count(memory, "byte");
  sum();
};

/** The figures of all that is translated. */
const sum = () => {
  const done = rows.filter((row) => row.done && !row.failed);
  const tokens = done.reduce((all, row) => all + row.tokens.length, 0);
  const ms = done.reduce((all, row) => all + row.ms, 0);
  const parts = [count(done.length, "sentence"), count(tokens, "token"), time(ms)];
  if (ms) parts.push(`${whole(Math.round((tokens * 1000) / ms))} tokens/s`);
  by("sum").textContent = rows.length ? parts.join(" · ") : "Tokens, time and speed appear here.";
  by("out").ariaBusy = String(done.length < rows.filter((row) => !row.failed).length);
};

const language = (tag) => new Intl.DisplayNames("en", { type: "language" }).of(tag);

/** Goes on with another model, or other limits. */
const adopt = (next) => {
  model = next;
  const [from, to] = model.languages;
  by("from").textContent = from ? language(from) : "Source";
  by("to").textContent = to ? language(to) : "Translation";
  by("source").lang = from;
  by("source").placeholder = from ? `Write ${language(from)} here` : "Write here";
  by("examples").hidden = from !== "de";
  by("about").hidden = !from;
  by("image").textContent = `${model.name}, ${count(model.length, "byte")}`;
  by("vocabulary").textContent = count(model.vocabulary, "token");
  by("arena").textContent = count(model.arena, "byte");
  by("memory").textContent = count(model.memory, "byte");
  rows.forEach((row) => row.reset());
  translate();
  document.body.dataset.ready = "";
};

/** Asks for a model, or for the one that there is if it has no `image`. */
const open = ({ name, languages }, limits, image) => {
  asked.push({ name, languages, limits, other: Boolean(image) });
  worker.postMessage({ open: { image, limits } }, image ? [image.buffer] : []);
};

/** Goes on with what was opened; if that failed, with the model that there is. */
const opened = (found) => {
  const { other, ...next } = asked.shift();
  if (!found.error) adopt({ ...next, ...found });
  trouble(found.error && (other ? `${next.name}: ${found.error}` : found.error));
};

const trouble = (what) => {
  by("trouble").hidden = !what;
  by("trouble").textContent = what ? [`${what}.`, model && `${model.name} keeps running.`].filter(Boolean).join(" ") : "";
};

const limits = () => ({
  source: by("from-tokens").valueAsNumber,
  target: by("to-tokens").valueAsNumber,
  beam: by("beam").valueAsNumber,
  bytes: by("bytes").checked,
});

let picked = 0;

/** A model from a file, of languages that nobody has told. The last file counts. */
const bring = async (file) => {
  if (!file) return;
  const mine = ++picked;
  try {
    const image = new Uint8Array(await file.arrayBuffer());
    if (mine === picked) open({ name: file.name, languages: ["", ""] }, model?.limits ?? limits(), image);
  } catch (error) {
    trouble(`${file.name}: ${error.message}`);
  }
};

/** Calls `handle` when the text of an area changes, and puts buttons with examples below it. How to write into the area. */
const listenToText = (area, handle, below, examples, lang) => {
  by(area).addEventListener("input", handle);
  const write = (text) => {
    by(area).value = text;
    by(area).focus();
    handle();
  };
  by(below).append(...examples.map((text) => {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: text, lang });
    button.addEventListener("click", () => write(text));
    return button;
  }));
  return write;
};

const listen = () => {
  const write = listenToText("source", translate, "examples", EXAMPLES, "de");
  by("clear").addEventListener("click", () => write(""));
  listenToText("request", classify, "requests", REQUESTS, "en");
  by("file").addEventListener("change", ({ target }) => {
    bring(target.files[0]);
    target.value = "";
  });
  by("form").addEventListener("submit", (event) => event.preventDefault());
  by("form").addEventListener("change", () => {
    if (!model || !by("form").reportValidity()) return;
    open(model, limits());
    openClassifier(limits());
  });
  listenToDrops();
};

const listenToDrops = () => {
  const mark = (on) => document.body.classList.toggle("dropping", on);
  const files = (handle) => (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    handle(event);
  };
  addEventListener("dragover", files(() => mark(true)));
  addEventListener("dragleave", (event) => event.relatedTarget ?? mark(false));
  addEventListener("drop", files((event) => {
    mark(false);
    bring(event.dataTransfer.files[0]);
  }));
};

/** A worker whose script lies in the page, with the module for what this browser has. */
const employ = () => {
  const script = new Blob([by("embedded-worker").textContent], { type: "text/javascript" });
  const found = new Worker(URL.createObjectURL(script));
  found.onmessage = ({ data }) => {
    if (data.opened) opened(data.opened);
    else if (data.classifier) classifierOpened(data.classifier);
    else if (data.labels) label(data.labels);
    else tell(data.rows, data.memory);
  };
  found.onerror = (event) => {
    event.preventDefault();
    trouble(`This page cannot translate: ${event.message || "its worker cannot start"}`);
  };
  const vectors = decoded("embedded-simd");
  const simd = WebAssembly.validate(vectors);
  const module = simd ? vectors : decoded("embedded-module");
  by("size").textContent = `${count(module.length, "byte")} of WebAssembly, with${simd ? "" : "out"} SIMD`;
  found.postMessage({ module }, [module.buffer]);
  return found;
};

const begin = () => {
  document.querySelector("main").hidden = false;
  const { name, languages } = by("embedded-image").dataset;
  try {
    worker = employ();
    open({ name, languages: languages.split(" ") }, limits(), decoded("embedded-image"));
    openClassifier(limits(), decoded("embedded-classifier"));
  } catch (error) {
    trouble(`This page cannot translate: ${error.message}`);
    return;
  }
  listen();
  by("source").focus();
};
begin();
