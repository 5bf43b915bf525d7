/**
 * What AWS Lambda's own runtime client for Node.js calls: hands events to the shim and returns its envelope.
 *
 * A module, because Lambda ends the initialisation only when what a module awaits is there: the function is loaded in it.
 * Errors that nobody catches and `process.exit` are left to Lambda's client, which ends the sandbox for them.
 */

import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const { Shim } = require('./sebsx_runtime/shim.cjs');

// In the words of sebsx; AWS may add others, which stay as they are.
const KINDS = { 'provisioned-concurrency': 'provisioned' };
const kind = process.env.AWS_LAMBDA_INITIALIZATION_TYPE || '';

const shim = new Shim(dirname(fileURLToPath(import.meta.url)));
const failure = await shim.failure();
const readyMs = Date.now();

/** Serve one invocation; what the function throws is an answer, so that Lambda does not try again by itself. */
export async function handler(event, context) {
  if (failure !== null) return JSON.parse(failure);
  const nowMs = Date.now();
  const deadlineS = (nowMs + context.getRemainingTimeInMillis()) / 1000;
  const answer = await shim.invoke(eventOf(event), context.awsRequestId, deadlineS, context);
  const envelope = JSON.parse(answer.text);
  if (envelope.sebsx.call === 1) {
    // Evidence of how this sandbox came to be.
    envelope.sebsx.initialization = KINDS[kind] ?? kind;
    envelope.sebsx.init_gap_s = (nowMs - readyMs) / 1000;
  }
  return envelope;
}

/** Return the event that was meant: of a function URL it is the body. */
function eventOf(event) {
  if (event?.requestContext === undefined || event.rawPath === undefined) return event;
  const body = event.body || 'null';
  return JSON.parse(event.isBase64Encoded ? Buffer.from(body, 'base64').toString() : body);
}
