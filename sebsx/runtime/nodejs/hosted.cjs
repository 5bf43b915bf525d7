'use strict';
/** The function inside a provider's own host, which hands requests over and sends on whatever comes back. */

const { Shim } = require('./shim.cjs');

const TIMEOUT_S = Number(process.env.SEBSX_TIMEOUT_S || 3600);

/** The function of one process of a host. */
class Hosted {
  /** @param root Folder of the unpacked package; the function is loaded from now on. */
  constructor(root) {
    this._shim = new Shim(root);
    this._shim.watch();
    this._readyMs = 0;
    this._loaded = this._shim.load().then(
      () => {
        this._readyMs = Date.now();
        return null;
      },
      (error) => {
        if (error.answer === undefined) throw error;
        return error.answer;
      },
    );
  }

  /** Return `{text, exitCode}` of one invocation, as the shim does; what the function throws is an answer, too. */
  async answer(body, id) {
    const nowMs = Date.now();
    const failure = await this._loaded;
    if (failure !== null) return failure;
    const answer = await this._shim.invoke(JSON.parse(body || 'null'), id, nowMs / 1000 + TIMEOUT_S);
    const envelope = this._shim.calls === 1 ? JSON.parse(answer.text) : null; // evidence of how this instance came to be
    if (envelope?.sebsx?.call !== 1) return answer;
    envelope.sebsx.init_gap_s = Math.max(0, nowMs - this._readyMs) / 1000;
    return { ...answer, text: JSON.stringify(envelope) };
  }
}

module.exports = { Hosted };
