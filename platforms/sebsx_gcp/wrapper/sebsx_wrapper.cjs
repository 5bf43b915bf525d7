'use strict';
/** Google's side of the context in Node.js: Cloud Storage and Firestore over HTTP, by what Node.js brings. */

const crypto = require('crypto');
const fs = require('fs');

const TOKEN = '/computeMetadata/v1/instance/service-accounts/default/token';
const ATTEMPTS = 4;
const SPARE_S = 60;
const token = { text: '', untilMs: 0 };

/** Return a token of the function's service account, asked for again before it ends. */
async function bearer() {
  if (Date.now() > token.untilMs) {
    const host = process.env.GCE_METADATA_HOST || 'metadata.google.internal';
    const answer = await fetch(`http://${host}${TOKEN}`, { headers: { 'Metadata-Flavor': 'Google' } });
    await check(answer, 'token');
    const told = await answer.json();
    token.text = told.access_token;
    token.untilMs = Date.now() + (told.expires_in - SPARE_S) * 1000;
  }
  return `Bearer ${token.text}`;
}

/** Send a request and return its answer; tries again where Google asks for it. */
async function ask(url, method, body, type) {
  for (let attempt = 0; ; attempt += 1) {
    if (attempt) await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt));
    const last = attempt === ATTEMPTS - 1;
    try {
      const proof = process.env.SEBSX_ANONYMOUS ? {} : { authorization: await bearer() }; // emulators get none
      const headers = { ...proof, ...(type && { 'content-type': type }) };
      const answer = await fetch(url, { method, body, headers });
      if (last || (answer.status < 500 && answer.status !== 429)) return answer;
      await answer.arrayBuffer();
    } catch (error) {
      if (last) throw error;
    }
  }
}

async function check(answer, what) {
  if (!answer.ok) throw new Error(`${what} failed with ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
}

/** Objects of the run's bucket. */
class GcsStorage {
  constructor(bucket) {
    this._url = process.env.SEBSX_STORAGE_URL || 'https://storage.googleapis.com';
    this._bucket = bucket;
  }

  async download(key) {
    const answer = await ask(`${this._url}/storage/v1/b/${this._bucket}/o/${named(key)}?alt=media`, 'GET');
    if (answer.status === 404) throw new Error(`storage holds no object '${key}'`);
    await check(answer, `read of '${key}'`);
    return Buffer.from(await answer.arrayBuffer());
  }

  async upload(key, data) {
    const url = `${this._url}/upload/storage/v1/b/${this._bucket}/o?uploadType=media&name=${named(key)}`;
    await check(await ask(url, 'POST', data, 'application/octet-stream'), `write of '${key}'`);
  }

  async downloadFile(key, path) {
    await fs.promises.writeFile(path, await this.download(key));
  }

  async uploadFile(key, path) {
    await this.upload(key, await fs.promises.readFile(path));
  }
}

function named(key) {
  if (!key || key.split('/').some((part) => ['', '.', '..'].includes(part)) || key.includes('\0')) {
    throw new Error(`storage key ${JSON.stringify(key)} cannot be used`);
  }
  return encodeURIComponent(key);
}

/** Items of the run's table by partition and sort key; see the Python side for the names of documents. */
class FirestoreTable {
  constructor(place) {
    this._url = `${process.env.SEBSX_FIRESTORE_URL || 'https://firestore.googleapis.com'}/v1/`;
    this._place = place;
    this._documents = `${place.slice(0, place.indexOf('/documents/'))}/documents`;
  }

  async put(partition, sort, item) {
    const fields = { partition: { stringValue: partition }, item: { stringValue: JSON.stringify(item) } };
    await this._write({ update: { name: this._name(partition, sort), fields } });
  }

  async get(partition, sort) {
    const [answer] = await this._ask(`${this._documents}:batchGet`, { documents: [this._name(partition, sort)] });
    return answer.found === undefined ? null : itemOf(answer.found);
  }

  async query(partition) {
    const equal = { field: { fieldPath: 'partition' }, op: 'EQUAL', value: { stringValue: partition } };
    const structuredQuery = { from: [{ collectionId: 'items' }], where: { fieldFilter: equal } };
    const answers = await this._ask(`${this._place}:runQuery`, { structuredQuery });
    const found = answers.flatMap((answer) => answer.document ?? []);
    return found.sort((a, b) => (a.name < b.name ? -1 : 1)).map(itemOf);
  }

  async delete(partition, sort) {
    await this._write({ delete: this._name(partition, sort) });
  }

  _name(partition, sort) {
    const digest = crypto.createHash('sha256').update(partition).digest('hex').slice(0, 32);
    return `${this._place}/items/${digest}-${Buffer.from(sort).toString('hex')}`;
  }

  async _write(write) {
    await this._ask(`${this._documents}:commit`, { writes: [write] });
  }

  async _ask(what, document) {
    const answer = await ask(this._url + what, 'POST', JSON.stringify(document), 'application/json');
    await check(answer, what.slice(what.lastIndexOf(':') + 1));
    return answer.json();
  }
}

function itemOf(document) {
  return JSON.parse(document.fields.item.stringValue);
}

/** Return the client behind `context.storage`. */
exports.storage = () => new GcsStorage(process.env.SEBSX_BUCKET);

/** Return the client behind `context.table`. */
exports.table = () => new FirestoreTable(process.env.SEBSX_TABLE);
