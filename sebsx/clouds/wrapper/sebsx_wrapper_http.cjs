'use strict';
/** What the clients inside functions in Node.js have in common, by what Node.js brings. */

const fs = require('fs');

const ATTEMPTS = 4;

/**
 * Send a request and return its answer; tries again where the provider asks for it.
 *
 * @param prove Returns headers that say who asks, for each attempt anew.
 */
async function ask(url, { method = 'GET', body, headers = {}, prove = () => ({}) } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    if (attempt) await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt));
    const last = attempt === ATTEMPTS - 1;
    try {
      const answer = await fetch(url, { method, body, headers: { ...headers, ...(await prove()) } });
      if (last || (answer.status < 500 && answer.status !== 429)) return answer;
      await answer.arrayBuffer();
    } catch (error) {
      if (last) throw error;
    }
  }
}

/** Throw what the provider said when it refused. */
async function check(answer, what) {
  if (!answer.ok) throw new Error(`${what} failed with ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
}

/** Objects of the run's bucket; a subclass says by `_get` and `_put` how they are asked for. */
class ObjectStorage {
  async download(key) {
    const answer = await this._get(checked(key));
    if (answer.status === 404) throw new Error(`storage holds no object '${key}'`);
    await check(answer, `read of '${key}'`);
    return Buffer.from(await answer.arrayBuffer());
  }

  async upload(key, data) {
    await check(await this._put(checked(key), data), `write of '${key}'`);
  }

  async downloadFile(key, path) {
    await fs.promises.writeFile(path, await this.download(key));
  }

  async uploadFile(key, path) {
    await this.upload(key, await fs.promises.readFile(path));
  }
}

/** Return a key that names an object everywhere. */
function checked(key) {
  if (!key || key.split('/').some((part) => ['', '.', '..'].includes(part)) || key.includes('\0')) {
    throw new Error(`storage key ${JSON.stringify(key)} cannot be used`);
  }
  return key;
}

module.exports = { ObjectStorage, ask, check };
