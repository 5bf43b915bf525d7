'use strict';
/** Scale an image down to a thumbnail. */

const sharp = require('sharp');

/** Download the image, scale it to fit the bounds in its own shape, upload it as PNG. */
exports.handler = async (event, context) => {
  const data = await context.phase('download', () => context.storage.download(event.input_key));
  const thumbnail = await context.phase('compute', () =>
    sharp(data)
      .resize({ width: event.width, height: event.height, fit: 'inside', withoutEnlargement: true })
      .png()
      .toBuffer({ resolveWithObject: true }),
  );
  const key = `${event.output_prefix}${context.requestId}.png`;
  await context.phase('upload', () => context.storage.upload(key, thumbnail.data));
  return {
    key,
    width: thumbnail.info.width,
    height: thumbnail.info.height,
    thumbnail_bytes: thumbnail.data.length,
  };
};
