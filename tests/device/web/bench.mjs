// Measures the page in Chromium, with and without SIMD, alternating; prints a line of JSON for each image and module.
//
//     node bench.mjs BROWSER PAGE IMAGE...
//
// Times are of the page: from the choice of a file until the model is open, and from the last key until the first word
// and the end of a single sentence. Tokens a second are what the page says of all sentences: the median of the rounds.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { Browser } from './browser.mjs';

const [browserPath, pagePath, ...images] = process.argv.slice(2);
const ROUNDS = 5;
/** Milliseconds of translating before anything is measured: the browser compiles twice. */
const WARM = 3000;
/** Bytes of an image above which five sentences are enough. */
const LARGE = 1 << 22;
const sentences = fs.readFileSync(new URL('../sentences.txt', import.meta.url), 'utf8').trimEnd().split('\n');

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const rounded = (number) => Number(number.toPrecision(3));

/** What is measured in the page. */
const meter = () => {
  const by = (id) => document.getElementById(id);
  const begun = {};
  const after = (what) => performance.now() - begun[what];
  window.meter = { opened: null, first: null, end: null };
  const watch = (id, look) => new MutationObserver(look).observe(by(id), { subtree: true, childList: true, characterData: true, attributes: true });
  by('file').addEventListener('change', () => (begun.open = performance.now()), { capture: true });
  watch('image', () => (window.meter.opened = after('open')));
  watch('out', () => {
    if (by('out').querySelector('li > span')?.textContent) window.meter.first ??= after('text');
    if (by('out').ariaBusy === 'false' && by('source').value) window.meter.end ??= after('text');
  });
  window.meter.write = (text) => {
    Object.assign(window.meter, { first: null, end: null });
    for (const value of ['', text]) {
      by('source').value = value;
      begun.text = performance.now();
      by('source').dispatchEvent(new Event('input'));
    }
  };
};

/** The page with an image in it. */
class Meter {
  static async open(browser, image, simd) {
    const page = await browser.page();
    if (!simd) await page.send('Page.addScriptToEvaluateOnNewDocument', { source: 'WebAssembly.validate = () => false;' });
    await page.open(pathToFileURL(path.resolve(pagePath)).href);
    await page.until('document.body?.dataset.ready === ""');
    await page.value(`(${meter})()`);
    const { root } = await page.send('DOM.getDocument');
    const { nodeId } = await page.send('DOM.querySelector', { nodeId: root.nodeId, selector: '#file' });
    await page.send('DOM.setFileInputFiles', { nodeId, files: [path.resolve(image)] });
    await page.until('meter.opened !== null');
    const load = await page.value('meter.opened');
    const bytes = fs.statSync(image).size;
    const lines = bytes > LARGE ? sentences.slice(0, 5) : sentences;
    return Object.assign(new Meter(), { page, image, bytes, lines, simd, load, rates: [], firsts: [], ends: [] });
  }

  async write(text) {
    await this.page.value(`meter.write(${JSON.stringify(text)})`);
    await this.page.until('meter.end !== null');
    return this.page.value('({ ...meter, sum: document.getElementById("sum").innerText })');
  }

  async all() {
    const { sum } = await this.write(this.lines.join('\n'));
    return Number(/([\d,]+) tokens\/s/.exec(sum)[1].replaceAll(',', ''));
  }

  async warm() {
    for (const until = Date.now() + WARM; Date.now() < until; ) await this.all();
  }

  async round() {
    this.rates.push(await this.all());
    for (const sentence of this.lines.slice(0, 10)) {
      const { first, end } = await this.write(sentence);
      this.firsts.push(first);
      this.ends.push(end);
    }
  }

  async report() {
    const memory = await this.page.value('document.getElementById("memory")?.innerText.replace(/\\D/g, "")');
    return {
      image: path.basename(this.image),
      bytes: this.bytes,
      simd: this.simd,
      open_ms: rounded(this.load),
      first_token_ms: rounded(median(this.firsts)),
      sentence_ms: rounded(median(this.ends)),
      tokens_per_s: median(this.rates),
      memory: Number(memory),
    };
  }
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'a2d-web-'));
const browser = await Browser.start(browserPath, path.join(folder, 'profile'));
for (const image of images) {
  const meters = [];
  for (const simd of [true, false]) meters.push(await Meter.open(browser, image, simd));
  for (const one of meters) await one.warm();
  for (let round = 0; round < ROUNDS; round++) for (const one of meters) await one.round();
  for (const one of meters) console.log(JSON.stringify(await one.report()));
  for (const { page } of meters) await page.send('Page.close');
}
await browser.end();
fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
