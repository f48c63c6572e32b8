// Writes an image of the size of a phone's model, with random weights: 256 wide, 1536 inside, 6 + 2 layers, 8,000 tokens.
//
//     node large.mjs OUT
//
// `core/src/image/mod.rs` and `core/src/token/mod.rs` document the format.

import fs from 'node:fs';
import process from 'node:process';

const [WIDTH, INNER, HEADS, ENCODER, DECODER, TOKENS] = [256, 1536, 4, 6, 2, 8000];
/** Tokens without a text. */
const SPECIAL = 4;
const [F32, INT8] = [0, 1];

const words = (...numbers) => Buffer.from(Uint32Array.from(numbers).buffer);
const halves = (numbers) => Buffer.from(Uint16Array.from(numbers).buffer);
const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 15)]);

/** Characters, then what merges make of them: pairs, and pairs with a third letter. */
const vocabulary = () => {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const texts = [...'▁ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜäöüß.,?!-0123456789', ...letters];
  const characters = texts.map((text, at) => [text.codePointAt(0), SPECIAL + at]).sort(([a], [b]) => a - b);
  const merges = [];
  const id = (text) => SPECIAL + texts.indexOf(text);
  const merge = (left, right) => {
    if (texts.length === TOKENS - SPECIAL) return;
    merges.push({ left: id(left), right: id(right), rank: merges.length, result: SPECIAL + texts.length });
    texts.push(left + right);
  };
  const pairs = letters.flatMap((a) => letters.map((b) => [a, b]));
  pairs.forEach(([a, b]) => merge(a, b));
  letters.forEach((a) => merge('▁', a));
  pairs.forEach(([a, b]) => letters.forEach((c) => merge(a + b, c)));
  return { texts, characters, merges: merges.sort((a, b) => a.left - b.left || a.right - b.right) };
};

/** Section 2. */
const tokenizer = () => {
  const { texts, characters, merges } = vocabulary();
  const bytes = texts.map((text) => Buffer.from(text));
  /** Where each text or its merges begin, and the end. */
  const starts = (lengths) => lengths.reduce((all, length) => all.concat(all.at(-1) + length), [0]);
  const texted = starts(bytes.map(({ length }) => length));
  const count = new Map();
  merges.forEach(({ left }) => count.set(left, (count.get(left) ?? 0) + 1));
  const merged = starts(texts.map((_, at) => count.get(SPECIAL + at) ?? 0));
  return Buffer.concat([
    Buffer.from('a2v\x01\0\0'),
    halves([TOKENS, characters.length, merges.length]),
    words(texted.at(-1)),
    words(...texted),
    halves(merged),
    ...characters.flatMap(([code, token]) => [words(code), halves([token])]),
    ...merges.map(({ right, rank, result }) => halves([right, rank, result])),
    ...bytes,
  ]);
};

let state = 1;
/** xorshift32 */
const random = () => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
};

/** Sections 3 and 4, parameters in canonical order. */
const parameters = () => {
  const [directory, parts] = [[], []];
  let at = 0;
  const push = (format, rows, cols, ...bytes) => {
    directory.push(format, rows, cols, at);
    bytes.map(padded).forEach((part) => {
      parts.push(part);
      at += part.length;
    });
  };
  const floats = (count, value) => Buffer.from(new Float32Array(count).fill(value).buffer);
  const vector = (count, value) => push(F32, 1, count, floats(count, value));
  // Bytes of any value have a deviation of 73; the products have one of `gain`.
  const matrix = (rows, cols, gain) =>
    push(INT8, rows, cols, Buffer.from(Int8Array.from({ length: rows * cols }, () => (random() >>> 24) - 128).buffer),
      floats(rows, gain / (73 * Math.sqrt(cols))));
  const linear = (rows, cols) => {
    matrix(rows, cols, 1);
    vector(rows, 0);
  };
  const norm = () => [1, 0].forEach((value) => vector(WIDTH, value));
  const attention = () => {
    for (let i = 0; i < 4; i++) linear(WIDTH, WIDTH);
    norm();
  };
  const layer = (attentions) => {
    for (let i = 0; i < attentions; i++) attention();
    linear(INNER, WIDTH);
    linear(WIDTH, INNER);
    norm();
  };
  matrix(TOKENS, WIDTH, 1);
  for (let i = 0; i < ENCODER; i++) layer(1);
  for (let i = 0; i < DECODER; i++) layer(2);
  return [words(...directory), Buffer.concat(parts)];
};

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});
const checksum = (...parts) =>
  ~parts.reduce((sum, bytes) => bytes.reduce((sum, byte) => CRC[(sum ^ byte) & 255] ^ (sum >>> 8), sum), ~0) >>> 0;

/** An image of these sections, numbered from 1. */
const image = (sections) => {
  const head = 32 + 16 * sections.length;
  let end = head;
  const entries = sections.map((bytes, i) => {
    const start = end;
    end += padded(bytes).length;
    return words(i + 1, start, bytes.length, 0);
  });
  const rest = Buffer.concat([words(sections.length, 0, 0), ...entries, ...sections.map(padded)]);
  const front = Buffer.concat([Buffer.from('a2dimage'), words(1, end)]);
  return Buffer.concat([front, words(checksum(front, rest)), rest]);
};

/** Section 1: one vocabulary for both sides, ReLU. */
const config = words(TOKENS, TOKENS, 1, 0, WIDTH, INNER, HEADS, ENCODER, WIDTH, INNER, HEADS, DECODER);
fs.writeFileSync(process.argv[2], image([config, tokenizer(), ...parameters()]));
