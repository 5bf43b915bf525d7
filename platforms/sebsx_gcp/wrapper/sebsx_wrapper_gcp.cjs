'use strict';
/** What Google's functions framework calls: hands requests to the shim and returns its envelope. */

const { Shim } = require('./sebsx_runtime/shim.cjs');

const TIMEOUT_S = Number(process.env.SEBSX_TIMEOUT_S || 3600);
const exit = process.exit.bind(process); // the shim keeps functions from calling it
const shim = new Shim(__dirname);
shim.watch();
let readyMs = 0;
const loaded = shim.load().then(
  () => {
    readyMs = Date.now();
    return null;
  },
  (error) => {
    if (error.answer === undefined) throw error;
    return error.answer;
  },
);

/** Serve one invocation; what the function throws is an answer, too. */
exports.handler = async (request, response) => {
  const nowMs = Date.now();
  const failure = await loaded;
  const answer = failure ?? (await invoke(request, nowMs));
  response.on('finish', () => {
    if (answer.exitCode !== null) exit(answer.exitCode);
  });
  response.status(200).type('application/json').send(answer.text);
};

async function invoke(request, nowMs) {
  const trace = (request.get('X-Cloud-Trace-Context') || '').split('/')[0];
  const body = request.rawBody?.length ? request.rawBody.toString() : 'null';
  const id = trace || request.get('X-Sebsx-Request-Id') || '';
  const answer = await shim.invoke(JSON.parse(body), id, nowMs / 1000 + TIMEOUT_S);
  const envelope = shim.calls === 1 ? JSON.parse(answer.text) : null; // evidence of how this instance came to be
  if (envelope?.sebsx?.call !== 1) return answer;
  envelope.sebsx.init_gap_s = Math.max(0, nowMs - readyMs) / 1000;
  return { ...answer, text: JSON.stringify(envelope) };
}
