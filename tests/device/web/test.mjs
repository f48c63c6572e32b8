// Opens the page in Chromium, types, and compares what it shows with what the host found.
//
//     node test.mjs BROWSER PAGE IMAGE HOST TEXT_HOST LARGE [SHOTS]
//
// HOST and TEXT_HOST are files of what the device program printed of sentences and of texts, LARGE an image of a phone's size, SHOTS a folder for pictures.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { Browser } from './browser.mjs';

const [browserPath, ...paths] = process.argv.slice(2);
const [pagePath, imagePath, hostPath, textsPath, largePath, shots] = paths.map((one) => path.resolve(one));
const limits = Object.fromEntries(
  fs.readFileSync(new URL('../limits', import.meta.url), 'utf8').trim().split('\n').map((line) => line.split(' ')),
);
const host = fs.readFileSync(hostPath, 'utf8').split('\n');
const known = host
  .map((line) => /^(.*) -> (.*) \[([\d ]*)\]$/.exec(line))
  .filter(Boolean)
  .map(([, source, text, tokens]) => ({ source, text, tokens }));
assert.ok(known.length >= 10, `${hostPath} has no sentences`);
const few = known.slice(0, 10);
/** Texts with their labels, and the probabilities of all labels in thousandths. */
const labelled = fs.readFileSync(textsPath, 'utf8').split('\n')
  .map((line) => /^(.*) -> (\S+) \[([\d ]+)\]$/.exec(line))
  .filter(Boolean)
  .map(([, text, label, shares]) => ({ text, label, shares: shares.split(' ').map(Number).sort((a, b) => b - a) }));
assert.ok(labelled.length >= 10, `${textsPath} has no texts`);
const figure = (name) => host.find((line) => line.startsWith(`${name}=`))?.split('=')[1];

/** FNV-1a over little-endian tokens. */
const fingerprint = (rows) => {
  let hash = 0xcbf29ce484222325n;
  for (const token of rows.flatMap((row) => row.tokens.split(' ').filter(Boolean)))
    for (let shift = 0; shift < 32; shift += 8)
      hash = BigInt.asUintN(64, (hash ^ BigInt((Number(token) >>> shift) & 255)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
};

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'a2d-web-'));
const browser = await Browser.start(browserPath, path.join(folder, 'profile'));
const page = await browser.page();

