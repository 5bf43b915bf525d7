'use strict';
/**
 * Wraps a handler: measures around it and turns whatever it does into an envelope.
 *
 *     const shim = new Shim(packageRoot);
 *     shim.watch();                                      // what nobody catches ends the invocation, as data
 *     await shim.load();                                 // throws LoadError, whose `answer` is an envelope
 *     const answer = await shim.invoke(event, id);       // never throws
 *
 * An answer is `{text, errorType, exitCode}`: the envelope as JSON, the type of its error or null, and the code with
 * which the sandbox must end once the answer was taken, or null. A host that serves several calls at once in this
 * process calls `invoke` before earlier ones are answered; what nobody catches is then the end of all in hand.
 */

const fs = require('fs');
const { CallbackRefused, EmptyLoop, NeverSettled, answerOf, check } = require('./calling.cjs');
const { Context } = require('./context.cjs');
const turns = require('./turns.cjs');

const ENVELOPE_VERSION = 1;
const CLOCK_STEP_S = 0.005; // a smaller one changes nothing that is told by wall clocks
const CLOCK_READ_MS = 1;
const TRACEBACK_CHARACTERS = 8192;
const MESSAGE_CHARACTERS = 4096;
const NOT_JSON = 'Sebsx.OutputNotJson';
const NO_HANDLER = 'Sebsx.HandlerNotFound';
const NO_CALLBACKS = 'Runtime.CallbackHandlerDeprecated'; // the words of AWS's runtime
const NEVER_SETTLED = 'Runtime.NodeJsExit';
const SUFFIXES = ['.js', '.cjs', '.mjs'];
const OUT_OF_MEMORY = 'MemoryError'; // what a gateway knows want of memory by, in every language
const UNCAUGHT_CODE = 1;
const exit = process.exit.bind(process); // the real one: see `watch`

/** The function could not be loaded; `answer` says why. */
class LoadError extends Error {
  constructor(answer) {
    super(answer.errorType);
    this.answer = answer;
  }
}

/** The module has no such function. */
class HandlerNotFound extends Error {}

/** The function called `process.exit`. */
class ProcessExit extends Error {
  constructor(code) {
    super(`the function called process.exit(${code})`);
    this.code = code;
  }
}

/** The function of one sandbox. */
class Shim {
  /**
   * @param root Folder of the unpacked package.
   * @param hold What keeps the process alive while it has nothing to do (`ref`, `unref`), such as the socket that
   *   events come by; null for a host that serves several calls at once, which cannot tell when one has nothing left to do.
   */
  constructor(root, hold = null) {
    this.root = root;
    this._loop = hold === null ? null : new EmptyLoop(hold);
    this.sandbox = process.env.SEBSX_SANDBOX_ID || require('crypto').randomBytes(16).toString('hex');
    this.bootS = bootS();
    this.importS = null;
    this.calls = 0;
    this._wallAheadMs = wallAheadMs();
    this._ready = null; // performance.now() at which the initialisation was over
    this._handler = null;
    this._collectors = [];
    this._absent = {};
    this._memoryMib = number('SEBSX_MEMORY_MIB') ?? number('AWS_LAMBDA_FUNCTION_MEMORY_SIZE');
    this._timeoutS = number('SEBSX_TIMEOUT_S');
    this._loading = null;
    this._inHand = new Set();
    this._fails = new Set(); // each ends one work in hand with an error that nobody caught
  }

  /** Take over errors that nobody catches and `process.exit`: a sandbox that just vanished could not say why. */
  watch() {
    const uncaught = (error) => {
      if (this._fails.size === 0) {
        console.error('uncaught outside of an invocation:', error);
        exit(exitCodeOf(error));
      }
      for (const fail of [...this._fails]) fail(error);
    };
    process.on('uncaughtException', uncaught);
    process.on('unhandledRejection', uncaught);
    process.exit = (code) => {
      const error = new ProcessExit(code ?? process.exitCode ?? 0);
      uncaught(error);
      throw error;
    };
  }

