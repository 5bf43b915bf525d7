'use strict';
/** Azure's side of the context in Node.js: Blob and Table storage by URLs that carry a signature for them alone. */

const { ObjectStorage, ask, check } = require('./sebsx_wrapper_http.cjs');

const VERSION = '2021-12-02';
const PIECE = 30000; // characters of a property: Azure takes 64 KiB of UTF-16
const NEXT = { 'x-ms-continuation-nextpartitionkey': 'NextPartitionKey', 'x-ms-continuation-nextrowkey': 'NextRowKey' };

/** Return a URL below another, whose signature stays at its end. */
function below(url, path, query = []) {
  const [place, signature] = url.split('?');
  return `${place}${path}?${[...query, signature].join('&')}`;
}

/** Objects of the run's container. */
class BlobStorage extends ObjectStorage {
  constructor(url) {
    super();
    this._url = url;
  }

  _get(key) {
    return ask(this._place(key), { headers: { 'x-ms-version': VERSION } });
  }

  _put(key, body) {
    const headers = { 'x-ms-version': VERSION, 'x-ms-blob-type': 'BlockBlob' };
    return ask(this._place(key), { method: 'PUT', body, headers });
  }

  _place(key) {
    return below(this._url, `/${key.split('/').map(encodeURIComponent).join('/')}`);
  }
}

/** Items of the run's table by partition and sort key; see the Python side for how they are written. */
class StorageTable {
  constructor(url) {
    this._url = url;
  }

  async put(partition, sort, item) {
    const text = asciiOf(JSON.stringify(item)); // which can be cut anywhere: a pair of surrogates cannot
    const entity = {};
    for (let at = 0; at < text.length; at += PIECE) {
      entity[`p${String(at / PIECE).padStart(3, '0')}`] = text.slice(at, at + PIECE);
    }
    await this._ask('PUT', keyOf(partition, sort), { body: JSON.stringify(entity) });
  }

  async get(partition, sort) {
    const found = await this._ask('GET', keyOf(partition, sort), { missing: 404 });
    return found === null ? null : itemOf(await found.json());
  }

  async query(partition) {
    const wanted = `$filter=${encodeURIComponent(`PartitionKey eq '${hex(partition)}'`)}`;
    const found = [];
    for (let more = []; ; ) {
      const page = await this._ask('GET', '()', { query: [wanted, ...more] });
      found.push(...(await page.json()).value);
      more = Object.entries(NEXT)
        .filter(([header]) => page.headers.get(header))
        .map(([header, name]) => `${name}=${encodeURIComponent(page.headers.get(header))}`);
      if (!more.length) return found.sort((a, b) => (a.RowKey < b.RowKey ? -1 : 1)).map(itemOf);
    }
  }

  async delete(partition, sort) {
    await this._ask('DELETE', keyOf(partition, sort), { more: { 'if-match': '*' }, missing: 404 });
  }

  async _ask(method, path, { query, body, more, missing } = {}) {
    const json = { accept: 'application/json;odata=nometadata', 'content-type': 'application/json' };
    const headers = { 'x-ms-version': VERSION, ...json, ...more };
    const answer = await ask(below(this._url, path, query), { method, body, headers });
    if (answer.status === missing) return null;
    await check(answer, `${method} of the table`);
    return answer;
  }
}

/** Return JSON with an escape for whatever is not ASCII. */
function asciiOf(json) {
  return json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function hex(text) {
  return Buffer.from(text).toString('hex');
}

function keyOf(partition, sort) {
  return `(PartitionKey='${hex(partition)}',RowKey='${hex(sort)}')`;
}

function itemOf(entity) {
  const names = Object.keys(entity).filter((name) => /^p\d+$/.test(name));
  return JSON.parse(names.sort().map((name) => entity[name]).join(''));
}

/** Return the client behind `context.storage`. */
exports.storage = () => new BlobStorage(process.env.SEBSX_CONTAINER_URL);

/** Return the client behind `context.table`. */
exports.table = () => {
  const { SEBSX_COSMOS_URL: url, SEBSX_COSMOS_KEY: key, SEBSX_TABLE_URL: place } = process.env;
  if (!url) return new StorageTable(place);
  const { CosmosTable } = require('./sebsx_wrapper_cosmos.cjs'); // in the package where it is asked for alone
  return new CosmosTable(url, key);
};