const ready = () => page.until('document.body?.dataset.ready === ""');
const rest = () => page.until('document.getElementById("out").ariaBusy === "false"');
const focus = (id) => page.value(`document.getElementById("${id}").focus()`);
const shown = (id) => page.value(`document.getElementById("${id}").hidden ? null : document.getElementById("${id}").innerText`);
/** What the page shows of each sentence. */
const rows = async () => {
  await rest();
  return page.value(`[...document.querySelectorAll("#out li")].map(({ firstChild, dataset }) =>
    ({ text: firstChild.textContent, tokens: dataset.tokens, failed: firstChild.className === "failed" }))`);
};
const write = async (text, area = 'source') => {
  await page.value(`document.getElementById("${area}").select()`);
  await focus(area);
  await page.send('Input.insertText', { text });
};
/** The labels that the page shows of a request. */
const classified = async (text) => {
  await write(text, 'request');
  await page.until('document.querySelector("#labels li")');
  return page.value(`[...document.querySelectorAll("#labels li")].map(({ firstChild, dataset }) =>
    ({ name: firstChild.textContent, probability: Number(dataset.probability) }))`);
};
const press = async (key, code, text = '') => {
  for (const type of ['keyDown', 'keyUp'])
    await page.send('Input.dispatchKeyEvent', { type, key, code: key, windowsVirtualKeyCode: code, text });
};
const type = async (text) => {
  for (const char of text) await page.send('Input.dispatchKeyEvent', { type: 'char', text: char });
};
const set = (id, property, value) => page.value(`{
  const node = document.getElementById("${id}");
  node.${property} = ${JSON.stringify(value)};
  node.dispatchEvent(new Event("change", { bubbles: true }));
}`);
const load = async (file) => {
  const { root } = await page.send('DOM.getDocument');
  const { nodeId } = await page.send('DOM.querySelector', { nodeId: root.nodeId, selector: '#file' });
  await page.send('DOM.setFileInputFiles', { nodeId, files: [file] });
};
const drop = async (file) => {
  const data = { items: [], files: [file], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'])
    await page.send('Input.dispatchDragEvent', { type, x: 200, y: 300, data });
};
/** The file that the page has in use. */
const running = (name) => page.until(`document.getElementById("image").innerText.startsWith(${JSON.stringify(name)})`);
const trouble = async (words) => {
  await page.until(`${words}.test(document.getElementById("trouble")?.innerText)`);
};
/** Opens the page with a script that runs before its own, and again without when the test has ended. */
const opening = async (source, test) => {
  const { identifier } = await page.send('Page.addScriptToEvaluateOnNewDocument', { source });
  try {
    await page.open(pathToFileURL(pagePath).href);
    await test();
  } finally {
    await page.send('Page.removeScriptToEvaluateOnNewDocument', { identifier });
    await page.open(pathToFileURL(pagePath).href);
    await ready();
  }
};
/** A script that puts another in front of the worker's. */
const inWorker = (source) => `Blob = class extends Blob {
  constructor(parts, how) {
    super([${JSON.stringify(source)}, ...parts], how);
  }
};`;
/** Sets the host's limits, and compares with what it found. */
const compare = async () => {
  await set('from-tokens', 'value', limits.source);
  await set('to-tokens', 'value', limits.target);
  await set('beam', 'value', limits.beam);
  await set('bytes', 'checked', limits.int8_cache === '1');
  await page.until(`document.getElementById("arena").innerText.replaceAll(",", "") === "${/^\d+/.exec(figure('arena'))} bytes"`);
  const found = [];
  for (const { source } of few) {
    await write(source);
    found.push(...(await rows()));
  }
  assert.deepEqual(found.map(({ text, tokens }) => ({ text, tokens })), few.map(({ text, tokens }) => ({ text, tokens })));
  assert.equal(fingerprint(found), figure('first'));
  await write(known.map(({ source }) => source).join('\n'));
  const all = await rows();
  assert.deepEqual(all.map((row) => row.text), known.map((row) => row.text));
  assert.equal(fingerprint(all), figure('fingerprint'));
  console.log(`in the browser: ${await shown('sum')}`);
};
/** Compares the labels, within the host's limits. */
const compareLabels = async () => {
  await set('from-tokens', 'value', limits.text);
  await set('bytes', 'checked', limits.int8_cache === '1');
  for (const { text, label, shares } of labelled) {
    const found = await classified(text);
    assert.equal(found[0].name, label, text);
    const thousandths = found.map(({ probability: p }) => Math.floor(Math.fround(Math.fround(p * 1000) + 0.5)));
    assert.deepEqual(thousandths, shares, text);
  }
  console.log(`in the browser: ${await shown('classified')}`);
};
/** Begins to measure how long the page takes from one turn to the next. */
const watch = () => page.value(`{
  const turns = new MessageChannel();
  let last = performance.now();
  const waits = [];
  turns.port1.onmessage = () => {
    const now = performance.now();
    waits.push(now - last);
    last = now;
    setTimeout(() => turns.port2.postMessage(null), 1);
  };
  turns.port2.postMessage(null);
  window.watched = () => {
    turns.port1.close();
    return waits.sort((a, b) => a - b);
  };
}`);
const watched = () => page.value('watched()');
const wide = () => page.value('document.documentElement.scrollWidth > innerWidth');
const shot = async (name, width, height, scheme) => {
  await page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
  await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  assert.equal(await wide(), false, `the page is wider than ${width} pixels`);
  if (!shots) return;
  fs.mkdirSync(shots, { recursive: true });
  const { data } = await page.send('Page.captureScreenshot', { format: 'png' });
  fs.writeFileSync(path.join(shots, `${name}-${width}-${scheme}.png`), Buffer.from(data, 'base64'));
};
const pictures = async (name) => {
  for (const scheme of ['dark', 'light'])
    for (const [width, height] of [[375, 800], [1280, 800]]) await shot(name, width, height, scheme);
};

const tests = {
  async 'types a sentence, letter by letter'() {
    await type(few[0].source);
    assert.deepEqual((await rows()).map((row) => row.text), [few[0].text]);
  },

  async 'finds what the host finds without SIMD'() {
    await opening('WebAssembly.validate = () => false;', async () => {
      await ready();
      assert.match(await shown('size'), /without SIMD$/);
      await compare();
      await compareLabels();
    });
  },

  async 'finds what the host finds, within its limits'() {
    assert.match(await shown('size'), /with SIMD$/);
    await compare();
    await compareLabels();
    await write('', 'request');
    assert.equal(await page.value('document.querySelector("#labels li")'), null);
    await write('a'.repeat(20000), 'request');
    await page.until('/^Not classified: .* more than 16,384 bytes/.test(document.getElementById("classified").innerText)');
    await set('from-tokens', 'value', limits.source);
  },

  async 'tells of a sentence that is too long, and translates the others'() {
    await write(`${few[1].source} ${'Ich habe keinen Hunger und '.repeat(9)}mehr. ${few[2].source}`);
    const [before, long, after] = await rows();
    assert.deepEqual([before.text, after.text], [few[1].text, few[2].text]);
    assert.match(long.text, new RegExp(`^Not translated: the sentence has \\d+ tokens, the limit is ${limits.source}\\.`));
    await write('a'.repeat(20000));
    assert.match((await rows())[0].text, /more than 16,384 bytes/);
  },

  async 'splits a text into sentences'() {
    const count = async (text) => {
      await write(text);
      return (await rows()).length;
    };
    assert.equal(await count('Ja! Nein?! „Gut.“ Am 3. Mai, z. B. um 4.30 Uhr.\n\nSo … Ende'), 6);
    assert.equal(await count(' \n . \n'), 1);
    assert.equal(await count(' '), 0);
  },

  async 'drops an older text for a newer one'() {
    await page.value(`{
      const source = document.getElementById("source");
      for (const text of ${JSON.stringify([known.map(({ source }) => source).join(' '), few[3].source])}) {
        source.value = text;
        source.dispatchEvent(new Event("input"));
      }
    }`);
    assert.deepEqual((await rows()).map((row) => row.text), [few[3].text]);
  },

  async 'gives up an older text while it is translated'() {
    const { source, text } = few[5];
    await write(`${source}\n${Array(3).fill(known).flat().map(({ source }) => source).join('\n')}`);
    // Most of the text is not yet translated, unless the machine is fast.
    await page.until('document.querySelector("#out li").dataset.tokens !== ""');
    await write(`${source}\n${few[6].source}`);
    assert.deepEqual((await rows()).map((row) => row.text), [text, few[6].text]);
  },

  async 'opens a model of the size of a phone\'s, and types while it translates'() {
    const [lines, vectors] = [few.map(({ source }) => source), []];
    const begin = async () => {
      await ready();
      await load(largePath);
      await running(path.basename(largePath));
    };
    await opening('', async () => {
      await begin();
      await watch();
      await write(Array(5).fill(lines).flat().join('\n'));
      await type(' und noch ein Wort');
      assert.equal(await page.value('document.getElementById("out").ariaBusy'), 'true');
      vectors.push(...(await rows()).slice(0, few.length));
      const waits = await watched();
      // Printed only: a busy machine delays every program.
      const late = waits[Math.floor(0.95 * waits.length)];
      console.log(`95 % of ${waits.length} turns of the page within ${late.toFixed(1)} ms, all within ${waits.at(-1).toFixed(1)} ms`);
      assert.ok(waits.length > 50, `the page had ${waits.length} turns`);
      assert.ok(vectors.every(({ failed, tokens }) => !failed && tokens));
    });
    await opening('WebAssembly.validate = () => false;', async () => {
      await begin();
      await write(lines.join('\n'));
      assert.deepEqual(await rows(), vectors);
    });
  },

  async 'keeps the model when a file is bad'() {
    const image = fs.readFileSync(imagePath);
    const name = path.basename(imagePath);
    const file = (name, bytes) => {
      fs.writeFileSync(path.join(folder, name), bytes);
      return path.join(folder, name);
    };
    await load(file('short.a2d', image.subarray(0, image.length / 2)));
    await trouble(new RegExp(`^short\\.a2d: the image is (cut short|damaged).*${name} keeps running\\.$`));
    await write(few[4].source);
    assert.deepEqual((await rows()).map((row) => row.text), [few[4].text]);
    if (shots) await pictures('bad');
    await load(file('empty.a2d', Buffer.alloc(0)));
    await trouble(/^empty\.a2d: /);
    await drop(file('text.a2d', 'This is no image, though it is long enough to be looked at.'.repeat(9)));
    await trouble(/^text\.a2d: not an image of a model\./);
    await drop(file('good.a2d', image));
    await running('good.a2d');
    assert.equal(await shown('trouble'), null);
    assert.deepEqual((await rows()).map((row) => row.text), [few[4].text]);
    await load(imagePath);
    await running(name);
  },

  async 'fits its window'() {
    await page.open(pathToFileURL(pagePath).href);
    await ready();
    if (shots) await pictures('empty');
    await page.value('document.querySelectorAll("#examples button").forEach((node) => node.click())');
    await write(['Ist das dein Hund?', 'Ich kann Tom nicht finden.', 'Wir werden immer hier sein.',
      'Ich bin noch nicht fertig, '.repeat(7) + 'sagt Tom.'].join(' '));
    assert.equal((await rows()).length, 4);
    assert.equal((await classified('Will it rain in Rome tomorrow?'))[0].name, 'GetWeather');
    await pictures('page');
  },

  async 'is used by keys'() {
    await write('');
    const places = [];
    for (let i = 0; i < 13; i++) {
      await press('Tab', 9);
      places.push(await page.value('document.activeElement.id || document.activeElement.tagName'));
    }
    const examples = ['BUTTON', 'BUTTON', 'BUTTON'];
    assert.deepEqual(places, [...examples, 'request', ...examples, 'file', 'from-tokens', 'to-tokens', 'beam', 'bytes', 'BODY']);
    await page.value('document.querySelector("#examples button").focus()');
    await press('Enter', 13, '\r');
    assert.equal((await rows()).length, 1);
    assert.equal(await page.value('document.activeElement.id'), 'source');
  },

  async 'goes on after the module has stopped'() {
    await opening(inWorker(`{
      const Instance = WebAssembly.Instance;
      let polls = 0;
      const poll = (exports) => {
        if (++polls === 3) throw new WebAssembly.RuntimeError("unreachable");
        return exports.poll();
      };
      WebAssembly.Instance = class {
        constructor(...how) {
          const { exports } = new Instance(...how);
          this.exports = { ...exports, poll: () => poll(exports) };
        }
      };
    }`), async () => {
      await ready();
      await write(`${few[0].source} ${few[1].source}`);
      const [stopped, after] = await rows();
      assert.match(stopped.text, /^Not translated: the module has stopped \(unreachable\)\./);
      assert.equal(after.text, few[1].text);
    });
  },

  async 'classifies after the module has stopped'() {
    await opening(inWorker(`{
      const Instance = WebAssembly.Instance;
      let calls = 0;
      const classify = (exports, length) => {
        if (++calls === 1) throw new WebAssembly.RuntimeError("unreachable");
        return exports.classify(length);
      };
      WebAssembly.Instance = class {
        constructor(...how) {
          const { exports } = new Instance(...how);
          this.exports = { ...exports, classify: (length) => classify(exports, length) };
        }
      };
    }`), async () => {
      await ready();
      await write('no', 'request');
      await page.until('/^Not classified: the module has stopped/.test(document.getElementById("classified").innerText)');
      assert.equal((await classified(labelled[0].text))[0].name, labelled[0].label);
    });
  },

  async 'tells of a worker that cannot start'() {
    const cannot = () => trouble(/^This page cannot translate: .*no\.$/);
    await opening(inWorker('throw new Error("no");'), cannot);
    await opening('Worker = class { constructor() { throw new Error("no"); } };', cannot);
  },

  async 'works from a server, too'() {
    let asked = 0;
    const server = http.createServer((_, answer) => {
      asked++;
      answer.setHeader('content-type', 'text/html');
      fs.createReadStream(pagePath).pipe(answer);
    });
    await new Promise((go) => server.listen(0, '127.0.0.1', go));
    try {
      await page.open(`http://127.0.0.1:${server.address().port}/`);
      await ready();
      await write(few[0].source);
      assert.deepEqual((await rows()).map((row) => row.text), [few[0].text]);
    } finally {
      server.closeAllConnections?.();
      server.close();
    }
    assert.equal(asked, 1, 'the page and nothing else');
  },
};

let failed = 0;
await page.open(pathToFileURL(pagePath).href);
await ready();
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    assert.deepEqual(page.complaints.splice(0), [], 'the console');
    assert.deepEqual(page.requests.splice(0).filter((url) => !url.startsWith('blob:')), page.opened.splice(0), 'requests');
    console.log(`ok: ${name}`);
  } catch (error) {
    failed++;
    console.log(`failed: ${name}: ${error.stack}`);
  }
}
await browser.end();
fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
process.exitCode = failed ? 1 : 0;
