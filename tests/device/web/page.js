// Translates what is in the text area, sentence by sentence, with the module and the image that lie in the page.

/** What a call of the module answers when there is nothing more; below it are failures. */
const END = -1;
/** Milliseconds of work before the page gets its turn: half a frame. */
const SLICE = 8;
const EXAMPLES = ["Ist das dein Hund?", "Siehst du es? Geh nicht!", "Das ist viel!"];

const by = (id) => document.getElementById(id);
const whole = (number) => new Intl.NumberFormat("en").format(number);
const count = (number, thing) => `${whole(number)} ${thing}${number === 1 ? "" : "s"}`;
const time = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`);
const decoded = (id) => Uint8Array.from(atob(by(id).textContent), (c) => c.charCodeAt(0));

/** One image within one set of limits, in an instance of its own: memory never shrinks. */
class Engine {
  static async open(module, { name, image, languages }, limits) {
    const engine = Object.assign(new Engine(), { name, image, languages, limits });
    engine.a2d = (await WebAssembly.instantiate(module, {})).exports;
    const at = engine.a2d.image(image.length) >>> 0;
    if (!at) throw new Error(`there is no memory for ${whole(image.length)} bytes`);
    engine.bytes(at, image.length).set(image);
    engine.vocabulary = engine.sure(engine.a2d.load());
    engine.arena = engine.sure(engine.a2d.open(limits.source, limits.target, limits.beam, Number(limits.bytes)));
    return engine;
  }

  /** A view of memory, until memory grows. */
  bytes(at, length) {
    return new Uint8Array(this.a2d.memory.buffer, at, length);
  }

  text(length) {
    return new TextDecoder().decode(this.bytes(this.a2d.output() >>> 0, length));
  }

  /** What a call answered; a failure is thrown, in the module's words. */
  sure(answer) {
    if (answer < END) throw new Error(this.text(this.a2d.error()));
    return answer;
  }

  /** Begins with a sentence, and gives up the one before. */
  start(sentence) {
    const room = this.a2d.input_capacity();
    const { read, written } = new TextEncoder().encodeInto(sentence, this.bytes(this.a2d.input() >>> 0, room));
    if (read < sentence.length) throw new Error(`the sentence has more than ${whole(room)} bytes`);
    this.sure(this.a2d.start(written));
  }

  /** One piece of work: text and token, if it has found any; null after the last. */
  poll() {
    const length = this.sure(this.a2d.poll());
    return length === END ? null : { text: this.text(length), token: this.a2d.token() };
  }
}

/** Sentences of a text: they end with a line, or with . ! ? … before a space. After a digit or a single letter, a full
 * stop ends none: "am 3. Mai", "z. B.". */
const split = (text) =>
  text.split(/\n+/).flatMap((line) => line.split(/(?<=[!?…]["'“”»«)]*|(?<!(?:^|[^\p{L}])\p{L}|\d)\.["'“”»«)]*)\s+/u))
    .map((sentence) => sentence.trim()).filter(Boolean);

const words = (error) =>
  error instanceof WebAssembly.RuntimeError ? `the module has stopped (${error.message})` : error.message;

/** A sentence, and the line that shows its translation. */
class Row {
  constructor(source) {
    this.source = source;
    this.node = document.createElement("li");
    this.said = this.node.appendChild(document.createElement("span"));
    this.note = this.node.appendChild(document.createElement("span"));
    this.note.className = "note";
    this.note.ariaLive = "off";
    this.reset();
  }

  reset() {
    Object.assign(this, { text: "", tokens: [], ms: 0, peak: 0, begun: false, done: false, failed: null });
  }

  /** Works until the sentence is done, or the time is up. */
  work(engine, until) {
    const begin = performance.now();
    try {
      this.advance(engine, until);
    } catch (error) {
      Object.assign(this, { done: true, failed: error });
    }
    this.ms += performance.now() - begin;
    this.show(engine);
  }

  advance(engine, until) {
    if (!this.begun) engine.start(this.source);
    this.begun = true;
    do {
      const step = engine.poll();
      if (!step) {
        Object.assign(this, { done: true, peak: engine.a2d.peak() });
        return;
      }
      this.text += step.text;
      if (step.token >= 0) this.tokens.push(step.token);
    } while (performance.now() < until);
  }

  show(engine) {
    this.said.className = this.failed ? "failed" : this.done ? "" : "caret";
    this.said.lang = this.failed ? "en" : engine.languages[1];
    if (this.failed) {
      const quote = document.createElement("q");
      quote.textContent = this.source.length > 60 ? `${this.source.slice(0, 60)}…` : this.source;
      quote.lang = engine.languages[0];
      this.said.replaceChildren(`Not translated: ${words(this.failed)}. `, quote);
    } else {
      this.said.textContent = this.text;
    }
    this.note.textContent = this.done && !this.failed ? `${count(this.tokens.length, "token")} · ${time(this.ms)}` : "";
    this.node.dataset.tokens = this.tokens.join(" ");
  }
}

let module;
let engine;
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

// A message to oneself comes after what the browser has to do, and sooner than a timer.
const again = new MessageChannel();
let waiting = false;

/** Works for a slice of time, then lets the page have its turn. */
const work = () => {
  waiting = false;
  if (!engine) return;
  const until = performance.now() + SLICE;
  let row;
  do {
    row = rows.find((one) => !one.done);
    row?.work(engine, until);
    if (row?.failed instanceof WebAssembly.RuntimeError) return void revive();
  } while (row && performance.now() < until);
  by("out").ariaBusy = String(Boolean(row));
  sum();
  if (row && !waiting) {
    waiting = true;
    again.port2.postMessage(null);
  }
};
again.port1.onmessage = work;

/** Begins with the text as it is now; a sentence under way is given up. */
const translate = () => {
  rows.filter((row) => !row.done).forEach((row) => row.reset());
  update(split(by("source").value));
  by("clear").disabled = !by("source").value;
  work();
};

/** An instance that has stopped is of no more use: another goes on. */
const revive = async () => {
  const stopped = engine;
  engine = null;
  by("out").ariaBusy = "true";
  engine = await Engine.open(module, stopped, stopped.limits);
  work();
};

/** The figures of all that is translated. */
const sum = () => {
  const done = rows.filter((row) => row.done && !row.failed);
  const tokens = done.reduce((all, row) => all + row.tokens.length, 0);
  const ms = done.reduce((all, row) => all + row.ms, 0);
  const parts = [count(done.length, "sentence"), count(tokens, "token"), time(ms)];
  if (ms) parts.push(`${whole(Math.round((tokens * 1000) / ms))} tokens/s`);
  by("sum").textContent = rows.length ? parts.join(" · ") : "Tokens, time and speed appear here.";
  by("peak").textContent = done.length ? `${whole(Math.max(...done.map((row) => row.peak)))} bytes at most` : "–";
};

const language = (tag) => new Intl.DisplayNames("en", { type: "language" }).of(tag);

/** Goes on with another engine. */
const adopt = (next) => {
  engine = next;
  const [from, to] = engine.languages;
  by("from").textContent = from ? language(from) : "Source";
  by("to").textContent = to ? language(to) : "Translation";
  by("source").lang = from;
  by("source").placeholder = from ? `Write ${language(from)} here` : "Write here";
  by("examples").hidden = from !== "de";
  by("about").hidden = !from;
  by("image").textContent = `${engine.name}, ${count(engine.image.length, "byte")}`;
  by("vocabulary").textContent = count(engine.vocabulary, "token");
  by("arena").textContent = count(engine.arena, "byte");
  rows.forEach((row) => row.reset());
  translate();
};

let asked = 0;

/** Goes on with what `make` gives; if that fails, with the engine that there is. The last call counts. */
const change = async (make) => {
  const mine = ++asked;
  const found = await make().catch((error) => error);
  if (mine !== asked) return;
  trouble(found instanceof Error ? words(found) : null);
  if (found instanceof Engine) adopt(found);
};

const trouble = (what) => {
  by("trouble").hidden = !what;
  by("trouble").textContent = what ? [`${what}.`, engine && `${engine.name} keeps running.`].filter(Boolean).join(" ") : "";
};

const limits = () => ({
  source: by("from-tokens").valueAsNumber,
  target: by("to-tokens").valueAsNumber,
  beam: by("beam").valueAsNumber,
  bytes: by("bytes").checked,
});

/** A model from a file, of languages that nobody has told. */
const bring = (file) => file && change(async () => {
  try {
    const image = new Uint8Array(await file.arrayBuffer());
    return await Engine.open(module, { name: file.name, image, languages: ["", ""] }, engine.limits);
  } catch (error) {
    throw new Error(`${file.name}: ${words(error)}`);
  }
});

const listen = () => {
  by("source").addEventListener("input", translate);
  const write = (text) => {
    by("source").value = text;
    by("source").focus();
    translate();
  };
  by("clear").addEventListener("click", () => write(""));
  by("examples").append(...EXAMPLES.map((text) => {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: text });
    button.lang = "de";
    button.addEventListener("click", () => write(text));
    return button;
  }));
  by("file").addEventListener("change", ({ target }) => {
    bring(target.files[0]);
    target.value = "";
  });
  by("form").addEventListener("submit", (event) => event.preventDefault());
  by("form").addEventListener("change", () => {
    if (by("form").reportValidity()) change(() => Engine.open(module, engine, limits()));
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

const begin = async () => {
  document.querySelector("main").hidden = false;
  const { name, languages } = by("embedded-image").dataset;
  try {
    const bytes = decoded("embedded-module");
    by("size").textContent = `${count(bytes.length, "byte")} of WebAssembly`;
    module = await WebAssembly.compile(bytes);
    const model = { name, image: decoded("embedded-image"), languages: languages.split(" ") };
    adopt(await Engine.open(module, model, limits()));
  } catch (error) {
    trouble(`This page cannot translate: ${error.message}`);
    return;
  }
  listen();
  by("source").focus();
  document.body.dataset.ready = "";
};
begin();
