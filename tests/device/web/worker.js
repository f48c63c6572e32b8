// Runs the module, apart from the page: one engine, and the sentences that are still to be translated; beside it a classifier.

/** What a call of the module answers when there is nothing more; below it are failures. */
const END = -1;
/** Milliseconds of work before a message is read: half a frame. */
const SLICE = 8;

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
const whole = (number) => new Intl.NumberFormat("en").format(number);

/** One image within one set of limits, in an instance of its own: memory never shrinks. */
class Loaded {
  constructor(module, image, limits) {
    this.a2d = new WebAssembly.Instance(module, {}).exports;
    this.limits = limits;
    this.at = this.a2d.image(image.length) >>> 0;
    this.length = image.length;
    if (!this.at) throw new Error(`there is no memory for ${whole(image.length)} bytes`);
    this.image().set(image);
    this.vocabulary = this.sure(this.a2d.load());
  }

  /** A view of memory, until memory grows. */
  bytes(at, length) {
    return new Uint8Array(this.a2d.memory.buffer, at, length);
  }

  image() {
    return this.bytes(this.at, this.length);
  }

  memory() {
    return this.a2d.memory.buffer.byteLength;
  }

  text(length) {
    return length ? decoder.decode(this.bytes(this.a2d.output() >>> 0, length)) : "";
  }

  /** What a call answered; a failure is thrown, in the module's words. */
  sure(answer) {
    if (answer < END) throw new Error(this.text(this.a2d.error()));
    return answer;
  }

  /** Puts a sentence where the module reads it; its bytes. */
  write(sentence) {
    const room = this.a2d.input_capacity();
    const { read, written } = encoder.encodeInto(sentence, this.bytes(this.a2d.input() >>> 0, room));
    if (read < sentence.length) throw new Error(`the sentence has more than ${whole(room)} bytes`);
    return written;
  }
}

/** Translates. */
class Engine extends Loaded {
  constructor(module, image, limits) {
    super(module, image, limits);
    this.arena = this.sure(this.a2d.open(limits.source, limits.target, limits.beam, Number(limits.bytes)));
  }

  /** Begins with a sentence, and gives up the one before. */
  start(sentence) {
    this.sure(this.a2d.start(this.write(sentence)));
  }

  /** One piece of work: text and token, if it has found any; null after the last. */
  poll() {
    const length = this.sure(this.a2d.poll());
    return length === END ? null : { text: this.text(length), token: this.a2d.token() };
  }
}

/** Finds the labels of texts. */
class Classifier extends Loaded {
  constructor(module, image, limits) {
    super(module, image, limits);
    this.arena = this.sure(this.a2d.classifier(limits.source, Number(limits.bytes)));
    this.names = [];
    for (let name; (name = this.text(this.a2d.label(this.names.length))); ) this.names.push(name);
  }

  /** All labels with their probabilities, the most probable first. */
  classify(text) {
    this.sure(this.a2d.classify(this.write(text)));
    const found = new Float32Array(this.a2d.memory.buffer, this.a2d.probabilities() >>> 0, this.names.length);
    return this.names.map((name, i) => ({ name, probability: found[i] })).sort((a, b) => b.probability - a.probability);
  }
}

const stopped = (error) => error instanceof WebAssembly.RuntimeError;
const words = (error) => (stopped(error) ? `the module has stopped (${error.message})` : error.message);

let module;
let engine;
let classifier;
/** Sentences that are not done; only the first has begun. */
let queue = [];

/** Works until the sentence is done, or the time is up. */
const advance = (row, until) => {
  if (!row.begun) engine.start(row.source);
  row.begun = true;
  do {
    const step = engine.poll();
    row.done = !step;
    if (row.done) return;
    row.text += step.text;
    if (step.token >= 0) row.tokens.push(step.token);
  } while (performance.now() < until);
};

/** Without memory for another engine, no sentence is translated any more. */
const renew = () => {
  try {
    engine = new Engine(module, engine.image(), engine.limits);
  } catch (error) {
    queue.forEach((row) => Object.assign(row, { done: true, failed: row.failed ?? words(error) }));
  }
};

const work = (row, until) => {
  const begin = performance.now();
  try {
    advance(row, until);
  } catch (error) {
    Object.assign(row, { done: true, failed: words(error) });
    // An instance that has stopped is of no more use, but for its memory.
    if (stopped(error)) renew();
  }
  row.ms += performance.now() - begin;
};

// A message to oneself comes after those of the page, and sooner than a timer.
const again = new MessageChannel();
let waiting = false;

const schedule = () => {
  if (waiting) return;
  waiting = true;
  again.port2.postMessage(null);
};

/** Works for a slice of time, then tells the page, and reads what it has sent. */
const slice = () => {
  waiting = false;
  const until = performance.now() + SLICE;
  const rows = [];
  while (queue.length && performance.now() < until) {
    const [row] = queue;
    if (!row.done) work(row, until);
    if (row.done) queue.shift();
    rows.push(row);
  }
  if (rows.length) postMessage({ rows, memory: engine.memory() });
  if (queue.length) schedule();
};
again.port1.onmessage = slice;

const on = {
  module(bytes) {
    module = new WebAssembly.Module(bytes);
  },

  /** Another image, or other limits. If that fails, the engine that there is goes on. */
  open({ image, limits }) {
    try {
      engine = new Engine(module, image ?? engine.image(), limits);
      queue = [];
      const { length, vocabulary, arena } = engine;
      postMessage({ opened: { length, vocabulary, arena, memory: engine.memory() } });
    } catch (error) {
      postMessage({ opened: { error: words(error) } });
    }
  },

  /** Another image that classifies, or other limits. If that fails, the classifier that there is goes on. */
  classifier({ image, limits }) {
    try {
      classifier = new Classifier(module, image ?? classifier.image(), limits);
      const { length, arena, names } = classifier;
      postMessage({ classifier: { length, arena, labels: names.length } });
    } catch (error) {
      postMessage({ classifier: { error: words(error) } });
    }
  },

  classify(text) {
    const begin = performance.now();
    try {
      const found = classifier.classify(text);
      postMessage({ labels: { text, found, ms: performance.now() - begin } });
    } catch (error) {
      postMessage({ labels: { text, failed: words(error) } });
      if (stopped(error)) classifier = new Classifier(module, classifier.image(), classifier.limits);
    }
  },

  /** The sentences from now on. One that has begun goes on if it is among them; else it is given up. */
  translate(sentences) {
    const under = queue.find(({ id, begun }) => begun && sentences.some((one) => one.id === id));
    const fresh = sentences.filter(({ id }) => id !== under?.id);
    queue = fresh.map((one) => ({ ...one, text: "", tokens: [], ms: 0, begun: false, done: false, failed: null }));
    if (under) queue.unshift(under);
    schedule();
  },
};
onmessage = ({ data }) => Object.entries(data).forEach(([what, how]) => on[what](how));
