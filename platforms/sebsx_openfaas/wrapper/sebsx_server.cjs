'use strict';
/**
 * The server behind of-watchdog (mode `http`): hands requests to the shim and answers with its envelope.
 *
 * The function is loaded by its first call, so that this call is cold as far as the function goes: the container is started
 * by its deployment, long before.
 */

const fs = require('fs');
const http = require('http');
const { Shim } = require('./sebsx_runtime/shim.cjs');

const SECRETS = process.env.SEBSX_SECRETS || '/var/openfaas/secrets';

if (process.env.SEBSX_SECRET) {
  Object.assign(process.env, JSON.parse(fs.readFileSync(`${SECRETS}/${process.env.SEBSX_SECRET}`, 'utf8')));
}
process.chdir(__dirname);
const shim = new Shim(__dirname);
shim.watch();

/** Return the envelope of a call, as JSON. */
async function answerTo(event, id) {
  const failure = await shim.failure();
  if (failure !== null) return failure;
  const timeoutS = Number(process.env.SEBSX_TIMEOUT_S) || null;
  return (await shim.invoke(event, id, timeoutS === null ? null : Date.now() / 1000 + timeoutS)).text;
}

/** Return status and answer of a request; the question whether this server is there calls nothing. */
async function answer(request, body) {
  if (request.url.endsWith('?sebsx=ready')) return [200, JSON.stringify({ ready: process.env.SEBSX_NONCE || '' })];
  let event;
  try {
    event = JSON.parse(body.length ? body.toString() : 'null');
  } catch {
    return [400, '{"error":{"type":"Sebsx.EventNotJson","message":"the event is not JSON","traceback":""}}'];
  }
  return [200, await answerTo(event, request.headers['x-call-id'] || '')];
}

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', async () => {
    const [status, text] = await answer(request, Buffer.concat(pieces));
    const data = Buffer.from(text);
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': data.length });
    response.end(data);
  });
});
server.keepAliveTimeout = 0; // the watchdog keeps connections, and one that closes first would fail a call
server.listen(Number(new URL(process.env.upstream_url || 'http://127.0.0.1:5000').port), '127.0.0.1');
