/**
 * Runs a handler by AWS's runtime client for Node.js: `node nodejs_client.mjs FOLDER_OF_CLIENT HANDLER`.
 *
 * All of the client is AWS's but its connection to the Runtime API, which is a native module there.
 */

import Module from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const TRANSPORT = fileURLToPath(new URL('nodejs_transport.cjs', import.meta.url));
const [folder, handler] = process.argv.slice(2);
const resolve = Module._resolveFilename;
Module._resolveFilename = (name, ...more) =>
  name === './rapid-client.node' ? TRANSPORT : resolve.call(Module, name, ...more);

const { run } = await import(pathToFileURL(`${folder}/dist/index.mjs`).href);
await run(process.env.LAMBDA_TASK_ROOT, handler);
