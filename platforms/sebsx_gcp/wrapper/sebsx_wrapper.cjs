'use strict';
/** Google's side of the context in Node.js: Cloud Storage and Firestore over HTTP, by what Node.js brings. */

const crypto = require('crypto');
const { ObjectStorage, ask, check } = require('./sebsx_wrapper_http.cjs');

const TOKEN = '/computeMetadata/v1/instance/service-accounts/default/token';
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

/** Return what says who asks; emulators get none. */
async function prove() {
  return process.env.SEBSX_ANONYMOUS ? {} : { authorization: await bearer() };
}

/** Objects of the run's bucket. */
class GcsStorage extends ObjectStorage {
  constructor(bucket) {
    super();
    this._url = process.env.SEBSX_STORAGE_URL || 'https://storage.googleapis.com';
    this._bucket = bucket;
  }

  _get(key) {
    return ask(`${this._url}/storage/v1/b/${this._bucket}/o/${encodeURIComponent(key)}?alt=media`, { prove });
  }

  _put(key, body) {
    const url = `${this._url}/upload/storage/v1/b/${this._bucket}/o?uploadType=media&name=${encodeURIComponent(key)}`;
    return ask(url, { method: 'POST', body, headers: { 'content-type': 'application/octet-stream' }, prove });
  }
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
    const headers = { 'content-type': 'application/json' };
    const answer = await ask(this._url + what, { method: 'POST', body: JSON.stringify(document), headers, prove });
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
