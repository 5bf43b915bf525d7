'use strict';
/** What Azure's Node.js worker loads: hands requests to the shim and returns its envelope. */

const { app } = require('@azure/functions');
const { Hosted } = require('./sebsx_runtime/hosted.cjs');

const SENT_MS = 200; // until the worker has told the host of the answer, which nothing else shows
const exit = process.exit.bind(process); // the shim keeps functions from calling it
const hosted = new Hosted(__dirname);

/** Serve one invocation. */
async function handler(request, context) {
  const answer = await hosted.answer(await request.text(), context.invocationId);
  if (answer.exitCode !== null) setTimeout(() => exit(answer.exitCode), SENT_MS);
  // Azure keeps what it knows of an invocation under its id.
  const headers = { 'content-type': 'application/json', 'x-sebsx-invocation-id': context.invocationId };
  return { status: 200, headers, body: answer.text };
}

app.http('handler', { methods: ['POST'], authLevel: 'function', route: 'handler', handler });
