'use strict';
/**
 * Calls a handler as AWS's runtime of this version of Node.js does.
 *
 * Up to 22 it may answer by a callback, by `context.succeed`, `fail` or `done`, or by a promise. What it returns otherwise
 * is ignored: without an answer the invocation ends, with null, when there is nothing left to do. From 24 on it answers by
 * what it returns, and one that declares a callback is refused when it is loaded.
 */

const LAST_WITH_CALLBACKS = 22;
const TAKES_CALLBACKS = Number(process.versions.node.split('.')[0]) <= LAST_WITH_CALLBACKS;
const WITH_CALLBACK = 3; // parameters

/** The handler declares a callback, which this version of AWS's runtime has no more. */
class CallbackRefused extends Error {}

/** Nothing was left to do, and the promise of the handler was not settled. */
class NeverSettled extends Error {}

/** Tells when a process has nothing left to do but to wait for `hold`, such as the socket that events come by. */
class EmptyLoop {
  constructor(hold) {
    this._hold = hold;
    this._told = null;
    process.on('beforeExit', () => {
      const told = this._told;
      this.end();
      if (told !== null) told();
    });
  }

  /** Call `told` once when there is nothing left to do. */
  begin(told) {
    this._told = told;
    this._hold.unref();
  }

  /** Go on waiting for work. */
  end() {
    this._told = null;
    this._hold.ref();
  }
}

/** Refuse a handler that this version of AWS's runtime refuses. */
function check(handler) {
  if (!TAKES_CALLBACKS && handler.length >= WITH_CALLBACK) {
    throw new CallbackRefused('callback-based handlers are not supported from Node.js 24 on; use an async function');
  }
}

/**
 * Return a promise of what a handler answers.
 *
 * @param handler The function.
 * @param event Its first argument.
 * @param context Its second.
 * @param loop Tells when nothing is left to do; null where the host cannot know.
 */
function answerOf(handler, event, context, loop) {
  if (!TAKES_CALLBACKS) return watched(loop, NEVER, (resolve) => resolve(handler(event, context)));
  const isAsync = handler.constructor?.name === 'AsyncFunction';
  return watched(loop, isAsync ? NEVER : null, (resolve, reject, later) => {
    const settle = (error, output) => (error === undefined || error === null ? resolve(output) : reject(error));
    Object.assign(context, {
      done: settle,
      succeed: (output) => settle(null, output),
      fail: (error) => reject(error ?? 'handled'),
      callbackWaitsForEmptyEventLoop: true,
    });
    const callback = (error, output) => {
      const waits = context.callbackWaitsForEmptyEventLoop && (error === undefined || error === null);
      if (waits) later(output);
      else settle(error, output);
    };
    const result = handler(event, context, callback);
    if (typeof result?.then === 'function') result.then(resolve, reject);
    else if (loop === null && handler.length < WITH_CALLBACK) later(null);
  });
}

const NEVER = Symbol('the promise of the handler never settles');

/** Return a promise that `work` settles, or an empty loop does: with `empty`, or what `later` was given first. */
function watched(loop, empty, work) {
  return new Promise((resolve, reject) => {
    let answer = empty;
    let answered = false;
    const later = (output) => {
      if (answered) return;
      answered = true;
      answer = output;
      if (loop === null) setImmediate(resolve, output);
    };
    loop?.begin(() => {
      if (answer === NEVER) reject(new NeverSettled('nothing was left to do before the function had answered'));
      else setImmediate(resolve, answer);
    });
    try {
      work(resolve, reject, later);
    } catch (error) {
      reject(error);
    }
  }).finally(() => loop?.end());
}

module.exports = { CallbackRefused, EmptyLoop, NeverSettled, answerOf, check };
