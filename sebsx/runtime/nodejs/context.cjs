'use strict';
/** What a handler is given as its second argument. */

/**
 * One invocation as the handler sees it; what the platform does not say is null. It has the names of AWS Lambda's
 * context, too, so that a function written for Lambda runs unchanged.
 */
class Context {
  /**
   * @param requestId Identifier of the invocation.
   * @param memoryMib Provisioned memory.
   * @param timeoutS Time-out in seconds.
   * @param deadlineS Unix time at which the invocation is ended.
   * @param samples Filled with phases and bytes moved, by the names of their metrics.
   * @param provider Context of the provider's own runtime, whose further names are available here; null where it has none.
   */
  constructor(requestId, memoryMib, timeoutS, deadlineS, samples, provider = null) {
    this.requestId = requestId;
    this.awsRequestId = requestId;
    this.memoryMib = memoryMib;
    this.timeoutS = timeoutS;
    this._deadlineS = deadlineS;
    this._samples = samples;
    this._storage = null;
    this._provider = provider;
  }

  /** Return the seconds left until the time-out, never below 0. */
  remainingS() {
    return this._deadlineS === null ? null : Math.max(0, this._deadlineS - Date.now() / 1000);
  }

  /** Return the milliseconds left, as AWS's context does. */
  getRemainingTimeInMillis() {
    return this._deadlineS === null ? null : Math.round(this._deadlineS * 1000 - Date.now());
  }

  get functionName() {
    return process.env.AWS_LAMBDA_FUNCTION_NAME;
  }

  get functionVersion() {
    return process.env.AWS_LAMBDA_FUNCTION_VERSION;
  }

  get memoryLimitInMB() {
    return process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE;
  }

  get logGroupName() {
    return process.env.AWS_LAMBDA_LOG_GROUP_NAME;
  }

  get logStreamName() {
    return process.env.AWS_LAMBDA_LOG_STREAM_NAME;
  }

  get invokedFunctionArn() {
    return this._provider?.invokedFunctionArn ?? process.env.SEBSX_FUNCTION_ARN;
  }

  /** Who called by a mobile SDK, as AWS's context says. */
  get identity() {
    return this._provider?.identity;
  }

  get clientContext() {
    return this._provider?.clientContext;
  }

  get tenantId() {
    return this._provider?.tenantId;
  }

  /** Call `work` and return what it returns; its time, until its promise settles, is added to that of the phase. */
  phase(name, work) {
    const key = `phase.${name}_s`;
    const started = performance.now();
    const add = () => {
      this._samples[key] = (this._samples[key] || 0) + (performance.now() - started) / 1000;
    };
    let result;
    try {
      result = work();
    } catch (error) {
      add();
      throw error;
    }
    if (result !== null && typeof result === 'object' && typeof result.then === 'function') {
      return Promise.resolve(result).finally(add);
    }
    add();
    return result;
  }

  /** Object storage of the platform: `download`, `upload`, `downloadFile`, `uploadFile`. */
  get storage() {
    this._storage ??= new CountingStorage(fromWrapper('storage'), this._samples);
    return this._storage;
  }

  /** Key-value table of the platform: `put`, `get`, `query`, `delete`. */
  get table() {
    return fromWrapper('table');
  }
}

/** The platform's storage client; bytes that pass through it become samples. */
class CountingStorage {
  constructor(client, samples) {
    this._client = client;
    this._samples = samples;
  }

  /** Return an object as a Buffer. */
  async download(key) {
    const data = await this._client.download(key);
    this._count('downloaded', data.length);
    return data;
  }

  /** Write a Buffer or a string as an object, replacing one of that key. */
  async upload(key, data) {
    await this._client.upload(key, data);
    this._count('uploaded', Buffer.byteLength(data));
  }

  /** Write an object to a local file. */
  async downloadFile(key, path) {
    await this._client.downloadFile(key, path);
    this._count('downloaded', fileBytes(path));
  }

  /** Write a local file as an object, replacing one of that key. */
  async uploadFile(key, path) {
    await this._client.uploadFile(key, path);
    this._count('uploaded', fileBytes(path));
  }

  _count(direction, bytes) {
    const key = `function.${direction}_bytes`;
    this._samples[key] = (this._samples[key] || 0) + bytes;
  }
}

const clients = {};

/** Return the platform's client, made at its first use and kept as long as the sandbox. */
function fromWrapper(name) {
  if (!(name in clients)) {
    const path = `${__dirname}/../sebsx_wrapper.cjs`;
    if (!require('fs').existsSync(path)) {
      throw new Error(`context.${name} is not available: this platform ships no sebsx_wrapper`);
    }
    clients[name] = require(path)[name]();
  }
  return clients[name];
}

function fileBytes(path) {
  return require('fs').statSync(path).size;
}

module.exports = { Context };
