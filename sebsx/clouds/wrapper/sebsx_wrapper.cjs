'use strict';
/**
 * The platform's side of the context in Node.js where storage speaks S3 and the table DynamoDB; the standard library alone.
 *
 * Source of the signature: AWS General Reference, "Signature Version 4 signing process".
 */

const crypto = require('crypto');
const fs = require('fs');

const TIMEOUT_MS = 60000;
const ATTEMPTS = 4;
const UNSIGNED = 'UNSIGNED-PAYLOAD';

/** One service of AWS, or one that speaks as it does, over kept connections, with signed requests. */
class Service {
  /**
   * @param name As the signature names it: `s3`, `dynamodb`.
   * @param host Host of the service where no endpoint is set.
   * @param endpoint URL of another endpoint, or undefined.
   */
  constructor(name, host, endpoint) {
    const { protocol, hostname, port, host: authority } = new URL(endpoint || `https://${host}`);
    this._http = require(protocol === 'https:' ? 'https' : 'http');
    this._place = { hostname, port: port || undefined, agent: new this._http.Agent({ keepAlive: true, ...trusted() }) };
    this._name = name;
    this._host = authority;
    this._region = process.env.AWS_REGION;
  }

  /** Send a signed request and return `{status, data}`; `body` makes what is sent, again for each attempt. */
  async ask(method, path, { body = () => Buffer.alloc(0), headers = {}, digest = UNSIGNED } = {}) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await this._send(method, path, body(), this._sign(method, path, headers, digest));
        if (attempt === ATTEMPTS || !isBusy(answer)) return answer;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt));
    }
  }

  _send(method, path, body, headers) {
    return new Promise((resolve, reject) => {
      const request = this._http.request({ ...this._place, method, path, headers, timeout: TIMEOUT_MS }, (response) => {
        const pieces = [];
        response.on('data', (piece) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode, data: Buffer.concat(pieces) }));
      });
      request.on('timeout', () => request.destroy(new Error(`${this._host} was silent for ${TIMEOUT_MS / 1000} s`)));
      request.on('error', reject);
      if (typeof body.pipe === 'function') body.on('error', (error) => request.destroy(error)).pipe(request);
      else request.end(body);
    });
  }

  _sign(method, path, more, digest) {
    const now = `${new Date().toISOString().replace(/[-:]/g, '').slice(0, 15)}Z`;
    const day = now.slice(0, 8);
    const headers = { ...more, host: this._host, 'x-amz-date': now, 'x-amz-content-sha256': digest };
    if (process.env.AWS_SESSION_TOKEN) headers['x-amz-security-token'] = process.env.AWS_SESSION_TOKEN;
    const names = Object.keys(headers).sort();
    const listed = names.join(';');
    const canonical = [method, path, '', ...names.map((name) => `${name}:${headers[name]}`), '', listed, digest].join('\n');
    const scope = `${day}/${this._region}/${this._name}/aws4_request`;
    const text = ['AWS4-HMAC-SHA256', now, scope, sha256(canonical)].join('\n');
    let key = `AWS4${process.env.AWS_SECRET_ACCESS_KEY}`;
    for (const part of [day, this._region, this._name, 'aws4_request', text]) {
      key = crypto.createHmac('sha256', key).update(part).digest();
    }
    headers.authorization =
      `AWS4-HMAC-SHA256 Credential=${process.env.AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${listed}, ` +
      `Signature=${key.toString('hex')}`;
    return headers;
  }
}

/** Return whom a connection trusts: whom Node.js does, and the certificate that the user gave. */
function trusted() {
  const given = process.env.SEBSX_TRUSTED;
  return given ? { ca: [...require('tls').rootCertificates, given] } : {};
}

/** Objects of the run's bucket. */
class S3Storage {
  constructor(bucket) {
    const endpoint = process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL;
    this._service = new Service('s3', `${bucket}.s3.${domain()}`, endpoint);
    this._prefix = endpoint ? `/${bucket}/` : '/';
  }

