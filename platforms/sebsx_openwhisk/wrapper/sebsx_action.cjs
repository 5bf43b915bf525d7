'use strict';
/**
 * What OpenWhisk's Node.js runtime calls, as `index.js` of the action: hands events to the shim and returns its envelope.
 *
 * The package lies beside it, or in the image. The runtime requires it in /init, so that the function is loaded there.
 */

const fs = require('fs');

const IN_IMAGE = '/sebsx/package';

Object.assign(process.env, JSON.parse(fs.readFileSync(`${__dirname}/sebsx_variables.json`, 'utf8')));
const root = fs.existsSync(`${__dirname}/package`) ? `${__dirname}/package` : IN_IMAGE;
process.chdir(root);
const { Shim } = require(`${root}/sebsx_runtime/shim.cjs`);

const shim = new Shim(root);
shim.watch();
const loading = shim.failure();

/** Serve one activation; never throws, so that the envelope says what was wrong. */
exports.main = async (parameters) => {
  const failure = await loading;
  if (failure !== null) return JSON.parse(failure);
  const deadlineMs = Number(process.env.__OW_DEADLINE) || null;
  const id = process.env.__OW_ACTIVATION_ID || '';
  const answer = await shim.invoke(parameters.event, id, deadlineMs === null ? null : deadlineMs / 1000);
  return JSON.parse(answer.text);
};
