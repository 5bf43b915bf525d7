'use strict';
/** What AWS's native module `rapid-client.node` does: asks for events, and sends answers before it returns. */

const http = require('http');
const { spawnSync } = require('child_process');

const API = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const SEND_AND_WAIT = `
const [url, type] = process.argv.slice(1);
const headers = { 'Lambda-Runtime-Function-Error-Type': type };
require('http').request(url, { method: 'POST', headers }, (answer) => answer.resume()).end(require('fs').readFileSync(0));
`;
let sent = Promise.resolve();

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${API}${path}`, { method, agent }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => resolve({ bodyJson: Buffer.concat(pieces).toString(), headers: response.headers }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

module.exports = {
  next: async () => {
    await sent;
    return ask('GET', '/invocation/next').catch(() => process.exit(0)); // the platform is done with this sandbox
  },
  done: (id, body) => {
    sent = ask('POST', `/invocation/${id}/response`, body);
  },
  /** The client ends the process once this returns. */
  error: (id, body) => {
    const words = ['-e', SEND_AND_WAIT, `${API}/invocation/${id}/error`, JSON.parse(body).errorType];
    spawnSync(process.execPath, words, { input: body });
  },
};
