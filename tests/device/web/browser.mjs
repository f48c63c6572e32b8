// Chromium without a window, driven through a pipe.

import { spawn } from 'node:child_process';

/** Milliseconds that anything may take. */
const PATIENCE = 20000;

const within = (promise, what) => {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what} takes too long`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

export class Browser {
  static async start(program, profile) {
    const browser = new Browser();
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars',
      '--remote-debugging-pipe', `--user-data-dir=${profile}`, 'about:blank'];
    browser.child = spawn(program, options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    browser.gone = new Promise((go) => browser.child.on('exit', go));
    [browser.to, browser.from] = browser.child.stdio.slice(3);
    browser.to.on('error', () => {});
    browser.waiting = new Map();
    browser.pages = new Map();
    let rest = '';
    browser.from.setEncoding('utf8').on('data', (data) => {
      const messages = (rest + data).split('\0');
      rest = messages.pop();
      messages.forEach((message) => browser.hear(JSON.parse(message)));
    });
    return browser;
  }

  hear({ id, result, error, method, params, sessionId }) {
    if (method) return this.pages.get(sessionId)?.hear(method, params);
    const { go, fail } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (error) fail?.(new Error(error.message));
    else go?.(result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = (this.last = (this.last ?? 0) + 1);
    const answer = new Promise((go, fail) => this.waiting.set(id, { go, fail }));
    this.to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return within(answer, method);
  }

  async page() {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId);
    this.pages.set(sessionId, page);
    for (const domain of ['Runtime', 'Log', 'Network', 'Page', 'DOM']) await page.send(`${domain}.enable`);
    return page;
  }

  async end() {
    await this.send('Browser.close').catch(() => this.child.kill());
    await within(this.gone, 'the end').catch(() => this.child.kill('SIGKILL'));
  }
}

class Page {
  /** Errors and warnings. */
  complaints = [];
  /** Addresses that were asked for. */
  requests = [];
  /** Addresses that were opened. */
  opened = [];

  constructor(browser, session) {
    Object.assign(this, { browser, session });
  }

  hear(method, params) {
    if (method === 'Runtime.exceptionThrown') this.complaints.push(params.exceptionDetails.exception?.description);
    if (method === 'Runtime.consoleAPICalled') this.complaints.push(params.args.map(({ value }) => value).join(' '));
    if (method === 'Log.entryAdded') this.complaints.push(params.entry.text);
    if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  async open(url) {
    this.opened.push(url);
    const { errorText } = await this.send('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
  }

  /** What an expression gives. */
  async value(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression is true. */
  async until(expression) {
    for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((go) => setTimeout(go, 20)))
      if (await this.value(expression)) return;
    throw new Error(`never true: ${expression}`);
  }
}