  /** Import the function and the collectors that the manifest names, once: later callers wait for the first. */
  load() {
    this._loading ??= this._load();
    return this._loading;
  }

  /** Load the function, and return null, or the envelope that says why it could not be loaded. */
  failure() {
    return this.load().then(
      () => null,
      (error) => {
        if (!(error instanceof LoadError)) throw error;
        return error.answer.text;
      },
    );
  }

  async _load() {
    const started = performance.now();
    let manifest;
    try {
      manifest = JSON.parse(fs.readFileSync(`${this.root}/sebsx.json`, 'utf8'));
      this._handler = await this._orUncaught(() => findHandler(this.root, manifest.handler));
    } catch (error) {
      const { tail, errorType } = failed(error, this.root);
      const sebsx = { v: ENVELOPE_VERSION, sandbox: this.sandbox, call: 0, boot_s: this.bootS };
      throw new LoadError({ text: `{"sebsx":${JSON.stringify(sebsx)},${tail}}`, errorType, exitCode: UNCAUGHT_CODE });
    }
    this.importS = (performance.now() - started) / 1000;
    for (const name of manifest.collectors || []) this._loadCollector(name);
    this._ready = performance.now();
  }

  /**
   * Call the handler between the collectors; never throws.
   *
   * @param event The decoded event.
   * @param requestId Identifier of the invocation.
   * @param deadlineS Unix time at which the platform ends the invocation, or null.
   * @param provider Context of the provider's own runtime, or null.
   */
  async invoke(event, requestId, deadlineS = null, provider = null) {
    const call = this._enter();
    const samples = {};
    const context = new Context(requestId, this._memoryMib, this._timeoutS, deadlineS, samples, provider);
    const states = this._begin(call);
    const had = turns.read();
    const startedS = wallS();
    const started = performance.now();
    let durationS = null;
    const ended = () => {
      if (durationS !== null) return;
      durationS = (performance.now() - started) / 1000;
      const got = turns.between(had);
      this._loop?.end();
      this._end(states, samples, call);
      this._inHand.delete(call);
      if (!call.concurrent) Object.assign(samples, got); // else they are those of all calls together
    };
    const work = async () => {
      try {
        return await answerOf(this._handler, event, context, this._loop);
      } finally {
        ended();
        await nextTurn(); // a rejection that nobody handles is told by then
      }
    };
    let outcome;
    try {
      outcome = answered(await this._orUncaught(work));
    } catch (error) {
      ended();
      outcome = failed(error, this.root);
    }
    const sebsx = {
      v: ENVELOPE_VERSION,
      sandbox: this.sandbox,
      call: call.number,
      started_s: startedS,
      finished_s: startedS + durationS,
      duration_s: durationS,
      samples,
    };
    if (call.concurrent) sebsx.concurrent = call.concurrent;
    const stepS = this._clockStepS();
    if (stepS) sebsx.clock_step_s = stepS;
    if (call.number === 1) this._addFirstCall(sebsx);
    if (this._ready !== null) sebsx.age_s = (performance.now() - this._ready) / 1000;
    const { tail, errorType, exitCode } = outcome;
    return { text: `{"sebsx":${measured(sebsx)},${tail}}`, errorType, exitCode };
  }

  /** Return by how many seconds the wall clock was set since the last call, or the start; 0 if it was not. */
  _clockStepS() {
    const aheadMs = wallAheadMs();
    if (aheadMs === null) return 0;
    const stepS = this._wallAheadMs === null ? 0 : (aheadMs - this._wallAheadMs) / 1000;
    this._wallAheadMs = aheadMs;
    return Math.abs(stepS) > CLOCK_STEP_S ? stepS : 0;
  }

  /** Return a call of its own number, as collectors are handed it, and tell it and those in hand of each other. */
  _enter() {
    this.calls += 1;
    const others = this._inHand.size;
    const call = { number: this.calls, concurrent: others };
    for (const other of this._inHand) other.concurrent = Math.max(other.concurrent, others);
    this._inHand.add(call);
    return call;
  }

