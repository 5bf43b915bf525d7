'use strict';
/** The local platform's side of the context in Node.js: files for storage, and one file for each item of a table. */

const crypto = require('crypto');
const fs = require('fs/promises');
const path = require('path');

const PARTIAL = '.sebsx-partial-';

/** One file per object below a folder that all sandboxes share. */
class FileStorage {
  constructor(root) {
    this._root = root;
  }

  download(key) {
    return fs.readFile(this._path(key));
  }

  async upload(key, data) {
    await replace(this._path(key), (partial) => fs.writeFile(partial, data));
  }

  async downloadFile(key, target) {
    await fs.copyFile(this._path(key), target);
  }

  async uploadFile(key, source) {
    await replace(this._path(key), (partial) => fs.copyFile(source, partial));
  }

  _path(key) {
    if (!key || key.split('/').some((part) => ['', '.', '..'].includes(part)) || key.includes('\0')) {
      throw new Error(`storage key ${JSON.stringify(key)} cannot be used`);
    }
    return path.join(this._root, ...key.split('/'));
  }
}

/**
 * Items by partition and sort key, shared by all sandboxes: `<digest of partition>/<digest of sort key>`.
 * Node.js 20 has no SQLite in its standard library.
 */
class FileTable {
  constructor(root) {
    this._root = root;
  }

  async put(partition, sort, item) {
    await replace(this._path(partition, sort), (partial) => fs.writeFile(partial, JSON.stringify({ sort, item })));
  }

  async get(partition, sort) {
    const found = await read(this._path(partition, sort));
    return found === null ? null : found.item;
  }

  async query(partition) {
    const folder = this._path(partition);
    const names = await orNull(fs.readdir(folder));
    const items = (names || []).filter((name) => !name.startsWith(PARTIAL)).map((name) => read(path.join(folder, name)));
    const found = (await Promise.all(items)).filter((item) => item !== null);
    const bytes = new Map(found.map((entry) => [entry, Buffer.from(entry.sort)])); // the order of UTF-8, as SQLite's
    return found.sort((a, b) => Buffer.compare(bytes.get(a), bytes.get(b))).map((entry) => entry.item);
  }

  async delete(partition, sort) {
    await fs.rm(this._path(partition, sort), { force: true });
  }

  _path(...keys) {
    return path.join(this._root, ...keys.map((key) => crypto.createHash('sha256').update(key).digest('hex')));
  }
}

/** Write a file under another name and move it to its place in one step. */
async function replace(target, write) {
  const folder = path.dirname(target);
  await fs.mkdir(folder, { recursive: true });
  const partial = path.join(folder, PARTIAL + crypto.randomBytes(16).toString('hex'));
  await write(partial);
  await fs.rename(partial, target);
}

async function read(file) {
  const text = await orNull(fs.readFile(file, 'utf8'));
  return text === null ? null : JSON.parse(text);
}

async function orNull(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return null;
  }
}

/** Return the client behind `context.storage`. */
exports.storage = () => new FileStorage(process.env.SEBSX_STORAGE_ROOT);

/** Return the client behind `context.table`. */
exports.table = () => new FileTable(`${process.env.SEBSX_TABLE_FILE}.items`);
