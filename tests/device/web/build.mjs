// Puts page, style, scripts, modules and images into one file that needs nothing else.
//
//     node build.mjs MODULE SIMD_MODULE IMAGE TEXT_IMAGE OUT
//
// IMAGE translates, TEXT_IMAGE classifies. A2D_LANGUAGES are the languages of IMAGE, as tags: "de en" by default.

import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const [module, simd, image, classifier, out] = process.argv.slice(2);
const languages = process.env.A2D_LANGUAGES ?? 'de en';
if (!/^[\w-]+ [\w-]+$/.test(languages)) throw new Error(`A2D_LANGUAGES: two tags, not "${languages}"`);

const read = (name) => fs.readFileSync(new URL(name, import.meta.url), 'utf8');
const base64 = (file) => fs.readFileSync(file).toString('base64');
const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const parts = {
  style: read('page.css'),
  script: read('labels.js') + read('page.js'),
  worker: read('worker.js'),
  module: base64(module),
  simd: base64(simd),
  image: base64(image),
  name: escaped(path.basename(image)),
  classifier: base64(classifier),
  languages,
};
// In one pass: what is put in may look like a mark.
const page = read('page.html').replace(/\{(\w+)\}/g, (_, mark) => parts[mark]);
fs.mkdirSync(path.dirname(out), { recursive: true });
fs.writeFileSync(out, page);
