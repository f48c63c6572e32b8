// Translates the sentences with the module, whole and a step at a time, or classifies the texts, and prints what every target
// prints.
//
//     node run.mjs MODULE IMAGE [text]

import fs from 'node:fs';
import process from 'node:process';

const [modulePath, imagePath, task] = process.argv.slice(2);
const here = new URL('..', import.meta.url);
const lines = (name) => fs.readFileSync(new URL(name, here), 'utf8').trimEnd().split('\n');
const limits = Object.fromEntries(lines('limits').map((line) => line.split(' ')));
const sentences = lines(task ? 'texts.txt' : 'sentences.txt');
/** Sentences that have a fingerprint of their own. */
const FEW = 10;
const END = -1;

const module = new WebAssembly.Module(fs.readFileSync(modulePath));
if (WebAssembly.Module.imports(module).length > 0) throw new Error('the module has imports');
const a2d = new WebAssembly.Instance(module, {}).exports;

const bytes = (at, length) => new Uint8Array(a2d.memory.buffer, at, length);
const text = (length) => new TextDecoder().decode(bytes(a2d.output(), length));
/** What a call answered; a failure is thrown. */
const sure = (answer) => {
  if (answer < END) throw new Error(text(a2d.error()));
  return answer;
};
const write = (line) => {
  const { read, written } = new TextEncoder().encodeInto(line, bytes(a2d.input(), a2d.input_capacity()));
  if (read < line.length) throw new Error('the line is too long');
  return written;
};

const image = fs.readFileSync(imagePath);
bytes(a2d.image(image.length), image.length).set(image);
const labels = sure(a2d.load());
const arena = task
  ? sure(a2d.classifier(limits.text, limits.int8_cache))
  : sure(a2d.open(limits.source, limits.target, limits.beam, limits.int8_cache));
/** Labels of a fingerprint: those that the model lacks have the probability 0. */
const LABELS = 32;

/** FNV-1a over little-endian tokens. */
let fingerprint = 0xcbf29ce484222325n;
const push = (token) => {
  for (let shift = 0; shift < 32; shift += 8) {
    const byte = BigInt((token >>> shift) & 255);
    fingerprint = BigInt.asUintN(64, (fingerprint ^ byte) * 0x100000001b3n);
  }
};
const hex = (number) => number.toString(16).padStart(16, '0');

let [first, count, time] = [fingerprint, 0, 0];

/** The label of a text, and all probabilities in thousandths. */
const classify = (line) => {
  const begin = performance.now();
  const number = sure(a2d.classify(write(line)));
  time += performance.now() - begin;
  const found = new Float32Array(a2d.memory.buffer, a2d.probabilities(), labels);
  const name = text(a2d.label(number)) || number;
  const thousandths = Array.from(found, (p) => Math.floor(Math.fround(Math.fround(p * 1000) + 0.5)));
  let used = labels;
  while (used > 0 && found[used - 1] === 0) used -= 1;
  console.log(`${line} -> ${name} [${thousandths.slice(0, used).join(' ')}]`);
  push(number);
  for (let i = 0; i < LABELS; i++) push(thousandths[i] ?? 0);
  count += 1;
};

const translate = (line) => {
  const whole = text(sure(a2d.translate(write(line))));
  const begin = performance.now();
  const tokens = [];
  let streamed = '';
  sure(a2d.start(write(line)));
  for (let length; (length = sure(a2d.poll())) !== END; ) {
    streamed += text(length);
    if (a2d.token() >= 0) tokens.push(a2d.token());
  }
  time += performance.now() - begin;
  if (streamed !== whole) throw new Error(`${line}: ${streamed} in steps, ${whole} at once`);
  console.log(`${line} -> ${whole} [${tokens.join(' ')}]`);
  tokens.forEach(push);
  count += tokens.length;
};

sentences.forEach((line, i) => {
  (task ? classify : translate)(line);
  if (i < FEW) first = fingerprint;
});
console.log(`arena=${arena} ns/${task ?? 'token'}=${Math.round((time * 1e6) / count)}`);
console.log(`sentences=${sentences.length} tokens=${count} memory=${a2d.memory.buffer.byteLength}`);
console.log(`first=${hex(first)}`);
console.log(`fingerprint=${hex(fingerprint)}`);