  /** Await work, unless an error that nobody caught comes first. */
  async _orUncaught(work) {
    let fail;
    const uncaught = new Promise((_resolve, reject) => {
      fail = (error) => reject(new Uncaught(error));
    });
    uncaught.catch(() => {}); // it may come when the work is done already
    this._fails.add(fail);
    try {
      return await Promise.race([work(), uncaught]);
    } finally {
      this._fails.delete(fail);
    }
  }

  _addFirstCall(sebsx) {
    sebsx.boot_s = this.bootS;
    sebsx.import_s = this.importS;
    const found = require('./facts.cjs').facts();
    sebsx.facts = found;
    for (const { name, module } of this._collectors) {
      try {
        if (module.facts) Object.assign(found, module.facts());
      } catch (error) {
        this._absent[name] = message(error);
      }
    }
    if (Object.keys(this._absent).length) found.collectors_absent = { ...this._absent };
  }

  _loadCollector(name) {
    try {
      const module = require(`${this.root}/sebsx_collectors/${name.replaceAll('-', '_')}.cjs`);
      if (typeof module.begin !== 'function' || typeof module.end !== 'function') {
        throw new TypeError('it exports no begin and end');
      }
      this._collectors.push({ name, module });
    } catch (error) {
      this._absent[name] = message(error);
    }
  }

  /** Start the collectors in order; the last is nearest to the handler. */
  _begin(call) {
    const states = [];
    for (const collector of this._collectors) {
      try {
        states.push({ collector, state: collector.module.begin(call) });
      } catch (error) {
        this._absent[collector.name] = message(error);
      }
    }
    return states;
  }

  /** End the collectors in reverse order and add their samples. */
  _end(states, samples, call) {
    for (const { collector, state } of states.reverse()) {
      try {
        Object.assign(samples, collector.module.end(state, call));
      } catch (error) {
        this._absent[collector.name] = message(error);
      }
    }
  }
}

/** An error that came by no `await` of ours. */
class Uncaught extends Error {
  constructor(error) {
    super();
    this.error = error;
  }
}

function unwrap(error) {
  return error instanceof Uncaught ? error.error : error;
}

/** Return the end of an envelope for an output. */
function answered(output) {
  try {
    return { tail: `"output":${toJson(output)}`, errorType: null, exitCode: null };
  } catch (error) {
    return withError({ type: NOT_JSON, message: message(error), traceback: '' }, null);
  }
}

/** Return the end of an envelope for whatever ended the handler. */
function failed(error, root) {
  const exitCode = error instanceof Uncaught ? exitCodeOf(error.error) : null;
  return withError(describe(unwrap(error), root), exitCode);
}

function withError(described, exitCode) {
  return { tail: `"error":${JSON.stringify(described)}`, errorType: described.type, exitCode };
}

/**
 * Return wall time minus the monotonic clock, null where this process lost the processor between the readings. NTP slews
 * both alike, so that only steps differ.
 */
function wallAheadMs() {
  const before = performance.now();
  const wall = Date.now();
  return performance.now() - before < CLOCK_READ_MS ? wall - before : null;
}

function nextTurn() {
  return new Promise((resolve) => setImmediate(resolve));
}

function exitCodeOf(error) {
  return error instanceof ProcessExit ? error.code : UNCAUGHT_CODE;
}

/**
 * Return the function that a handler names, as AWS's own client reads it: the module ends at the first dot of the last
 * part of the path, and what follows leads into its exports (`src/index.api.handler`). ES modules are imported.
 */
async function findHandler(root, handler) {
  const at = handler.indexOf('.', handler.lastIndexOf('/') + 1);
  const [stem, name] = [handler.slice(0, at), handler.slice(at + 1)];
  const path = moduleFile(`${root}/${stem}`);
  if (path === undefined) throw new HandlerNotFound(`there is no file ${stem}{${SUFFIXES.join(',')}}`);
  const module = await load(path);
  const found = inside(module, name) ?? inside(module.default, name);
  if (typeof found !== 'function') throw new HandlerNotFound(`module '${stem}' exports no function '${name}'`);
  check(found);
  return found;
}

