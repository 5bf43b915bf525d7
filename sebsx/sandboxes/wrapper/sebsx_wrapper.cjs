'use strict';
/** The local platform's side of the context in Node.js: files for storage, and one file for each item of a table. */

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const PARTIAL = '.sebsx-partial-';

/** Return what reading an object gives, or say that the object is not there. */
async function found(key, reading) {
  try {
    return await reading;
  } catch (error) {
    throw error.code === 'ENOENT' ? new Error(`storage holds no object '${key}'`) : error;
  }
}

/** One file per object below a folder that all sandboxes share. */
class FileStorage {
  constructor(root) {
    this._root = root;
  }

  download(key) {
    return found(key, fs.promises.readFile(this._path(key)));
  }

  async upload(key, data) {
    await replace(this._path(key), (partial) => fs.promises.writeFile(partial, data));
  }

  async downloadFile(key, target) {
    await found(key, fs.promises.copyFile(this._path(key), target));
  }

  async uploadFile(key, source) {
    await replace(this._path(key), (partial) => fs.promises.copyFile(source, partial));
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
 * Node.js 20 has no SQLite in its standard library. Items are small: calls that block cost a fraction of those that do not.
 */
class FileTable {
  constructor(root) {
    this._root = root;
  }

  async put(partition, sort, item) {
    const target = this._path(partition, sort);
    const partial = partialBeside(target);
    const text = JSON.stringify({ sort, item });
    if (orNull(() => fs.writeFileSync(partial, text)) === null) {
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.writeFileSync(partial, text);
    }
    fs.renameSync(partial, target);
  }

  async get(partition, sort) {
    const found = read(this._path(partition, sort));
    return found === null ? null : found.item;
  }

  async query(partition) {
    const folder = this._path(partition);
    return (orNull(() => fs.readdirSync(folder)) || [])
      .filter((name) => !name.startsWith(PARTIAL))
      .map((name) => read(path.join(folder, name)))
      .filter((found) => found !== null)
      .map(({ sort, item }) => ({ order: Buffer.from(sort), item })) // in the order of UTF-8, as SQLite has it
      .sort((a, b) => Buffer.compare(a.order, b.order))
      .map(({ item }) => item);
  }

  async delete(partition, sort) {
    fs.rmSync(this._path(partition, sort), { force: true });
  }

  _path(...keys) {
    return path.join(this._root, ...keys.map((key) => crypto.createHash('sha256').update(key).digest('hex')));
  }
}

/** Write a file under another name and move it to its place in one step. */
async function replace(target, write) {
  await fs.promises.mkdir(path.dirname(target), { recursive: true });
  const partial = partialBeside(target);
  await write(partial);
  await fs.promises.rename(partial, target);
}

function partialBeside(target) {
  return path.join(path.dirname(target), PARTIAL + crypto.randomBytes(16).toString('hex'));
}

function read(file) {
  const text = orNull(() => fs.readFileSync(file, 'utf8'));
  return text === null ? null : JSON.parse(text);
}

/** Return what `work` returns, null where there is no such file or folder. */
function orNull(work) {
  try {
    return work();
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return null;
  }
}

/** Return the client behind `context.storage`. */
exports.storage = () => new FileStorage(process.env.SEBSX_STORAGE_ROOT);

/** Return the client behind `context.table`. */
exports.table = () => new FileTable(`${process.env.SEBSX_TABLE_FILE}.items`);
