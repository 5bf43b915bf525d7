'use strict';
/** How long the threads of this process had a processor, and how long they waited while others had it (Linux). */

const fs = require('fs');

const TASKS = '/proc/self/task';
const ENDED = new Set(['ENOENT', 'ESRCH']);

/** Return processor time and run-queue delay of all threads so far in s; null where the kernel does not say. */
function read() {
  try {
    const { user, system } = process.cpuUsage();
    return { cpuS: (user + system) * 1e-6, delayS: delayS() };
  } catch {
    return null; // it measures, and must harm nobody
  }
}

/**
 * Return what came since a reading as samples; nothing where either is missing.
 *
 * A thread that ended meanwhile took its delay along: then the sum may be too small, never too large.
 */
function between(before) {
  const after = read();
  if (before === null || after === null) return {};
  return {
    'function.cpu_s': after.cpuS - before.cpuS,
    'function.runqueue_s': Math.max(0, after.delayS - before.delayS),
  };
}

function delayS() {
  let totalNs = 0;
  for (const thread of fs.readdirSync(TASKS)) {
    try {
      totalNs += Number(fs.readFileSync(`${TASKS}/${thread}/schedstat`, 'latin1').split(' ')[1]);
    } catch (error) {
      if (!ENDED.has(error.code)) throw error; // else it ended just now
    }
  }
  if (Number.isNaN(totalNs)) throw new TypeError('schedstat has another form');
  return totalNs * 1e-9;
}

module.exports = { between, read };