/** Return the file of a module: without a suffix, with one, or what a folder of that name has as its entry. */
function moduleFile(stem) {
  const isFile = (path) => fs.statSync(path, { throwIfNoEntry: false })?.isFile();
  const found = ['', ...SUFFIXES].map((suffix) => stem + suffix).find(isFile);
  if (found !== undefined || !fs.existsSync(stem)) return found;
  return require.resolve(stem);
}

function inside(exported, names) {
  return names.split('.').reduce((value, name) => value?.[name], exported);
}

async function load(path) {
  try {
    return require(path);
  } catch (error) {
    if (error?.code !== 'ERR_REQUIRE_ESM' && error?.code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
    return import(require('url').pathToFileURL(path).href);
  }
}

/** Return `output` as JSON; what a function does not return is null. */
function toJson(output) {
  const text = output === undefined ? 'null' : JSON.stringify(output);
  if (text === undefined) throw new TypeError(`a ${typeof output} has no form in JSON`);
  return text;
}

/** Return the measured part as JSON; a sample or fact that JSON cannot say is left out. */
function measured(sebsx) {
  for (const part of ['samples', 'facts']) {
    for (const [key, value] of Object.entries(sebsx[part] || {})) {
      if (!isJson(value)) delete sebsx[part][key];
    }
  }
  return JSON.stringify(sebsx);
}

function isJson(value) {
  if (typeof value === 'number') return Number.isFinite(value);
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    return false;
  }
}

/** Return an error as data: type, message and the user's frames, bounded. Whatever was thrown may be no Error at all. */
function describe(error, root) {
  const type = typeName(error);
  const text = message(error);
  return { type, message: text, traceback: traceback(error, `${type}: ${text}`).replaceAll(`${root}/`, '') };
}

function typeName(error) {
  try {
    if (!(error instanceof Error)) return typeof error;
    if (error instanceof HandlerNotFound) return NO_HANDLER;
    if (error instanceof CallbackRefused) return NO_CALLBACKS;
    if (error instanceof NeverSettled) return NEVER_SETTLED;
    if (error instanceof RangeError && error.message === 'Array buffer allocation failed') return OUT_OF_MEMORY;
    return error.name === 'Error' ? error.constructor.name : String(error.name);
  } catch {
    return 'Error';
  }
}

function message(error) {
  try {
    return String(error instanceof Error ? error.message : error).slice(0, MESSAGE_CHARACTERS);
  } catch {
    return '(its message cannot be read)';
  }
}

function traceback(error, fallback) {
  let text;
  try {
    text = error instanceof Error && typeof error.stack === 'string' ? error.stack : fallback;
  } catch {
    text = fallback;
  }
  const lines = text.split('\n').filter((line) => !/^\s+at .*(sebsx_runtime\/|\(node:|at node:)/.test(line));
  text = `${lines.join('\n')}\n`;
  if (text.length <= TRACEBACK_CHARACTERS) return text;
  const half = TRACEBACK_CHARACTERS / 2;
  return `${text.slice(0, half)}\n... (shortened)\n${text.slice(-half)}`;
}

function number(name) {
  const value = Number.parseFloat(process.env[name]);
  return Number.isFinite(value) ? value : null;
}

/** Return the system's time in seconds, to the microsecond: it says whole milliseconds, the clock of the process fills in. */
function wallS() {
  const coarseMs = Date.now();
  const fineMs = performance.timeOrigin + performance.now();
  return Math.min(Math.max(fineMs, coarseMs), coarseMs + 1) / 1000;
}

/**
 * Return the seconds from process start to now. A launcher on this host gives the start as CLOCK_MONOTONIC in
 * SEBSX_STARTED_S, exact; without it, Node's own start serves, which comes after the loading of its program.
 */
function bootS() {
  const given = number('SEBSX_STARTED_S');
  const elapsedS = given === null ? -1 : Number(process.hrtime.bigint()) / 1e9 - given;
  return elapsedS >= 0 ? elapsedS : performance.now() / 1000;
}

module.exports = { LoadError, Shim };
