'use strict';
/** Copy an object by way of the disk. */

const fs = require('fs');
const os = require('os');
const path = require('path');

/** Download the object to a file and upload that; return its new key and its size. */
exports.handler = async (event, context) => {
  const key = `${event.output_prefix}${context.requestId}.bin`;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'uploader-'));
  try {
    const file = path.join(folder, 'object.bin');
    await context.phase('download', () => context.storage.downloadFile(event.input_key, file));
    await context.phase('upload', () => context.storage.uploadFile(key, file));
    return { key, object_bytes: fs.statSync(file).size };
  } finally {
    context.phase('remove', () => fs.rmSync(folder, { recursive: true }));
  }
};
