'use strict';
/**
 * Feeds a shim from the AWS Lambda Runtime API (2018-06-01) over one kept connection.
 *
 * Started as `node <package root>/sebsx_runtime/bootstrap.cjs`. The answer to one event and the question for the next
 * go out in one write (HTTP pipelining), which halves the switches between sandbox and gateway. `net` alone loads
 * faster than `http`, and every cold start pays for what is loaded here.
 */

const net = require('net');
const path = require('path');
const { LoadError, Shim } = require('./shim.cjs');

const VERSION = '/2018-06-01/runtime';
const LONGEST_STEP_S = 0.0002; // of a thread that has its processor, from one look at the clock to the next
const NOT_JSON = 'Sebsx.EventNotJson';
const exit = process.exit.bind(process); // the shim keeps functions from calling it

/** A connection to the Runtime API; answers are read in the order of the requests. */
class RuntimeApi {
  constructor(address) {
    const [host, port] = split(address, ':');
    this._readers = [];
    this._pieces = [];
    this._bytes = 0;
    this._wanted = 0; // bytes of the response at the head, once its headers are known
    this._next = `GET ${VERSION}/invocation/next HTTP/1.1\r\nHost: ${address}\r\n\r\n`;
    this._host = address;
    this._socket = net.connect({ host, port: Number(port), noDelay: true });
    this._socket.on('data', (piece) => this._receive(piece));
    this._socket.on('error', () => exit(0)); // the platform is done with this sandbox
    this._socket.on('end', () => exit(0));
  }

  /** Keep the process alive while it waits; `unref` does not. */
  ref() {
    this._socket.ref();
  }

  unref() {
    this._socket.unref();
  }

  /**
   * Say that the function is loaded, and use up the processor time that the limits, in force then, gave too much.
   *
   * Only the gateway of sebsx can be asked, which says so in SEBSX_LIMITS_ONCE_LOADED.
   */
  async loaded() {
    this._socket.write(this._message('/init/loaded', { text: '{}', errorType: null }));
    const { headers } = await this._read();
    const unearnedS = Number(headers['sebsx-unearned-s']) || 0;
    const share = Number(headers['sebsx-processors']) || 0;
    let [usedS, passedS] = [0, 0];
    const beganS = performance.now() / 1000;
    // What is used beyond the share makes up for it, and takes at most twice the time that it makes up for. Asking for
    // processor time is a system call, at which the kernel looks whether the quota is used up; a function that computes
    // is stopped by its next tick only. So time with the processor is the sum of short steps of the clock.
    while (usedS < unearnedS + share * passedS && share * passedS < 2 * unearnedS) {
      const nowS = performance.now() / 1000 - beganS;
      if (nowS - passedS < LONGEST_STEP_S) usedS += nowS - passedS;
      passedS = nowS;
    }
  }

  /** Ask for the first event. */
  next() {
    this._socket.write(this._next);
    return this._read();
  }

  /** Send an answer, ask for the next event and return it. */
  answer(target, answer) {
    this._socket.write(this._message(target, answer) + this._next);
    this._read();
    return this._read();
  }

  /** Send a last answer and wait until it was taken. */
  end(target, answer) {
    this._socket.write(this._message(target, answer));
    return this._read();
  }

  _message(target, { text, errorType }) {
    const kind = errorType === null ? '' : `Lambda-Runtime-Function-Error-Type: ${word(errorType)}\r\n`;
    return (
      `POST ${VERSION}${target} HTTP/1.1\r\nHost: ${this._host}\r\nContent-Type: application/json\r\n${kind}` +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
    );
  }

  _read() {
    return new Promise((resolve) => this._readers.push(resolve));
  }

  _receive(piece) {
    this._pieces.push(piece);
    this._bytes += piece.length;
    while (this._bytes > 0 && this._bytes >= this._wanted) {
      const buffer = this._pieces.length === 1 ? this._pieces[0] : Buffer.concat(this._pieces);
      this._pieces = [buffer];
      const end = buffer.indexOf('\r\n\r\n');
      if (end < 0) return;
      const headers = parseHeaders(buffer.toString('latin1', 0, end));
      this._wanted = end + 4 + Number(headers['content-length'] || 0);
      if (this._bytes < this._wanted) return;
      const body = buffer.subarray(end + 4, this._wanted);
      const rest = buffer.subarray(this._wanted);
      this._pieces = rest.length ? [rest] : [];
      this._bytes = rest.length;
      this._wanted = 0;
      this._readers.shift()({ headers, body });
    }
  }
}

/** Serve until the connection ends. */
async function main() {
  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  const shim = new Shim(path.dirname(__dirname), api);
  shim.watch();
  try {
    await shim.load();
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    await api.end('/init/error', error.answer);
    exit(error.answer.exitCode);
  }
  if (process.env.SEBSX_LIMITS_ONCE_LOADED) await api.loaded();
  let work = await api.next();
  for (;;) {
    const id = work.headers['lambda-runtime-aws-request-id'];
    const deadlineMs = Number(work.headers['lambda-runtime-deadline-ms']) || null;
    const answer = await answerTo(shim, work.body, id, deadlineMs);
    const target = `/invocation/${id}/${answer.errorType === null ? 'response' : 'error'}`;
    work = null; // the event is garbage while the next one is awaited
    if (answer.exitCode !== null) {
      await api.end(target, answer);
      exit(answer.exitCode);
    }
    work = await api.answer(target, answer);
  }
}

function answerTo(shim, body, id, deadlineMs) {
  let event;
  try {
    event = JSON.parse(body.toString());
  } catch (error) {
    const text = JSON.stringify({ error: { type: NOT_JSON, message: error.name, traceback: '' } });
    return { text, errorType: NOT_JSON, exitCode: null };
  }
  return shim.invoke(event, id, deadlineMs === null ? null : deadlineMs / 1000);
}

function parseHeaders(text) {
  const headers = {};
  for (const line of text.split('\r\n').slice(1)) {
    const [name, value] = split(line, ':', true);
    headers[name.toLowerCase()] = value.trim();
  }
  return headers;
}

function split(text, mark, first = false) {
  const at = first ? text.indexOf(mark) : text.lastIndexOf(mark);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Return the name of an error as a header may hold it. */
function word(errorType) {
  return errorType.replace(/[^A-Za-z0-9._]/g, '_').slice(0, 128);
}

main();
