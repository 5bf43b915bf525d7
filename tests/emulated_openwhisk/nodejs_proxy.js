'use strict';
/**
 * An action container for Node.js: `/init` once, `/run` for each activation, markers behind what was printed.
 *
 * As the proxy of OpenWhisk's own image does it: the action is required into this process, from a zip with an `index.js`
 * or a `package.json`, and may serve several activations at once.
 */

const { execFileSync } = require('child_process');
const fs = require('fs');
const http = require('http');
const path = require('path');

const MARKER = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
let main = null;

/** Return status and answer of an initialisation. */
function initialise(value) {
  if (main !== null) return [403, { error: 'Cannot initialize the action more than once.' }];
  try {
    if (value.binary) {
      const folder = path.resolve('action');
      fs.writeFileSync('action.zip', value.code, 'base64');
      execFileSync('unzip', ['-qq', 'action.zip', '-d', folder]);
      if (!fs.existsSync(`${folder}/package.json`) && !fs.existsSync(`${folder}/index.js`)) {
        return [502, { error: 'Zipped actions must contain either package.json or index.js at the root.' }];
      }
      process.chdir(folder);
      main = require(folder)[value.main];
    } else {
      main = new Function('require', `${value.code}\nreturn ${value.main}`)(require);
    }
  } catch (error) {
    console.error('Error during initialization:', error);
    return [502, { error: `Initialization has failed due to: ${error.stack || error}` }];
  }
  if (typeof main !== 'function') return [502, { error: `Action entrypoint '${value.main}' is not a function.` }];
  return [200, { OK: true }];
}

/** Return status and answer of an activation. */
async function run(request) {
  if (main === null) return [500, { error: 'no action defined yet' }];
  const { value, ...more } = request;
  for (const [key, word] of Object.entries(more)) process.env[`__OW_${key.toUpperCase()}`] = String(word);
  let result;
  try {
    result = (await main(value)) ?? {};
  } catch (error) {
    result = { error: error ? String(error.message ?? error) : {} };
  }
  console.log(MARKER);
  console.error(MARKER);
  if (typeof result !== 'object') return [502, { error: 'The action did not return a dictionary.' }];
  return [200, result];
}

http
  .createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', async () => {
      const body = JSON.parse(Buffer.concat(pieces).toString());
      const [status, answer] = request.url === '/init' ? initialise(body.value || {}) : await run(body);
      const data = Buffer.from(JSON.stringify(answer));
      response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': data.length });
      response.end(data);
    });
  })
  .listen(Number(process.argv[3]), process.argv[2]);
