'use strict';
/** Render an HTML page from a template. */

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const mustache = require('mustache');

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };
const PAGE = fs.readFileSync(path.join(__dirname, 'page.html'), 'utf8');

mustache.escape = (value) => String(value).replace(/[&<>"']/g, (letter) => ESCAPES[letter]);
mustache.parse(PAGE); // kept by mustache: compiled now, not in the first call

/** Return `count` numbers below 1,000,000 from SHAKE-256, of 32 bits each, which every language can draw. */
function randomValues(seed, count) {
  const values = new Array(count);
  if (count === 0) return values; // no digest is empty
  const drawn = crypto.createHash('shake256', { outputLength: 4 * count }).update(seed).digest();
  for (let place = 0; place < count; place += 1) values[place] = drawn.readUInt32LE(4 * place) % 1000000;
  return values;
}

/** Render the page and return its number of items, length in bytes and SHA-256. */
exports.handler = async (event, context) => {
  const values = context.phase('generate', () => randomValues(event.seed, event.count));
  const page = context.phase('compute', () => Buffer.from(mustache.render(PAGE, { username: event.username, values })));
  return {
    items: countOf(page, '<li>'),
    html_bytes: page.length,
    html_sha256: crypto.createHash('sha256').update(page).digest('hex'),
  };
};

function countOf(page, word) {
  let count = 0;
  for (let at = page.indexOf(word); at >= 0; at = page.indexOf(word, at + word.length)) count += 1;
  return count;
}
