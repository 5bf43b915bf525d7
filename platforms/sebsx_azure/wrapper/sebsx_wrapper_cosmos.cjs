'use strict';
/** Cosmos DB behind `context.table` in Node.js; see the Python side for how items are written. */

const crypto = require('crypto');
const { ask, check } = require('./sebsx_wrapper_http.cjs');

const VERSION = '2018-12-31';
const QUERY = 'SELECT c.id, c.item FROM c WHERE c.partition = @partition';
const MORE = 'x-ms-continuation';

/** Items of the run's container by partition and sort key. */
class CosmosTable {
  constructor(url, key) {
    this._url = url;
    this._path = new URL(url).pathname;
    this._key = Buffer.from(key, 'base64');
  }

  async put(partition, sort, item) {
    const document = { id: hex(sort), partition: hex(partition), item: JSON.stringify(item) };
    await this._ask('POST', partition, { body: document, more: { 'x-ms-documentdb-is-upsert': 'true' } });
  }

  async get(partition, sort) {
    const found = await this._ask('GET', partition, { id: hex(sort), missing: 404 });
    return found === null ? null : JSON.parse((await found.json()).item);
  }

  async query(partition) {
    const more = { 'x-ms-documentdb-isquery': 'true', 'content-type': 'application/query+json' };
    const body = { query: QUERY, parameters: [{ name: '@partition', value: hex(partition) }] };
    for (const found = []; ; ) {
      const page = await this._ask('POST', partition, { body, more });
      found.push(...(await page.json()).Documents);
      more[MORE] = page.headers.get(MORE);
      if (!more[MORE]) return found.sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ item }) => JSON.parse(item));
    }
  }

  async delete(partition, sort) {
    await this._ask('DELETE', partition, { id: hex(sort), missing: 404 });
  }

  async _ask(method, partition, { id, body, more, missing }) {
    const headers = { 'x-ms-documentdb-partitionkey': JSON.stringify([hex(partition)]), ...more };
    if (body && !headers['content-type']) headers['content-type'] = 'application/json';
    const place = id ? `/docs/${id}` : '/docs';
    const prove = () => this._proof(method, (this._path + (id ? place : '')).slice(1));
    const answer = await ask(this._url + place, { method, headers, body: body && JSON.stringify(body), prove });
    if (answer.status === missing) return null;
    await check(answer, `${method} of the table`);
    return answer;
  }

  /** Return headers that say who asks; what is signed for a whole feed is the link of its parent. */
  _proof(method, link) {
    const date = new Date().toUTCString();
    const said = `${method.toLowerCase()}\ndocs\n${link}\n${date.toLowerCase()}\n\n`;
    const proof = crypto.createHmac('sha256', this._key).update(said).digest('base64');
    const authorization = encodeURIComponent(`type=master&ver=1.0&sig=${proof}`);
    return { authorization, 'x-ms-date': date, 'x-ms-version': VERSION };
  }
}

function hex(text) {
  return Buffer.from(text).toString('hex');
}

module.exports = { CosmosTable };
