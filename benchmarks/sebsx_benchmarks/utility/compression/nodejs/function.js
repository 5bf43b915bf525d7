'use strict';
/** Pack a folder of objects into a zip archive. */

const fs = require('fs');
const os = require('os');
const path = require('path');
const { pipeline } = require('stream/promises');

const yazl = require('yazl');

/** Download the files, archive them, upload the archive; return its key and sizes in bytes. */
exports.handler = async (event, context) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'compression-'));
  try {
    const files = [...event.names].sort().map((name) => path.join(folder, name));
    const archive = path.join(folder, 'archive.zip');
    await context.phase('download', async () => {
      for (const file of files) await context.storage.downloadFile(event.input_prefix + path.basename(file), file);
    });
    await context.phase('compute', () => writeArchive(archive, files, event.level));
    const key = `${event.output_prefix}${context.requestId}.zip`;
    await context.phase('upload', () => context.storage.uploadFile(key, archive));
    return {
      key,
      input_bytes: files.reduce((sum, file) => sum + fs.statSync(file).size, 0),
      archive_bytes: fs.statSync(archive).size,
    };
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
};

/** Write the files in the order given, with a fixed date, so that equal input makes an equal archive. */
async function writeArchive(archive, files, compressionLevel) {
  const zip = new yazl.ZipFile();
  for (const file of files) {
    const options = { mtime: new Date(1980, 0, 1), mode: 0o100644, compressionLevel };
    zip.addFile(file, path.basename(file), options);
  }
  zip.end();
  await pipeline(zip.outputStream, fs.createWriteStream(archive));
}