  async download(key) {
    const { status, data } = await this._service.ask('GET', this._path(key));
    if (status === 404) throw new Error(`storage holds no object '${key}'`);
    check(status, data, `read of '${key}'`);
    return data;
  }

  async upload(key, data) {
    const bytes = Buffer.from(data);
    await this._put(key, () => bytes, bytes.length);
  }

  async downloadFile(key, path) {
    await fs.promises.writeFile(path, await this.download(key));
  }

  async uploadFile(key, path) {
    await this._put(key, () => fs.createReadStream(path), (await fs.promises.stat(path)).size);
  }

  async _put(key, body, length) {
    const headers = { 'content-length': String(length) };
    const { status, data } = await this._service.ask('PUT', this._path(key), { body, headers });
    check(status, data, `write of '${key}'`);
  }

  _path(key) {
    if (!key || key.split('/').some((part) => ['', '.', '..'].includes(part)) || key.includes('\0')) {
      throw new Error(`storage key ${JSON.stringify(key)} cannot be used`);
    }
    return this._prefix + key.split('/').map(quoted).join('/');
  }
}

/** Items of the run's table by partition and sort key. */
class DynamoTable {
  constructor(name) {
    this._name = name;
    const endpoint = process.env.AWS_ENDPOINT_URL_DYNAMODB || process.env.AWS_ENDPOINT_URL;
    this._service = new Service('dynamodb', `dynamodb.${domain()}`, endpoint);
  }

  async put(partition, sort, item) {
    await this._ask('PutItem', { Item: { ...keyOf(partition, sort), item: { S: JSON.stringify(item) } } });
  }

  async get(partition, sort) {
    const { Item: found } = await this._ask('GetItem', { Key: keyOf(partition, sort), ConsistentRead: true });
    return found === undefined ? null : JSON.parse(found.item.S);
  }

  async query(partition) {
    const wanted = {
      KeyConditionExpression: '#p = :p',
      ExpressionAttributeNames: { '#p': 'partition' },
      ExpressionAttributeValues: { ':p': { S: partition } },
      ConsistentRead: true,
    };
    const found = [];
    for (;;) {
      const page = await this._ask('Query', wanted);
      found.push(...page.Items.map(({ item }) => JSON.parse(item.S)));
      if (page.LastEvaluatedKey === undefined) return found;
      wanted.ExclusiveStartKey = page.LastEvaluatedKey;
    }
  }

  async delete(partition, sort) {
    await this._ask('DeleteItem', { Key: keyOf(partition, sort) });
  }

  async _ask(action, document) {
    const body = Buffer.from(JSON.stringify({ TableName: this._name, ...document }));
    const { status, data } = await this._service.ask('POST', '/', {
      body: () => body,
      headers: {
        'content-length': String(body.length),
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `DynamoDB_20120810.${action}`,
      },
      digest: sha256(body),
    });
    check(status, data, action);
    return JSON.parse(data.toString());
  }
}

/** Return the region and the domain of AWS's services in it. */
function domain() {
  const region = process.env.AWS_REGION;
  return `${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

/** Return the key of an item. */
function keyOf(partition, sort) {
  return { partition: { S: partition }, sort: { S: sort } };
}

/** Tell whether a service wants to be asked again. */
function isBusy({ status, data }) {
  return status >= 500 || status === 429 || (status >= 400 && data.includes('Throughput'));
}

function sha256(data) {
  return crypto.createHash('sha256').update(data).digest('hex');
}

/** Return a part of a path as the signature wants it (RFC 3986). */
function quoted(part) {
  return encodeURIComponent(part).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Throw what the service said when it refused. */
function check(status, data, what) {
  if (status < 200 || status >= 300) throw new Error(`${what} failed with ${status}: ${data.subarray(0, 300)}`);
}

module.exports = {
  /** Return the client behind `context.storage`. */
  storage: () => new S3Storage(process.env.SEBSX_BUCKET),
  /** Return the client behind `context.table`. */
  table: () => new DynamoTable(process.env.SEBSX_TABLE),
};
