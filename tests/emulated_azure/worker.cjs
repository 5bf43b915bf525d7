'use strict';
/**
 * Runs an app in Node.js with Microsoft's library for functions, `@azure/functions`, as the package brings it.
 *
 * What Azure's worker does around it is here: the module `@azure/functions-core`, which that library talks to, and HTTP
 * on the other side. Prints `{"port", "functions"}` once the app is loaded.
 */

const http = require('http');
const Module = require('module');
const path = require('path');

const functions = new Map();
let model = null;
const core = {
  version: '3.10.1',
  hostVersion: '4.1036.0',
  setProgrammingModel: (chosen) => (model = chosen),
  getProgrammingModel: () => model,
  registerHook: () => ({ dispose() {} }),
  log: () => {},
  registerFunction(metadata, callback) {
    const [argument, trigger] = Object.entries(metadata.bindings).find(([, { type }]) => type === 'httpTrigger');
    functions.set(trigger.route || metadata.name, { metadata, callback, argument, trigger });
    return { dispose() {} };
  },
};
const load = Module._load;
Module._load = (name, ...rest) => (name === '@azure/functions-core' ? core : load(name, ...rest));

async function answer(request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const { metadata, callback, argument } = functions.get(request.url.slice(1));
  const data = {
    http: { method: request.method, url: `https://app${request.url}`, headers: request.headers, body: { bytes: Buffer.concat(pieces) } },
  };
  const invocationId = request.headers['x-emulated-invocation'];
  const context = {
    invocationId,
    metadata,
    request: { invocationId, inputData: [{ name: argument, data }] },
    log: () => {},
    state: 'invocation',
  };
  const invocation = model.getInvocationModel(context);
  const { context: own, inputs } = await invocation.getArguments();
  const result = await invocation.invokeFunction(own, inputs, callback);
  const told = (await invocation.getResponse(own, result)).returnValue.http;
  response.writeHead(Number(told.statusCode), told.headers);
  response.end(told.body.bytes ?? told.body.string ?? '');
}

const root = process.argv[2];
process.chdir(root);
require(path.join(root, JSON.parse(require('fs').readFileSync(path.join(root, 'package.json'))).main));
const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
server.listen(0, '127.0.0.1', () => {
  const told = [...functions].map(([route, { metadata, trigger }]) => {
    return [route, { name: metadata.name, auth: String(trigger.authLevel).toUpperCase(), methods: trigger.methods }];
  });
  console.log(JSON.stringify({ port: server.address().port, functions: Object.fromEntries(told) }));
});
