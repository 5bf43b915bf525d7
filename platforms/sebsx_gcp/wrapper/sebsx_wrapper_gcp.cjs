'use strict';
/** What Google's functions framework calls: hands requests to the shim and returns its envelope. */

const { Hosted } = require('./sebsx_runtime/hosted.cjs');

const exit = process.exit.bind(process); // the shim keeps functions from calling it
const hosted = new Hosted(__dirname);

/** Serve one invocation. */
exports.handler = async (request, response) => {
  const trace = (request.get('X-Cloud-Trace-Context') || '').split('/')[0];
  const id = trace || request.get('X-Sebsx-Request-Id') || '';
  const answer = await hosted.answer(request.rawBody?.toString(), id);
  response.on('finish', () => {
    if (answer.exitCode !== null) exit(answer.exitCode);
  });
  response.status(200).type('application/json').send(answer.text);
};
