'use strict';
/** Copy an object by way of the disk. */

const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { pipeline } = require('stream/promises');

const BLOCK_BYTES = 1 << 20;

/** Download the object to a file, digest the file, upload it; return its new key, size and SHA-256. */
exports.handler = async (event, context) => {
  const key = `${event.output_prefix}${context.requestId}.bin`;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'uploader-'));
  try {
    const file = path.join(folder, 'object.bin');
    await context.phase('download', () => context.storage.downloadFile(event.input_key, file));
    const digest = await context.phase('compute', () => sha256(file));
    await context.phase('upload', () => context.storage.uploadFile(key, file));
    return { key, object_bytes: fs.statSync(file).size, object_sha256: digest };
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
};

/** Return the digest of a file, read block by block, so that memory does not grow with it. */
async function sha256(file) {
  const digest = crypto.createHash('sha256');
  await pipeline(fs.createReadStream(file, { highWaterMark: BLOCK_BYTES }), digest);
  return digest.digest('hex');
}
